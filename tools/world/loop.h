/*
 * One turn of the loop: what is readable or writable, what is due, then the end of
 * the turn, where what was gathered goes out in one write each.  Times are
 * monotonic microseconds, read once a turn.
 *
 * A watch or an alarm is a member of its owner and must be taken out before the
 * owner's memory goes; that must not happen inside a callback of another owner
 * of the same turn: give memory back at the end of the turn.
 */
#ifndef WORLD_LOOP_H
#define WORLD_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/heap.h"

struct loop;

struct watch {
	int fd;
	uint32_t events; /* EPOLLIN, EPOLLOUT; kept by the loop */
	void (*on_ready)(struct watch *watch, uint32_t events);
};

struct alarm {
	struct heap_node node;
	void (*on_due)(struct alarm *alarm);
};

MUST_USE struct err loop_new(struct loop **ret_loop);
void loop_free(struct loop **loop);

MUST_USE struct err loop_watch(struct loop *loop, struct watch *watch, uint32_t events);
void loop_change(struct loop *loop, struct watch *watch, uint32_t events);
void loop_unwatch(struct loop *loop, struct watch *watch); /* does not close the fd */

void loop_alarm(struct loop *loop, struct alarm *alarm, int64_t at_us); /* or moves it */
void loop_cancel(struct loop *loop, struct alarm *alarm);

int64_t loop_now_us(const struct loop *loop);

/* on_turn is called once at the end of each turn. */
void loop_run(struct loop *loop, void (*on_turn)(void *owner), void *owner);
void loop_stop(struct loop *loop);

#endif
