/*
 * What workers before this one left in the journal: read at the start, and reported as
 * theirs before anything is claimed.  Their results become attempts and retries as if
 * nothing had happened; a message whose end nobody knows is in doubt, and ends as its
 * campaign's on_in_doubt says.
 */
#ifndef WORKER_REPLAY_H
#define WORKER_REPLAY_H

#include "parts.h"

struct replay;

/* Reads the directory; NULL with a reason in why where the journal is damaged. */
struct replay *replay_read(struct worker *worker, struct slice directory, struct buf *why);

/*
 * Waits until the schema is right (schema.h).  What Postgres has forgotten comes first
 * (history.h); then reports what was read, and starts intake/.
 */
void replay_start(struct replay *replay);

/* Postgres knows whose journals were read: the files are set aside. */
void replay_on_leased(struct replay *replay);

/* What becomes of a message whose end nobody knows: the campaign decides. */
void replay_decide(struct worker *worker, struct attempt *attempt);

void replay_free(struct replay **replay); /* accepts NULL */

#endif
