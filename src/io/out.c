/*
 * The write queue of a connection.  Commands are small and copied together into
 * one buffer; a message is borrowed from its owner; and all leaves in one writev.
 * A piece is a run of either kind.  Invariant: the copied pieces, in order, are
 * exactly the bytes of `copies` from `copies_sent` on.
 */
#include "out.h"

void out_init(struct out *out)
{
	*out = (struct out){0};
	buf_init(&out->copies, 0);
}

void out_clear(struct out *out)
{
	buf_clear(&out->copies);
	out_init(out);
}

static void add_piece(struct out *out, const char *borrowed, size_t n)
{
	out->pieces[out->count++] = (struct out_piece){borrowed, n};
}

void out_add(struct out *out, struct slice bytes)
{
	if (bytes.n == 0) {
		return;
	}
	if (out->count > 0 && out->pieces[out->count - 1].borrowed == NULL) {
		out->pieces[out->count - 1].n += bytes.n;
	} else {
		add_piece(out, NULL, bytes.n);
	}
	buf_add(&out->copies, bytes);
	out->total += bytes.n;
}

void out_borrow(struct out *out, struct slice bytes)
{
	/* One piece stays free, so that a copy always finds its place. */
	if (bytes.n == 0 || out->count + 1 >= OUT_PIECES) {
		out_add(out, bytes);
		return;
	}
	add_piece(out, bytes.p, bytes.n);
	out->total += bytes.n;
}

unsigned out_vectors(const struct out *out, struct iovec ret_vectors[OUT_PIECES])
{
	const char *copied = out->copies.p == NULL ? NULL : out->copies.p + out->copies_sent;

	for (unsigned i = 0; i < out->count; i++) {
		const struct out_piece *piece = &out->pieces[i];
		const char *p = piece->borrowed;

		if (p == NULL) {
			p = copied;
			copied += piece->n;
		}
		/* writev() takes what it only reads as not const. */
		ret_vectors[i] = (struct iovec){(void *)p, piece->n};
	}
	return out->count;
}

static void drop_piece(struct out *out)
{
	for (unsigned i = 1; i < out->count; i++) {
		out->pieces[i - 1] = out->pieces[i];
	}
	out->count--;
}

void out_sent(struct out *out, size_t n)
{
	out->total -= n;
	while (n > 0) {
		struct out_piece *piece = &out->pieces[0];
		size_t part = n < piece->n ? n : piece->n;

		if (piece->borrowed == NULL) {
			out->copies_sent += part;
		} else {
			piece->borrowed += part;
		}
		piece->n -= part;
		n -= part;
		if (piece->n == 0) {
			drop_piece(out);
		}
	}
	if (out->total == 0) {
		buf_reset(&out->copies);
		out->copies_sent = 0;
	}
}
