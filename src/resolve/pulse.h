/*
 * How the DNS is doing: answers and failures of the last ten seconds (conformance N7).
 * Pure.
 */
#ifndef SRC_RESOLVE_PULSE_H
#define SRC_RESOLVE_PULSE_H

#include <stdbool.h>
#include <stdint.h>

enum { PULSE_SECONDS = 10 };

struct pulse {
	struct {
		int64_t second;
		uint64_t answered;
		uint64_t failed;
	} beats[PULSE_SECONDS];
};

/* All zero is the beginning; so many more since the last call. */
void pulse_note(struct pulse *pulse, uint64_t answered, uint64_t failed, int64_t now_us);

/* More than half of ten questions or more have failed. */
bool pulse_is_weak(const struct pulse *pulse, int64_t now_us);

#endif
