/*
 * What record/ holds goes with it, whatever was reported of it.
 */
#include "record/record.h"

#include <criterion/criterion.h>

#include "no_leaks.h"
#include "sample.h"

TestSuite(record, .fini = no_leaks);

static void on_batch_over(void *owner, struct batch *batch)
{
	(void)owner;
	(void)batch;
	cr_expect_fail("nothing was confirmed");
}

/* Two batches: one whose only job was given back, one with a job that is still at hand. */
Test(record, closed_with_filings_that_nobody_took)
{
	static const struct pg_events events = {.on_up = NULL};
	struct loop *loop = loop_new();
	struct pg_settings nowhere = {.dsn = SLICE("host=/nowhere/at/all")};
	struct pg *pg = pg_open(loop, &nowhere, &events, NULL);
	struct record_settings settings = {
		.interval_us = TIME_SECOND_US, .rows = 1000, .on_batch_over = on_batch_over};
	struct record *record = record_open(loop, pg, &settings);
	struct sample whole;
	struct sample part;

	sample_init(&whole);
	sample_init(&part);
	whole.batch.at_hand = 1;
	part.batch.at_hand = 2;
	record_give_back(record, &whole.job, 0, SLICE(""));
	record_give_back(record, &part.job, 0, SLICE(""));
	cr_expect_eq(record_unreported(record), 2);
	record_close(&record);
	cr_expect_null(whole.batch.ledger);
	cr_expect_null(part.batch.ledger);
	pg_close(&pg);
	loop_drain(loop);
	loop_free(&loop);
}
