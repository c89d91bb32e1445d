/*
 * How both programs begin.  The supervisor does all of it; a worker under one needs no
 * lock of the node, since its supervisor has that, and the flock of its journal keeps a
 * second one out.  Problems of the start go to standard error as text for whoever
 * started us, not as log lines.
 */
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "program.h"

/* Until there is something to reload or to reopen; they may have come before we were there. */
static void ignore_for_now(void)
{
	sigset_t signals;

	(void)sigemptyset(&signals);
	(void)sigaddset(&signals, SIGHUP);
	(void)sigaddset(&signals, SIGUSR1);
	(void)signal(SIGHUP, SIG_IGN);
	(void)signal(SIGUSR1, SIG_IGN);
	(void)pthread_sigmask(SIG_UNBLOCK, &signals, NULL);
}

void start_limits(void)
{
	struct rlimit files;

	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	(void)signal(SIGPIPE, SIG_IGN);
	ignore_for_now();
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
}

bool start_load(const char *path, const struct config **ret_config)
{
	struct buf problems;
	bool fine;

	buf_init(&problems, 0);
	fine = config_load(path, ret_config, &problems);
	if (fine) {
		log_set_level((*ret_config)->log_level);
	} else {
		(void)fputs(buf_string(&problems), stderr);
	}
	buf_clear(&problems);
	return fine;
}

bool start_lock(const struct config *config, struct lock **ret_lock)
{
	struct buf name;
	struct err err;

	buf_init(&name, 0);
	buf_add_format(&name, "penguin-mta %s %s", config->node, config->postgres.dsn);
	err = lock_take(buf_slice(&name), ret_lock);
	buf_clear(&name);
	if (err_is(err)) {
		(void)fprintf(stderr,
			"penguin-mta: another penguin-mta of node '%s' runs on this machine (%s): "
			"end it first, or give each its own 'node'\n",
			config->node, err_text(err));
	}
	return !err_is(err);
}

void start_hold_signals(bool hold)
{
	sigset_t ends;

	(void)sigemptyset(&ends);
	(void)sigaddset(&ends, SIGTERM);
	(void)sigaddset(&ends, SIGINT);
	(void)pthread_sigmask(hold ? SIG_BLOCK : SIG_UNBLOCK, &ends, NULL);
}

bool start_watch(struct loop *loop, const struct start_signal *signals, size_t count, void *owner)
{
	for (size_t i = 0; i < count; i++) {
		if (err_is(loop_on_signal(loop, signals[i].signal, signals[i].on_signal, owner))) {
			return false;
		}
	}
	return true;
}
