/*
 * A worker as a child process: started, started again when it ends, watched for a loop
 * that hangs, and told to end.
 */
#ifndef SUPERVISOR_CHILD_H
#define SUPERVISOR_CHILD_H

#include <stdbool.h>

#include "base/buf.h"
#include "supervisor/control.h"

struct child;

struct child_settings {
	const char *config; /* the file */
	const char *name;   /* of the worker; copied */
	unsigned workers;   /* how many there are on this node */
	bool replay;        /* it only reports what it finds in its journal, and ends */
};

struct child_events {
	/* It runs, and hears what is said; it says `ready` later. */
	void (*on_started)(void *owner, struct child *child);
	void (*on_message)(void *owner, struct child *child, const struct control_message *message);
	/* It has ended: with an exit code of its own, or 70 when a signal killed it. */
	void (*on_ended)(void *owner, struct child *child, int status);
	void *owner;
};

enum child_state {
	CHILD_WAITS,   /* to be started, again */
	CHILD_STARTS,  /* runs, and is not ready */
	CHILD_WORKS,   /* ready */
	CHILD_IS_OVER, /* ended, and not to be started any more */
};

/* Starts it at the end of this turn. */
struct child *child_new(struct loop *loop, const struct child_settings *settings,
	const struct child_events *events);
void child_free(struct child **child); /* accepts NULL; what still runs loses us, and drains */

/* SIGCHLD came: perhaps for this one. */
void child_reap(struct child *child);

void child_say(struct child *child, enum control_verb verb, struct slice rest);
void child_say_names(
	struct child *child, enum control_verb verb, const struct slice *names, size_t count);

/* It is not started again; where it runs it drains, or ends now, or is killed. */
void child_drain(struct child *child);
void child_stop_now(struct child *child);
void child_kill(struct child *child);

enum child_state child_state(const struct child *child);
bool child_runs(const struct child *child);
bool child_hangs(const struct child *child);     /* it has not answered for long */
bool child_was_ready(const struct child *child); /* once at least */
const char *child_name(const struct child *child);

/* "w0 (sending, 12 jobs at hand)", for people. */
void child_describe(const struct child *child, struct buf *out);

#endif
