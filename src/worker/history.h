/*
 * A Postgres that has forgotten what it had told: a standby that lagged was promoted, or a
 * backup was put back.  At the start the journal's word is compared with the database's, and
 * where that is behind, all that the journal still has is reported once more before anything
 * is claimed.
 */
#ifndef WORKER_HISTORY_H
#define WORKER_HISTORY_H

#include "parts.h"

struct history;

struct history *history_new(struct worker *worker, struct slice directory);

/*
 * Calls on_done, from the loop, when Postgres knows all that was ever known here.  It never
 * does where Postgres stays away; a journal that cannot be read ends the worker.
 */
void history_restore(struct history *history, void (*on_done)(void *owner), void *owner);

void history_free(struct history **history); /* accepts NULL */

#endif
