/*
 * What a server has said but not yet sent: bytes with the time they may go out,
 * and what is to happen between them.  Replies of one turn leave in one write.
 */
#ifndef WORLD_OUTPUT_H
#define WORLD_OUTPUT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/list.h"
#include "behave.h"

enum output_kind {
	OUTPUT_NOTHING, /* nothing is due */
	OUTPUT_BYTES,
	OUTPUT_TLS, /* the handshake begins */
	OUTPUT_END, /* the connection ends in the way of `then` */
};

struct output {
	struct list later; /* pieces that wait */
	struct buf ready;  /* bytes that may go now */
	size_t ready_sent;
	int64_t due_us; /* when the next piece may go, at the earliest */
	uint64_t split_bytes;
	int64_t pause_us;
};

void output_init(struct output *output);
void output_clear(struct output *output);

/* Nothing that is said from now on goes out before at_us; time does not go back. */
void output_not_before(struct output *output, int64_t at_us);
void output_wait(struct output *output, int64_t us);

void output_add(struct output *output, struct slice bytes, uint64_t times, int64_t now_us);
void output_add_event(struct output *output, enum output_kind kind, enum then then);

/*
 * Moves what is due into `ready`, up to the next thing that is not plain bytes; that
 * one is taken off and returned with its `then` once `ready` is empty, else it stays.
 */
enum output_kind output_next(struct output *output, int64_t now_us, enum then *ret_then);

/* When output_next() has more to do; -1 = nothing waits. */
int64_t output_due_us(const struct output *output);

static inline bool output_is_empty(const struct output *output)
{
	return output->ready.n == 0 && output->later.count == 0;
}

#endif
