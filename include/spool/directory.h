/*
 * A journal's directory on the disk: made where it is missing, held by one process at
 * a time, and on a file system that keeps what it was told to keep.
 */
#ifndef SPOOL_DIRECTORY_H
#define SPOOL_DIRECTORY_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/id.h"
#include "base/slice.h"

struct directory;

/*
 * Makes BASE and BASE/NAME (mode 0700) and locks the latter.  False with the reason
 * and the remedy in why: it cannot be made, another process has it, or (where `durable`
 * is asked for) what it lies on forgets at a power cut: tmpfs, NFS, write barriers off.
 */
MUST_USE bool directory_open(struct slice base, struct slice name, bool durable,
	struct directory **ret_directory, struct buf *why);

/* After a directory_open() that failed: does another process have it? */
bool directory_is_busy(struct slice base, struct slice name);
void directory_close(struct directory **directory); /* accepts NULL */

struct slice directory_path(const struct directory *directory);

/* Of this boot of the machine; zero where the kernel does not say. */
struct id directory_boot(void);

#endif
