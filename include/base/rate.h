/*
 * A rate limit as one number (GCRA): sent <= rate x T + burst for every T.  Time
 * is a parameter, in microseconds of any clock that does not go back.
 */
#ifndef BASE_RATE_H
#define BASE_RATE_H

#include <stdbool.h>
#include <stdint.h>

struct rate {
	int64_t interval_us; /* between two permits; 0 = no limit */
	int64_t burst_us;    /* interval x (burst - 1) */
	int64_t next_us;     /* theoretical arrival time of the next permit */
	int64_t last_us;     /* when the last one was taken */
};

/* `count` permits in `period_us`, at most `burst` (>= 1) at once.  count 0 = no limit. */
void rate_init(struct rate *rate, int64_t count, int64_t period_us, int64_t burst);

/*
 * New figures for the same stream: permits that were spent stay spent, and are
 * earned back at the new pace from the last take on.
 */
void rate_change(struct rate *rate, int64_t count, int64_t period_us, int64_t burst);

/* 0 when a permit is free now, else how long to wait. */
int64_t rate_wait_us(const struct rate *rate, int64_t now_us);

/* Spends one (only after rate_wait_us() gave 0). */
void rate_take(struct rate *rate, int64_t now_us);

/* How many could be spent from now within `within_us`: an intake's permits. */
int64_t rate_permits(const struct rate *rate, int64_t now_us, int64_t within_us);

#endif
