/*
 * The two programs that penguin-mta is: the supervisor, and one worker.  Each returns its
 * exit code.
 */
#ifndef MAIN_PROGRAM_H
#define MAIN_PROGRAM_H

#include <stdbool.h>

#include "config/config.h"
#include "io/lock.h"
#include "io/loop.h"

struct worker_options {
	const char *name;
	unsigned workers; /* of the node */
	int control;      /* the descriptor that leads to the supervisor; -1 = there is none */
	bool replay;      /* report what the journal has, and end */
};

int supervise(const char *path);
int work(const char *path, const struct worker_options *options);

/* What both do first and last (start.c). */

/* Keys and passwords are in memory: no core dumps.  Sockets are many: all we may have. */
void start_limits(void);

/* False: the problems are on standard error. */
bool start_load(const char *path, const struct config **ret_config);

/* One of this node on this machine.  False: another has it, which standard error says. */
bool start_lock(const struct config *config, struct lock **ret_lock);

/* One that ends us and comes during the start is not lost, nor does it end us half way. */
void start_hold_signals(bool hold);

struct start_signal {
	int signal;
	void (*on_signal)(void *owner);
};
MUST_USE bool start_watch(
	struct loop *loop, const struct start_signal *signals, size_t count, void *owner);

#endif
