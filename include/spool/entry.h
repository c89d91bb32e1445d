/*
 * An attempt as the journal has it: all that is needed to report it to Postgres, by
 * whoever finds it after a crash, without asking anybody.  Enumerations are written as
 * their words, so that a newer program reads what an older one wrote.  Pure.
 */
#ifndef SPOOL_ENTRY_H
#define SPOOL_ENTRY_H

#include <stdbool.h>

#include "base/buf.h"
#include "model/attempt.h"
#include "model/job.h"

enum {
	ENTRY_REPLY_MAX = 1024, /* of the reply's text; the rest is cut off */
	ENTRY_TEXT_MAX = 1024,  /* of any other text */
	ENTRY_MAX = 8192,       /* of all of it */
};

/*
 * Whole and linked up: attempt.job is &job, and so on up to the tenant.  Slices are
 * views of the bytes that were read.  Only what a report needs is filled in.
 */
struct entry {
	struct tenant tenant;
	struct campaign campaign;
	struct batch batch;
	struct job job;
	struct attempt attempt;
};

/* Spoils `out` where it comes to more than ENTRY_MAX. */
void entry_add(struct buf *out, const struct attempt *attempt);

/* What entry_add() will need at most, once a reply is known that is not yet. */
size_t entry_most(const struct attempt *attempt);

/* False where the bytes are no entry.  *ret_entry may not move afterwards. */
bool entry_read(struct slice bytes, struct entry *ret_entry);

#endif
