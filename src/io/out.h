/*
 * Bytes that wait to be written: copies and borrowed views in one order.  Pure.
 */
#ifndef SRC_IO_OUT_H
#define SRC_IO_OUT_H

#include <stddef.h>
#include <sys/uio.h>

#include "base/buf.h"
#include "base/slice.h"

enum { OUT_PIECES = 6 };

struct out_piece {
	const char *borrowed; /* NULL: the next n bytes of `copies` */
	size_t n;
};

struct out {
	struct buf copies;
	size_t copies_sent;
	size_t total; /* bytes that wait */
	unsigned count;
	struct out_piece pieces[OUT_PIECES];
};

void out_init(struct out *out);
void out_clear(struct out *out); /* frees and empties */

void out_add(struct out *out, struct slice bytes);

/* Copies when all pieces are in use: many small borrowings are cheaper copied. */
void out_borrow(struct out *out, struct slice bytes);

/* The front as vectors (at most OUT_PIECES); valid until the next call but this. */
unsigned out_vectors(const struct out *out, struct iovec ret_vectors[OUT_PIECES]);

/* So many bytes of the front are written. */
void out_sent(struct out *out, size_t n);

#endif
