/*
 * The one thread of a worker: it waits for the disk so that the loop need not.  A
 * sync of a file comes first; files are made in small steps between, so that a large
 * new file holds up no sync.  Answers come as calls in the loop.
 */
#ifndef IO_DISK_H
#define IO_DISK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "io/loop.h"

struct disk;

/* Never NULL: without a thread at the start nothing can work. */
struct disk *disk_new(struct loop *loop);

/* Waits for what the thread is at; what was asked for gets no answer any more. */
void disk_free(struct disk **disk); /* accepts NULL */

/*
 * fdatasync.  One at a time: false while another is under way.  The descriptor stays
 * open until on_synced.  After an error the file's pages may be gone from memory: the
 * next sync would say nothing of it, so there must not be one.
 */
MUST_USE bool disk_sync(
	struct disk *disk, int fd, void (*on_synced)(void *owner, struct err err), void *owner);

/*
 * Makes a file of so many zero bytes, durable under its name: its blocks are written,
 * so that a later sync of them writes no metadata.  One at a time.  After an error
 * (ENOSPC as a rule) nothing is left of it.
 */
MUST_USE bool disk_make(struct disk *disk, const char *path, uint64_t bytes,
	void (*on_made)(void *owner, struct err err), void *owner);

/* Makes the names in a directory durable. */
MUST_USE struct err disk_sync_directory(const char *path);

#endif
