#include <criterion/criterion.h>
#include <stdlib.h>

#include "base/buf.h"
#include "no_leaks.h"

/* An inner header of src/io: the queue is pure. */
#include "../../../src/io/out.h"

TestSuite(out, .fini = no_leaks);

/* Moves n bytes of the front over to `to`, as a kernel that takes so many would. */
static void write_some(struct out *out, size_t n, struct buf *to)
{
	struct iovec vectors[OUT_PIECES];
	unsigned count = out_vectors(out, vectors);
	size_t left = n;

	cr_assert_leq(count, OUT_PIECES);
	for (unsigned i = 0; i < count && left > 0; i++) {
		size_t part = vectors[i].iov_len < left ? vectors[i].iov_len : left;

		cr_assert_gt(vectors[i].iov_len, 0);
		buf_add(to, slice_make(vectors[i].iov_base, part));
		left -= part;
	}
	cr_assert_eq(left, 0);
	out_sent(out, n);
}

Test(out, a_message_is_borrowed_and_its_commands_are_copied_together)
{
	static const char body[] = "body";
	struct iovec vectors[OUT_PIECES];
	struct out out;

	out_init(&out);
	out_add(&out, SLICE("MAIL "));
	out_add(&out, SLICE("RCPT "));
	out_borrow(&out, slice_of(body));
	out_borrow(&out, SLICE(""));
	out_add(&out, SLICE("."));
	cr_assert_eq(out.total, 15);
	cr_assert_eq(out_vectors(&out, vectors), 3);
	cr_assert_eq(vectors[0].iov_len, 10);
	cr_assert_eq(vectors[1].iov_base, (void *)body, "not copied");
	cr_assert_eq(memcmp(vectors[2].iov_base, ".", 1), 0);
	out_clear(&out);
	cr_assert_eq(out.total, 0);
}

/* Whatever is added, borrowed and written, in whatever portions: the same bytes, in order. */
Test(out, order_is_kept_in_random_portions)
{
	struct buf wanted, got;
	char texts[64][8];
	struct out out;

	srandom(7);
	buf_init(&wanted, 0);
	buf_init(&got, 0);
	out_init(&out);
	for (int round = 0; round < 20000; round++) {
		char *text =
			texts[round % 64]; /* borrowed ones are written before it comes again */
		size_t n = (size_t)(random() % 8);

		for (size_t i = 0; i < n; i++) {
			text[i] = (char)('a' + random() % 26);
		}
		buf_add(&wanted, slice_make(text, n));
		if (random() % 2 == 0) {
			out_add(&out, slice_make(text, n));
		} else {
			out_borrow(&out, slice_make(text, n));
		}
		if (round % 32 == 31) {
			write_some(&out, out.total, &got);
		} else if (out.total > 0 && random() % 3 == 0) {
			write_some(&out, (size_t)random() % out.total + 1, &got);
		}
	}
	write_some(&out, out.total, &got);
	cr_assert(slice_equal(buf_slice(&wanted), buf_slice(&got)));
	out_clear(&out);
	buf_clear(&wanted);
	buf_clear(&got);
}
