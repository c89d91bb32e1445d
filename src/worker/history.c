/*
 * The steps, each of which may be run again after a crash:
 *
 *	ask      has Postgres the newest number that it told this directory of?
 *	recall   incarnations that it does not know are entered, as replayed
 *	again    every attempt that the journal has is written again, in parts; ids that are
 *	         there are left alone.  Batches and counters are not touched: what a batch
 *	         was in the forgotten history says nothing of where its jobs are now
 *	inbox    what lies in the inbox of a tenant concerned becomes jobs and batches
 *	suspect  the batches of the campaigns concerned are marked, so that their next owner
 *	         looks at the attempts, and counts those jobs that have ended
 *
 * Then goes the ordinary replay of what was never reported (replay.c): whatever it files
 * inherits the mark.  The whole journal is read once for each part, which costs a second a
 * gigabyte and keeps the memory that it takes small.
 */
#include "history.h"

#include <sysexits.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/time.h"
#include "replay.h"
#include "spool/recover.h"
#include "sql/statements.h"

enum { PART = 20000, INBOX_ROWS = 1000, SUSPECT_BATCHES = 500 };

#define AGAIN_US TIME_SECOND_US
#define INTERVAL_US (TIME_SECOND_US / 100)

struct concern {
	struct id tenant;
	struct id campaign;
};

struct history {
	struct worker *worker;
	struct slice directory;
	struct recover_seen seen;
	struct map *owners; /* incarnations that wrote anything */
	struct map *campaigns;
	struct concern *concerns; /* the same, as a list */
	size_t concern;
	struct record *record; /* of the part that is being written */
	struct id reading;     /* whose records are being read */
	struct id writer;      /* whose are in the part */
	size_t skip;           /* attempts of the parts before this */
	size_t passed;
	size_t kept;
	struct later step;
	size_t flying;
	bool gone;
	void (*on_done)(void *owner);
	void *owner;
};

static void history_end(struct history *history)
{
	map_free(&history->owners);
	map_free(&history->campaigns);
	mem_free(history->concerns);
	mem_free(history);
}

/* True where the answer is to be used; else it is asked again, or nobody wants it. */
static bool is_answer(struct history *history, const struct pg_answer *answer)
{
	if (!history->gone && answer->status != PG_DONE) {
		if (answer->status == PG_REFUSED) {
			log_error(NULL, "postgres_refused", "what=history sqlstate=%s text=%s",
				log_quote(answer->sqlstate), log_quote(answer->text));
		}
		pg_again(history->worker->pg, answer, AGAIN_US);
		return false;
	}
	history->flying--;
	if (history->gone && history->flying == 0) {
		history_end(history);
		return false;
	}
	return !history->gone;
}

static void ask(struct history *history, struct pg_request **take,
	void (*on_answer)(void *owner, const struct pg_answer *answer))
{
	history->flying++;
	pg_send(history->worker->pg, take, 0, on_answer, history);
}

static struct pg_request *request_of(enum sql_id statement)
{
	struct pg_request *request = pg_request_new();

	pg_statement(request, sql_statements[statement].text);
	return request;
}

static void add_owners(struct pg_request *request, const struct history *history)
{
	struct slice key;
	void *value;
	size_t at = 0;

	pg_array(request);
	while (map_next(history->owners, &at, &key, &value)) {
		struct id id = id_from(key);

		pg_item_id(request, &id);
	}
	pg_array_end(request);
}

static void finish(struct history *history)
{
	log_warning(NULL, "history_restored", "attempts=%zu campaigns=%zu", history->skip,
		map_count(history->campaigns));
	history->on_done(history->owner);
}

static void look_at_concern(struct history *history);

static void on_marked(void *owner, const struct pg_answer *answer)
{
	struct history *history = owner;

	if (!is_answer(history, answer)) {
		return;
	}
	if (pg_rows(answer, 0) < SUSPECT_BATCHES) {
		history->concern++;
	}
	look_at_concern(history);
}

static void mark(struct history *history)
{
	const struct concern *concern = &history->concerns[history->concern];
	struct pg_request *request = request_of(SQL_BATCH_SUSPECT);

	pg_add_id(request, &concern->tenant);
	pg_add_id(request, &concern->campaign);
	add_owners(request, history);
	pg_add_number(request, SUSPECT_BATCHES);
	ask(history, &request, on_marked);
}

static void on_moved(void *owner, const struct pg_answer *answer)
{
	struct history *history = owner;

	if (!is_answer(history, answer)) {
		return;
	}
	if (pg_number(answer, 0, 0, 0) >= INBOX_ROWS) {
		look_at_concern(history);
	} else {
		mark(history);
	}
}

static void look_at_concern(struct history *history)
{
	struct pg_request *request;
	struct id salt = id_random();

	if (history->concern == map_count(history->campaigns)) {
		finish(history);
		return;
	}
	request = request_of(SQL_INBOX_MOVE);
	pg_add_id(request, &history->concerns[history->concern].tenant);
	pg_add_number(request, INBOX_ROWS);
	pg_add_id(request, &salt);
	ask(history, &request, on_moved);
}

static void list_concerns(struct history *history)
{
	struct slice key;
	void *value;
	size_t at = 0;
	size_t n = 0;

	history->concerns =
		mem_array(map_count(history->campaigns) + 1, sizeof(*history->concerns));
	while (map_next(history->campaigns, &at, &key, &value)) {
		history->concerns[n++] = (struct concern){
			.tenant = id_from(slice_first(key, sizeof(struct id))),
			.campaign = id_from(slice_from(key, sizeof(struct id))),
		};
	}
}

static void note_concern(struct history *history, const struct entry *entry)
{
	struct buf key;

	buf_init(&key, 0);
	buf_add(&key, id_slice(&entry->tenant.id));
	buf_add(&key, id_slice(&entry->campaign.id));
	map_put(history->campaigns, buf_slice(&key), history);
	buf_clear(&key);
}

static void on_batch_over(void *owner, struct batch *batch)
{
	(void)owner;
	(void)batch; /* there are none */
}

static void open_record(struct history *history)
{
	struct worker *worker = history->worker;

	history->writer = history->reading;
	history->record = record_open(worker->loop, worker->pg,
		&(struct record_settings){
			.worker = history->writer,
			.interval_us = INTERVAL_US,
			.rows = worker->equipment->config->report.rows,
			.distributed = worker->equipment->config->postgres.distributed,
			.on_batch_over = on_batch_over,
			.owner = history,
		});
}

/* A part is of one incarnation: whose an attempt is, the report says once. */
static bool is_of_part(struct history *history)
{
	if (history->passed < history->skip) {
		history->passed++;
		return false;
	}
	if (history->kept == 0) {
		open_record(history);
	}
	return history->kept < PART && id_equal(history->reading, history->writer);
}

static void take(struct history *history, const struct entry *entry, bool doubt)
{
	if (!is_of_part(history)) {
		return;
	}
	if (doubt) {
		struct attempt attempt = entry->attempt;

		replay_decide(history->worker, &attempt);
		record_again(history->record, &attempt);
	} else {
		record_again(history->record, &entry->attempt);
	}
	note_concern(history, entry);
	history->kept++;
}

static void on_owner(void *owner, const struct segment_header *header, const char *damage)
{
	(void)damage; /* the ordinary replay tells it, where it matters */
	((struct history *)owner)->reading = header->owner;
}

static void on_result(void *owner, const struct entry *entry)
{
	take(owner, entry, false);
}

static void on_doubt(void *owner, const struct entry *entry)
{
	take(owner, entry, true);
}

static void on_incarnation(void *owner, const struct segment_header *header, const char *damage)
{
	struct history *history = owner;

	(void)damage;
	map_put(history->owners, id_slice(&header->owner), history);
}

static bool read_journal(struct history *history, const struct recover_events *events)
{
	struct worker *worker = history->worker;
	struct recover_report report;
	struct buf why;
	bool read;

	buf_init(&why, 0);
	read = recover_history(history->directory, events, history, &report, &why);
	if (!read) {
		log_error(NULL, "history_unreadable", "why=%s", log_quote(buf_slice(&why)));
		worker->events.on_lost(worker->events.owner, EX_CONFIG);
	}
	buf_clear(&why);
	return read;
}

static void on_written(void *owner)
{
	struct history *history = owner;

	loop_later(history->worker->loop, &history->step);
}

/* The next part; behind the last one the batches. */
static void write_part(void *owner)
{
	static const struct recover_events events = {
		.on_owner = on_owner, .on_result = on_result, .on_doubt = on_doubt};
	struct history *history = owner;

	record_close(&history->record);
	history->skip += history->kept;
	history->kept = 0;
	history->passed = 0;
	if (!read_journal(history, &events)) {
		return;
	}
	if (history->kept > 0) {
		record_flush(history->record, on_written, history);
	} else {
		list_concerns(history);
		look_at_concern(history);
	}
}

static void on_recalled(void *owner, const struct pg_answer *answer)
{
	struct history *history = owner;

	if (is_answer(history, answer)) {
		write_part(history);
	}
}

static void recall(struct history *history)
{
	static const struct recover_events events = {.on_owner = on_incarnation};
	struct worker *worker = history->worker;
	struct pg_request *request;

	if (!read_journal(history, &events)) {
		return;
	}
	request = request_of(SQL_WORKER_RECALL);
	add_owners(request, history);
	pg_add_text(request, slice_of(worker->equipment->config->node));
	ask(history, &request, on_recalled);
}

static void on_asked(void *owner, const struct pg_answer *answer)
{
	struct history *history = owner;
	int64_t beats;

	if (!is_answer(history, answer)) {
		return;
	}
	beats = pg_rows(answer, 0) > 0 ? pg_number(answer, 0, 0, 0) : 0;
	if (!history->seen.rewound && (uint64_t)beats >= history->seen.beats) {
		history->on_done(history->owner);
		return;
	}
	log_error(NULL, "history_lost", "seen=%llu has=%lld text=%s",
		(unsigned long long)history->seen.beats, (long long)beats,
		log_quote(SLICE("Postgres has forgotten what it had committed: all that the "
				"journal has is reported again before anything is sent")));
	recall(history);
}

void history_restore(struct history *history, void (*on_done)(void *owner), void *owner)
{
	struct pg_request *request;

	history->on_done = on_done;
	history->owner = owner;
	recover_seen(history->directory, &history->seen);
	if (id_is_zero(history->seen.owner)) {
		on_done(owner);
		return;
	}
	request = request_of(SQL_WORKER_BEATS);
	pg_add_id(request, &history->seen.owner);
	ask(history, &request, on_asked);
}

struct history *history_new(struct worker *worker, struct slice directory)
{
	struct history *history = MEM_NEW(struct history);

	history->worker = worker;
	history->directory = directory;
	history->owners = map_new();
	history->campaigns = map_new();
	later_init(&history->step, write_part, history);
	return history;
}

void history_free(struct history **history)
{
	struct history *gone = *history;

	if (gone == NULL) {
		return;
	}
	*history = NULL;
	loop_later_cancel(gone->worker->loop, &gone->step);
	record_close(&gone->record);
	gone->gone = true;
	if (gone->flying == 0) {
		history_end(gone);
	}
}
