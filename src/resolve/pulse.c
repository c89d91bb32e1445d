/*
 * How the DNS has answered of late: questions answered and failed, in a ring of
 * seconds; what is older than ten of them does not count.  No clock of its own: the
 * caller says when it is, so that tests live in virtual time.
 */
#include "pulse.h"

#include "base/time.h"

enum { LEAST = 10 }; /* fewer questions say nothing */

void pulse_note(struct pulse *pulse, uint64_t answered, uint64_t failed, int64_t now_us)
{
	int64_t second = now_us / TIME_SECOND_US;
	size_t at = (size_t)(second % PULSE_SECONDS);

	if (pulse->beats[at].second != second) {
		pulse->beats[at].second = second;
		pulse->beats[at].answered = 0;
		pulse->beats[at].failed = 0;
	}
	pulse->beats[at].answered += answered;
	pulse->beats[at].failed += failed;
}

bool pulse_is_weak(const struct pulse *pulse, int64_t now_us)
{
	int64_t second = now_us / TIME_SECOND_US;
	uint64_t answered = 0;
	uint64_t failed = 0;

	for (size_t i = 0; i < PULSE_SECONDS; i++) {
		if (pulse->beats[i].second > second - PULSE_SECONDS) {
			answered += pulse->beats[i].answered;
			failed += pulse->beats[i].failed;
		}
	}
	return answered + failed >= LEAST && failed > answered;
}
