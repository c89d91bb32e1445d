/* Rules: which holds, how often, and what their deeds add up to. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "behave.h"
#include "no_leaks.h"

TestSuite(behave, .fini = no_leaks);

static struct slice refusal[] = {{"550 no", 6}};

#define AT(phase) (UINT32_C(1) << PHASE_##phase)
#define BY(part) (UINT32_C(1) << KEY_##part)
#define REFUSE \
	{ \
		.reply = { refusal, 1 } \
	}

static bool refused(struct behaviour *b, const char *recipient, int64_t now_us)
{
	const struct occasion occasion = {
		.at = PHASE_RCPT,
		.recipient = slice_of(recipient),
		.source = SLICE("127.0.5.1"),
		.now_us = now_us,
	};
	struct rule_do deeds;

	return behaviour_decide(b, &occasion, &deeds) && deeds.reply.count == 1;
}

Test(behave, counts_only_when_all_else_holds)
{
	struct rule rules[] = {
		{{.at = AT(RCPT), .recipient = SLICE("a*"), .nth = {2, 3}, .per = BY(RECIPIENT)},
			REFUSE, NULL}};
	struct behaviour *b = behaviour_new(rules, 1, 1);
	static const struct {
		const char *recipient;
		bool refused;
	} steps[] = {{"a1", false}, {"b1", false}, {"A1", true}, {"a2", false}, {"a1", true},
		{"a1", false}, {"a2", true}};

	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		cr_expect_eq(refused(b, steps[i].recipient, 0), steps[i].refused, "%zu", i);
	}
	behaviour_free(&b);
}

Test(behave, greylist_is_from_the_first_time)
{
	struct rule rules[] = {
		{{.at = AT(RCPT), .greylist_us = 100, .per = BY(SOURCE) | BY(RECIPIENT)}, REFUSE,
			NULL}};
	struct behaviour *b = behaviour_new(rules, 1, 1);

	cr_expect(refused(b, "a", 1000));
	cr_expect(refused(b, "a", 1099));
	cr_expect(refused(b, "b", 1099));
	cr_expect_not(refused(b, "a", 1100));
	cr_expect(refused(b, "b", 1198));
	behaviour_free(&b);
}

static size_t share_of(uint32_t ppm, uint32_t per, uint64_t seed)
{
	struct rule rules[] = {{{.at = AT(RCPT), .share_ppm = ppm, .per = per}, REFUSE, NULL}};
	struct behaviour *b = behaviour_new(rules, 1, seed);
	size_t count = 0;
	char recipient[16];

	for (int i = 0; i < 10000; i++) {
		(void)snprintf(recipient, sizeof(recipient), "u%d", i);
		count += refused(b, recipient, 0);
	}
	behaviour_free(&b);
	return count;
}

Test(behave, a_share_is_a_share)
{
	for (uint64_t seed = 1; seed <= 5; seed++) {
		cr_expect_eq(share_of(1000000, 0, seed), 10000);
		cr_expect(share_of(100000, 0, seed) > 850 && share_of(100000, 0, seed) < 1150);
		cr_expect(share_of(20000, BY(RECIPIENT), seed) > 130);
		cr_expect(share_of(20000, BY(RECIPIENT), seed) < 270);
	}
	cr_expect_eq(share_of(500000, BY(RECIPIENT), 7), share_of(500000, BY(RECIPIENT), 7));
	cr_expect_neq(share_of(500000, BY(RECIPIENT), 7), share_of(500000, BY(RECIPIENT), 8));
}

Test(behave, shapes_add_up_until_one_decides)
{
	struct rule rules[] = {
		{{.at = AT(RCPT)}, {.delay_us = 5}, NULL},
		{{.at = AT(RCPT)}, {.delay_us = 7, .split_bytes = 3, .pause_us = 2}, NULL},
		{{.at = AT(MAIL)}, {.delay_us = 1000}, NULL},
		{{.at = AT(RCPT)}, {.reply = {refusal, 1}, .delay_us = 1, .then = THEN_CLOSE},
			NULL},
		{{.at = AT(RCPT)}, {.delay_us = 1000, .then = THEN_RESET}, NULL},
	};
	struct behaviour *b = behaviour_new(rules, ARRAY_LEN(rules), 1);
	const struct occasion occasion = {.at = PHASE_RCPT};
	const struct occasion other = {.at = PHASE_DATA};
	struct rule_do deeds;

	cr_expect(behaviour_decide(b, &occasion, &deeds));
	cr_expect_eq(deeds.delay_us, 13);
	cr_expect_eq(deeds.split_bytes, 3);
	cr_expect_eq(deeds.then, THEN_CLOSE);
	cr_expect_not(behaviour_decide(b, &other, &deeds));
	cr_expect_eq(deeds.delay_us, 0);
	behaviour_free(&b);
}

Test(behave, a_cut_shapes_and_keeps_its_end)
{
	struct rule rules[] = {
		{{.at = AT(RCPT)}, {.cut_received = {10, 10}, .then = THEN_RESET}, NULL},
		{{.at = AT(RCPT)}, REFUSE, NULL},
	};
	struct behaviour *b = behaviour_new(rules, ARRAY_LEN(rules), 1);
	const struct occasion occasion = {.at = PHASE_RCPT};
	struct rule_do deeds;

	cr_expect(behaviour_decide(b, &occasion, &deeds));
	cr_expect_eq(deeds.reply.count, 1);
	cr_expect_eq(deeds.cut_received.low, 10);
	cr_expect_eq(deeds.then, THEN_RESET);
	behaviour_free(&b);
}
