/*
 * Reads what a worker that is gone left in its journal: the results that Postgres may
 * not have, and the messages whose end nobody knows.  Reads only; when all of it is in
 * Postgres, recover_done() sets the files aside.
 */
#ifndef SPOOL_RECOVER_H
#define SPOOL_RECOVER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/id.h"
#include "base/slice.h"
#include "spool/entry.h"
#include "spool/segment.h"

/* Any may be NULL. */
struct recover_events {
	/*
	 * Each incarnation that wrote, oldest first; what follows is of it.  damage: NULL, or
	 * where the first place is of which something was on the disk and cannot be read: what
	 * it had claimed may have been sent with nothing here that says so.
	 */
	void (*on_owner)(void *owner, const struct segment_header *header, const char *damage);
	/* A result: the entry lives for the call, and so in the next. */
	void (*on_result)(void *owner, const struct entry *entry);
	/* An intent without an end: the dot may have left. */
	void (*on_doubt)(void *owner, const struct entry *entry);
};

struct recover_report {
	uint64_t last_number; /* of the files that were read; 0 = none */
	uint64_t records;
	uint64_t torn;    /* incarnations that end in what was cut before it was on the disk */
	uint64_t damaged; /* ... of which something is lost that was on it */
};

/*
 * Goes over all segments that are not done, and on behind what is damaged.  False where one
 * cannot be opened, or is of a newer version; why names the file and what to do.  Nothing
 * that was read before is taken back.
 */
MUST_USE bool recover_read(struct slice directory, const struct recover_events *events, void *owner,
	struct recover_report *ret_report, struct buf *why);

/*
 * The same over all segments that are there, also of what was reported: for a Postgres that
 * has forgotten some of it.
 */
MUST_USE bool recover_history(struct slice directory, const struct recover_events *events,
	void *owner, struct recover_report *ret_report, struct buf *why);

/* How far Postgres had come, as the newest incarnation that heard of it has written. */
struct recover_seen {
	struct id owner; /* zero: nothing was written */
	uint64_t beats;
	bool rewound; /* it was found to have gone back, and nobody has mended that since */
};
void recover_seen(struct slice directory, struct recover_seen *ret_seen);

/* Sets aside what was read, up to and with that number. */
MUST_USE struct err recover_done(struct slice directory, uint64_t last_number);

#endif
