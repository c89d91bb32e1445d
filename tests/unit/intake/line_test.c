/*
 * Whose turn it is: in the order of coming, and nobody waits for one who rests.
 */
#include "../../../src/intake/line.h"

#include <criterion/criterion.h>

#include "no_leaks.h"

TestSuite(line, .fini = no_leaks);

static struct id tenant(uint8_t number)
{
	return (struct id){{number}};
}

static void join(struct line *line, uint8_t number, int64_t now_us)
{
	struct id id = tenant(number);

	line_join(line, &id, now_us);
}

/* 0 = nobody's turn. */
static int call(struct line *line, int64_t now_us)
{
	const struct id *id = line_call(line, now_us);

	return id != NULL ? id->bytes[0] : 0;
}

Test(line, turns_go_around)
{
	struct line line = {.count = 0};

	cr_expect_eq(call(&line, 5), 0);
	cr_expect_eq(line_due_us(&line), INT64_MAX);
	for (uint8_t i = 1; i <= 3; i++) {
		join(&line, i, 5);
		join(&line, i, 6);
	}
	cr_expect_eq(line.count, 3);
	for (int i = 0; i < 6; i++) {
		cr_expect_eq(call(&line, 7), i % 3 + 1, "turn %d", i);
		line_return(&line, 7);
	}
	cr_expect_eq(call(&line, 7), 1);
	line_leave(&line);
	cr_expect_eq(call(&line, 7), 2);
	cr_expect_eq(line.count, 2);
}

Test(line, who_rests_is_passed_over)
{
	struct line line = {.count = 0};

	join(&line, 1, 0);
	join(&line, 2, 0);
	cr_expect_eq(call(&line, 0), 1);
	line_return(&line, 100);
	for (int i = 0; i < 3; i++) {
		cr_expect_eq(call(&line, 10), 2);
		line_return(&line, 10);
	}
	join(&line, 1, 10); /* a poll finds it again: that changes nothing */
	cr_expect_eq(call(&line, 10), 2);
	line_leave(&line);
	cr_expect_eq(call(&line, 99), 0);
	cr_expect_eq(line_due_us(&line), 100);
	cr_expect_eq(call(&line, 100), 1);
}

Test(line, all_places_taken)
{
	struct line line = {.count = 0};

	for (int i = 1; i <= LINE_PLACES; i++) {
		join(&line, (uint8_t)i, 0);
	}
	join(&line, 99, 0);
	cr_expect_eq(line.count, LINE_PLACES);
	cr_expect_eq(call(&line, 0), 1);
	line_return(&line, 100);
	cr_expect_eq(call(&line, 0), 2);
	line_return(&line, 200);
	join(&line, 99, 0); /* instead of the second, who rests longest */
	cr_expect_eq(line.count, LINE_PLACES);
	for (int i = 3; i <= LINE_PLACES; i++) {
		cr_expect_eq(call(&line, 0), i);
		line_leave(&line);
	}
	cr_expect_eq(call(&line, 0), 99);
	line_leave(&line);
	cr_expect_eq(call(&line, 0), 0);
	cr_expect_eq(call(&line, 500), 1);
	cr_expect_eq(line.count, 1);
}
