/*
 * penguin-mta: the sender.  Reads the configuration, runs a worker, and passes
 * signals on: HUP reloads (a wrong file is refused whole and the old one goes on),
 * USR1 reopens the delivery log, TERM and INT drain, a second one does not wait.
 *
 * Exit codes are those of sysexits.h, which penguin-mta(8) lists.
 */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sysexits.h>

#include "base/log.h"
#include "base/mem.h"
#include "config/config.h"
#include "config/diff.h"
#include "io/lock.h"
#include "io/loop.h"
#include "io/versions.h"
#include "version.h"
#include "worker/worker.h"

#define CONFIG_DEFAULT "/etc/penguin-mta/penguin-mta.yaml"

struct program {
	const char *path;
	struct loop *loop;
	const struct config *started; /* what only a restart changes is as this has it */
	const struct config *config;
	struct worker *worker;
	int status;
};

static const char usage[] =
	"usage: penguin-mta [-c FILE] [--check-config | --dump-config | --dump-schema]\n"
	"\n"
	"  -c, --config FILE   the configuration (" CONFIG_DEFAULT ")\n"
	"      --check-config  say what is wrong with it, and exit (0, or 78 if anything is)\n"
	"      --dump-config   print every setting and where it was set\n"
	"      --dump-schema   print every key that there is: path, type, range, unit, default, doc,\n"
	"                      and whether a change needs a restart\n"
	"  -V, --version       print the versions of this program and its libraries\n"
	"  -h, --help          print this\n"
	"\n"
	"Signals: HUP reload, USR1 reopen the delivery log, TERM drain (twice: at once).\n"
	"See penguin-mta(8) and penguin-mta.yaml(5).\n";

/* What is not applied is named each time until it is, or is taken back. */
static void tell_reloaded(const struct program *program, const struct config *config)
{
	struct buf changes;
	struct buf restart;

	buf_init(&changes, 0);
	buf_init(&restart, 0);
	config_settings_diff(config_settings(program->config), config_settings(config), &changes);
	config_settings_restart(
		config_settings(program->started), config_settings(config), &restart);
	if (restart.n > 0) {
		log_warning(NULL, "reloaded", "changes=%s needs_restart=%s",
			log_quote(buf_slice(&changes)), log_quote(buf_slice(&restart)));
	} else {
		log_info(NULL, "reloaded", "changes=%s", log_quote(buf_slice(&changes)));
	}
	buf_clear(&restart);
	buf_clear(&changes);
}

static void on_hangup(void *owner)
{
	struct program *program = owner;
	const struct config *config;
	struct buf problems;

	buf_init(&problems, 0);
	if (!config_load(program->path, &config, &problems)) {
		log_error(NULL, "reload_refused", "problems=%s", log_quote(buf_slice(&problems)));
	} else if (!worker_reload(program->worker, config, &problems)) {
		log_error(NULL, "reload_refused", "problems=%s", log_quote(buf_slice(&problems)));
		config_unref(&config);
	} else {
		tell_reloaded(program, config);
		config_unref(&program->config);
		program->config = config;
		log_set_level(config->log_level);
	}
	buf_clear(&problems);
}

static void on_reopen(void *owner)
{
	worker_reopen_log(((struct program *)owner)->worker);
}

static void on_stopped(void *owner)
{
	loop_stop(((struct program *)owner)->loop);
}

/* Whoever runs us starts us again, as another worker. */
static void on_lost(void *owner, int status)
{
	struct program *program = owner;

	program->status = status;
	worker_stop(program->worker, on_stopped, program);
}

static void on_terminate(void *owner)
{
	worker_stop(((struct program *)owner)->worker, on_stopped, owner);
}

/* Keys and passwords are in memory: no core dumps.  Sockets are many: all we may have. */
static void set_limits(void)
{
	struct rlimit files;

	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGHUP, SIG_IGN); /* until there is something to reload */
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
}

static bool watch_signals(struct program *program)
{
	static const struct {
		int signal;
		void (*on_signal)(void *owner);
	} signals[] = {
		{SIGHUP, on_hangup},
		{SIGUSR1, on_reopen},
		{SIGTERM, on_terminate},
		{SIGINT, on_terminate},
	};

	for (size_t i = 0; i < ARRAY_LEN(signals); i++) {
		if (err_is(loop_on_signal(
			    program->loop, signals[i].signal, signals[i].on_signal, program))) {
			return false;
		}
	}
	return true;
}

/* One that comes during the start is not lost, and does not end us half way: it drains. */
static void hold_signals(int how)
{
	sigset_t ends;

	(void)sigemptyset(&ends);
	(void)sigaddset(&ends, SIGTERM);
	(void)sigaddset(&ends, SIGINT);
	(void)pthread_sigmask(how, &ends, NULL);
}

static void run(struct program *program, struct buf *why)
{
	struct worker_events events = {.on_lost = on_lost, .owner = program};

	hold_signals(SIG_BLOCK);
	program->loop = loop_new();
	if (!worker_open(program->loop, program->config, &events, &program->worker, why)) {
		(void)fprintf(stderr, "penguin-mta: %s\n", buf_string(why));
		program->status = EX_CONFIG;
	} else if (!watch_signals(program)) {
		program->status = EX_OSERR;
	} else {
		hold_signals(SIG_UNBLOCK);
		log_info(NULL, "started", "version=%s node=%s", VERSION, program->config->node);
		loop_run(program->loop);
		log_info(NULL, "stopped", "%s", "");
	}
	worker_free(&program->worker);
	loop_drain(program->loop);
	loop_free(&program->loop);
}

/* Two workers of one name would take each other's jobs. */
static int lock_and_run(struct program *program)
{
	const struct config *config = program->config;
	struct lock *lock = NULL;
	struct buf name;
	struct buf why;
	struct err err;

	buf_init(&name, 0);
	buf_init(&why, 0);
	buf_add_format(&name, "penguin-mta %s %s", config->node, config->postgres.dsn);
	err = lock_take(buf_slice(&name), &lock);
	if (err_is(err)) {
		(void)fprintf(stderr,
			"penguin-mta: another penguin-mta of node '%s' runs on this machine (%s): "
			"end it first, or give each its own 'node'\n",
			config->node, err_text(err));
		program->status = EX_TEMPFAIL;
	} else {
		run(program, &why);
	}
	lock_free(&lock);
	buf_clear(&why);
	buf_clear(&name);
	return program->status;
}

static void show_version(void)
{
	struct buf libraries;

	buf_init(&libraries, 0);
	io_versions(&libraries);
	(void)printf("penguin-mta %s (%s, %s)\n%s", VERSION, VERSION_COMMIT, __VERSION__,
		buf_string(&libraries));
	buf_clear(&libraries);
}

static int load_and_run(const char *path)
{
	struct program program = {.path = path, .status = EX_OK};
	struct buf problems;
	int status;

	set_limits();
	buf_init(&problems, 0);
	if (!config_load(path, &program.config, &problems)) {
		(void)fputs(buf_string(&problems), stderr);
		buf_clear(&problems);
		return EX_CONFIG;
	}
	buf_clear(&problems);
	log_set_level(program.config->log_level);
	program.started = config_ref(program.config);
	status = lock_and_run(&program);
	config_unref(&program.config);
	config_unref(&program.started);
	return status;
}

enum task {
	TASK_RUN,
	TASK_CHECK,
	TASK_DUMP,
	TASK_SCHEMA,
};

static int show(enum task task, const char *path)
{
	struct buf out;
	struct buf problems;
	int status;

	buf_init(&out, 0);
	buf_init(&problems, 0);
	switch (task) {
	case TASK_CHECK:
		status = config_check_file(path, &out, &problems);
		break;
	case TASK_DUMP:
		status = config_dump_file(path, &out, &problems);
		break;
	default:
		status = config_dump_schema(&out);
		break;
	}
	(void)fputs(buf_string(&out), stdout);
	(void)fputs(buf_string(&problems), stderr);
	buf_clear(&out);
	buf_clear(&problems);
	return status;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"config", required_argument, NULL, 'c'},
		{"check-config", no_argument, NULL, TASK_CHECK},
		{"dump-config", no_argument, NULL, TASK_DUMP},
		{"dump-schema", no_argument, NULL, TASK_SCHEMA},
		{"version", no_argument, NULL, 'V'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	const char *path = CONFIG_DEFAULT;
	enum task task = TASK_RUN;
	int option;

	while ((option = getopt_long(argc, argv, "c:Vh", options, NULL)) != -1) {
		switch (option) {
		case 'c':
			path = optarg;
			break;
		case TASK_CHECK:
		case TASK_DUMP:
		case TASK_SCHEMA:
			task = (enum task)option;
			break;
		case 'V':
			show_version();
			return EX_OK;
		case 'h':
			(void)fputs(usage, stdout);
			return EX_OK;
		default:
			(void)fputs(usage, stderr);
			return EX_USAGE;
		}
	}
	if (optind < argc) {
		(void)fprintf(stderr, "penguin-mta: what is '%s'?\n%s", argv[optind], usage);
		return EX_USAGE;
	}
	return task == TASK_RUN ? load_and_run(path) : show(task, path);
}
