/*
 * Each incarnation that left something gets a record of its own, under its own id: the
 * statements take its filings only while its batches are still its own.  One that was
 * declared dead meanwhile leaves evidence instead, which is what it is.
 *
 * No batch is closed: what the journal has may be a part of it, and its sum could be right
 * by chance, with another job left than the one that is counted.  Whoever takes the batch
 * over finds what became of each.
 *
 * They are reported one after the other, oldest first, and then which job was at hand
 * when the last of them died (hand.c).  Only when Postgres has all of it is the lease asked
 * for: a start without Postgres waits here.  With the lease Postgres hears whose journals were
 * read, and only then are the files set aside: whoever is not named there passes for lost with
 * its journal, so that what it had claimed may have been sent.  The cell is kept as long: it
 * says which intent had no dot.
 */
#include "replay.h"

#include "base/arena.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/time.h"
#include "hand.h"
#include "history.h"
#include "logbook.h"
#include "pins.h"
#include "schema.h"
#include "spool/recover.h"

#define INTERVAL_US (TIME_SECOND_US / 100)

/* An attempt and what it hangs on; entries of one batch share the first one's. */
struct left {
	struct left *next;
	struct entry entry;
	bool doubt;
};

struct incarnation {
	struct incarnation *next;
	struct id id;
	struct left *first;
	struct left **last;
	size_t results;
	size_t doubts;
	bool damaged;
};

struct replay {
	struct worker *worker;
	struct slice directory;
	struct arena *arena;
	struct map *batches; /* by incarnation, id and token */
	struct incarnation *first;
	struct incarnation **last;
	struct incarnation *now; /* that is being reported */
	struct record *record;
	struct schema *schema;
	struct history *history;
	struct crash *crash;
	struct later step;
	size_t count;
	uint64_t last_number;
};

/* Nobody knows all that it did: it counts as lost, and not as one whose journal was read. */
static void tell_damage(const struct segment_header *header, const char *damage)
{
	char worker[ID_TEXT + 1];

	id_text(header->owner, worker);
	log_error(NULL, "journal_damaged", "worker=%s first=%s text=%s", worker,
		log_quote(slice_of(damage)),
		log_quote(SLICE("what is there cannot be read and was on the disk: all that this "
				"worker had claimed and nothing is known of is taken for a "
				"possible duplicate; look at the disk; 'penguinctl spool list' "
				"names all places")));
}

static void on_owner(void *owner, const struct segment_header *header, const char *damage)
{
	struct replay *replay = owner;
	struct incarnation *incarnation = arena_get(replay->arena, sizeof(*incarnation));

	*incarnation = (struct incarnation){.id = header->owner, .last = NULL};
	incarnation->last = &incarnation->first;
	*replay->last = incarnation;
	replay->last = &incarnation->next;
	replay->now = incarnation;
	replay->count++;
	if (damage != NULL) {
		incarnation->damaged = true;
		tell_damage(header, damage);
	}
}

/* The batch that others of this incarnation have named already: they are filed together. */
static struct batch *batch_of(struct replay *replay, struct batch *batch)
{
	struct id key[] = {replay->now->id, batch->id, batch->token};
	struct slice name = slice_make((const char *)key, sizeof(key));
	struct batch *known = map_get(replay->batches, name);

	if (known == NULL) {
		(void)map_put(replay->batches, name, batch);
	}
	return known != NULL ? known : batch;
}

/* Read once more from bytes of our own, since what is mapped goes. */
static void keep(struct replay *replay, const struct entry *entry, bool doubt)
{
	struct left *left = arena_get(replay->arena, sizeof(*left));
	struct incarnation *incarnation = replay->now;
	struct slice kept;
	struct buf bytes;

	buf_init(&bytes, 0);
	entry_add(&bytes, &entry->attempt);
	kept = arena_slice(replay->arena, buf_slice(&bytes));
	buf_clear(&bytes);
	*left = (struct left){.doubt = doubt};
	if (!entry_read(kept, &left->entry)) {
		return; /* it was an entry a moment ago */
	}
	left->entry.job.batch = batch_of(replay, &left->entry.batch);
	left->entry.job.batch->at_hand++;
	*incarnation->last = left;
	incarnation->last = &left->next;
	incarnation->results += !doubt;
	incarnation->doubts += doubt;
}

static void on_result(void *owner, const struct entry *entry)
{
	keep(owner, entry, false);
}

/* What was being signed when its worker died had an intent, but its dot cannot have left. */
static bool was_being_signed(const struct replay *replay, const struct entry *entry)
{
	struct cell_left left;

	return cell_left(logbook_cell(replay->worker), &left) && left.stage == CELL_SIGN &&
		id_equal(left.worker, replay->now->id) && id_equal(left.job.job, entry->job.id);
}

static void on_doubt(void *owner, const struct entry *entry)
{
	if (!was_being_signed(owner, entry)) {
		keep(owner, entry, true);
	}
}

static void on_step(void *owner);

struct replay *replay_read(struct worker *worker, struct slice directory, struct buf *why)
{
	static const struct recover_events events = {
		.on_owner = on_owner, .on_result = on_result, .on_doubt = on_doubt};
	struct replay *replay = MEM_NEW(struct replay);
	struct recover_report report;

	replay->worker = worker;
	replay->directory = directory;
	replay->arena = arena_new(65536);
	replay->batches = map_new();
	replay->last = &replay->first;
	later_init(&replay->step, on_step, replay);
	if (!recover_read(directory, &events, replay, &report, why)) {
		replay_free(&replay);
		return NULL;
	}
	replay->last_number = report.last_number;
	replay->now = replay->first;
	return replay;
}

/* An intent says all that is known (launch.c). */
void replay_decide(struct worker *worker, struct attempt *attempt)
{
	attempt->evidence.text = SLICE("the worker ended before the answer to the final dot");
	attempt->at_us = loop_wall_us(worker->loop);
	ending_decide(worker, attempt);
}

static void doubt(struct replay *replay, struct entry *entry)
{
	struct worker *worker = replay->worker;
	struct attempt *attempt = &entry->attempt;
	struct pins pins = {0};
	struct buf text;

	replay_decide(worker, attempt);
	if (attempt->state == OUTCOME_RETRYING) {
		(void)pins_parse(entry->job.keys, &pins);
		pins.doubt = true;
		buf_init(&text, 0);
		pins_add(&text, &pins);
		entry->job.keys = arena_slice(replay->arena, buf_slice(&text));
		buf_clear(&text);
	}
	if (worker->dlog != NULL) { /* results are in it: whoever ended wrote them */
		dlog_attempt(worker->dlog, attempt);
	}
}

static void on_batch_over(void *owner, struct batch *batch)
{
	(void)owner;
	(void)batch; /* the arena has it */
}

static void report_one(struct replay *replay, const struct incarnation *incarnation)
{
	for (struct left *left = incarnation->first; left != NULL; left = left->next) {
		if (left->doubt) {
			doubt(replay, &left->entry);
		}
		record_attempt(replay->record, &left->entry.attempt);
	}
}

static void on_reported(void *owner)
{
	struct replay *replay = owner;

	loop_later(replay->worker->loop, &replay->step);
}

static void start_intake(const struct replay *replay)
{
	struct id *ids = mem_array(replay->count, sizeof(*ids));
	size_t n = 0;

	for (const struct incarnation *i = replay->first; i != NULL; i = i->next) {
		if (!i->damaged) {
			ids[n++] = i->id;
		}
	}
	intake_start(replay->worker->intake, ids, n);
	mem_free(ids);
}

static void finish(struct replay *replay)
{
	start_intake(replay);
	history_free(&replay->history);
	arena_free(&replay->arena); /* it may be large, and the worker lives long */
	map_free(&replay->batches);
	replay->first = NULL;
}

static void on_step(void *owner)
{
	struct replay *replay = owner;
	struct incarnation *incarnation = replay->now;
	struct worker *worker = replay->worker;

	record_close(&replay->record);
	if (incarnation == NULL && replay->crash == NULL) {
		replay->crash = crash_tell(worker, on_reported, replay);
		return;
	}
	if (incarnation == NULL) {
		finish(replay);
		return;
	}
	replay->now = incarnation->next;
	if (incarnation->results + incarnation->doubts > 0) {
		log_info(NULL, "replayed", "results=%zu doubts=%zu", incarnation->results,
			incarnation->doubts);
	}
	replay->record = record_open(worker->loop, worker->pg,
		&(struct record_settings){
			.worker = incarnation->id,
			.interval_us = INTERVAL_US,
			.rows = worker->equipment->config->report.rows,
			.filing_us = 0,
			.distributed = worker->equipment->config->postgres.distributed,
			.leaves = true,
			.dlog = NULL,
			.on_batch_over = on_batch_over,
			.owner = replay,
		});
	report_one(replay, incarnation);
	record_flush(replay->record, on_reported, replay);
}

static void on_restored(void *owner)
{
	struct replay *replay = owner;

	loop_later(replay->worker->loop, &replay->step);
}

void replay_on_leased(struct replay *replay)
{
	struct err err = recover_done(replay->directory, replay->last_number);

	cell_begin(logbook_cell(replay->worker), *intake_worker(replay->worker->intake));
	if (err_is(err)) { /* it is read again at the next start, and reported again: no harm */
		log_warning(NULL, "journal_not_set_aside", "why=%s",
			log_quote(slice_of(err_text(err))));
	}
}

static void on_schema(void *owner)
{
	struct replay *replay = owner;

	replay->history = history_new(replay->worker, replay->directory);
	history_restore(replay->history, on_restored, replay);
}

void replay_start(struct replay *replay)
{
	replay->schema = schema_ask(replay->worker, on_schema, replay);
}

void replay_free(struct replay **replay)
{
	struct replay *gone = *replay;

	if (gone == NULL) {
		return;
	}
	*replay = NULL;
	loop_later_cancel(gone->worker->loop, &gone->step);
	record_close(&gone->record);
	schema_free(&gone->schema);
	history_free(&gone->history);
	crash_free(&gone->crash);
	arena_free(&gone->arena);
	map_free(&gone->batches);
	mem_free(gone);
}
