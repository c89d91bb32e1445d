/*
 * A job with everything it hangs on, for the tests of record/.
 */
#ifndef TESTS_RECORD_SAMPLE_H
#define TESTS_RECORD_SAMPLE_H

#include <criterion/criterion.h>

#include "base/time.h"
#include "model/attempt.h"

struct sample {
	struct tenant tenant;
	struct campaign campaign;
	struct batch batch;
	struct job job;
};

static inline struct id sample_id(const char *text)
{
	struct id id;

	cr_assert(id_parse(slice_of(text), &id), "%s", text);
	return id;
}

static inline void sample_init(struct sample *s)
{
	*s = (struct sample){
		.tenant = {.id = sample_id("11111111-1111-4111-8111-111111111111"),
			.name = SLICE("Acme Corp")},
		.campaign = {.id = sample_id("01900000-0000-7000-8000-000000000002"),
			.name = SLICE("summer:sale"),
			.pool = SLICE("default"),
			.priority = 10},
		.batch = {.id = sample_id("01900000-0000-7000-8000-000000000003"),
			.token = sample_id("33333333-3333-4333-8333-333333333333"),
			.tag = SLICE("gmail")},
		.job = {.id = sample_id("01900000-0000-7000-8000-000000000004"),
			.recipient = SLICE("ann@example.com"),
			.content_version = 1},
	};
	s->campaign.tenant = &s->tenant;
	s->batch.campaign = &s->campaign;
	s->job.batch = &s->batch;
}

/* 2026-11-24T03:30:00Z */
#define SAMPLE_WALL_US INT64_C(1795491000000000)

static inline struct attempt sample_attempt(const struct sample *s)
{
	return (struct attempt){
		.id = sample_id("019ab3f0-0000-7000-8000-000000000005"),
		.job = &s->job,
		.number = 2,
		.evidence = {.phase = PHASE_RCPT,
			.code = 550,
			.enhanced = {5, 1, 1},
			.text = SLICE("no such \"user\" \xff\n here")},
		.verdict = {CATEGORY_INVALID_RECIPIENT, SCOPE_RECIPIENT, ACTION_BOUNCE},
		.state = OUTCOME_BOUNCED,
		.route = {.pool = SLICE("default"),
			.source = SLICE("s1"),
			.source_address = SLICE("192.0.2.7"),
			.provider = SLICE("gmail"),
			.site = SLICE("abc123"),
			.mx = SLICE("mx.example.com"),
			.mx_address = SLICE("2001:db8::9"),
			.session = SLICE("8f31"),
			.tls_version = SLICE("TLSv1.3"),
			.tls_cipher = SLICE("X")},
		.mail_from = SLICE("b+x@bounce.example"),
		.recipient = SLICE("ann@example.com"),
		.size_bytes = 1047,
		.at_us = SAMPLE_WALL_US,
		.duration_us = 12345,
	};
}

#endif
