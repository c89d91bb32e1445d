/*
 * The supervisor: runs the workers of this node as child processes, gives each its part
 * of the sources, starts again what ends, and tells systemd how all of them are.  It sends
 * nothing itself, and holds no key and no connection to Postgres.
 */
#ifndef SUPERVISOR_SUPERVISOR_H
#define SUPERVISOR_SUPERVISOR_H

#include "config/config.h"
#include "io/loop.h"

struct supervisor;

struct supervisor_events {
	void (*on_ready)(void *owner); /* all workers are, for the first time */
	/* All have ended; `status` is how the program ends. */
	void (*on_ended)(void *owner, int status);
	void *owner;
};

/* Starts the workers.  `path` is the file that `config` was read from; both are kept. */
struct supervisor *supervisor_open(struct loop *loop, const char *path, const struct config *config,
	const struct supervisor_events *events);

/* SIGHUP: reads the file again; what is wrong in it is logged, and the old one goes on. */
void supervisor_reload(struct supervisor *supervisor);
void supervisor_reopen(struct supervisor *supervisor); /* the delivery log */

/* Drains all; called again: does not wait for what is on the wire.  on_ended comes later. */
void supervisor_stop(struct supervisor *supervisor);

/* SIGCHLD */
void supervisor_reap(struct supervisor *supervisor);

void supervisor_free(struct supervisor **supervisor); /* accepts NULL */

#endif
