/*
 * The states of a job: one row each, from which come the SQL values, the words of
 * the delivery log and the manual (penguin-sql(7)).  A job is always in exactly
 * one.  Bounced: a receiver refused it for good; failed: it was never offered to
 * a receiver, because it cannot be composed, addressed or routed.
 */
#ifndef MODEL_OUTCOME_H
#define MODEL_OUTCOME_H

#include <stdbool.h>

#include "base/slice.h"

/* name, word, final, what it means */
#define OUTCOMES(X) \
	X(WAITING, "waiting", false, "committed, not yet claimed by a worker") \
	X(LEASED, "leased", false, "held by a worker that may send it now") \
	X(RETRYING, "retrying", false, "deferred at least once, waiting for its next attempt") \
	X(IN_DOUBT, "in_doubt", false, \
		"lost after the final dot, may have been delivered: waits for the operator") \
	X(DELIVERED, "delivered", true, "accepted by the receiver") \
	X(BOUNCED, "bounced", true, "refused by a receiver for good") \
	X(EXPIRED, "expired", true, "still deferred at the end of its lifetime") \
	X(SUPPRESSED, "suppressed", true, "not sent: the recipient is suppressed") \
	X(CANCELLED, "cancelled", true, "not sent: the campaign was cancelled") \
	X(FAILED, "failed", true, "never offered: cannot be composed, addressed or routed")

#define OUTCOME_ENUM(name, word, final, text) OUTCOME_##name,
enum outcome { OUTCOMES(OUTCOME_ENUM) OUTCOME_COUNT };
#undef OUTCOME_ENUM

const char *outcome_word(enum outcome outcome);
const char *outcome_meaning(enum outcome outcome);
bool outcome_is_final(enum outcome outcome);
bool outcome_parse(struct slice word, enum outcome *ret_outcome);

#endif
