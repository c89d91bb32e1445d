/*
 * worker/ending over simulated days: when deferred jobs are tried again, and when
 * that ends.  Times are minutes from the first attempt.
 */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/time.h"
#include "no_leaks.h"
#include "parts.h"

TestSuite(ending, .fini = no_leaks);

#define MINUTE_US (60 * TIME_SECOND_US)
#define FIRST_US (INT64_C(1764000000) * TIME_SECOND_US)

/* The least of an engine in which a job can end. */
struct life {
	const struct config *config;
	struct equipment equipment;
	struct worker worker;
	struct tenant tenant;
	struct campaign campaign;
	struct batch batch;
	struct job job;
	struct plan plan;
};

static void begin(struct life *life, const char *config)
{
	struct buf problems;
	bool ok;

	*life = (struct life){.job.first_us = FIRST_US};
	buf_init(&problems, 0);
	ok = config_parse("t.yaml", slice_of(config), &life->config, &problems);
	cr_assert(ok, "%s", buf_string(&problems));
	buf_clear(&problems);
	life->equipment.config = life->config;
	life->worker.equipment = &life->equipment;
	life->worker.loop = loop_new();
	life->campaign.tenant = &life->tenant;
	life->batch.campaign = &life->campaign;
	life->job.batch = &life->batch;
	life->plan = (struct plan){
		.worker = &life->worker, .equipment = &life->equipment, .job = &life->job};
}

static void end(struct life *life)
{
	loop_free(&life->worker.loop);
	config_unref(&life->config);
}

/* The attempt of this number, made at that time, was deferred. */
static struct attempt defer(
	const struct life *life, int number, int64_t at_us, enum category category)
{
	struct attempt attempt = {
		.id = id_random(),
		.job = &life->job,
		.number = number,
		.at_us = at_us,
		.verdict = {category, SCOPE_RECIPIENT, ACTION_RETRY},
	};

	ending_decide(&life->worker, &attempt);
	return attempt;
}

static double minutes(int64_t us)
{
	return (double)us / (double)MINUTE_US;
}

Test(ending, smtp_R1_attempts_grow_apart)
{
	static const double apart[] = {15, 30, 60, 120, 180, 180, 180};
	struct life life;
	int64_t at_us = FIRST_US;
	int number = 1;

	begin(&life, "");
	for (struct attempt a = defer(&life, number, at_us, CATEGORY_SERVER_ERROR);
		a.state == OUTCOME_RETRYING;
		a = defer(&life, ++number, at_us, CATEGORY_SERVER_ERROR)) {
		double wait = minutes(a.due_us - at_us);
		double want = number > 7 ? 180 : apart[number - 1];

		cr_expect(wait >= 0.8 * want && wait <= 1.2 * want, "%d: %g minutes", number, wait);
		at_us = a.due_us;
	}
	/* two in the first hour or so, then every two to three hours, for four days */
	cr_expect(number > 28 && number < 42, "%d attempts", number);
	end(&life);
}

Test(ending, smtp_R1_intervals_are_configurable)
{
	struct life life;
	struct attempt a;

	begin(&life, "retry: {first: 1m, max: 4m, factor: 3, jitter: 0}");
	a = defer(&life, 1, FIRST_US, CATEGORY_SERVER_ERROR);
	cr_expect_eq(a.due_us, FIRST_US + MINUTE_US);
	a = defer(&life, 2, FIRST_US, CATEGORY_SERVER_ERROR);
	cr_expect_eq(a.due_us, FIRST_US + 3 * MINUTE_US);
	a = defer(&life, 3, FIRST_US, CATEGORY_SERVER_ERROR);
	cr_expect_eq(a.due_us, FIRST_US + 4 * MINUTE_US);
	end(&life);
}

enum { HERD = 20000, HOURS = 8 };

/* The first attempt after the outage, of a job whose first attempt was at the start of it. */
static int64_t first_behind(const struct life *life, int64_t outage_us)
{
	int64_t at_us = FIRST_US;

	for (int number = 1; at_us < FIRST_US + outage_us; number++) {
		at_us = defer(life, number, at_us, CATEGORY_CONNECTION_FAILURE).due_us;
	}
	return at_us;
}

/* All fail in one moment, the site is away for an hour: how many come in the busiest minute? */
static unsigned busiest(const struct life *life, unsigned minutes_seen[60 * HOURS])
{
	unsigned most = 0;

	for (int i = 0; i < HERD; i++) {
		int64_t at_us = first_behind(life, 60 * MINUTE_US);
		size_t minute = (size_t)((at_us - FIRST_US) / MINUTE_US);

		cr_assert_lt(minute, 60 * HOURS);
		minutes_seen[minute]++;
		if (minutes_seen[minute] > most) {
			most = minutes_seen[minute];
		}
	}
	return most;
}

Test(ending, smtp_R1_no_herd_after_an_outage)
{
	unsigned seen[60 * HOURS] = {0};
	unsigned still[60 * HOURS] = {0};
	unsigned used = 0;
	struct life life;

	begin(&life, "");
	cr_expect_lt(busiest(&life, seen), HERD / 15, "at most a fifteenth in one minute");
	for (size_t i = 0; i < ARRAY_LEN(seen); i++) {
		used += seen[i] > HERD / 1000;
	}
	cr_expect_gt(used, 30, "spread over %u minutes", used);
	end(&life);
	begin(&life, "retry: {jitter: 0}");
	cr_expect_eq(busiest(&life, still), HERD, "that is what a herd looks like");
	end(&life);
}

Test(ending, smtp_R2_the_end_of_a_lifetime_is_no_bounce)
{
	static const struct {
		const char *label;
		const char *config;
		int64_t expires_us; /* the campaign's; 0 = it says nothing */
		double most;        /* minutes until it is over */
	} rows[] = {
		{"ordinary mail", "", 0, 4 * 24 * 60},
		{"a campaign that is news for six hours", "", 360 * MINUTE_US, 360},
		{"a code that is good for ten minutes", "", 10 * MINUTE_US, 10},
		{"a campaign that says more than it may", "", 9 * 1440 * MINUTE_US, 4 * 24 * 60},
		{"five days", "retry: {expire: 5d}", 0, 5 * 24 * 60},
		{"six days, as long as signatures allow", "retry: {expire: 6d}", 0, 6 * 24 * 60},
		{"a month", "retry: {expire: 30d}\nkeys: {expire: 0}", 0, 30 * 24 * 60},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct attempt a = {.state = OUTCOME_RETRYING, .due_us = FIRST_US};
		int64_t last_us = 0;
		struct life life;

		begin(&life, rows[i].config);
		life.campaign.expires_us = rows[i].expires_us;
		for (int number = 1; a.state == OUTCOME_RETRYING; number++) {
			last_us = a.due_us;
			a = defer(&life, number, a.due_us, CATEGORY_SERVER_ERROR);
		}
		cr_expect_eq(a.state, OUTCOME_EXPIRED, "%s", rows[i].label);
		cr_expect(minutes(last_us - FIRST_US) < rows[i].most, "%s", rows[i].label);
		cr_expect(minutes(a.due_us - FIRST_US) >= rows[i].most, "%s: it gives up early",
			rows[i].label);
		end(&life);
	}
}

/* Nobody knows whether it was delivered, whatever the time is. */
Test(ending, smtp_R2_a_doubt_at_the_end_of_a_lifetime_stays_one)
{
	static const struct {
		const char *label;
		enum on_in_doubt policy;
		enum action action;
		bool doubt_before;
		bool late;
		enum outcome want;
	} rows[] = {
		{"in doubt, in time", ON_IN_DOUBT_RETRY, ACTION_DOUBT, false, false,
			OUTCOME_RETRYING},
		{"in doubt, too late", ON_IN_DOUBT_RETRY, ACTION_DOUBT, false, true,
			OUTCOME_IN_DOUBT},
		{"deferred behind a doubt", ON_IN_DOUBT_RETRY, ACTION_RETRY, true, true,
			OUTCOME_IN_DOUBT},
		{"deferred behind a doubt, in time", ON_IN_DOUBT_RETRY, ACTION_RETRY, true, false,
			OUTCOME_RETRYING},
		{"deferred", ON_IN_DOUBT_RETRY, ACTION_RETRY, false, true, OUTCOME_EXPIRED},
		{"held", ON_IN_DOUBT_HOLD, ACTION_DOUBT, false, true, OUTCOME_IN_DOUBT},
		{"assumed", ON_IN_DOUBT_ASSUME_SENT, ACTION_DOUBT, false, true, OUTCOME_DELIVERED},
		{"refused behind a doubt", ON_IN_DOUBT_RETRY, ACTION_BOUNCE, true, true,
			OUTCOME_BOUNCED},
	};
	struct life life;

	begin(&life, "");
	life.campaign.expires_us = 60 * MINUTE_US;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct attempt attempt = {
			.id = id_random(),
			.job = &life.job,
			.number = 1,
			.at_us = FIRST_US + (rows[i].late ? 59 : 1) * MINUTE_US,
			.verdict = {CATEGORY_CONNECTION_FAILURE, SCOPE_SESSION, rows[i].action},
		};

		life.campaign.on_in_doubt = rows[i].policy;
		life.job.doubt = rows[i].doubt_before;
		ending_decide(&life.worker, &attempt);
		cr_expect_eq(attempt.state, rows[i].want, "%s: %s", rows[i].label,
			outcome_word(attempt.state));
	}
	end(&life);
}

/* Signatures end after keys.expire, which every configuration has a day above. */
Test(ending, smtp_R2_threat_K1_no_attempt_leaves_with_a_signature_that_is_nearly_over)
{
	struct life life;

	begin(&life, "retry: {expire: 30d}\nkeys: {expire: 31d}");
	cr_expect_eq(job_deadline_us(&life.worker, &life.job), FIRST_US + 30 * 1440 * MINUTE_US);
	life.campaign.expires_us = 40 * 1440 * MINUTE_US;
	cr_expect_eq(job_deadline_us(&life.worker, &life.job), FIRST_US + 30 * 1440 * MINUTE_US);
	life.campaign.expires_us = 2 * 1440 * MINUTE_US;
	cr_expect_eq(job_deadline_us(&life.worker, &life.job), FIRST_US + 2 * 1440 * MINUTE_US);
	end(&life);
}

Test(ending, smtp_R5_greylisting_is_met_after_five_minutes)
{
	double least = 1000;
	double most = 0;
	struct life life;

	begin(&life, "");
	for (int i = 0; i < 5000; i++) {
		struct attempt a = defer(&life, 1, FIRST_US, CATEGORY_GREYLISTED);
		double wait = minutes(a.due_us - FIRST_US);

		least = fmin(least, wait);
		most = fmax(most, wait);
	}
	cr_expect(least >= 5 && most <= 15, "%g to %g minutes", least, most);
	cr_expect(most > least + 0.5, "scattered too");
	/* who goes on saying so is not asked every five minutes for days */
	cr_expect(minutes(defer(&life, 7, FIRST_US, CATEGORY_GREYLISTED).due_us - FIRST_US) >= 180);
	end(&life);
}

/* Without DNS: no number is used up, soon at first, each time half the job's age later. */
Test(ending, dns_N7_a_silent_domain_is_looked_up_again)
{
	static const double apart[] = {0.5, 0.5, 0.5, 0.75, 1.125};
	struct life life;
	int64_t at_us = FIRST_US;
	unsigned lookups = 0;

	begin(&life, "retry: {jitter: 0}\n");
	for (;;) {
		struct attempt attempt = {
			.id = id_random(),
			.job = &life.job,
			.number = 0,
			.at_us = at_us,
			.evidence = evidence_of_failure(PHASE_RESOLVE, FAILURE_DNS_TEMPORARY),
			.verdict = {CATEGORY_CONNECTION_FAILURE, SCOPE_SITE, ACTION_RETRY},
		};

		ending_decide(&life.worker, &attempt);
		if (attempt.state == OUTCOME_EXPIRED) {
			break;
		}
		cr_assert_eq(attempt.state, OUTCOME_RETRYING);
		if (lookups < ARRAY_LEN(apart)) {
			cr_assert_float_eq(minutes(attempt.due_us - at_us), apart[lookups], 0.001,
				"%u: %f", lookups, minutes(attempt.due_us - at_us));
		}
		cr_assert_leq(minutes(attempt.due_us - at_us), 180);
		at_us = attempt.due_us;
		lookups++;
	}
	cr_assert_geq(minutes(at_us - FIRST_US), (4 * 24 - 3) * 60, "four days");
	cr_assert(lookups > 20 && lookups < 70, "%u", lookups);
	end(&life);
}
