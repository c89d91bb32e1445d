/*
 * Clocks and how they are written.  Only io/loop and mains read clocks; all else
 * takes the time as a parameter.  Durations: "90s", "5m", "1h30m", "2d", "100ms".
 */
#ifndef BASE_TIME_H
#define BASE_TIME_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"

#define TIME_SECOND_US INT64_C(1000000)

int64_t time_monotonic_us(void);
int64_t time_boot_us(void); /* goes on during suspend: leases */
int64_t time_wall_us(void); /* since 1970, UTC */
int64_t time_cpu_us(void);  /* this process's user and system time */

/* 2026-11-24T03:30:00.123456Z; the parser also takes an offset and fewer digits, or a blank for T. */
void time_add_rfc3339(struct buf *out, int64_t wall_us);
bool time_parse_rfc3339(struct slice text, int64_t *ret_wall_us);

/* Tue, 24 Nov 2026 03:30:00 +0000 (RFC 5322 section 3.3) */
void time_add_rfc5322(struct buf *out, int64_t wall_us);

bool time_parse_duration(struct slice text, int64_t *ret_us);
void time_add_duration(struct buf *out, int64_t us);

#endif
