/*
 * penguin-mta: the sender.  Its command line: as a rule it is the supervisor (supervise.c),
 * which starts itself once more for each worker (work.c).
 *
 * Exit codes are those of sysexits.h, which penguin-mta(8) lists.
 */
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/mem.h"
#include "io/versions.h"
#include "program.h"
#include "version.h"

#define CONFIG_DEFAULT "/etc/penguin-mta/penguin-mta.yaml"

static const char usage[] =
	"usage: penguin-mta [-c FILE] [--check-config | --dump-config | --dump-schema]\n"
	"       penguin-mta [-c FILE] --worker NAME [--replay]\n"
	"\n"
	"  -c, --config FILE   the configuration (" CONFIG_DEFAULT ")\n"
	"      --check-config  say what is wrong with it, and exit (0, or 78 if anything is)\n"
	"      --dump-config   print every setting and where it was set\n"
	"      --dump-schema   print every key that there is: path, type, range, unit, default, doc,\n"
	"                      and whether a change needs a restart\n"
	"      --worker NAME   be one worker with all sources and no supervisor; NAME: w0, w1, ...\n"
	"      --replay        ... and only report what is in its journal\n"
	"  -V, --version       print the versions of this program and its libraries\n"
	"  -h, --help          print this\n"
	"\n"
	"Signals: HUP reload, USR1 reopen the delivery log, TERM drain (twice: at once).\n"
	"See penguin-mta(8) and penguin-mta.yaml(5).\n";

static void show_version(void)
{
	struct buf libraries;

	buf_init(&libraries, 0);
	io_versions(&libraries);
	(void)printf("penguin-mta %s (%s, %s)\n%s", VERSION, VERSION_COMMIT, __VERSION__,
		buf_string(&libraries));
	buf_clear(&libraries);
}

enum task {
	TASK_RUN,
	TASK_CHECK,
	TASK_DUMP,
	TASK_SCHEMA,
	TASK_REPLAY,
	/* what the supervisor says to a worker, with values */
	TASK_WORKER,
	TASK_CONTROL,
	TASK_OF,
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

/* Everything that the command line says. */
struct command {
	const char *path;
	enum task task;
	struct worker_options worker; /* name NULL: be the supervisor */
};

static int complain(const char *what, const char *word)
{
	(void)fprintf(stderr, "penguin-mta: %s '%s'\n%s", what, word, usage);
	return EX_USAGE;
}

static bool read_number(const char *text, uint64_t max, unsigned *ret_number)
{
	uint64_t number;

	if (!slice_number(slice_of(text), max, &number)) {
		return false;
	}
	*ret_number = (unsigned)number;
	return true;
}

/* It names a directory of the spool. */
static bool is_worker_name(const char *name)
{
	unsigned number;

	/* One name a worker: w7 and w007 would be two journals, and of one nobody would know. */
	return name[0] == 'w' && read_number(name + 1, 999999, &number) &&
		(name[1] != '0' || name[2] == '\0');
}

/* A descriptor that the supervisor left to us, and to none of our children. */
static bool read_control(const char *text, int *ret_fd)
{
	unsigned fd;

	if (!read_number(text, 1023, &fd) || fcntl((int)fd, F_SETFD, FD_CLOEXEC) < 0) {
		return false;
	}
	*ret_fd = (int)fd;
	return true;
}

/* 0, or the exit code of a command line that is wrong. */
static int read_worker_option(struct command *command, int option)
{
	struct worker_options *worker = &command->worker;

	switch (option) {
	case TASK_WORKER:
		worker->name = optarg;
		return is_worker_name(optarg) ? 0 : complain("no name of a worker:", optarg);
	case TASK_CONTROL:
		return read_control(optarg, &worker->control)
			? 0
			: complain("no descriptor of the supervisor's:", optarg);
	case TASK_OF:
		return read_number(optarg, 256, &worker->workers) && worker->workers > 0
			? 0
			: complain("no number of workers:", optarg);
	default:
		worker->replay = true;
		return 0;
	}
}

static int run(const struct command *command)
{
	if (command->task != TASK_RUN) {
		return show(command->task, command->path);
	}
	return command->worker.name != NULL ? work(command->path, &command->worker)
					    : supervise(command->path);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"config", required_argument, NULL, 'c'},
		{"check-config", no_argument, NULL, TASK_CHECK},
		{"dump-config", no_argument, NULL, TASK_DUMP},
		{"dump-schema", no_argument, NULL, TASK_SCHEMA},
		{"worker", required_argument, NULL, TASK_WORKER},
		{"replay", no_argument, NULL, TASK_REPLAY},
		{"control", required_argument, NULL, TASK_CONTROL},
		{"of", required_argument, NULL, TASK_OF},
		{"version", no_argument, NULL, 'V'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	struct command command = {CONFIG_DEFAULT, TASK_RUN, {.workers = 1, .control = -1}};
	int status = 0;
	int option;

	while (status == 0 && (option = getopt_long(argc, argv, "c:Vh", options, NULL)) != -1) {
		switch (option) {
		case 'c':
			command.path = optarg;
			break;
		case TASK_CHECK:
		case TASK_DUMP:
		case TASK_SCHEMA:
			command.task = (enum task)option;
			break;
		case 'V':
			show_version();
			return EX_OK;
		case 'h':
			(void)fputs(usage, stdout);
			return EX_OK;
		case '?':
			(void)fputs(usage, stderr);
			return EX_USAGE;
		default:
			status = read_worker_option(&command, option);
		}
	}
	if (status == 0 && optind < argc) {
		status = complain("what is", argv[optind]);
	}
	if (status == 0 && command.worker.name == NULL && command.worker.replay) {
		status = complain("whose journal? --worker NAME belongs to", "--replay");
	}
	return status != 0 ? status : run(&command);
}
