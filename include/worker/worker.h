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

struct worker_settings {
	struct slice name; /* of its journal's directory, and among the workers of the node */
	unsigned workers;  /* of the node: what is limited for all of them is divided by this */
	bool owns_all;     /* the sources of the configuration; else what worker_own() says */
};

struct worker_events {
	/*
	 * It must stop (worker_stop) and never send again: another took its place (EX_TEMPFAIL),
	 * another machine has its node's name (EX_NOPERM),
	 * or its journal failed (EX_IOERR).
	 */
	void (*on_lost)(void *owner, int status);
	/* Postgres has all that the journal had, and this worker its lease. */
	void (*on_replayed)(void *owner);
	/* It may send from the source, whose addresses are its own in Postgres; or is rid of it. */
	void (*on_source)(void *owner, struct slice source, bool owns);
	void *owner;
};

/*
 * Refers to the configuration for itself.  EX_OK; or how the program ends, with a reason in
 * why and nothing left open: EX_CONFIG, or EX_TEMPFAIL where another process has the journal.
 */
MUST_USE int worker_open(struct loop *loop, const struct config *config,
	const struct worker_settings *settings, const struct worker_events *events,
	struct worker **ret_worker, struct buf *why);

/*
 * The source is this worker's from here on, if it is configured, once nobody else has its
 * addresses; or no longer: what waits for it goes another way, its connections end after
 * the message that they carry, and then on_source says so.
 */
void worker_own(struct worker *worker, struct slice source);
void worker_leave(struct worker *worker, struct slice source);

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
