#include "io/watch.h"

#include <criterion/criterion.h>
#include <unistd.h>

#include "no_leaks.h"

TestSuite(watch, .fini = no_leaks, .timeout = 20);

static void count(void *owner)
{
	(*(int *)owner)++;
}

Test(watch, calls_once_in_a_later_turn)
{
	struct loop *loop = loop_new();
	struct watch *watch = NULL;
	int ends[2];
	int calls = 0;

	cr_assert_eq(pipe(ends), 0);
	cr_assert_eq(write(ends[1], "word", 4), 4);
	cr_assert(!err_is(watch_start(loop, ends[0], count, &calls, &watch)));
	cr_expect_eq(calls, 0);
	loop_run(loop);
	cr_expect_eq(calls, 1);
	(void)close(ends[0]);
	(void)close(ends[1]);
	loop_free(&loop);
}

Test(watch, the_other_end_gone_is_an_answer)
{
	struct loop *loop = loop_new();
	struct watch *watch = NULL;
	int ends[2];
	int calls = 0;

	cr_assert_eq(pipe(ends), 0);
	(void)close(ends[1]);
	cr_assert(!err_is(watch_start(loop, ends[0], count, &calls, &watch)));
	loop_run(loop);
	cr_expect_eq(calls, 1);
	(void)close(ends[0]);
	loop_free(&loop);
}

Test(watch, stopped_never_calls)
{
	struct loop *loop = loop_new();
	struct watch *watch = NULL;
	int ends[2];
	int calls = 0;

	cr_assert_eq(pipe(ends), 0);
	cr_assert_eq(write(ends[1], "word", 4), 4);
	cr_assert(!err_is(watch_start(loop, ends[0], count, &calls, &watch)));
	watch_stop(&watch);
	cr_expect_null(watch);
	(void)close(ends[0]);
	(void)close(ends[1]);
	loop_run(loop);
	cr_expect_eq(calls, 0);
	loop_free(&loop);
}

Test(watch, what_cannot_be_watched_is_said)
{
	struct loop *loop = loop_new();
	struct watch *watch = NULL;

	cr_expect_eq(watch_start(loop, -1, count, NULL, &watch).kind, ERR_SYSTEM);
	cr_expect_null(watch);
	loop_drain(loop);
	loop_free(&loop);
}
