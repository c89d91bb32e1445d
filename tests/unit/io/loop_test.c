#include "io/loop.h"

#include <criterion/criterion.h>
#include <signal.h>

#include "base/time.h"
#include "no_leaks.h"

TestSuite(loop, .fini = no_leaks, .timeout = 20);

struct trace {
	struct loop *loop;
	struct timer timer;
	struct later later;
	char name;
	int left;
	char *at; /* where the next name goes, shared */
	int64_t now_us;
};

static char said[64];

static void say(struct trace *trace)
{
	size_t n = strlen(said);

	said[n] = trace->name;
	said[n + 1] = '\0';
	trace->now_us = loop_now_us(trace->loop);
}

static void on_due(void *owner)
{
	say(owner);
}

static void on_turn(void *owner)
{
	struct trace *trace = owner;

	say(trace);
	if (--trace->left > 0) {
		loop_later(trace->loop, &trace->later);
	}
}

static void trace_init(struct trace *trace, struct loop *loop, char name)
{
	*trace = (struct trace){.loop = loop, .name = name};
	timer_init(&trace->timer, loop, on_due, trace);
	later_init(&trace->later, on_turn, trace);
}

Test(loop, timers_come_in_order_of_their_times)
{
	struct loop *loop = loop_new();
	struct trace a, b, c, d;

	trace_init(&a, loop, 'a');
	trace_init(&b, loop, 'b');
	trace_init(&c, loop, 'c');
	trace_init(&d, loop, 'd');
	int64_t start_us = loop_now_us(loop);

	timer_set(&c.timer, start_us + 30000);
	timer_set(&a.timer, start_us + 10000);
	timer_set(&b.timer, start_us + 90000);
	timer_set(&b.timer, start_us + 20000); /* moved */
	timer_set(&d.timer, start_us + 15000);
	cr_assert(timer_is_set(&d.timer));
	timer_stop(&d.timer);
	cr_assert(!timer_is_set(&d.timer));
	loop_run(loop); /* ends: nothing is left */
	cr_assert_str_eq(said, "abc");
	cr_assert(a.now_us >= start_us + 10000 && c.now_us >= start_us + 30000);
	cr_assert(c.now_us < start_us + 60000, "late by %ld us", (long)(c.now_us - start_us));
	loop_free(&loop);
	cr_assert_null(loop);
}

Test(loop, a_timer_in_the_past_comes_in_the_next_turn)
{
	struct loop *loop = loop_new();
	struct trace a;

	trace_init(&a, loop, 'a');
	timer_set(&a.timer, loop_now_us(loop) - 5000000);
	cr_assert_str_eq(said, "", "never from within timer_set()");
	loop_run(loop);
	cr_assert_str_eq(said, "a");
	loop_free(&loop);
}

Test(loop, laters_run_once_each_in_order_and_see_one_now)
{
	struct loop *loop = loop_new();
	struct trace a, b, c;

	trace_init(&a, loop, 'a');
	trace_init(&b, loop, 'b');
	trace_init(&c, loop, 'c');
	loop_later(loop, &b.later);
	loop_later(loop, &a.later);
	loop_later(loop, &b.later); /* queued once */
	loop_later(loop, &c.later);
	loop_later_cancel(loop, &c.later);
	loop_later_cancel(loop, &c.later);
	cr_assert_str_eq(said, "");
	loop_run(loop);
	cr_assert_str_eq(said, "ba");
	cr_assert_eq(a.now_us, b.now_us);
	loop_free(&loop);
}

static void on_stop(void *owner)
{
	loop_stop(owner);
}

Test(loop, laters_that_come_back_do_not_starve_the_timers)
{
	struct loop *loop = loop_new();
	struct trace restless;
	struct timer end;

	trace_init(&restless, loop, 'r');
	timer_init(&end, loop, on_stop, loop);
	timer_set(&end, loop_now_us(loop) + 5000);
	restless.left = 50;
	loop_later(loop, &restless.later);
	loop_run(loop);
	cr_assert_eq(strlen(said), 50, "all rounds ran without a wait: %zu", strlen(said));
	loop_free(&loop);
}

static void on_signal(void *owner)
{
	int *count = owner;

	(*count)++;
}

Test(loop, a_signal_is_a_call_in_the_loop)
{
	struct loop *loop = loop_new();
	struct timer end;
	int count = 0;

	cr_assert(!err_is(loop_on_signal(loop, SIGUSR1, on_signal, &count)));
	cr_assert(err_is(loop_on_signal(loop, SIGUSR1, on_signal, &count)), "one owner");
	timer_init(&end, loop, on_stop, loop);
	timer_set(&end, loop_now_us(loop) + 20000);
	raise(SIGUSR1);
	cr_assert_eq(count, 0);
	loop_run(loop);
	cr_assert_eq(count, 1);
	loop_free(&loop);
}

Test(loop, clocks_agree_with_the_system)
{
	struct loop *loop = loop_new();

	cr_assert_leq(loop_now_us(loop), time_monotonic_us());
	cr_assert_leq(loop_boot_us(loop), time_boot_us());
	cr_assert_leq(loop_wall_us(loop), time_wall_us());
	cr_assert_gt(loop_wall_us(loop), INT64_C(1700000000000000));
	loop_free(&loop);
	loop_free(&loop);
}
