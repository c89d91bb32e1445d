/* GCRA: never more than rate x T + burst, and no less than it could be. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/rate.h"
#include "no_leaks.h"

TestSuite(rate, .fini = no_leaks);

#define TAKES 3000
#define SECOND INT64_C(1000000)

/* Whatever the arrivals, each window from one take to another holds to the bound. */
static void expect_bound(int64_t count, int64_t period_us, int64_t burst, unsigned seed)
{
	static int64_t at[TAKES];
	struct rate rate;
	int64_t now = 0;
	size_t taken = 0;
	int64_t pause = 2 * period_us / count + 1;

	rate_init(&rate, count, period_us, burst);
	while (taken < TAKES) {
		if (rate_wait_us(&rate, now) == 0) {
			rate_take(&rate, now);
			at[taken++] = now;
		}
		now += rand_r(&seed) % 4 == 0 ? rand_r(&seed) % pause : 0;
		now += rand_r(&seed) % 2 == 0 ? rate_wait_us(&rate, now) : 0;
	}
	for (size_t from = 0; from < TAKES; from += 1) {
		for (size_t to = from; to < TAKES && to < from + 200; to++) {
			size_t sent = to - from + 1;

			cr_assert((__int128)sent * period_us <=
				(__int128)(at[to] - at[from]) * count +
					(__int128)burst * period_us);
		}
	}
}

Test(rate, sends_at_most_rate_times_t_plus_burst)
{
	static const struct {
		int64_t count;
		int64_t period_us;
		int64_t burst;
	} rows[] = {
		{1, SECOND, 1},
		{3, SECOND, 1},
		{7, SECOND, 5},
		{100, SECOND, 100},
		{1000, 60 * SECOND, 20},
		{700000, SECOND, 50},
		{50, 86400 * SECOND, 3},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		for (unsigned seed = 1; seed <= 5; seed++) {
			expect_bound(rows[i].count, rows[i].period_us, rows[i].burst, seed);
		}
	}
}

Test(rate, wastes_nothing)
{
	struct rate rate;
	int64_t now = 0;

	rate_init(&rate, 10, SECOND, 5);
	for (int i = 0; i < 1000; i++) {
		now += rate_wait_us(&rate, now);
		rate_take(&rate, now);
	}
	cr_assert_eq(now, (1000 - 5) * SECOND / 10);
}

Test(rate, burst_then_waits_an_interval)
{
	struct rate rate;

	rate_init(&rate, 10, SECOND, 3);
	for (int i = 0; i < 3; i++) {
		cr_assert_eq(rate_wait_us(&rate, 0), 0);
		rate_take(&rate, 0);
	}
	cr_assert_eq(rate_wait_us(&rate, 0), 100000);
	cr_assert_eq(rate_wait_us(&rate, 99999), 1);
	cr_assert_eq(rate_wait_us(&rate, 100000), 0);
}

Test(rate, no_limit)
{
	struct rate rate;

	rate_init(&rate, 0, SECOND, 1);
	for (int i = 0; i < 100; i++) {
		cr_assert_eq(rate_wait_us(&rate, 0), 0);
		rate_take(&rate, 0);
	}
	cr_assert_eq(rate_permits(&rate, 0, 1), INT64_MAX);
}

/* What rate_permits() promises is what a taker gets. */
Test(rate, permits_are_what_can_be_taken)
{
	struct rate rate;

	rate_init(&rate, 7, SECOND, 4);
	for (int64_t start = 0; start < 20; start++) {
		int64_t now = start * 77777;
		int64_t within = start * 50000;
		struct rate copy = rate;
		int64_t taken = 0;

		for (int64_t at = now; (at += rate_wait_us(&copy, at)) <= now + within; taken++) {
			rate_take(&copy, at);
		}
		cr_assert_eq(rate_permits(&rate, now, within), taken);
		if (rate_wait_us(&rate, now) == 0) {
			rate_take(&rate, now);
		}
	}
}

Test(rate, change_keeps_spent_permits_and_earns_at_the_new_pace)
{
	struct rate rate;

	rate_init(&rate, 1, 3600 * SECOND, 2);
	rate_take(&rate, 1000 * SECOND);
	rate_take(&rate, 1000 * SECOND);
	rate_change(&rate, 10, SECOND, 2);
	cr_expect_eq(rate_wait_us(&rate, 1000 * SECOND), 100000);
	cr_expect_eq(rate_wait_us(&rate, 1001 * SECOND), 0);
	rate_change(&rate, 1, 3600 * SECOND, 2);
	cr_expect_eq(rate_wait_us(&rate, 1000 * SECOND), 3600 * SECOND);
	rate_change(&rate, 0, SECOND, 1);
	cr_expect_eq(rate_wait_us(&rate, 1000 * SECOND), 0);
}

Test(rate, extremes_do_not_overflow)
{
	struct rate rate;

	rate_init(&rate, 1, INT64_MAX, INT64_MAX);
	rate_take(&rate, INT64_MAX);
	cr_expect_eq(rate_wait_us(&rate, INT64_MAX), 0);
	cr_expect_geq(rate_permits(&rate, 0, INT64_MAX), 1);
	rate_init(&rate, INT64_MAX, 1, 0);
	cr_expect_eq(rate.interval_us, 1);
	cr_expect_eq(rate.burst_us, 0);
}
