/*
 * A journal's files: records are appended to the newest segment, written in one piece
 * a turn, and made durable in groups by the disk's thread.  A segment is whole on the
 * disk before it is used, and the next is made ahead, so that what has room now cannot
 * fail for lack of room later: whoever needs to write one more record afterwards
 * reserves its room with the first.
 *
 *	NUMBER.seg    not all of it is forgotten yet
 *	NUMBER.done   forgotten: kept for a while, for questions and for replays
 *
 * One process at a time has the directory.  After any error of the disk the journal is
 * dead: it takes nothing more and says nothing is durable that was not before.
 */
#ifndef SPOOL_SEGMENTS_H
#define SPOOL_SEGMENTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/id.h"
#include "base/slice.h"
#include "io/disk.h"
#include "io/loop.h"

struct segments;

struct segments_settings {
	struct slice directory; /* exists */
	uint64_t segment_bytes; /* of a file, at least 256 KiB */
	size_t record_max;      /* the largest payload that will be added */
	bool sync;              /* false: written is taken for durable */
	uint64_t keep_bytes;    /* of what is done, at most */
	int64_t keep_us;        /* ... and for so long */
	struct id owner;        /* written into each segment, as are those that follow */
	struct id boot;
	struct slice node;
	struct slice name;
};

struct segments_events {
	void (*on_durable)(void *owner); /* segments_durable() grew */
	void (*on_room)(void *owner);    /* there is room again, or for the first time */
	void (*on_dead)(void *owner, struct err err);
};

/* The first segment is made by the disk's thread: there is no room until then. */
struct segments *segments_open(struct loop *loop, struct disk *disk,
	const struct segments_settings *settings, const struct segments_events *events,
	void *owner);

/*
 * Appends; the sequence number, or 0 where there is no room (or the journal is dead).
 * `reserve` more bytes are kept free for later.
 */
uint64_t segments_add(
	struct segments *segments, unsigned type, struct slice payload, uint64_t reserve);

/* Appends into room that was reserved, and gives back the rest of `reserved`. */
uint64_t segments_add_reserved(
	struct segments *segments, unsigned type, struct slice payload, uint64_t reserved);

/* Writes what was added.  Happens by itself at the end of the turn. */
void segments_flush(struct segments *segments);

/* Flushes, and begins a sync at once instead of a little later. */
void segments_sync(struct segments *segments);

uint64_t segments_durable(const struct segments *segments);
bool segments_dead(const struct segments *segments);

/* Bytes that may be added now besides what is reserved. */
uint64_t segments_room(const struct segments *segments);

/* Nothing up to and with seq is needed any more. */
void segments_forget(struct segments *segments, uint64_t seq);

struct segments_stats {
	uint64_t records;
	uint64_t bytes;
	uint64_t writes;
	uint64_t syncs;
};
const struct segments_stats *segments_stats(const struct segments *segments);

/*
 * Flushes and syncs; where all is forgotten, the last segment is done as well.  The
 * disk is freed before: its thread may be at work with a descriptor of ours.
 */
void segments_close(struct segments **segments);

#endif
