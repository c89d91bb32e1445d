/*
 * Looks at a journal's files as they are: a directory at rest, a copy, or one whose
 * worker is at work.  Takes no lock and writes nothing; what cannot be read is told
 * with its place, and the rest is read all the same.
 */
#ifndef SPOOL_INSPECT_H
#define SPOOL_INSPECT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"
#include "spool/entry.h"
#include "spool/journal.h"
#include "spool/segment.h"

struct inspect_file {
	struct slice path; /* lives for the call, as all of it */
	uint64_t bytes;
	bool done;
	const struct segment_header *header; /* NULL: it was made ahead, and has no record */
};

struct inspect_record {
	unsigned type; /* enum journal_type, or a number of a newer program */
	uint64_t seq;
	uint64_t offset; /* in its file */
	uint64_t
		number; /* RESULT, WITHDRAWN: the intent, or 0; REPORTED: up to here; SEEN, REWOUND: the
				    marker of Postgres */
	const struct entry *entry; /* INTENT, RESULT */
	struct slice payload;
};

enum inspect_trouble {
	INSPECT_TORN,       /* the end was not written: a crash, or a worker that writes now */
	INSPECT_DAMAGED,    /* a record or a header is not as it was written */
	INSPECT_MISSING,    /* files or records between this and the one before are not there */
	INSPECT_NEWER,      /* of a newer version of the program */
	INSPECT_UNREADABLE, /* the system says why, in the text */
};

/* Any may be NULL.  Files come oldest first, each before its records. */
struct inspect_events {
	void (*on_file)(void *owner, const struct inspect_file *file);
	void (*on_record)(void *owner, const struct inspect_record *record);
	void (*on_trouble)(void *owner, enum inspect_trouble trouble, struct slice path,
		uint64_t offset, const char *text);
};

/* A journal's directory, or one file.  False where there is no such thing; why says so. */
MUST_USE bool inspect(
	struct slice path, const struct inspect_events *events, void *owner, struct buf *why);

/* Has it a name that a segment has? */
bool inspect_is_segment(struct slice name);

/* Is it one of enum journal_type? */
bool inspect_knows(unsigned type);

/* "intent", ...; "unknown" of a number that has no name here. */
const char *inspect_type_word(unsigned type);

#endif
