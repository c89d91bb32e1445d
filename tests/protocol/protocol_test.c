/*
 * The protocol holds in every state that two workers, one Postgres and two messages can come
 * to by one accident, and with one message by two; and the model has teeth: without any one
 * of its rules it finds what the rule is there for.
 *
 * A way reads A:claim.0 B:dot.1: node A's step, with what it chose (most often the message).
 */
#include <criterion/criterion.h>

#include "no_leaks.h"
#include "protocol.h"

TestSuite(protocol, .fini = no_leaks);

#define OFF(rule) (1U << RULE_##rule)

static const struct {
	const char *label;
	struct protocol_settings settings;
} sound[] = {
	{"retry, two messages", {POLICY_RETRY, 2, 1, 0}},
	{"hold, two messages", {POLICY_HOLD, 2, 1, 0}},
	{"assume_sent, two messages", {POLICY_ASSUME_SENT, 2, 1, 0}},
	{"retry, two accidents", {POLICY_RETRY, 1, 2, 0}},
	{"assume_sent, two accidents", {POLICY_ASSUME_SENT, 1, 2, 0}},
	{"hold, two accidents", {POLICY_HOLD, 1, 2, 0}},
};

Test(protocol, model_M1_holds_in_every_state)
{
	for (size_t i = 0; i < sizeof(sound) / sizeof(sound[0]); i++) {
		struct explore_result result;

		protocol_explore(&sound[i].settings, &result);
		cr_expect_null(
			result.fault, "%s: %s: %s", sound[i].label, result.fault, result.way);
		cr_expect_gt(
			result.states, 10000, "%s: only %zu states", sound[i].label, result.states);
	}
}

static const struct {
	const char *label;
	struct protocol_settings settings;
	const char *fault;
} broken[] = {
	{"no intent before the dot", {POLICY_RETRY, 2, 1, OFF(INTENT)},
		"a duplicate without a flag"},
	{"the dot does not wait for the disk", {POLICY_RETRY, 2, 1, OFF(DURABLE)},
		"a duplicate without a flag"},
	{"the gate asks for no lease", {POLICY_RETRY, 2, 1, OFF(LEASE)},
		"two workers beyond the gate"},
	{"any lease will do at the gate", {POLICY_RETRY, 2, 1, OFF(MARGIN)},
		"two workers beyond the gate"},
	{"filed and closed without a lease", {POLICY_RETRY, 2, 1, OFF(GUARD)},
		"more duplicates than accidents"},
	{"a final attempt is not looked for", {POLICY_RETRY, 2, 1, OFF(SKIP)},
		"more duplicates than accidents"},
	{"a lost journal is nobody's business", {POLICY_RETRY, 2, 1, OFF(LOST)},
		"a duplicate without a flag"},
	{"... and is forgotten with a deferral", {POLICY_RETRY, 1, 2, OFF(LOST_STAYS)},
		"a duplicate without a flag"},
	{"... and no doubt where nothing may come twice", {POLICY_HOLD, 2, 1, OFF(LOST_ENDS)},
		"a duplicate where none may be"},
	{"taken from an owner that may renew", {POLICY_RETRY, 2, 1, OFF(DEAD_FIRST)},
		"two workers beyond the gate"},
	{"a lease before the replay", {POLICY_RETRY, 2, 1, OFF(REPLAY_FIRST)},
		"a duplicate without a flag"},
	{"a lost one's word is counted and not said again", {POLICY_HOLD, 1, 2, OFF(SAID_AGAIN)},
		"the counters are wrong"},
	{"a replay closes what it knows a part of", {POLICY_HOLD, 2, 2, OFF(REPLAY_LEAVES)},
		"a message is lost"},
	{"... and nobody adds up", {POLICY_HOLD, 2, 1, OFF(REPLAY_LEAVES) | OFF(SUM)},
		"a message is lost"},
	{"a retry does not tell of its doubt", {POLICY_RETRY, 2, 1, OFF(DOUBT_PINNED)},
		"a duplicate without a flag"},
	{"a retry is forgotten before it is filed", {POLICY_RETRY, 1, 2, OFF(FILED_FIRST)},
		"a duplicate without a flag"},
	{"what a lost answer leased stays so", {POLICY_RETRY, 2, 1, OFF(SWEEP)},
		"a message is stuck"},
};

Test(protocol, model_M2_finds_what_each_rule_is_there_for)
{
	for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
		struct explore_result result;

		protocol_explore(&broken[i].settings, &result);
		cr_expect_not_null(result.fault, "%s: nothing found", broken[i].label);
		if (result.fault != NULL) {
			cr_expect_str_eq(result.fault, broken[i].fault, "%s: %s by %s",
				broken[i].label, result.fault, result.way);
		}
	}
}
