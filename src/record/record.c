/*
 * Reporting goes in rounds.  A round takes what has gathered: attempts, jobs that are
 * to be filed now, batches of which nothing is left; and sends it in transactions of at
 * most a thousand, one after the other, each once more until it is confirmed:
 *
 *	attempts, then filings, then closes
 *
 * in this order, so that a batch is closed no sooner than everything that happened to
 * its jobs is in Postgres.  Where transactions are one tenant's, the order holds for
 * each tenant.  Meanwhile the next round gathers.
 *
 * Running a transaction twice is harmless: attempts are keyed by their id, filings and
 * closes by owner, token and membership.  What a lost lease keeps us from filing or
 * closing is somebody else's by now, and the attempts stay as evidence.
 *
 * A transaction whose contents the server refuses is a bug of ours; it is cut in halves until
 * the one thing that it is about stands alone and is left out, with an error in the log.  Where
 * it refuses all of us (a right is missing, a table) the round waits until that is mended.
 */
#include "record_private.h"

#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/time.h"
#include "record/dlog.h"

enum { FILINGS_MAX = 2000 };

static void start_round(void *owner);

static void set_timer(struct record *record)
{
	if (!timer_is_set(&record->timer)) {
		timer_set(&record->timer, loop_now_us(record->loop) + record->settings.interval_us);
	}
}

static void gathered(struct record *record)
{
	if (rows_count(record->fresh) >= record->settings.rows ||
		record->pending.count >= FILINGS_MAX) {
		loop_later(record->loop, &record->now);
	} else {
		set_timer(record);
	}
}

static struct ledger *ledger_of(struct record *record, struct batch *batch)
{
	if (batch->ledger == NULL) {
		struct ledger *ledger = MEM_NEW(struct ledger);

		ledger->batch = batch;
		list_push(&record->ledgers, &ledger->link);
		batch->ledger = ledger;
	}
	return batch->ledger;
}

void ledger_drop(struct record *record, struct batch *batch)
{
	struct ledger *ledger = batch->ledger;

	batch->ledger = NULL;
	list_remove(&record->ledgers, &ledger->link);
	mem_free(ledger);
}

static void close_when_done(struct record *record, struct batch *batch)
{
	const struct ledger *ledger = batch->ledger;

	if (batch->at_hand == 0 && ledger->pending == 0 && !ledger->stuck &&
		!record->settings.leaves) {
		list_push(&record->closable, &batch->link);
	}
}

/* The job is no longer at hand. */
static void let_go(struct record *record, struct batch *batch)
{
	batch->at_hand--;
	close_when_done(record, batch);
	gathered(record);
}

static void file(struct record *record, const struct filing *filing)
{
	ledger_of(record, filing->job->batch)->pending++;
	filings_add(&record->pending, filing);
}

static void file_retry(struct record *record, const struct attempt *attempt)
{
	struct job *job = (struct job *)(uintptr_t)attempt->job;
	struct filing filing = {
		.job = job,
		.attempts = attempt->number,
		.due_us = attempt->due_us,
		.not_before_us = filing_bucket_us(attempt->due_us, loop_wall_us(record->loop)),
		.file_by_us = loop_now_us(record->loop) + record->settings.filing_us,
		.source = slice_string(attempt->route.source),
		.tag = slice_string(job->batch->tag),
		.retrying = true,
		.receipt = attempt->receipt,
	};

	file(record, &filing);
}

void record_attempt(struct record *record, const struct attempt *attempt)
{
	struct batch *batch = attempt->job->batch;
	struct ledger *ledger = ledger_of(record, batch);

	rows_add(record->fresh, attempt);
	if (record->settings.dlog != NULL) {
		dlog_attempt(record->settings.dlog, attempt);
	}
	ledger->attempts++;
	ledger->duplicates += attempt->possible_duplicate;
	if (attempt->state != OUTCOME_RETRYING) {
		batch->counts[attempt->state]++;
	} else {
		ledger->deferrals++;
		file_retry(record, attempt);
	}
	let_go(record, batch);
}

void record_again(struct record *record, const struct attempt *attempt)
{
	rows_add(record->fresh, attempt);
	gathered(record);
}

static void end_without_attempt(struct record *record, struct job *job, enum outcome state,
	struct slice reason, int64_t wall_us)
{
	struct id id = id_make(wall_us / 1000);

	(void)ledger_of(record, job->batch);
	rows_add_skip(record->fresh, job, &id, state, reason, wall_us);
	job->batch->counts[state]++;
	let_go(record, job->batch);
}

void record_skip(struct record *record, struct job *job, enum outcome state, struct slice reason)
{
	int64_t wall_us = loop_wall_us(record->loop);

	if (record->settings.dlog != NULL) {
		dlog_skip(record->settings.dlog, job, state, reason, wall_us);
	}
	end_without_attempt(record, job, state, reason, wall_us);
}

/* Not in the delivery log: there it stands as whoever has seen it wrote it. */
void record_hearsay(struct record *record, struct job *job, enum outcome state)
{
	end_without_attempt(record, job, state, SLICE("as a worker says that was declared dead"),
		loop_wall_us(record->loop));
}

void record_known(struct record *record, struct job *job, enum outcome state)
{
	(void)ledger_of(record, job->batch);
	job->batch->counts[state]++;
	let_go(record, job->batch);
}

void record_give_back(
	struct record *record, struct job *job, int64_t not_before_us, struct slice tag)
{
	struct filing filing = {
		.job = job,
		.attempts = job->attempts,
		.not_before_us = not_before_us,
		.source = slice_string(job->source),
		.tag = slice_string(tag.n > 0 ? tag : job->batch->tag),
		.retrying = job->attempts > 0,
		.refiled = tag.n > 0,
	};
	int64_t wall_us = loop_wall_us(record->loop);

	if (not_before_us > wall_us) {
		filing.due_us = not_before_us;
		filing.not_before_us = filing_bucket_us(not_before_us, wall_us);
	} else {
		/* Alike for all that come back about now, so that they meet in one batch. */
		filing.not_before_us = wall_us / TIME_SECOND_US * TIME_SECOND_US;
	}
	file(record, &filing);
	let_go(record, job->batch);
}

size_t record_unconfirmed(const struct record *record)
{
	return rows_count(record->fresh) + rows_count(record->round.rows) - record->round.rows_done;
}

size_t record_unreported(const struct record *record)
{
	const struct round *round = &record->round;

	return rows_count(record->fresh) + record->pending.count + record->closable.count +
		(rows_count(round->rows) - round->rows_done) +
		(round->filings.count - round->filings_done) +
		(round->closes_count - round->closes_done);
}

int64_t record_waits_since_us(const struct record *record)
{
	return record->asked_us;
}

/* Whether its batch waits for nothing else, or it has waited long enough. */
static bool is_due(const struct record *record, const struct filing *filing)
{
	return record->flushing > 0 || filing->job->batch->at_hand == 0 ||
		filing->file_by_us <= loop_now_us(record->loop) ||
		record->pending.count >= FILINGS_MAX;
}

static void pick_filings(struct record *record)
{
	struct filings *pending = &record->pending;
	struct filings *to = &record->round.filings;
	size_t kept = 0;
	size_t count = pending->count;

	for (size_t i = 0; i < count; i++) {
		struct filing *filing = &pending->items[i];
		struct batch *batch = filing->job->batch;

		if (is_due(record, filing)) {
			filings_add(to, filing);
			((struct ledger *)batch->ledger)->pending--;
			close_when_done(record, batch);
		} else {
			pending->items[kept++] = *filing;
		}
	}
	pending->count = kept;
	filings_group(to, loop_wall_us(record->loop));
}

static int by_tenant(const void *a, const void *b)
{
	const struct batch *const *x = a;
	const struct batch *const *y = b;

	return slice_compare(
		id_slice(&(*x)->campaign->tenant->id), id_slice(&(*y)->campaign->tenant->id));
}

static void pick_closes(struct record *record)
{
	struct round *round = &record->round;
	struct list_link *link;

	if (record->closable.count == 0) {
		return;
	}
	round->closes = mem_array(record->closable.count, sizeof(round->closes[0]));
	while ((link = list_pop(&record->closable)) != NULL) {
		round->closes[round->closes_count++] = LIST_OWNER(link, struct batch, link);
	}
	qsort(round->closes, round->closes_count, sizeof(round->closes[0]), by_tenant);
}

static void pick_rows(struct record *record)
{
	struct rows *empty = record->round.rows;

	record->round.rows = record->fresh;
	record->fresh = empty;
	if (record->settings.distributed) {
		rows_sort(record->round.rows);
	}
}

static void tell_flushed(void *owner)
{
	struct record *record = owner;
	struct waiter *waiters = record->waiters;
	size_t count = record->flushing;

	if (record_unreported(record) > 0) {
		start_round(record);
		return;
	}
	record->waiters = NULL;
	record->flushing = 0;
	for (size_t i = 0; i < count; i++) {
		waiters[i].on_done(waiters[i].owner);
	}
	mem_free(waiters);
}

void round_finished(struct record *record)
{
	struct round *round = &record->round;

	rows_reset(round->rows);
	round->filings.count = 0;
	mem_free(round->closes);
	round->closes = NULL;
	round->closes_count = 0;
	round->rows_done = 0;
	round->filings_done = 0;
	round->closes_done = 0;
	record->busy = false;
	if (record->flushing > 0) {
		loop_later(record->loop, &record->flushed);
	} else if (rows_count(record->fresh) >= record->settings.rows) {
		loop_later(record->loop, &record->now);
	} else if (record_unreported(record) > 0) {
		set_timer(record);
	}
}

static void start_round(void *owner)
{
	struct record *record = owner;

	if (record->busy || record_unreported(record) == 0) {
		return;
	}
	timer_stop(&record->timer);
	pick_rows(record);
	pick_filings(record);
	pick_closes(record);
	record->busy = true;
	round_send(record);
}

void record_flush(struct record *record, void (*on_done)(void *owner), void *owner)
{
	record->waiters =
		mem_grow(record->waiters, record->flushing + 1, sizeof(record->waiters[0]));
	record->waiters[record->flushing++] = (struct waiter){on_done, owner};
	if (!record->busy) {
		loop_later(record->loop, &record->flushed);
	}
}

struct record *record_open(struct loop *loop, struct pg *pg, const struct record_settings *settings)
{
	struct record *record = MEM_NEW(struct record);

	record->loop = loop;
	record->pg = pg;
	record->settings = *settings;
	record->fresh = rows_new();
	record->round.rows = rows_new();
	record->round.most = ROUND_MOST;
	list_init(&record->ledgers);
	list_init(&record->closable);
	timer_init(&record->timer, loop, start_round, record);
	later_init(&record->now, start_round, record);
	later_init(&record->flushed, tell_flushed, record);
	return record;
}

/* Filings that wait keep the time they were given, unless it is less now. */
void record_change(struct record *record, int64_t interval_us, unsigned rows, int64_t filing_us)
{
	int64_t by_us = loop_now_us(record->loop) + filing_us;

	record->settings.interval_us = interval_us;
	record->settings.rows = rows;
	record->settings.filing_us = filing_us;
	for (size_t i = 0; i < record->pending.count; i++) {
		struct filing *filing = &record->pending.items[i];

		filing->file_by_us = filing->file_by_us < by_us ? filing->file_by_us : by_us;
	}
	if (timer_is_set(&record->timer)) {
		timer_stop(&record->timer);
		gathered(record);
	}
}

void record_end(struct record *record)
{
	rows_free(&record->fresh);
	rows_free(&record->round.rows);
	/* What is behind filings_done was freed already. */
	for (size_t i = 0; i < record->round.filings_done; i++) {
		record->round.filings.items[i].source = NULL;
		record->round.filings.items[i].tag = NULL;
	}
	filings_clear(&record->round.filings);
	filings_clear(&record->pending);
	mem_free(record->round.closes);
	mem_free(record->waiters);
	mem_free(record);
}

void record_close(struct record **record)
{
	struct record *r = *record;
	struct list_link *link;

	if (r == NULL) {
		return;
	}
	*record = NULL;
	timer_stop(&r->timer);
	loop_later_cancel(r->loop, &r->now);
	loop_later_cancel(r->loop, &r->flushed);
	while ((link = list_first(&r->ledgers)) != NULL) {
		ledger_drop(r, LIST_OWNER(link, struct ledger, link)->batch);
	}
	r->gone = true;
	if (!r->busy) {
		record_end(r);
	}
}
