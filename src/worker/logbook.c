/*
 * The journal as the worker sees it.  An intent is written when 354 came, in the same
 * turn and before the signing, so that the disk works while we sign; the final dot waits
 * until it is durable (launch.c).  The result is written before the connection is used
 * again: the loop has us write before it writes to any socket.
 *
 * A journal that fails is over: no dot leaves any more, what is known goes to Postgres
 * straight away, and the process ends, to be started anew.
 */
#include "logbook.h"

#include <sysexits.h>

#include "base/log.h"
#include "base/mem.h"
#include "launch.h"
#include "replay.h"
#include "spool/cell.h"
#include "spool/directory.h"
#include "spool/journal.h"

#define NAME "worker"

enum verdict_on_us {
	AT_WORK,
	DEAD_TO_OTHERS, /* declared dead */
	REWOUND,        /* Postgres has forgotten commits */
};

struct logbook {
	struct directory *directory;
	struct cell *cell;
	struct disk *disk;
	struct journal *journal;
	struct replay *replay;
	uint64_t seen; /* the newest commit's number */
	enum verdict_on_us verdict;
	struct later end;
};

static void on_durable(void *owner)
{
	launch_release_some(owner);
}

static void on_room(void *owner)
{
	struct worker *worker = owner;

	outlet_run_all(worker);
	intake_hurry(worker->intake);
}

static void on_dead(void *owner, struct err err)
{
	struct worker *worker = owner;

	log_error(NULL, "journal_failed", "why=%s text=%s", log_quote(slice_of(err_text(err))),
		log_quote(SLICE("nothing more is sent; what is known goes to Postgres, and this "
				"process ends")));
	launch_abort_all(worker);
	worker->events.on_lost(worker->events.owner, EX_IOERR);
}

/* From the loop: who told us is in the middle of something. */
static void end(void *owner)
{
	struct worker *worker = owner;

	if (worker->logbook->verdict == DEAD_TO_OTHERS) {
		intake_fence(worker->intake);
		return;
	}
	log_error(NULL, "history_lost", "seen=%llu text=%s",
		(unsigned long long)worker->logbook->seen,
		log_quote(SLICE("Postgres has forgotten what it had committed: nothing more is "
				"sent, and the next start reports what the journal has")));
	launch_abort_all(worker);
	worker->events.on_lost(worker->events.owner, EX_TEMPFAIL);
}

void logbook_on_beat(void *owner, int64_t beats, bool live)
{
	struct worker *worker = owner;
	struct logbook *book = worker->logbook;

	if (book->verdict != AT_WORK) {
		return;
	}
	if ((uint64_t)beats <= book->seen) {
		book->verdict = REWOUND;
		journal_rewound(book->journal, (uint64_t)beats);
		intake_give_up(worker->intake);
		loop_later(worker->loop, &book->end);
		return;
	}
	book->seen = (uint64_t)beats;
	journal_seen(book->journal, book->seen);
	if (!live) {
		book->verdict = DEAD_TO_OTHERS;
		loop_later(worker->loop, &book->end);
	}
}

int64_t logbook_beats(void *owner)
{
	return (int64_t)((struct worker *)owner)->logbook->seen;
}

static void before_writes(void *owner)
{
	journal_flush(((struct worker *)owner)->logbook->journal);
}

bool logbook_open(
	struct worker *worker, const struct config *config, struct slice name, struct buf *why)
{
	static const struct segments_events events = {on_durable, on_room, on_dead};
	const struct config_spool *spool = &config->spool;
	struct journal_settings settings = {
		.segment_bytes = spool->segment_bytes,
		.sync = spool->sync,
		.keep_bytes = spool->keep_bytes,
		.keep_us = spool->keep_us,
		.owner = *intake_worker(worker->intake),
		.boot = directory_boot(),
		.node = slice_of(config->node),
		.name = name,
	};

	struct logbook *book = MEM_NEW(struct logbook);

	worker->logbook = book;
	later_init(&book->end, end, worker);
	if (!directory_open(slice_of(spool->directory), name, spool->sync, &book->directory, why)) {
		return false;
	}
	settings.directory = directory_path(book->directory);
	if (!cell_open(settings.directory, settings.boot, &book->cell, why)) {
		return false;
	}
	book->replay = replay_read(worker, settings.directory, why);
	if (book->replay == NULL) {
		return false;
	}
	book->disk = disk_new(worker->loop);
	book->journal = journal_open(worker->loop, book->disk, &settings, &events, worker);
	loop_before_writes(worker->loop, before_writes, worker);
	return true;
}

void logbook_start(struct worker *worker)
{
	replay_start(worker->logbook->replay);
}

void logbook_on_leased(struct worker *worker)
{
	replay_on_leased(worker->logbook->replay);
}

void logbook_close(struct worker *worker)
{
	struct logbook *book = worker->logbook;

	if (book == NULL) {
		return;
	}
	worker->logbook = NULL;
	loop_before_writes(worker->loop, NULL, NULL);
	loop_later_cancel(worker->loop, &book->end);
	replay_free(&book->replay);
	disk_free(&book->disk);
	journal_close(&book->journal);
	cell_close(&book->cell);
	directory_close(&book->directory);
	mem_free(book);
}

struct cell *logbook_cell(const struct worker *worker)
{
	return worker->logbook->cell;
}

bool logbook_flows(const struct worker *worker)
{
	return journal_has_room(worker->logbook->journal);
}

void logbook_claimed(struct worker *worker, const struct claimed *claimed, size_t count)
{
	struct id *tenants = mem_array(count, sizeof(*tenants));
	struct id *batches = mem_array(count, sizeof(*batches));
	const struct batch *before = NULL;
	size_t n = 0;

	for (size_t i = 0; i < count; i++) {
		const struct batch *batch = claimed[i].job->batch;

		if (batch != before) {
			tenants[n] = batch->campaign->tenant->id;
			batches[n++] = batch->id;
			before = batch;
		}
	}
	if (n > 0) {
		journal_claimed(worker->logbook->journal, &before->token, tenants, batches, n);
	}
	mem_free(batches);
	mem_free(tenants);
}

bool logbook_intend(struct plan *plan, struct attempt *attempt)
{
	plan->attempt_id = id_make(attempt->at_us / 1000);
	attempt->id = plan->attempt_id;
	plan->intent = journal_intent(plan->worker->logbook->journal, attempt);
	return plan->intent != NULL;
}

void logbook_sync(struct worker *worker)
{
	journal_sync(worker->logbook->journal);
}

bool logbook_is_durable(const struct plan *plan)
{
	return journal_is_durable(plan->worker->logbook->journal, plan->intent);
}

void logbook_result(struct plan *plan, struct attempt *attempt)
{
	attempt->receipt = journal_result(plan->worker->logbook->journal, &plan->intent, attempt);
}

void logbook_withdraw(struct plan *plan)
{
	if (plan->intent != NULL) {
		journal_withdraw(plan->worker->logbook->journal, &plan->intent);
	}
	plan->attempt_id = (struct id){{0}};
}

void logbook_on_confirmed(void *owner, void *receipt)
{
	struct ticket *ticket = receipt;

	journal_confirm(((struct worker *)owner)->logbook->journal, &ticket);
}
