/*
 * The table of commands, one row each, and how a command line is read against it:
 * penguinctl [-d DSN] WORD [WORD] ARGUMENT... [--option VALUE]...  Options may stand
 * anywhere behind the command.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/nearest.h"
#include "base/slice.h"
#include "command.h"
#include "config/config.h"
#include "ctl/ctl.h"

static const struct ctl_command commands[] = {
	{"migrate up", "", "", "make or update the schema and its partitions", 0, 0, migrate_up},
	{"migrate status", "", "", "which migrations are applied", 0, 0, migrate_status},
	{"migrate print", "", "", "the SQL, for those who apply it by hand", 0, 0, migrate_print},
	{"tenant add", "NAME", "bounce-domain= tracking-domain= sender-id= weight=",
		"make a tenant; prints its id", 1, 1, tenant_add},
	{"tenant list", "", "json", "all tenants", 0, 0, tenant_list},
	{"key add", "TENANT DOMAIN SELECTOR", "directory= ed25519",
		"make a DKIM key; prints the record to publish", 3, 3, key_add},
	{"content add", "FILE.json|FILE.eml", "tenant= name=", "check a content and store it", 1, 1,
		content_add},
	{"content list", "", "tenant= json", "newest version of each content", 0, 0, content_list},
	{"campaign create", "NAME",
		"tenant= content= pool= priority= weight= stream= expire= on-in-doubt=",
		"make a campaign as a draft; prints its id", 1, 1, campaign_create},
	{"campaign start", "CAMPAIGN", "tenant= force= by=",
		"send a draft that passes preflight, or by --force WHY", 1, 1, campaign_start},
	{"campaign pause", "CAMPAIGN", "tenant= reason=", "stop for now", 1, 1, campaign_pause},
	{"campaign resume", "CAMPAIGN", "tenant=", "go on", 1, 1, campaign_resume},
	{"campaign cancel", "CAMPAIGN", "tenant= reason=", "stop for ever", 1, 1, campaign_cancel},
	{"campaign finish", "CAMPAIGN", "tenant= reason=",
		"end it for ever: nothing more is to be added", 1, 1, campaign_finish},
	{"campaign show", "[CAMPAIGN]", "tenant= watch json", "what became of the jobs", 0, 1,
		campaign_show},
	{"tenant set", "TENANT active|closed", "", "open or close a tenant", 2, 2, tenant_set},
	{"preflight", "CAMPAIGN|DOMAIN", "tenant= pool= json",
		"will large receivers take this mail; exit 78 when not", 1, 1, preflight},
	{"provider list", "", "json", "the providers that the configuration knows", 0, 0,
		provider_list},
	{"provider show", "PROVIDER|MX|DOMAIN|default_site", "json",
		"how mail to it is paced, and which line says so", 1, 1, provider_show},
	{"queue", "", "tenant= json", "what waits and what is held, by campaign, pool and tag", 0,
		0, queue_show},
	{"explain", "JOB", "tenant= json", "where a job is, and all its attempts", 1, 1, explain},
	{"log", "[FILE]", "follow tenant= campaign= recipient= job= type= json",
		"the delivery log, a line an attempt", 0, 1, log_show},
	{"hold list", "", "json", "what is on hold, why and until when", 0, 0, hold_list},
	{"hold", "source|provider|domain|tenant|campaign NAME",
		"tenant= reason= for=", "send nothing over, to or of it", 2, 2, hold_add},
	{"release", "source|provider|domain|tenant|campaign NAME", "tenant=", "end a hold", 2, 2,
		hold_release},
	{"suppress add", "ADDRESS|@DOMAIN", "tenant= stream= for=", "write to it no more", 1, 1,
		suppress_add},
	{"suppress remove", "ADDRESS|@DOMAIN", "tenant= stream=", "write to it again", 1, 1,
		suppress_remove},
	{"suppress list", "[ADDRESS]", "tenant= json", "whom nothing is written to", 0, 1,
		suppress_list},
	{"quarantine list", "", "tenant= json", "jobs that workers died of", 0, 0, quarantine_list},
	{"quarantine release", "JOB", "tenant=", "send one after all", 1, 1, quarantine_release},
	{"doubt list", "", "tenant= campaign= json", "jobs that may have been sent, or not", 0, 0,
		doubt_list},
	{"doubt retry", "JOB|--campaign CAMPAIGN",
		"tenant= campaign=", "send it again, or all of a campaign", 0, 1, doubt_retry},
	{"doubt sent", "JOB|--campaign CAMPAIGN", "tenant= campaign= reason=",
		"it was sent: count it as delivered", 0, 1, doubt_sent},
	{"doubt failed", "JOB|--campaign CAMPAIGN", "tenant= campaign= reason=",
		"it was not sent, and will not be: count it as failed", 0, 1, doubt_failed},
	{"spool show", "DIRECTORY|FILE", "job= doubts json",
		"the records of a journal, a line each", 1, 1, spool_show},
	{"spool list", "[DIRECTORY]", "json",
		"what journals hold and Postgres was not told; exit 65 at damage", 0, 1,
		spool_list},
	{"spool", "[DIRECTORY]", "json", "the same as spool list", 0, 1, spool_list},
	{"verify", "", "tenant= json", "recount a tenant's jobs; exit 65 on a difference", 0, 0,
		verify},
	{"maintain", "", "keep=", "make partitions ahead, drop those older than --keep days", 0, 0,
		maintain},
	{"erase", "ADDRESS", "tenant=", "erase a person; the address stays suppressed as a hash", 1,
		1, erase},
	{"node list", "", "json", "workers that are live, or were in the last day", 0, 0,
		node_list},
	{"node dead", "NODE[/NAME]|WORKER", "yes force json",
		"say that it is gone, and free what it holds", 1, 1, node_dead},
	{"enqueue", "FILE.csv|FILE.jsonl|-",
		"tenant= campaign= format=", "add the rows of a file as jobs", 1, 1, enqueue},
};

/* The options as they are typed, each behind a blank: " [--tenant X] [--json]". */
static void print_options(FILE *to, const struct ctl_command *command)
{
	struct slice rest = slice_of(command->options);
	struct slice option;

	while (rest.n > 0 && slice_split(&rest, ' ', &option)) {
		bool takes_value = slice_ends(option, SLICE("="));

		(void)fprintf(to, " [--%.*s%s]", (int)option.n - (takes_value ? 1 : 0), option.p,
			takes_value ? " X" : "");
	}
}

static void print_command(FILE *to, const struct ctl_command *command)
{
	(void)fprintf(to, "  %s%s%s", command->name, command->arguments[0] != '\0' ? " " : "",
		command->arguments);
	print_options(to, command);
	(void)fprintf(to, "\n      %s\n", command->help);
}

/* How many words the line and the command's name begin with alike. */
static int common(const struct ctl_command *command, int argc, char **argv, int *ret_words)
{
	struct slice rest = slice_of(command->name);
	struct slice word;
	int same = 0;

	*ret_words = 0;
	while (slice_split(&rest, ' ', &word)) {
		if (same == *ret_words && same < argc && slice_equal(word, slice_of(argv[same]))) {
			same++;
		}
		(*ret_words)++;
	}
	return same;
}

/* How many words of the line name the command: 0 when they do not. */
static int match(const struct ctl_command *command, int argc, char **argv)
{
	int words;
	int same = common(command, argc, argv, &words);

	return same == words ? words : 0;
}

/* The commands that begin with these words, or that these words begin with. */
static bool concerns(const struct ctl_command *command, int argc, char **argv)
{
	int words;
	int same = common(command, argc, argv, &words);

	return same == words || same == argc;
}

static void print_help(FILE *to, int argc, char **argv)
{
	(void)fputs(
		"usage: penguinctl [-c CONFIG] [-d DSN] COMMAND ...   (or DSN from PENGUIN_DSN)\n\n",
		to);
	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		if (concerns(&commands[i], argc, argv)) {
			print_command(to, &commands[i]);
		}
	}
	if (argc == 0) {
		(void)fputs("\n  help [COMMAND]\n      all of these, or those of that name; "
			    "penguinctl(1) says more\n",
			to);
	}
}

/* The first word is right: is the second nearly one of those that go with it? */
static int unknown_second(int argc, char **argv)
{
	const char *given = argc > 1 ? argv[1] : "";
	struct nearest nearest;
	int words;

	nearest_init(&nearest, slice_of(given));
	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		if (common(&commands[i], argc, argv, &words) == 1 && words == 2) {
			nearest_offer(&nearest, strchr(commands[i].name, ' ') + 1);
		}
	}
	if (nearest.best != NULL) {
		return ctl_fail(EX_USAGE, "no command '%s %s'; did you mean '%s %s'?", argv[0],
			given, argv[0], nearest.best);
	}
	return ctl_fail(EX_USAGE, "no command '%s%s%s'; 'penguinctl help %s' lists those of %s",
		argv[0], argc > 1 ? " " : "", given, argv[0], argv[0]);
}

static int unknown(int argc, char **argv)
{
	struct nearest nearest;
	struct buf line;
	int words;

	buf_init(&line, 0);
	buf_add_format(&line, "%s%s%s", argv[0], argc > 1 ? " " : "", argc > 1 ? argv[1] : "");
	nearest_init(&nearest, buf_slice(&line));
	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		if (common(&commands[i], argc, argv, &words) > 0) {
			buf_clear(&line);
			return unknown_second(argc, argv);
		}
		nearest.text = words == 1 ? slice_of(argv[0]) : buf_slice(&line);
		nearest_offer(&nearest, commands[i].name);
	}
	buf_clear(&line);
	if (nearest.best != NULL) {
		return ctl_fail(
			EX_USAGE, "no command '%s'; did you mean '%s'?", argv[0], nearest.best);
	}
	return ctl_fail(EX_USAGE, "no command '%s'; 'penguinctl help' lists them", argv[0]);
}

static int help(int argc, char **argv)
{
	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		if (concerns(&commands[i], argc, argv)) {
			print_help(stdout, argc, argv);
			return EX_OK;
		}
	}
	return unknown(argc, argv);
}

/* Whether the command has the option, and if it takes a value. */
static bool knows(const struct ctl_command *command, const char *name, bool *ret_value)
{
	struct slice rest = slice_of(command->options);
	struct slice option;

	while (rest.n > 0 && slice_split(&rest, ' ', &option)) {
		*ret_value = slice_ends(option, SLICE("="));
		option.n -= *ret_value ? 1 : 0;
		if (slice_equal(option, slice_of(name))) {
			return true;
		}
	}
	return false;
}

static int read_option(
	const struct ctl_command *command, struct ctl *ctl, char **argv, int *at, int argc)
{
	const char *name = argv[*at] + 2;
	const char *value = "";
	bool takes_value = false;

	if (!knows(command, name, &takes_value)) {
		return ctl_fail(EX_USAGE, "'%s' has no option --%s; 'penguinctl help %s' has all",
			command->name, name, command->name);
	}
	if (takes_value) {
		if (*at + 1 >= argc) {
			return ctl_fail(EX_USAGE, "--%s needs a value", name);
		}
		value = argv[++*at];
	}
	if (ctl->options_count == CTL_OPTIONS_MAX) {
		return ctl_fail(EX_USAGE, "too many options");
	}
	ctl->options[ctl->options_count].name = name;
	ctl->options[ctl->options_count++].value = value;
	return 0;
}

static int run(const struct ctl_command *command, struct ctl *ctl, int argc, char **argv)
{
	int code = 0;

	for (int i = 0; code == 0 && i < argc; i++) {
		if (strncmp(argv[i], "--", 2) == 0) {
			code = read_option(command, ctl, argv, &i, argc);
		} else if (ctl->count < command->max) {
			ctl->arguments[ctl->count++] = argv[i];
		} else {
			code = ctl_fail(EX_USAGE, "'%s' is too much: penguinctl %s %s", argv[i],
				command->name, command->arguments);
		}
	}
	if (code == 0 && ctl->count < command->min) {
		code = ctl_fail(EX_USAGE, "something is missing: penguinctl %s %s", command->name,
			command->arguments);
	}
	if (code == 0) {
		code = command->run(ctl);
	}
	pg_sync_close(&ctl->pg);
	if (fflush(stdout) != 0 && code == 0) {
		code = EX_IOERR;
	}
	return code;
}

static int choose(struct ctl *ctl, int argc, char **argv)
{
	if (argc == 0) {
		print_help(stderr, 0, NULL);
		return EX_USAGE;
	}
	if (strcmp(argv[0], "help") == 0) {
		return help(argc - 1, argv + 1);
	}
	for (int i = 0; i < argc; i++) {
		if (strcmp(argv[i], "--help") == 0 || (i == 0 && strcmp(argv[i], "-h") == 0)) {
			return help(i, argv);
		}
	}
	if (argv[0][0] == '-') {
		return ctl_fail(EX_USAGE,
			"'%s' is no option: -d DSN or -c CONFIG may stand before the command",
			argv[0]);
	}
	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		int words = match(&commands[i], argc, argv);

		if (words > 0) {
			return run(&commands[i], ctl, argc - words, argv + words);
		}
	}
	return unknown(argc, argv);
}

int ctl_main(int argc, char **argv)
{
	struct ctl ctl = {.dsn = getenv("PENGUIN_DSN")};

	argc--;
	argv++;
	const char *dsn = NULL;
	int code = 0;

	while (code == 0 && argc >= 2 &&
		(strcmp(argv[0], "-d") == 0 || strcmp(argv[0], "-c") == 0)) {
		if (argv[0][1] == 'd') {
			dsn = argv[1];
		} else {
			config_unref(&ctl.config);
			code = ctl_config(argv[1], &ctl.config);
		}
		argc -= 2;
		argv += 2;
	}
	if (dsn != NULL) {
		ctl.dsn = dsn;
	} else if (ctl.config != NULL) {
		ctl.dsn = ctl.config->postgres.dsn;
	}
	code = code != 0 ? code : choose(&ctl, argc, argv);
	config_unref(&ctl.config);
	return code;
}
