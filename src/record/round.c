/*
 * The transactions of a round.  Each carries the next of the attempts and, when those
 * are through, of the filings and, when those are through, of the closes; of one tenant
 * where transactions are.
 */
#include "record_private.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/time.h"
#include "sql/statements.h"

enum { STRIPES = 16 };

#define AGAIN_US (TIME_SECOND_US / 5)

static const struct id *filing_tenant(const struct round *round, size_t at)
{
	return &round->filings.items[at].job->batch->campaign->tenant->id;
}

static const struct id *close_tenant(const struct round *round, size_t at)
{
	return &round->closes[at]->campaign->tenant->id;
}

static const struct id *row_tenant(const struct round *round, size_t at)
{
	return rows_tenant(round->rows, at);
}

/* How the three lists are walked alike. */
struct walk {
	const struct round *round;
	size_t done;
	size_t count;
	const struct id *(*tenant)(const struct round *round, size_t at);
};

static size_t end_of(const struct walk *walk, const struct id *tenant)
{
	size_t end = walk->done;

	while (end < walk->count && end - walk->done < walk->round->most &&
		(tenant == NULL || id_equal(*walk->tenant(walk->round, end), *tenant))) {
		end++;
	}
	return end;
}

/* Nothing (of the tenant) is left behind `end`. */
static bool is_through(const struct walk *walk, const struct id *tenant, size_t end)
{
	return end == walk->count ||
		(tenant != NULL && !id_equal(*walk->tenant(walk->round, end), *tenant));
}

/* The first tenant that any list is at. */
static const struct id *next_tenant(const struct walk *walks, size_t count)
{
	const struct id *first = NULL;

	for (size_t i = 0; i < count; i++) {
		const struct id *at;

		if (walks[i].done >= walks[i].count) {
			continue;
		}
		at = walks[i].tenant(walks[i].round, walks[i].done);
		if (first == NULL || slice_compare(id_slice(at), id_slice(first)) < 0) {
			first = at;
		}
	}
	return first;
}

/* A batch may not be filed by two transactions: what is cut off gets one of its own. */
static void cut_filings(struct record *record)
{
	struct round *round = &record->round;
	size_t end = round->filings_sent;
	struct filing *items = round->filings.items;

	if (end == round->filings_done || end == round->filings.count ||
		!id_equal(items[end].to, items[end - 1].to)) {
		return;
	}
	struct id old = items[end].to;
	struct id fresh = id_make(loop_wall_us(record->loop) / 1000);

	for (size_t i = end; i < round->filings.count && id_equal(items[i].to, old); i++) {
		items[i].to = fresh;
	}
}

/* How far the next transaction goes in each list. */
static void choose_parts(struct record *record)
{
	struct round *round = &record->round;
	struct walk walks[] = {
		{round, round->rows_done, rows_count(round->rows), row_tenant},
		{round, round->filings_done, round->filings.count, filing_tenant},
		{round, round->closes_done, round->closes_count, close_tenant},
	};
	size_t *ends[] = {&round->rows_sent, &round->filings_sent, &round->closes_sent};
	const struct id *tenant =
		record->settings.distributed ? next_tenant(walks, ARRAY_LEN(walks)) : NULL;
	bool open = true;

	for (size_t i = 0; i < ARRAY_LEN(walks); i++) {
		*ends[i] = open ? end_of(&walks[i], tenant) : walks[i].done;
		/* While something is being searched for, one kind at a time. */
		open = open && is_through(&walks[i], tenant, *ends[i]) &&
			(round->most == ROUND_MOST || *ends[i] == walks[i].done);
	}
	cut_filings(record);
}

static void write_ids(struct pg_request *request, const struct round *round,
	const struct id *(*of)(const struct batch *batch))
{
	pg_array(request);
	for (size_t i = round->closes_done; i < round->closes_sent; i++) {
		pg_item_id(request, of(round->closes[i]));
	}
	pg_array_end(request);
}

static const struct id *token_of(const struct batch *batch)
{
	return &batch->token;
}

static const struct id *tenant_of(const struct batch *batch)
{
	return &batch->campaign->tenant->id;
}

static const struct id *id_of(const struct batch *batch)
{
	return &batch->id;
}

static void write_counts(
	struct pg_request *request, const struct round *round, enum outcome outcome)
{
	pg_array(request);
	for (size_t i = round->closes_done; i < round->closes_sent; i++) {
		pg_item_number(request, round->closes[i]->counts[outcome]);
	}
	pg_array_end(request);
}

static void write_events(struct pg_request *request, const struct round *round,
	unsigned (*of)(const struct ledger *ledger))
{
	pg_array(request);
	for (size_t i = round->closes_done; i < round->closes_sent; i++) {
		pg_item_number(request, of(round->closes[i]->ledger));
	}
	pg_array_end(request);
}

static unsigned attempts_of(const struct ledger *ledger)
{
	return ledger->attempts;
}

static unsigned deferrals_of(const struct ledger *ledger)
{
	return ledger->deferrals;
}

static unsigned duplicates_of(const struct ledger *ledger)
{
	return ledger->duplicates;
}

static void write_closes(const struct record *record, struct pg_request *request)
{
	static const enum outcome counted[] = {
		OUTCOME_DELIVERED,
		OUTCOME_BOUNCED,
		OUTCOME_EXPIRED,
		OUTCOME_SUPPRESSED,
		OUTCOME_CANCELLED,
		OUTCOME_FAILED,
		OUTCOME_IN_DOUBT,
	};
	const struct round *round = &record->round;

	pg_add_id(request, &record->settings.worker);
	pg_add_number(request, record->settings.worker.bytes[0] % STRIPES);
	write_ids(request, round, token_of);
	write_ids(request, round, tenant_of);
	write_ids(request, round, id_of);
	for (size_t i = 0; i < ARRAY_LEN(counted); i++) {
		write_counts(request, round, counted[i]);
	}
	write_events(request, round, attempts_of);
	write_events(request, round, deferrals_of);
	write_events(request, round, duplicates_of);
}

static void tell(const struct record *record, void *receipt)
{
	if (receipt != NULL) {
		record->settings.on_confirmed(record->settings.owner, receipt);
	}
}

static void rows_confirmed(struct record *record)
{
	struct round *round = &record->round;

	for (size_t i = round->rows_done; i < round->rows_sent; i++) {
		tell(record, rows_receipt(round->rows, i));
	}
	round->rows_done = round->rows_sent;
}

/* What is filed is no longer ours, whether we moved it or had lost it before. */
static void filings_confirmed(struct record *record)
{
	struct round *round = &record->round;

	for (size_t i = round->filings_done; i < round->filings_sent; i++) {
		tell(record, round->filings.items[i].receipt);
		mem_free(round->filings.items[i].source);
		mem_free(round->filings.items[i].tag);
	}
	round->filings_done = round->filings_sent;
}

static void closes_confirmed(struct record *record)
{
	struct round *round = &record->round;

	while (round->closes_done < round->closes_sent) {
		struct batch *batch = round->closes[round->closes_done++];

		ledger_drop(record, batch);
		record->settings.on_batch_over(record->settings.owner, batch);
	}
}

/* Before anything is taken for known: the journal hears of both, in this order. */
static void tell_beat(const struct record *record, const struct pg_answer *answer, size_t statement)
{
	bool known;

	if (record->settings.on_beat != NULL) {
		known = pg_rows(answer, statement) > 0;
		record->settings.on_beat(record->settings.owner,
			known ? pg_number(answer, statement, 0, 0) : 0,
			known && pg_bool(answer, statement, 0, 1));
	}
}

static void confirmed(struct record *record, const struct pg_answer *answer)
{
	struct round *round = &record->round;
	size_t closes = round->closes_sent - round->closes_done;
	size_t last = (round->rows_sent > round->rows_done ? 1U : 0U) +
		(round->filings_sent > round->filings_done ? 1U : 0U);

	tell_beat(record, answer, last + (closes > 0 ? 1 : 0));
	if (closes > 0 && pg_rows(answer, last) < closes) {
		log_warning(NULL, "batches_not_ours", "count=%zu", closes - pg_rows(answer, last));
	}
	rows_confirmed(record);
	filings_confirmed(record);
	closes_confirmed(record);
	round->most = round->most * 2 > ROUND_MOST ? ROUND_MOST : round->most * 2;
}

/* Its batch can never be closed: the sum would be wrong. */
static void give_up_filing(struct round *round)
{
	struct batch *batch = round->filings.items[round->filings_done].job->batch;
	struct ledger *ledger = batch->ledger;
	size_t kept = round->closes_done;

	ledger->stuck = true;
	for (size_t i = round->closes_done; i < round->closes_count; i++) {
		if (round->closes[i] != batch) {
			round->closes[kept++] = round->closes[i];
		}
	}
	round->closes_count = kept;
}

/*
 * It is one of them that the server does not take: a value, a row that is there, a limit.  All
 * else that it refuses (a right that is missing, a table that is not there) it would say of
 * each, and leaving all of them out would be the end of what they say.
 */
static bool is_about_contents(struct slice sqlstate)
{
	static const struct slice classes[] = {SLICE("21"), SLICE("22"), SLICE("23"), SLICE("54")};
	bool is = false;

	for (size_t i = 0; i < ARRAY_LEN(classes) && !is; i++) {
		is = slice_starts(sqlstate, classes[i]);
	}
	return is;
}

/*
 * A bug of ours.  Alone it is left out: an attempt is missing, or a batch stays leased
 * (its token stays known) until this worker is gone and another looks for evidence.
 */
static void refused(struct record *record, const struct pg_answer *answer)
{
	struct round *round = &record->round;
	size_t size = round->rows_sent - round->rows_done + round->filings_sent -
		round->filings_done + round->closes_sent - round->closes_done;

	log_error(NULL, "postgres_refused", "what=report size=%zu sqlstate=%s text=%s", size,
		log_quote(answer->sqlstate), log_quote(answer->text));
	if (size > 1) {
		round->most = round->most > size ? size : round->most;
		round->most = round->most > 1 ? round->most / 2 : 1;
		return;
	}
	if (round->filings_sent > round->filings_done) {
		give_up_filing(round);
	}
	rows_confirmed(record);
	filings_confirmed(record);
	round->closes_done =
		round->closes_sent < round->closes_count ? round->closes_sent : round->closes_count;
}

/* Its disk is full, it is going down: said once, for it is asked five times a second. */
static void put_off(struct record *record, const struct pg_answer *answer)
{
	if (record->put_off || answer->sqlstate.n == 0) {
		return;
	}
	record->put_off = true;
	if (answer->status == PG_REFUSED) {
		log_error(NULL, "postgres_refused", "what=report sqlstate=%s text=%s",
			log_quote(answer->sqlstate), log_quote(answer->text));
	} else {
		log_warning(NULL, "postgres_puts_off", "what=report sqlstate=%s text=%s",
			log_quote(answer->sqlstate), log_quote(answer->text));
	}
}

static bool is_for_later(const struct pg_answer *answer)
{
	return answer->status == PG_TRY_LATER || answer->status == PG_UNKNOWN ||
		(answer->status == PG_REFUSED && !is_about_contents(answer->sqlstate));
}

static void on_report(void *owner, const struct pg_answer *answer)
{
	struct record *record = owner;

	if (record->gone) {
		record_end(record);
		return;
	}
	if (is_for_later(answer)) {
		put_off(record, answer);
		pg_again(record->pg, answer, AGAIN_US);
		return;
	}
	record->asked_us = 0;
	record->put_off = false;
	if (answer->status == PG_DONE) {
		confirmed(record, answer);
	} else {
		refused(record, answer);
	}
	round_send(record);
}

void round_send(struct record *record)
{
	struct round *round = &record->round;
	struct pg_request *request = pg_request_new();

	choose_parts(record);
	if (round->rows_sent > round->rows_done) {
		pg_statement(request, sql_statements[SQL_REPORT].text);
		rows_write(round->rows, round->rows_done, round->rows_sent,
			&record->settings.worker, request);
	}
	if (round->filings_sent > round->filings_done) {
		pg_statement(request, sql_statements[SQL_RETRY_FILE].text);
		filings_write(&round->filings, round->filings_done, round->filings_sent,
			&record->settings.worker, request);
	}
	if (round->closes_sent > round->closes_done) {
		pg_statement(request, sql_statements[SQL_BATCH_CLOSE].text);
		write_closes(record, request);
	}
	if (round->rows_sent + round->filings_sent + round->closes_sent ==
		round->rows_done + round->filings_done + round->closes_done) {
		pg_request_drop(&request);
		round_finished(record);
		return;
	}
	if (record->settings.on_beat != NULL) {
		pg_statement(request, sql_statements[SQL_WORKER_BEAT].text);
		pg_add_id(request, &record->settings.worker);
		pg_add_number(request, record->settings.beats(record->settings.owner));
	}
	record->asked_us = loop_now_us(record->loop);
	pg_send(record->pg, &request, 0, on_report, record);
}
