/*
 * A lock on this machine that lives with the process, whatever end it takes: a name
 * in the kernel's abstract socket space, not a file that may stay behind.
 */
#ifndef IO_LOCK_H
#define IO_LOCK_H

#include "base/err.h"
#include "base/slice.h"

struct lock;

/* ERR_SYSTEM with EADDRINUSE: another process holds it. */
MUST_USE struct err lock_take(struct slice name, struct lock **ret_lock);
void lock_free(struct lock **lock); /* accepts NULL */

#endif
