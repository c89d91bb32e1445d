/*
 * penguin-mta as it is started as a rule: a supervisor of N workers.  HUP reloads, USR1
 * reopens the delivery log, TERM and INT drain, a second one does not wait, and CHLD says
 * that a worker has ended.  It holds the lock of the node for as long as it runs: two of
 * one node would take each other's jobs.
 */
#include <signal.h>
#include <sysexits.h>

#include "base/log.h"
#include "program.h"
#include "supervisor/supervisor.h"
#include "version.h"

struct program {
	struct loop *loop;
	const struct config *config;
	struct supervisor *supervisor;
	int status;
};

static void on_hangup(void *owner)
{
	supervisor_reload(((struct program *)owner)->supervisor);
}

static void on_reopen(void *owner)
{
	supervisor_reopen(((struct program *)owner)->supervisor);
}

static void on_terminate(void *owner)
{
	supervisor_stop(((struct program *)owner)->supervisor);
}

static void on_child(void *owner)
{
	supervisor_reap(((struct program *)owner)->supervisor);
}

static void on_ready(void *owner)
{
	const struct program *program = owner;

	log_info(NULL, "started", "version=%s node=%s", VERSION, program->config->node);
}

static void on_ended(void *owner, int status)
{
	struct program *program = owner;

	program->status = status;
	loop_stop(program->loop);
}

static void run(struct program *program, const char *path)
{
	static const struct start_signal signals[] = {
		{SIGCHLD, on_child},
		{SIGHUP, on_hangup},
		{SIGUSR1, on_reopen},
		{SIGTERM, on_terminate},
		{SIGINT, on_terminate},
	};
	const struct supervisor_events events = {on_ready, on_ended, program};

	start_hold_signals(true);
	program->loop = loop_new();
	program->supervisor = supervisor_open(program->loop, path, program->config, &events);
	if (start_watch(program->loop, signals, ARRAY_LEN(signals), program)) {
		start_hold_signals(false);
		loop_run(program->loop);
		log_info(NULL, "stopped", "%s", "");
	} else {
		program->status = EX_OSERR;
	}
	supervisor_free(&program->supervisor);
	loop_drain(program->loop);
	loop_free(&program->loop);
}

int supervise(const char *path)
{
	struct program program = {.status = EX_OK};
	struct lock *lock = NULL;

	start_limits();
	if (!start_load(path, &program.config)) {
		return EX_CONFIG;
	}
	if (start_lock(program.config, &lock)) {
		run(&program, path);
	} else {
		program.status = EX_TEMPFAIL;
	}
	lock_free(&lock);
	config_unref(&program.config);
	return program.status;
}
