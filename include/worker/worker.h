/*
 * A worker: one event loop that owns some sources and everything that is limited
 * per IP.  It joins the stages; worker/flow.c tells the way of a message.
 */
#ifndef WORKER_WORKER_H
#define WORKER_WORKER_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"
#include "config/config.h"
#include "io/loop.h"

struct worker;

struct worker_events {
	/*
	 * It must stop (worker_stop) and never send again: another took its place (EX_TEMPFAIL),
	 * or its journal failed (EX_IOERR).
	 */
	void (*on_lost)(void *owner, int status);
	void *owner;
};

/* Refers to the configuration for itself.  False with a reason in why; nothing is left open. */
MUST_USE bool worker_open(struct loop *loop, const struct config *config,
	const struct worker_events *events, struct worker **ret_worker, struct buf *why);

/*
 * A new configuration: takes effect without losing a connection or a count.  False
 * (with a reason in why) when a part of it cannot be used; then the old one goes on.
 */
MUST_USE bool worker_reload(struct worker *worker, const struct config *config, struct buf *why);

void worker_reopen_log(struct worker *worker);

/*
 * Drains: claims nothing more, ends what is on the wire, gives the rest back, reports,
 * then calls on_done.  Called twice: does not wait for what is on the wire.
 */
void worker_stop(struct worker *worker, void (*on_done)(void *owner), void *owner);

/* After on_done. */
void worker_free(struct worker **worker);

/* One line for people: jobs at hand, connections, whether Postgres is there. */
void worker_status(const struct worker *worker, struct buf *out);

#endif
