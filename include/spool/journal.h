/*
 * What a worker writes down so that a crash is no riddle: what it is about to send,
 * what became of it, and what Postgres knows of that (design section 5).
 *
 *	CLAIMED    a claim's token and its batches
 *	INTENT     354 came: durable before the final dot may leave
 *	WITHDRAWN  the dot did not leave after all
 *	RESULT     what the receiver said; written before anything more is said to it
 *	REPORTED   Postgres has every result up to this sequence number
 *	SEEN       the number of the newest commit that Postgres has told of (worker_beat.sql)
 *	REWOUND    Postgres was found to have forgotten some of them
 *
 * A ticket stands for an INTENT or a RESULT that is not done with yet; the oldest ticket
 * says how far REPORTED may go.
 */
#ifndef SPOOL_JOURNAL_H
#define SPOOL_JOURNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/id.h"
#include "base/slice.h"
#include "io/disk.h"
#include "io/loop.h"
#include "model/attempt.h"
#include "spool/segments.h"

/* The numbers are in the files: one is added, never changed. */
enum journal_type {
	JOURNAL_CLAIMED = 1,
	JOURNAL_INTENT = 2,
	JOURNAL_WITHDRAWN = 3,
	JOURNAL_RESULT = 4,
	JOURNAL_REPORTED = 5,
	JOURNAL_SEEN = 8,
	JOURNAL_REWOUND = 9,
};

struct journal;
struct ticket;

struct journal_settings {
	struct slice directory; /* exists and is ours (spool/directory.h) */
	uint64_t segment_bytes;
	bool sync;
	uint64_t keep_bytes;
	int64_t keep_us;
	struct id owner; /* this worker incarnation */
	struct id boot;
	struct slice node;
	struct slice name;
};

struct journal *journal_open(struct loop *loop, struct disk *disk,
	const struct journal_settings *settings, const struct segments_events *events, void *owner);

/* What is not confirmed stays for the next start.  The disk is freed before. */
void journal_close(struct journal **journal); /* accepts NULL */

/* For a later look at what was held; left out where there is no room. */
void journal_claimed(struct journal *journal, const struct id *token, const struct id *tenants,
	const struct id *batches, size_t count);

/*
 * About to send.  Keeps room for the result.  NULL: there is no room (or no journal any
 * more), and the final dot may not leave.
 */
struct ticket *journal_intent(struct journal *journal, const struct attempt *attempt);
bool journal_is_durable(const struct journal *journal, const struct ticket *intent);

/* It was not sent; the job goes another way.  *take may be NULL. */
void journal_withdraw(struct journal *journal, struct ticket **take);

/*
 * What became of it; of a message that had no intent, *take is NULL.  The ticket is to
 * be confirmed when Postgres has it; NULL where it could not be written (no dot had
 * left, or the journal is dead).
 */
struct ticket *journal_result(
	struct journal *journal, struct ticket **take, const struct attempt *attempt);
void journal_confirm(struct journal *journal, struct ticket **take);

/* Left for later where there is no room yet: journal_flush() tries again. */
void journal_seen(struct journal *journal, uint64_t beats);
void journal_rewound(struct journal *journal, uint64_t beats);

/* Writes what there is, now; sync also begins to make it durable. */
void journal_flush(struct journal *journal);
void journal_sync(struct journal *journal);

bool journal_dead(const struct journal *journal);
bool journal_has_room(const struct journal *journal); /* for one more message, whatever its size */
const struct segments_stats *journal_stats(const struct journal *journal);

#endif
