/* What is said goes out in order, when it is due. */
#include <criterion/criterion.h>

#include "no_leaks.h"
#include "output.h"

TestSuite(output, .fini = no_leaks);

static struct slice take(struct output *output, int64_t now_us)
{
	enum then then;

	cr_assert_eq(output_next(output, now_us, &then), OUTPUT_BYTES);
	return buf_slice(&output->ready);
}

Test(output, at_once_when_nothing_waits)
{
	struct output output;

	output_init(&output);
	cr_expect(output_is_empty(&output));
	output_add(&output, SLICE("one "), 1, 100);
	output_add(&output, SLICE("two"), 1, 100);
	cr_expect_eq(output_due_us(&output), -1);
	cr_expect(slice_equal(take(&output, 100), SLICE("one two")));
	output_clear(&output);
}

Test(output, order_is_kept_over_delays_and_ends)
{
	struct output output;
	enum then then = THEN_GO_ON;

	output_init(&output);
	output_not_before(&output, 150);
	output_add(&output, SLICE("a"), 1, 100);
	output_wait(&output, 50);
	output_add(&output, SLICE("b"), 1, 100);
	output_add_event(&output, OUTPUT_END, THEN_RESET);
	cr_expect_eq(output_next(&output, 149, &then), OUTPUT_NOTHING);
	cr_expect_eq(output_due_us(&output), 150);
	cr_expect(slice_equal(take(&output, 150), SLICE("a")));
	buf_reset(&output.ready);
	cr_expect_eq(output_due_us(&output), 200);
	cr_expect(slice_equal(take(&output, 200), SLICE("b")));
	cr_expect_eq(output_next(&output, 200, &then), OUTPUT_BYTES, "the end waits for the bytes");
	buf_reset(&output.ready);
	cr_expect_eq(output_next(&output, 200, &then), OUTPUT_END);
	cr_expect_eq(then, THEN_RESET);
	cr_expect_eq(output_next(&output, 200, &then), OUTPUT_NOTHING);
	output_clear(&output);
}

Test(output, pieces_are_alone)
{
	struct output output;
	enum then then;

	output_init(&output);
	output.split_bytes = 2;
	output_add(&output, SLICE("abcde"), 1, 0);
	for (size_t i = 0; i < 3; i++) {
		cr_expect_eq(take(&output, 0).n, i < 2 ? 2 : 1);
		buf_reset(&output.ready);
	}
	cr_expect_eq(output_next(&output, 0, &then), OUTPUT_NOTHING);
	output_clear(&output);
}

Test(output, repetition_is_bounded)
{
	struct output output;
	uint64_t total = 0;
	enum then then;

	output_init(&output);
	output_add(&output, SLICE("0123456789"), 1000000, 0);
	while (output_next(&output, 0, &then) == OUTPUT_BYTES) {
		cr_assert_leq(output.ready.n, 65546);
		total += output.ready.n;
		buf_reset(&output.ready);
	}
	cr_expect_eq(total, 10000000);
	output_clear(&output);
}
