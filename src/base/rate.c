/*
 * The generic cell rate algorithm.  `next_us` is when the next permit would be due
 * if permits came evenly; it may run ahead of now by at most `burst_us`.  The
 * interval is rounded up, so that rounding never sends more than was allowed.
 */
#include "base/rate.h"

/* Sums of times that may be INT64_MAX each. */
typedef __int128 wide;

static int64_t clamp(wide value)
{
	return value > INT64_MAX ? INT64_MAX : (int64_t)value;
}

static int64_t latest(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static void set_figures(struct rate *rate, int64_t count, int64_t period_us, int64_t burst)
{
	if (count <= 0) {
		rate->interval_us = 0;
		rate->burst_us = 0;
		return;
	}
	rate->interval_us = latest(1, clamp(((wide)period_us + count - 1) / count));
	rate->burst_us = clamp((wide)rate->interval_us * (latest(burst, 1) - 1));
}

void rate_init(struct rate *rate, int64_t count, int64_t period_us, int64_t burst)
{
	*rate = (struct rate){0};
	set_figures(rate, count, period_us, burst);
}

/*
 * What is owed was counted in old intervals at the last take, and is counted in
 * new ones now: a lane that was allowed one an hour and is now allowed ten a
 * second does not sit out its hour.
 */
void rate_change(struct rate *rate, int64_t count, int64_t period_us, int64_t burst)
{
	int64_t before_us = rate->interval_us;
	wide owed_us = (wide)rate->next_us - rate->last_us;

	set_figures(rate, count, period_us, burst);
	if (before_us > 0 && rate->interval_us > 0) {
		owed_us = (owed_us * rate->interval_us + before_us - 1) / before_us;
		rate->next_us = clamp(rate->last_us + owed_us);
	}
}

int64_t rate_wait_us(const struct rate *rate, int64_t now_us)
{
	wide wait_us = (wide)rate->next_us - rate->burst_us - now_us;

	return rate->interval_us > 0 && wait_us > 0 ? clamp(wait_us) : 0;
}

void rate_take(struct rate *rate, int64_t now_us)
{
	if (rate->interval_us > 0) {
		rate->next_us = clamp((wide)latest(rate->next_us, now_us) + rate->interval_us);
		rate->last_us = now_us;
	}
}

int64_t rate_permits(const struct rate *rate, int64_t now_us, int64_t within_us)
{
	wide span_us;

	if (rate->interval_us == 0) {
		return INT64_MAX;
	}
	span_us = (wide)now_us + within_us + rate->burst_us - latest(rate->next_us, now_us);
	return span_us < 0 ? 0 : clamp(span_us / rate->interval_us + 1);
}
