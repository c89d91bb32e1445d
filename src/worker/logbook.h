/*
 * What a worker writes down: the joint between the way of a message and the journal.  A
 * job that is about to be sent has an intent; it goes with the plan until the result is
 * written, or until the job goes another way.
 */
#ifndef WORKER_LOGBOOK_H
#define WORKER_LOGBOOK_H

#include "parts.h"

/*
 * The directory, what was left in it (replay.h), and a journal of our own.  False with a
 * reason in why.
 */
bool logbook_open(
	struct worker *worker, const struct config *config, struct slice name, struct buf *why);
void logbook_start(struct worker *worker); /* reports that; then intake/ begins */
void logbook_on_leased(struct worker *worker);
void logbook_close(struct worker *worker); /* copes with half-open */

/* What is at hand (hand.h). */
struct cell;
struct cell *logbook_cell(const struct worker *worker);

/* May more be sent, as the disk stands? */
bool logbook_flows(const struct worker *worker);

void logbook_claimed(struct worker *worker, const struct claimed *claimed, size_t count);

/*
 * 354 came.  `attempt` is all that is known by then; it gets the id that its result will
 * have.  False: there is no room, and the message may not be sent.
 */
bool logbook_intend(struct plan *plan, struct attempt *attempt);

/* The intents of this turn go to the disk, now. */
void logbook_sync(struct worker *worker);
bool logbook_is_durable(const struct plan *plan);

/* Ends the intent, if there is one: with the attempt's receipt, or without. */
void logbook_result(struct plan *plan, struct attempt *attempt);
void logbook_withdraw(struct plan *plan);

/*
 * A commit of ours has this number (intake/, record/).  One that is not greater than those
 * before means that Postgres has forgotten commits: no dot leaves any more, and the worker
 * ends, to begin anew with what its journal has.
 */
void logbook_on_beat(void *owner, int64_t beats, bool live);
int64_t logbook_beats(void *owner);

/* record/ has it confirmed. */
void logbook_on_confirmed(void *owner, void *receipt);

#endif
