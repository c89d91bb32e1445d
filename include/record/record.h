/*
 * What goes to Postgres and to the delivery log: what became of each job.  Attempts
 * are appended every half second or thousand rows; retries are filed within half a
 * minute; a batch is closed when no job of it is at hand any more.  Everything is
 * written again after a lost connection, and doing so twice is harmless.
 *
 * With each call below the job stops being the caller's; its memory goes with the
 * last batch of its claim.
 */
#ifndef RECORD_RECORD_H
#define RECORD_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/id.h"
#include "base/slice.h"
#include "io/loop.h"
#include "io/pg.h"
#include "model/attempt.h"
#include "model/job.h"

struct record;
struct dlog;

struct record_settings {
	struct id worker;    /* intake_worker() */
	int64_t interval_us; /* between reports */
	unsigned rows;       /* a report goes at once with so many attempts */
	int64_t filing_us;   /* a retry is filed at the latest after this */
	bool distributed;    /* one tenant a transaction */
	bool leaves;         /* closes no batch: who is not there may have been filed since */
	struct dlog *dlog;   /* NULL = no delivery log */
	/* The memory of a claim may go: called once for each batch that is over. */
	void (*on_batch_over)(void *owner, struct batch *batch);
	/*
	 * Postgres has an attempt that came with a receipt, and its retry as well, or never
	 * will have it.  NULL where no attempt has one.
	 */
	void (*on_confirmed)(void *owner, void *receipt);
	/* As in intake/: the number of each report that is committed.  NULL: it gets none. */
	void (*on_beat)(void *owner, int64_t beats, bool live);
	int64_t (*beats)(void *owner);
	void *owner;
};

struct record *record_open(
	struct loop *loop, struct pg *pg, const struct record_settings *settings);

/* A reload: other times from here on, also for what waits. */
void record_change(struct record *record, int64_t interval_us, unsigned rows, int64_t filing_us);

/*
 * An attempt was made, or failed before it could be (state FAILED).  Slices are
 * copied.  A final state counts in the job's batch; RETRYING is filed for
 * attempt->due_us with attempt->route.source and the job's pins; IN_DOUBT is filed
 * for the operator (on_in_doubt: hold).
 */
void record_attempt(struct record *record, const struct attempt *attempt);

/*
 * An attempt that was reported long ago and that Postgres may have forgotten: the row alone
 * is written again.  The job stays where it is, and is the caller's.
 */
void record_again(struct record *record, const struct attempt *attempt);

/* Ends a job without an attempt: suppressed, cancelled, expired, failed. */
void record_skip(struct record *record, struct job *job, enum outcome state, struct slice reason);

/* A final state that Postgres knows already: counted, not written again. */
void record_known(struct record *record, struct job *job, enum outcome state);

/*
 * One that Postgres has as evidence only.  Written again as ours, since the evidence of
 * another may come behind it and say otherwise, when the job is counted.
 */
void record_hearsay(struct record *record, struct job *job, enum outcome state);

/*
 * Back to Postgres without an attempt, not to be claimed before not_before_us (wall
 * clock; 0 = at once), under another tag where `tag` is not empty.
 */
void record_give_back(
	struct record *record, struct job *job, int64_t not_before_us, struct slice tag);

/* Rows and batches that Postgres has not confirmed: the measure of what a crash may repeat. */
size_t record_unreported(const struct record *record);

/* Attempts among them: what a crash without a journal would send again. */
size_t record_unconfirmed(const struct record *record);

/* Since when Postgres has been told something that it has not confirmed; 0 = nothing is under way. */
int64_t record_waits_since_us(const struct record *record);

/* Writes everything now; on_done when all is confirmed. */
void record_flush(struct record *record, void (*on_done)(void *owner), void *owner);
void record_close(struct record **record); /* what is unreported is lost to Postgres: flush first */

#endif
