/*
 * One worker: under the supervisor, which says by lines what it is to do, or alone in the
 * foreground, where signals say it.  Alone it has all sources, and is the program for
 * debuggers.  When the supervisor is gone it drains: nobody would start it again.
 *
 * A signal that a terminal sends to all of us is the supervisor's to follow; only TERM
 * and INT are heard here as well, and then a drain that both ask for is one drain.
 */
#include <signal.h>
#include <stdio.h>
#include <sysexits.h>

#include "base/log.h"
#include "base/mem.h"
#include "config/diff.h"
#include "program.h"
#include "supervisor/control.h"
#include "version.h"
#include "worker/worker.h"

struct program {
	const char *path;
	const struct worker_options *options;
	struct loop *loop;
	const struct config *started; /* what only a restart changes is as this has it */
	const struct config *config;
	struct worker *worker;
	struct control *control; /* NULL: alone */
	struct timer late;       /* a drain without a supervisor takes too long */
	bool draining;
	bool signaled; /* ... by a signal of our own */
	int status;
};

static void say(struct program *program, enum control_verb verb, struct slice rest)
{
	if (program->control != NULL) {
		control_say(program->control, verb, rest);
	}
}

static void on_stopped(void *owner)
{
	loop_stop(((struct program *)owner)->loop);
}

static void drain(struct program *program)
{
	if (!program->draining) {
		program->draining = true;
		worker_stop(program->worker, on_stopped, program);
	}
}

static void stop_now(struct program *program)
{
	drain(program);
	worker_stop(program->worker, on_stopped, program);
}

static void on_late(void *owner)
{
	stop_now(owner);
}

/* The first may come on top of the supervisor's word. */
static void on_terminate(void *owner)
{
	struct program *program = owner;

	if (program->signaled) {
		stop_now(program);
	} else {
		program->signaled = true;
		drain(program);
	}
}

/* False with the reason in problems: then nothing has changed. */
static bool reload(struct program *program, struct buf *problems)
{
	const struct config *config;

	if (!config_load(program->path, &config, problems)) {
		return false;
	}
	if (!worker_reload(program->worker, config, problems)) {
		config_unref(&config);
		return false;
	}
	if (program->control == NULL) {
		config_settings_reloaded(config_settings(program->started),
			config_settings(program->config), config_settings(config));
	}
	config_unref(&program->config);
	program->config = config;
	log_set_level(config->log_level);
	return true;
}

static void on_hangup(void *owner)
{
	struct program *program = owner;
	struct buf problems;

	buf_init(&problems, 0);
	if (!reload(program, &problems)) {
		log_error(NULL, "reload_refused", "problems=%s", log_quote(buf_slice(&problems)));
	}
	buf_clear(&problems);
}

static void answer_reload(struct program *program)
{
	struct buf problems;

	buf_init(&problems, 0);
	if (reload(program, &problems)) {
		say(program, CONTROL_RELOADED, SLICE(""));
	} else {
		say(program, CONTROL_REFUSED, buf_slice(&problems));
	}
	buf_clear(&problems);
}

static void answer_ping(struct program *program)
{
	struct buf text;

	buf_init(&text, 0);
	worker_status(program->worker, &text);
	say(program, CONTROL_ALIVE, buf_slice(&text));
	buf_clear(&text);
}

static void on_reopen(void *owner)
{
	worker_reopen_log(((struct program *)owner)->worker);
}

static void each_source(const struct program *program, struct slice names,
	void (*tell)(struct worker *worker, struct slice source))
{
	struct slice name;

	while (control_next(&names, &name)) {
		tell(program->worker, name);
	}
}

static void on_message(void *owner, const struct control_message *message)
{
	struct program *program = owner;

	switch (message->verb) {
	case CONTROL_OWN:
		each_source(program, message->rest, worker_own);
		break;
	case CONTROL_LEAVE:
		each_source(program, message->rest, worker_leave);
		break;
	case CONTROL_RELOAD:
		answer_reload(program);
		break;
	case CONTROL_REOPEN:
		on_reopen(program);
		break;
	case CONTROL_DRAIN:
		drain(program);
		break;
	case CONTROL_STOP_NOW:
		stop_now(program);
		break;
	case CONTROL_PING:
		answer_ping(program);
		break;
	default:
		break; /* what a supervisor is told */
	}
}

static void on_gone(void *owner, const char *why)
{
	struct program *program = owner;

	log_warning(NULL, "supervisor_gone", "why=%s text=%s", log_quote(slice_of(why)),
		log_quote(SLICE("what is on the wire ends, then this")));
	control_close(&program->control);
	drain(program);
	timer_set(&program->late, loop_now_us(program->loop) + program->config->drain_timeout_us);
}

/* Whoever runs us starts us again, as another worker. */
static void on_lost(void *owner, int status)
{
	struct program *program = owner;

	program->status = status;
	if (program->draining) {
		stop_now(program);
	} else {
		drain(program);
	}
}

static void on_replayed(void *owner)
{
	struct program *program = owner;

	if (program->options->replay) {
		drain(program);
	}
}

static void on_source(void *owner, struct slice source, bool owns)
{
	say(owner, owns ? CONTROL_OWNS : CONTROL_RELEASED, source);
}

static bool listen_to_all(struct program *program)
{
	static const struct control_events events = {on_message, on_gone};
	static const struct start_signal ends[] = {
		{SIGTERM, on_terminate},
		{SIGINT, on_terminate},
	};
	static const struct start_signal others[] = {
		{SIGHUP, on_hangup},
		{SIGUSR1, on_reopen},
	};

	if (!start_watch(program->loop, ends, ARRAY_LEN(ends), program)) {
		return false;
	}
	if (program->options->control < 0) {
		return start_watch(program->loop, others, ARRAY_LEN(others), program);
	}
	program->control = control_open(
		program->loop, program->options->control, CONTROL_WORKER, &events, program);
	say(program, CONTROL_READY, SLICE(""));
	return true;
}

static int open_worker(struct program *program, struct buf *why)
{
	const struct worker_options *options = program->options;
	const struct worker_settings settings = {
		.name = slice_of(options->name),
		.workers = options->workers,
		.owns_all = options->control < 0 && !options->replay,
	};
	const struct worker_events events = {on_lost, on_replayed, on_source, program};

	return worker_open(
		program->loop, program->config, &settings, &events, &program->worker, why);
}

static void run(struct program *program)
{
	struct buf why;

	buf_init(&why, 0);
	start_hold_signals(true);
	program->loop = loop_new();
	timer_init(&program->late, program->loop, on_late, program);
	program->status = open_worker(program, &why);
	if (program->status != EX_OK) {
		(void)fprintf(stderr, "penguin-mta: %s\n", buf_string(&why));
	} else if (!listen_to_all(program)) {
		program->status = EX_OSERR;
	} else {
		start_hold_signals(false);
		if (program->control == NULL) {
			log_info(NULL, "started", "version=%s node=%s", VERSION,
				program->config->node);
		}
		loop_run(program->loop);
		log_info(NULL, "worker_stopped", "%s", "");
	}
	timer_stop(&program->late);
	control_close(&program->control);
	worker_free(&program->worker);
	loop_drain(program->loop);
	loop_free(&program->loop);
	buf_clear(&why);
}

/* Two of one node without a supervisor would take each other's jobs. */
static int lock_and_run(struct program *program)
{
	struct lock *lock = NULL;

	if (program->options->control < 0 && !program->options->replay &&
		!start_lock(program->config, &lock)) {
		return EX_TEMPFAIL;
	}
	run(program);
	lock_free(&lock);
	return program->status;
}

int work(const char *path, const struct worker_options *options)
{
	struct program program = {.path = path, .options = options};
	const struct log_scope scope = {.key = "worker", .value = options->name};
	int status;

	start_limits();
	if (options->workers > 1) {
		log_set_outermost(&scope);
	}
	if (!start_load(path, &program.config)) {
		return EX_CONFIG;
	}
	program.started = config_ref(program.config);
	status = lock_and_run(&program);
	config_unref(&program.config);
	config_unref(&program.started);
	log_set_outermost(NULL);
	return status;
}
