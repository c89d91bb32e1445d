/*
 * The lines of the delivery log: penguin-log(5).  Pure.
 */
#ifndef RECORD_DLOG_LINE_H
#define RECORD_DLOG_LINE_H

#include "base/buf.h"
#include "model/attempt.h"

/* One JSON object and a line end. */
void dlog_add_attempt(struct buf *out, struct slice node, const struct attempt *attempt);
void dlog_add_skip(struct buf *out, struct slice node, const struct job *job, enum outcome state,
	struct slice reason, int64_t wall_us);

#endif
