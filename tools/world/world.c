/*
 * penguin-world: a simulated internet for tests, the demo and benchmarks.
 *
 * One process, one thread, one loop: a name server, mail servers on as many
 * loopback addresses as the configuration says, and the ledger of what they
 * accepted (penguin-world(1), penguin-world.yaml(5)).  This file reads the command
 * line, puts the parts together and ends them in order.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/peak.h"
#include "base/time.h"
#include "dns.h"
#include "server.h"

struct options {
	const char *config;
	uint64_t seed;
	double scale;
	int ready_fd;
	bool stats;
	bool check;
	struct ledger_paths paths;
};

struct world {
	struct options options;
	struct loop *loop;
	struct world_config *config;
	struct names *names;
	struct dns *dns;
	struct server server;
	struct watch signals;
	int exit_code;
};

static const char usage_text[] =
	"usage: penguin-world --config FILE --ledger FILE [--seed N] [--scale F]\n"
	"                     [--events FILE] [--mailboxes DIR] [--ready-fd N] [--stats]\n"
	"       penguin-world --config FILE --check\n";

static void set_scale(struct options *options, const char *text, int *ret_exit)
{
	char *end;

	options->scale = strtod(text, &end);
	if (*end != '\0' || !(options->scale >= 0 && options->scale <= 1000)) {
		(void)fprintf(stderr, "penguin-world: --scale takes a factor from 0 to 1000\n");
		*ret_exit = EX_USAGE;
	}
}

static void set_number(
	const char *name, const char *text, uint64_t max, uint64_t *ret_number, int *ret_exit)
{
	if (!slice_number(slice_of(text), max, ret_number)) {
		(void)fprintf(stderr, "penguin-world: --%s takes a number\n", name);
		*ret_exit = EX_USAGE;
	}
}

static int read_options(struct options *options, int argc, char **argv)
{
	static const struct option known[] = {{"config", required_argument, NULL, 'c'},
		{"ledger", required_argument, NULL, 'l'}, {"seed", required_argument, NULL, 's'},
		{"scale", required_argument, NULL, 'x'}, {"events", required_argument, NULL, 'e'},
		{"mailboxes", required_argument, NULL, 'm'},
		{"ready-fd", required_argument, NULL, 'r'}, {"stats", no_argument, NULL, 't'},
		{"check", no_argument, NULL, 'k'}, {"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0}};
	uint64_t fd = STDOUT_FILENO;
	int exit_code = EX_OK;
	int option;

	while ((option = getopt_long(argc, argv, "", known, NULL)) >= 0) {
		switch (option) {
		case 'c':
			options->config = optarg;
			break;
		case 'l':
			options->paths.ledger = optarg;
			break;
		case 'e':
			options->paths.events = optarg;
			break;
		case 'm':
			options->paths.mailboxes = optarg;
			break;
		case 's':
			set_number("seed", optarg, UINT64_MAX, &options->seed, &exit_code);
			break;
		case 'r':
			set_number("ready-fd", optarg, 65535, &fd, &exit_code);
			break;
		case 'x':
			set_scale(options, optarg, &exit_code);
			break;
		case 't':
			options->stats = true;
			break;
		case 'k':
			options->check = true;
			break;
		case 'h':
			(void)fputs(usage_text, stdout);
			exit(EX_OK);
		default:
			exit_code = EX_USAGE;
			break;
		}
	}
	options->ready_fd = (int)fd;
	if (options->config == NULL || (options->paths.ledger == NULL && !options->check) ||
		optind < argc) {
		exit_code = EX_USAGE;
	}
	return exit_code;
}

static int complain(const char *what, const char *about, struct err err)
{
	(void)fprintf(stderr, "penguin-world: %s %s: %s\n", what, about, err_text(err));
	return EX_OSERR;
}

/* A socket for each host, and one for each of their clients. */
static void raise_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static void on_signal(struct watch *watch, uint32_t events)
{
	struct world *world = HEAP_OWNER(watch, struct world, signals);

	(void)events;
	loop_stop(world->loop);
}

static struct err watch_signals(struct world *world)
{
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	(void)signal(SIGPIPE, SIG_IGN);
	world->signals.fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	world->signals.on_ready = on_signal;
	return world->signals.fd < 0 ? err_system()
				     : loop_watch(world->loop, &world->signals, EPOLLIN);
}

static int open_dns(struct world *world)
{
	const struct world_config *config = world->config;
	char *address = slice_string(config->dns_address);
	int exit_code = EX_OK;
	struct err err;

	world->names = names_new(&config->names);
	err = dns_open(world->loop, world->names, world->server.ledger, address, config->dns_port,
		&world->dns);
	if (err_is(err)) {
		exit_code = complain("cannot serve DNS on", address, err);
	}
	mem_free(address);
	return exit_code;
}

static int open_servers(struct world *world)
{
	struct server *server = &world->server;
	const struct site *site = NULL;
	struct err err;

	server->loop = world->loop;
	server->config = world->config;
	server->seed = world->options.seed;
	server->behaviour =
		behaviour_new(world->config->rules, world->config->rule_count, server->seed);
	err = authority_new(world->config->tls_directory, &server->authority);
	if (err_is(err)) {
		return complain("cannot make", "the certificate authority", err);
	}
	err = server_open(server, &site);
	if (err_is(err)) {
		char *address = slice_string(site->host->address);
		int exit_code = complain("cannot listen on", address, err);

		mem_free(address);
		return exit_code;
	}
	return EX_OK;
}

static int open_world(struct world *world)
{
	const char *path = "";
	struct err err = loop_new(&world->loop);
	int exit_code;

	if (err_is(err)) {
		return complain("cannot make", "the loop", err);
	}
	err = watch_signals(world);
	if (err_is(err)) {
		return complain("cannot watch", "signals", err);
	}
	err = ledger_open(&world->options.paths, &world->server.ledger, &path);
	if (err_is(err)) {
		(void)complain("cannot write", path, err);
		return EX_CANTCREAT;
	}
	exit_code = open_servers(world);
	return exit_code == EX_OK ? open_dns(world) : exit_code;
}

static void close_world(struct world *world)
{
	dns_close(&world->dns);
	names_free(&world->names);
	server_close(&world->server);
	behaviour_free(&world->server.behaviour);
	authority_free(&world->server.authority);
	ledger_close(&world->server.ledger);
	if (world->signals.fd > 0) {
		close(world->signals.fd);
	}
	loop_free(&world->loop);
	world_config_free(&world->config);
}

static void on_turn(void *owner)
{
	struct world *world = owner;
	struct err err = server_end_turn(&world->server);

	if (err_is(err)) {
		world->exit_code = complain("cannot write", "what happened", err);
		loop_stop(world->loop);
	}
}

static void say_ready(const struct world *world)
{
	char line[128];
	int n = snprintf(line, sizeof(line), "ready dns=%.*s:%u smtp=%u\n",
		SHOW(world->config->dns_address), dns_port(world->dns), world->server.port);

	(void)!write(world->options.ready_fd, line, (size_t)n);
}

struct told_model {
	struct slice name;
	bool *first;
};

static void print_standing(void *owner, struct slice source, const struct isp_standing *standing)
{
	const struct told_model *model = owner;

	(void)printf(
		"%s{\"model\":\"%.*s\",\"source\":\"%.*s\",\"reputation\":%.4f,"
		"\"sending_days\":%llu,\"today\":%llu,\"accepted\":%llu,\"complaints\":%llu,\"refused\":{",
		*model->first ? "" : ",", SHOW(model->name), SHOW(source), standing->reputation,
		(unsigned long long)standing->sending_days, (unsigned long long)standing->today,
		(unsigned long long)standing->accepted, (unsigned long long)standing->complaints);
	for (unsigned cause = ISP_FINE + 1; cause < ISP_CAUSES; cause++) {
		(void)printf("%s\"%s\":%llu", cause > ISP_FINE + 1 ? "," : "",
			isp_cause_word((enum isp_cause)cause),
			(unsigned long long)standing->refused[cause]);
	}
	(void)fputs("}}", stdout);
	*model->first = false;
}

static void print_models(const struct world *world)
{
	bool first = true;

	for (size_t i = 0; i < world->config->model_count; i++) {
		struct told_model model = {world->config->models[i].name, &first};

		isp_each(world->server.isps[i], loop_now_us(world->loop), print_standing, &model);
	}
}

static void print_stats(const struct world *world)
{
	const struct server_stats *stats = &world->server.stats;
	struct rusage usage;
	double cpu_us;

	(void)getrusage(RUSAGE_SELF, &usage);
	cpu_us = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6 +
		(double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
	(void)printf("{\"messages\":%llu,\"bytes\":%llu,\"connections\":%llu,\"commands\":%llu,"
		     "\"dns_questions\":%llu,\"user_s\":%ld.%06ld,\"system_s\":%ld.%06ld,"
		     "\"cpu_us_per_message\":%.1f,\"max_rss_kb\":%lld,\"models\":[",
		(unsigned long long)stats->messages, (unsigned long long)stats->bytes,
		(unsigned long long)stats->connections, (unsigned long long)stats->commands,
		(unsigned long long)dns_questions(world->dns), usage.ru_utime.tv_sec,
		usage.ru_utime.tv_usec, usage.ru_stime.tv_sec, usage.ru_stime.tv_usec,
		stats->messages > 0 ? cpu_us / (double)stats->messages : 0.0,
		(long long)peak_memory_kib());
	print_models(world);
	(void)puts("]}");
}

static struct world_config *read_config(const struct options *options)
{
	struct config_problems problems;
	struct world_config *config;

	config_problems_init(&problems);
	config = world_config_read(options->config, options->scale, &problems);
	if (config == NULL) {
		(void)fputs(buf_string(&problems.text), stderr);
	}
	config_problems_clear(&problems);
	return config;
}

int main(int argc, char **argv)
{
	struct world world = {.options = {.scale = 1, .seed = 1}};

	world.exit_code = read_options(&world.options, argc, argv);
	if (world.exit_code != EX_OK) {
		(void)fputs(usage_text, stderr);
		return world.exit_code;
	}
	world.config = read_config(&world.options);
	if (world.config == NULL) {
		return EX_CONFIG;
	}
	if (!world.options.check) {
		raise_limit();
		world.exit_code = open_world(&world);
	}
	if (world.exit_code == EX_OK && !world.options.check) {
		say_ready(&world);
		loop_run(world.loop, on_turn, &world);
		if (world.options.stats) {
			print_stats(&world);
		}
	}
	close_world(&world);
	return world.exit_code;
}
