/*
 * An attempt with all that a journal writes, and a directory that goes with the test.
 */
#ifndef TESTS_SPOOL_FIXTURE_H
#define TESTS_SPOOL_FIXTURE_H

#include <criterion/criterion.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "model/attempt.h"
#include "model/job.h"

struct fixture {
	struct tenant tenant;
	struct campaign campaign;
	struct batch batch;
	struct job job;
	struct attempt attempt;
};

static inline struct id numbered(uint8_t kind, uint8_t n)
{
	return (struct id){{kind, 0, 0, 0, 0, 0, 0x70, 0, 0x80, 0, 0, 0, 0, 0, 0, n}};
}

static inline void fixture_init(struct fixture *f, uint8_t n)
{
	*f = (struct fixture){
		.tenant = {.id = numbered(1, 1)},
		.campaign = {.id = numbered(2, 1),
			.content = numbered(3, 1),
			.pool = SLICE("pool"),
			.priority = 10,
			.expires_us = 345600000000,
			.on_in_doubt = ON_IN_DOUBT_HOLD},
		.batch = {.id = numbered(4, 1),
			.token = numbered(5, 1),
			.tag = SLICE("gmail"),
			.refiled = true},
		.job = {.id = numbered(6, n),
			.content_version = 3,
			.attempts = 1,
			.first_us = 1700000000000000,
			.keys = SLICE("t=1 d=shop.test;s=a")},
		.attempt = {.id = numbered(7, n),
			.number = 2,
			.evidence = {.phase = PHASE_DOT,
				.failure = FAILURE_NONE,
				.code = 250,
				.enhanced = {2, 7, 513},
				.text = SLICE("queued as 1F\x01\xff")},
			.verdict = {CATEGORY_RATE_LIMITED, SCOPE_SITE, ACTION_DELIVER},
			.state = OUTCOME_DELIVERED,
			.route = {.pool = SLICE("pool"),
				.source = SLICE("s1"),
				.source_address = SLICE("127.0.5.1"),
				.provider = SLICE("gmail"),
				.site = SLICE("0123456789abcdef"),
				.mx = SLICE("mx.test"),
				.mx_address = SLICE("127.1.2.3"),
				.session = SLICE("8f31"),
				.tls_version = SLICE("TLSv1.3"),
				.tls_cipher = SLICE("AES")},
			.mail_from = SLICE("b.x@r.shop.test"),
			.recipient = SLICE("ann@d1.test"),
			.size_bytes = 10240,
			.at_us = 1700000001000000,
			.duration_us = 123456,
			.due_us = 1700000900000000,
			.possible_duplicate = true},
	};
	f->campaign.tenant = &f->tenant;
	f->batch.campaign = &f->campaign;
	f->job.batch = &f->batch;
	f->job.recipient = f->attempt.recipient;
	f->attempt.job = &f->job;
}

static inline int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static inline void make_place(char path[64])
{
	(void)snprintf(path, 64, "/var/tmp/penguin-spool-XXXXXX");
	cr_assert_not_null(mkdtemp(path));
}

static inline void remove_place(const char *path)
{
	(void)nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

#endif
