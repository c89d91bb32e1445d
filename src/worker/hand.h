/*
 * The job that is at hand, where the next worker finds it should this one die now: the
 * joint between the way of a message and the spool's cell.
 */
#ifndef WORKER_HAND_H
#define WORKER_HAND_H

#include "parts.h"
#include "spool/cell.h"

void hand_on(const struct plan *plan, enum cell_stage stage);
void hand_off(const struct worker *worker);

/*
 * Tells Postgres what the worker before us died of, if that is known; on_told comes from
 * the loop when Postgres has it.
 */
struct crash;
struct crash *crash_tell(struct worker *worker, void (*on_told)(void *owner), void *owner);
void crash_free(struct crash **crash); /* accepts NULL; on_told does not come any more */

#endif
