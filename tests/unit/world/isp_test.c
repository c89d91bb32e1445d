/* Models of mailbox providers: what they refuse, what that costs, and what time heals. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "base/time.h"
#include "isp.h"
#include "no_leaks.h"

TestSuite(isp, .fini = no_leaks);

#define SECOND TIME_SECOND_US
#define DAY (24 * 3600 * SECOND)
#define PERCENT 10000

struct bench {
	struct isp_settings settings;
	struct isp *isp;
	int64_t now_us;
	uint64_t messages; /* in the session */
	struct rule_do deeds;
};

static void open_bench(struct bench *b)
{
	b->isp = isp_new(&b->settings, 1, b->now_us);
}

static enum isp_cause ask(struct bench *b, enum phase at, const char *source, const char *recipient)
{
	const struct occasion occasion = {
		.at = at,
		.source = slice_of(source),
		.sender = SLICE("s@from.test"),
		.recipient = slice_of(recipient),
		.messages = b->messages,
		.now_us = b->now_us,
	};

	b->deeds = (struct rule_do){0};
	return isp_decide(b->isp, &occasion, &b->deeds);
}

/* One message as far as it comes; ISP_FINE = it was accepted. */
static enum isp_cause send(struct bench *b, const char *source, const char *recipient)
{
	static const enum phase phases[] = {PHASE_MAIL, PHASE_RCPT, PHASE_DOT};
	enum isp_cause cause = ISP_FINE;

	for (size_t i = 0; i < ARRAY_LEN(phases) && cause == ISP_FINE; i++) {
		cause = ask(b, phases[i], source, recipient);
	}
	if (cause == ISP_FINE) {
		isp_accepted(b->isp, slice_of(source), slice_of(recipient), b->now_us);
	}
	return cause;
}

static unsigned accepted_of(struct bench *b, unsigned tries, const char *source)
{
	unsigned accepted = 0;
	char recipient[32];

	for (unsigned i = 0; i < tries; i++) {
		(void)snprintf(recipient, sizeof(recipient), "user%u@big.test", i);
		accepted += send(b, source, recipient) == ISP_FINE ? 1 : 0;
	}
	return accepted;
}

static double reputation(struct bench *b, const char *source)
{
	return isp_standing(b->isp, slice_of(source), b->now_us).reputation;
}

Test(isp, without_limits_everything_is_taken)
{
	struct bench b = {0};

	isp_defaults(&b.settings);
	open_bench(&b);
	cr_assert_eq(ask(&b, PHASE_CONNECT, "a", ""), ISP_FINE);
	cr_assert_eq(accepted_of(&b, 1000, "a"), 1000);
	cr_assert_eq(b.deeds.reply.count, 0);
	isp_free(&b.isp);
}

Test(isp, connections_are_counted_by_source_and_given_back)
{
	struct bench b = {0};

	isp_defaults(&b.settings);
	b.settings.connections = 2;
	open_bench(&b);
	cr_assert_eq(ask(&b, PHASE_CONNECT, "a", ""), ISP_FINE);
	cr_assert_eq(ask(&b, PHASE_CONNECT, "a", ""), ISP_FINE);
	cr_assert_eq(ask(&b, PHASE_CONNECT, "a", ""), ISP_CONNECTIONS);
	cr_assert(b.deeds.reply.count == 1 && b.deeds.reply.at[0].p[0] == '4');
	cr_assert_eq(ask(&b, PHASE_CONNECT, "b", ""), ISP_FINE);
	isp_closed(b.isp, SLICE("a"));
	cr_assert_eq(ask(&b, PHASE_CONNECT, "a", ""), ISP_FINE);
	isp_free(&b.isp);
}

Test(isp, connections_may_come_too_fast)
{
	struct bench b = {0};

	isp_defaults(&b.settings);
	b.settings.connect_rate = (struct config_rate){1, SECOND, 2};
	open_bench(&b);
	cr_assert_eq(ask(&b, PHASE_CONNECT, "a", ""), ISP_FINE);
	cr_assert_eq(ask(&b, PHASE_CONNECT, "a", ""), ISP_FINE);
	cr_assert_eq(ask(&b, PHASE_CONNECT, "a", ""), ISP_CONNECT_RATE);
	b.now_us += SECOND;
	cr_assert_eq(ask(&b, PHASE_CONNECT, "a", ""), ISP_FINE);
	isp_free(&b.isp);
}

Test(isp, a_rate_holds_for_each_source_at_each_moment)
{
	static const enum isp_moment moments[] = {ISP_AT_MAIL, ISP_AT_RCPT, ISP_AT_DOT};

	for (size_t i = 0; i < ARRAY_LEN(moments); i++) {
		struct bench b = {0};

		isp_defaults(&b.settings);
		b.settings.rate = (struct config_rate){10, 60 * SECOND, 10};
		b.settings.refuses_at = moments[i];
		open_bench(&b);
		cr_expect_eq(accepted_of(&b, 100, "a"), 10);
		cr_expect_eq(accepted_of(&b, 100, "b"), 10);
		b.now_us += 30 * SECOND;
		cr_expect_eq(accepted_of(&b, 100, "a"), 5);
		cr_expect_eq(isp_standing(b.isp, SLICE("a"), b.now_us).refused[ISP_RATE], 185);
		isp_free(&b.isp);
	}
}

Test(isp, tries_beyond_a_limit_cost_and_what_it_costs_slows)
{
	struct bench b = {0};
	uint64_t accepted;

	isp_defaults(&b.settings);
	b.settings.rate = (struct config_rate){100, 60 * SECOND, 1};
	b.settings.excess_cost_ppm = 1 * PERCENT;
	b.settings.slow_below_ppm = 50 * PERCENT;
	open_bench(&b);
	cr_assert_eq(accepted_of(&b, 101, "a"), 1);
	cr_assert_float_eq(reputation(&b, "a"), 0.5 * 0.366, 0.001); /* 0.99 ^ 100 */
	b.settings.excess_cost_ppm = 0;
	for (unsigned i = 0; i < 6000; i++) { /* ten minutes */
		b.now_us += SECOND / 10;
		(void)send(&b, "a", "x@big.test");
	}
	accepted = isp_standing(b.isp, SLICE("a"), b.now_us).accepted - 1;
	cr_assert(accepted >= 350 && accepted <= 360, "36 of 100 a minute are left: %llu",
		(unsigned long long)accepted);
	isp_free(&b.isp);
}

Test(isp, a_new_source_has_quotas_by_sending_days)
{
	static uint64_t quotas[] = {5, 20};
	struct bench b = {0};

	isp_defaults(&b.settings);
	b.settings.quotas = quotas;
	b.settings.quota_count = ARRAY_LEN(quotas);
	open_bench(&b);
	cr_assert_eq(accepted_of(&b, 50, "a"), 5);
	b.now_us += 3 * DAY; /* two of which saw no mail */
	cr_assert_eq(accepted_of(&b, 50, "a"), 20);
	cr_assert_eq(send(&b, "a", "u@big.test"), ISP_QUOTA);
	b.now_us += DAY;
	cr_assert_eq(accepted_of(&b, 50, "a"), 50);
	cr_assert_eq(accepted_of(&b, 50, "b"), 5);
	isp_free(&b.isp);
}

Test(isp, the_same_recipients_are_unknown_in_every_run)
{
	unsigned unknown[2] = {0};

	for (int run = 0; run < 2; run++) {
		struct bench b = {0};

		isp_defaults(&b.settings);
		b.settings.unknown_ppm = 10 * PERCENT;
		b.settings.unknown_cost_ppm = 1 * PERCENT;
		open_bench(&b);
		unknown[run] = 1000 - accepted_of(&b, 1000, "a");
		cr_expect_eq(accepted_of(&b, 1000, "b"), 1000 - unknown[run]);
		cr_expect_lt(reputation(&b, "a"), 0.25);
		isp_free(&b.isp);
	}
	cr_assert(
		unknown[0] == unknown[1] && unknown[0] > 70 && unknown[0] < 130, "%u", unknown[0]);
}

Test(isp, reputation_recovers_by_halves)
{
	struct bench b = {0};

	isp_defaults(&b.settings);
	b.settings.reputation_ppm = 20 * PERCENT;
	b.settings.recovery_us = DAY;
	open_bench(&b);
	cr_assert_float_eq(reputation(&b, "a"), 0.2, 1e-9);
	b.now_us += DAY;
	cr_assert_float_eq(reputation(&b, "a"), 0.6, 1e-9);
	b.now_us += DAY;
	cr_assert_float_eq(reputation(&b, "a"), 0.8, 1e-9);
	isp_free(&b.isp);
}

Test(isp, complaints_of_a_share_cost)
{
	struct bench b = {0};
	struct isp_standing standing;

	isp_defaults(&b.settings);
	b.settings.complaint_ppm = 1 * PERCENT;
	b.settings.complaint_cost_ppm = 5 * PERCENT;
	open_bench(&b);
	cr_assert_eq(accepted_of(&b, 5000, "a"), 5000);
	standing = isp_standing(b.isp, SLICE("a"), 0);
	cr_assert(standing.complaints > 25 && standing.complaints < 80, "%llu",
		(unsigned long long)standing.complaints);
	cr_assert_lt(standing.reputation, 0.5 * 0.3);
	isp_free(&b.isp);
}

Test(isp, the_less_it_is_liked_the_more_is_deferred_and_then_it_is_blocked)
{
	static const struct {
		uint32_t reputation_ppm;
		unsigned low, high;
		enum isp_cause cause;
	} cases[] = {
		{50 * PERCENT, 1000, 1000, ISP_FINE},
		{30 * PERCENT, 700, 800, ISP_REPUTATION},
		{10 * PERCENT, 200, 300, ISP_REPUTATION},
		{4 * PERCENT, 0, 0, ISP_BLOCKED},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct bench b = {0};
		unsigned accepted;

		isp_defaults(&b.settings);
		b.settings.reputation_ppm = cases[i].reputation_ppm;
		b.settings.defer_below_ppm = 40 * PERCENT;
		b.settings.block_below_ppm = 5 * PERCENT;
		open_bench(&b);
		accepted = accepted_of(&b, 1000, "a");
		cr_expect(accepted >= cases[i].low && accepted <= cases[i].high, "%zu: %u", i,
			accepted);
		cr_expect_eq(isp_standing(b.isp, SLICE("a"), 0).refused[cases[i].cause],
			1000 - accepted, "%zu", i);
		isp_free(&b.isp);
	}
}

Test(isp, greylisting_is_for_a_triplet)
{
	struct bench b = {0};

	isp_defaults(&b.settings);
	b.settings.greylist_us = 300 * SECOND;
	open_bench(&b);
	cr_assert_eq(send(&b, "a", "u@big.test"), ISP_GREYLIST);
	b.now_us += 299 * SECOND;
	cr_assert_eq(send(&b, "a", "u@big.test"), ISP_GREYLIST);
	b.now_us += SECOND;
	cr_assert_eq(send(&b, "b", "u@big.test"), ISP_GREYLIST, "another source begins anew");
	cr_assert_eq(send(&b, "a", "u@big.test"), ISP_FINE);
	isp_free(&b.isp);
}

Test(isp, a_full_connection_closes_without_a_word)
{
	struct bench b = {.messages = 10};

	isp_defaults(&b.settings);
	b.settings.messages_max = 10;
	open_bench(&b);
	cr_assert_eq(ask(&b, PHASE_MAIL, "a", ""), ISP_FULL);
	cr_assert(b.deeds.then == THEN_CLOSE && b.deeds.reply.count == 0);
	b.messages = 9;
	cr_assert_eq(ask(&b, PHASE_MAIL, "a", ""), ISP_FINE);
	isp_free(&b.isp);
}

Test(isp, spells_come_and_go)
{
	struct isp_spell spells[] = {
		{ISP_SPELL_STORM, 100 * SECOND, 10 * SECOND, 60 * SECOND, 0},
		{ISP_SPELL_SLOW, 105 * SECOND, 10 * SECOND, 0, 2 * SECOND},
		{ISP_SPELL_DEAD, 500 * SECOND, 0, 0, 0},
	};
	static const struct {
		int64_t at_s;
		enum isp_cause at_connect, at_dot;
		int64_t delay_s;
	} steps[] = {{0, ISP_FINE, ISP_FINE, 0}, {99, ISP_FINE, ISP_FINE, 0},
		{100, ISP_STORM, ISP_FINE, 0}, {105, ISP_STORM, ISP_FINE, 2},
		{110, ISP_FINE, ISP_FINE, 2}, {115, ISP_FINE, ISP_FINE, 0},
		{160, ISP_STORM, ISP_FINE, 0}, {170, ISP_FINE, ISP_FINE, 0},
		{500, ISP_DEAD, ISP_DEAD, 0}, {1000000, ISP_DEAD, ISP_DEAD, 0}};
	struct bench b = {.now_us = 7 * DAY};

	isp_defaults(&b.settings);
	b.settings.spells = spells;
	b.settings.spell_count = ARRAY_LEN(spells);
	open_bench(&b);
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		b.now_us = 7 * DAY + steps[i].at_s * SECOND;
		cr_expect_eq(ask(&b, PHASE_CONNECT, "a", ""), steps[i].at_connect, "%zu", i);
		cr_expect_eq(b.deeds.delay_us, steps[i].delay_s * SECOND, "%zu", i);
		cr_expect_eq(ask(&b, PHASE_DOT, "a", ""), steps[i].at_dot, "%zu", i);
	}
	cr_expect_eq(b.deeds.then, THEN_SILENCE);
	isp_free(&b.isp);
}
