/*
 * What may share a batch, and that no batch gets too large.
 */
#include "../../../src/record/filing.h"

#include <criterion/criterion.h>

#include "base/mem.h"
#include "no_leaks.h"
#include "sample.h"

TestSuite(filing, .fini = no_leaks);

#define S TIME_SECOND_US

Test(filing, buckets_widen_with_the_wait)
{
	static const struct {
		const char *label;
		int64_t due_us;
		int64_t want_us;
	} rows[] = {
		{"past", -5 * S, -5 * S},
		{"now", 0, 0},
		{"a moment", 1, S},
		{"exactly a minute", 60 * S, 60 * S},
		{"just beyond a minute", 60 * S + 1, 70 * S},
		{"five minutes", 300 * S, 300 * S},
		{"ten minutes and a bit", 600 * S + 1, 660 * S},
		{"an hour", 3600 * S, 3600 * S},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		/* Now is a full minute, so that the buckets are easy to see. */
		int64_t now_us = 6000 * S;
		int64_t got_us = filing_bucket_us(now_us + rows[i].due_us, now_us);

		cr_expect_eq(got_us - now_us, rows[i].want_us, "%s: %ld", rows[i].label,
			(long)(got_us - now_us));
	}
}

static void add(struct filings *filings, struct job *job, const char *tag, int64_t not_before_us)
{
	struct filing filing = {
		.job = job,
		.attempts = 1,
		.due_us = not_before_us,
		.not_before_us = not_before_us,
		.source = mem_string("s1"),
		.tag = mem_string(tag),
		.retrying = true,
	};

	filings_add(filings, &filing);
}

static size_t batches(const struct filings *filings)
{
	size_t count = 0;

	for (size_t i = 0; i < filings->count; i++) {
		count += i == 0 || !id_equal(filings->items[i].to, filings->items[i - 1].to);
	}
	return count;
}

Test(filing, only_alike_share_a_batch)
{
	struct sample a;
	struct sample b;

	for (size_t what = 0; what < 10; what++) {
		struct filings filings = {NULL, 0, 0};
		const char *tag = "gmail";
		int64_t not_before_us = SAMPLE_WALL_US;

		sample_init(&a);
		sample_init(&b);
		b.job.id = sample_id("01900000-0000-7000-8000-0000000000ff");
		switch (what) {
		case 1:
			b.tenant.id.bytes[0]++;
			break;
		case 2:
			b.campaign.id.bytes[0]++;
			break;
		case 3:
			b.job.content_version = 2;
			break;
		case 4:
			b.campaign.pool = SLICE("other");
			break;
		case 5:
			b.campaign.priority = 0;
			break;
		case 6:
			b.job.keys = SLICE("k2");
			break;
		case 7:
			tag = "site:x";
			break;
		case 8:
			not_before_us += S;
			break;
		case 9:
			b.batch.lost = true;
			break;
		default:
			break;
		}
		add(&filings, &a.job, "gmail", SAMPLE_WALL_US);
		add(&filings, &b.job, tag, not_before_us);
		add(&filings, &a.job, "gmail", SAMPLE_WALL_US);
		filings_group(&filings, SAMPLE_WALL_US);
		cr_expect_eq(batches(&filings), what == 0 ? 1 : 2, "change %zu: %zu", what,
			batches(&filings));
		filings_clear(&filings);
	}
}

Test(filing, batches_hold_five_hundred)
{
	enum { JOBS = 1201 };
	struct filings filings = {NULL, 0, 0};
	struct sample s;

	sample_init(&s);
	for (int i = 0; i < JOBS; i++) {
		add(&filings, &s.job, "gmail", SAMPLE_WALL_US);
	}
	filings_group(&filings, SAMPLE_WALL_US);
	cr_expect_eq(batches(&filings), 3);
	for (size_t i = FILING_BATCH_MAX; i < filings.count; i++) {
		cr_expect(!id_equal(filings.items[i].to, filings.items[i - FILING_BATCH_MAX].to),
			"more than 500 in one");
	}
	filings_clear(&filings);
}
