/*
 * The delivery log: one JSON line for each attempt and for each job that ended
 * without one, with the names of KumoMTA's log records where the meaning is equal;
 * penguin-log(5).  Written at the end of each loop turn, reopened for rotation.
 */
#ifndef RECORD_DLOG_H
#define RECORD_DLOG_H

#include "base/err.h"
#include "base/slice.h"
#include "io/loop.h"
#include "model/attempt.h"

struct dlog;

/* Appends to the file, made (0640) where there is none.  node is copied. */
MUST_USE struct err dlog_open(
	struct loop *loop, const char *path, struct slice node, struct dlog **ret_dlog);
void dlog_close(struct dlog **dlog); /* writes what waits; accepts NULL */

/* The file was renamed: go on in a new one of the old name. */
MUST_USE struct err dlog_reopen(struct dlog *dlog);

/* Goes on in another file; on failure in the old one. */
MUST_USE struct err dlog_move(struct dlog *dlog, const char *path);

void dlog_attempt(struct dlog *dlog, const struct attempt *attempt);

/* A job that ended without an attempt: suppressed, cancelled, expired, failed. */
void dlog_skip(struct dlog *dlog, const struct job *job, enum outcome state, struct slice reason,
	int64_t wall_us);

#endif
