/*
 * The queue behind latency, delays and bytewise replies.
 *
 * In the common case (no latency, nothing waiting) bytes go straight to `ready` and
 * the queue is never touched.  Otherwise each piece has its time; times only grow,
 * so the order in which things were said is the order in which they leave.  An
 * endless reply is one piece that is repeated as the socket takes it.
 */
#include "output.h"

#include "base/mem.h"

#define READY_MAX 65536

struct piece {
	struct list_link link;
	enum output_kind kind;
	enum then then;
	bool alone; /* a write of its own */
	int64_t due_us;
	uint64_t times;
	char *bytes;
	size_t n;
};

static struct piece *first_piece(const struct output *output)
{
	struct list_link *link = list_first(&output->later);

	return link != NULL ? LIST_OWNER(link, struct piece, link) : NULL;
}

static void piece_free(struct output *output, struct piece *piece)
{
	list_remove(&output->later, &piece->link);
	mem_free(piece->bytes);
	mem_free(piece);
}

static struct piece *piece_add(struct output *output, enum output_kind kind)
{
	struct piece *piece = MEM_NEW(struct piece);

	piece->kind = kind;
	piece->due_us = output->due_us;
	list_push(&output->later, &piece->link);
	return piece;
}

void output_init(struct output *output)
{
	*output = (struct output){0};
	list_init(&output->later);
}

void output_clear(struct output *output)
{
	struct piece *piece;

	while ((piece = first_piece(output)) != NULL) {
		piece_free(output, piece);
	}
	buf_clear(&output->ready);
}

void output_not_before(struct output *output, int64_t at_us)
{
	if (at_us > output->due_us) {
		output->due_us = at_us;
	}
}

void output_wait(struct output *output, int64_t us)
{
	output->due_us += us;
}

void output_add(struct output *output, struct slice bytes, uint64_t times, int64_t now_us)
{
	if (output->split_bytes > 0) {
		while (bytes.n > 0) {
			struct slice part = slice_first(bytes, (size_t)output->split_bytes);
			struct piece *piece = piece_add(output, OUTPUT_BYTES);

			piece->bytes = mem_copy(part.p, part.n);
			piece->n = part.n;
			piece->times = 1;
			piece->alone = true;
			output->due_us += output->pause_us;
			bytes = slice_from(bytes, part.n);
		}
		return;
	}
	if (output->later.count == 0 && output->due_us <= now_us && times == 1) {
		buf_add(&output->ready, bytes);
		return;
	}
	if (bytes.n > 0 && times > 0) {
		struct piece *piece = piece_add(output, OUTPUT_BYTES);

		piece->bytes = mem_copy(bytes.p, bytes.n);
		piece->n = bytes.n;
		piece->times = times;
	}
}

void output_add_event(struct output *output, enum output_kind kind, enum then then)
{
	piece_add(output, kind)->then = then;
}

/* The next repetition of a piece becomes ready; true when nothing may join it. */
static bool make_ready(struct output *output, struct piece *piece)
{
	bool alone = piece->alone;

	buf_add(&output->ready, slice_make(piece->bytes, piece->n));
	if (--piece->times == 0) {
		piece_free(output, piece);
	}
	return alone;
}

enum output_kind output_next(struct output *output, int64_t now_us, enum then *ret_then)
{
	struct piece *piece;
	bool full = false;

	while (!full && (piece = first_piece(output)) != NULL && piece->due_us <= now_us) {
		enum output_kind kind = piece->kind;

		if (output->ready.n > 0 &&
			(kind != OUTPUT_BYTES || piece->alone || output->ready.n >= READY_MAX)) {
			break;
		}
		if (kind != OUTPUT_BYTES) {
			*ret_then = piece->then;
			piece_free(output, piece);
			return kind;
		}
		full = make_ready(output, piece);
	}
	return output->ready.n > 0 ? OUTPUT_BYTES : OUTPUT_NOTHING;
}

int64_t output_due_us(const struct output *output)
{
	const struct piece *piece = first_piece(output);

	return piece != NULL ? piece->due_us : -1;
}
