/*
 * Resolves domains one after the other and prints a JSON line for each: what system
 * tests see of src/resolve, without Postgres and SMTP.
 *
 *	resolve-cli --dns 127.0.0.1:5353 --allow 127.0.0.0/8 example.test
 *
 * Options: --dns ADDRESS:PORT (several), --allow ADDRESS/PREFIX (several), --own-name
 * NAME, --own-address ADDRESS (several of each), --port N, --timeout MS (of one try),
 * --deadline MS (of a domain), --ipv6 (plans with both families), --plans N (counts of
 * who is first in N plans), --repeat N (all domains again), --last (print only the last
 * answer), --together (ask for all at once).  An argument HOST:PORT is a host that an
 * operator named.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/codec.h"
#include "base/mem.h"
#include "base/time.h"
#include "io/loop.h"
#include "resolve/resolver.h"

enum { LIST_MAX = 32 };

struct question {
	struct tool *tool;
	const char *domain;
};

struct tool {
	struct loop *loop;
	struct dns *dns;
	struct resolver *resolver;
	union endpoint servers[LIST_MAX];
	struct dns_settings dns_settings;
	struct network allow[LIST_MAX];
	union endpoint own_addresses[LIST_MAX];
	struct slice own_names[LIST_MAX];
	struct resolver_settings settings;
	char **domains;
	size_t count;
	struct question *questions;
	size_t asked;
	size_t answered;
	int64_t begun_us;
	uint64_t plans;
	uint64_t repeat;
	bool ipv6;
	bool together;
	bool last;
};

static void usage(const char *what)
{
	(void)fprintf(stderr, "resolve-cli: bad or missing %s\n", what);
	exit(64);
}

/* ---- output ---- */

static void add_key(struct buf *line, const char *key)
{
	buf_add_text(line, line->n == 1 ? "\"" : ",\"");
	buf_add_text(line, key);
	buf_add_text(line, "\":");
}

static void add_text(struct buf *line, const char *key, struct slice value)
{
	add_key(line, key);
	codec_json(line, value);
}

static void add_best(struct buf *line, const struct site *site)
{
	add_key(line, "best");
	buf_add_byte(line, '[');
	for (size_t i = 0; i < site_best_count(site); i++) {
		buf_add_text(line, i == 0 ? "" : ",");
		codec_json(line, site_best(site, i));
	}
	buf_add_byte(line, ']');
}

static void add_plan(struct buf *line, const struct tool *tool, const struct site *site)
{
	struct site_choice choices[SITE_CHOICES];
	size_t n = site_plan(site, true, tool->ipv6, 1, choices);
	struct buf address;

	buf_init(&address, 0);
	add_key(line, "plan");
	buf_add_byte(line, '[');
	for (size_t i = 0; i < n; i++) {
		buf_reset(&address);
		endpoint_add(&address, &choices[i].endpoint, true);
		buf_add_text(line, i == 0 ? "[" : ",[");
		codec_json(line, choices[i].host);
		buf_add_byte(line, ',');
		codec_json(line, buf_slice(&address));
		buf_add_byte(line, ']');
	}
	buf_add_byte(line, ']');
	buf_clear(&address);
}

/* How often each host of the best preference came first. */
static void add_counts(struct buf *line, const struct tool *tool, const struct site *site)
{
	struct site_choice choices[SITE_CHOICES];

	add_key(line, "first");
	buf_add_byte(line, '{');
	for (size_t host = 0; host < site_best_count(site); host++) {
		uint64_t count = 0;

		for (uint64_t i = 0; i < tool->plans; i++) {
			size_t n = site_plan(site, true, tool->ipv6, i, choices);

			count += n > 0 && slice_equal(choices[0].host, site_best(site, host));
		}
		buf_add_text(line, host == 0 ? "" : ",");
		codec_json(line, site_best(site, host));
		buf_add_byte(line, ':');
		buf_add_number(line, count);
	}
	buf_add_byte(line, '}');
}

static void print(const struct tool *tool, const char *domain, const struct site *site)
{
	struct buf line;

	buf_init(&line, 0);
	buf_add_byte(&line, '{');
	add_text(&line, "domain", slice_of(domain));
	add_text(&line, "failure", slice_of(failure_word(site_failure(site))));
	add_text(&line, "key", site_key(site));
	add_text(&line, "name", site_name(site));
	add_best(&line, site);
	add_plan(&line, tool, site);
	if (tool->plans > 0) {
		add_counts(&line, tool, site);
	}
	buf_add_format(&line, ",\"at_ms\":%lld}\n",
		(long long)(loop_now_us(tool->loop) - tool->begun_us) / 1000);
	(void)fwrite(line.p, 1, line.n, stdout);
	buf_clear(&line);
}

/* ---- questions ---- */

static void on_site(void *owner, struct site *site);

static void ask_next(struct tool *tool)
{
	struct question *question = &tool->questions[tool->asked];
	struct slice domain = slice_of(tool->domains[tool->asked++ % tool->count]);
	size_t colon = slice_find_last(domain, ':');
	uint64_t port;

	*question = (struct question){tool, domain.p};
	if (slice_number(slice_from(domain, colon + 1), UINT16_MAX, &port)) {
		resolver_find_host(tool->resolver, slice_first(domain, colon), (uint16_t)port,
			on_site, question);
	} else {
		resolver_find(tool->resolver, domain, on_site, question);
	}
}

static void on_site(void *owner, struct site *site)
{
	const struct question *question = owner;
	struct tool *tool = question->tool;

	tool->answered++;
	if (!tool->last || tool->answered == tool->count * tool->repeat) {
		print(tool, question->domain, site);
	}
	if (tool->answered == tool->count * tool->repeat) {
		resolver_free(&tool->resolver);
		dns_close(&tool->dns);
	} else if (!tool->together) {
		ask_next(tool);
	}
}

/* ---- options ---- */

static struct network read_network(struct slice text)
{
	struct network network = {.prefix = 0};
	size_t slash = slice_find(text, '/');
	uint64_t prefix = 0;

	if (!endpoint_parse(slice_first(text, slash), 0, &network.address) ||
		!slice_number(slice_from(text, slash + 1), 128, &prefix)) {
		usage("--allow ADDRESS/PREFIX");
	}
	network.prefix = (unsigned)prefix;
	return network;
}

static void add_endpoint(union endpoint *list, size_t *count, const char *text, uint16_t port)
{
	if (*count >= LIST_MAX || !endpoint_parse(slice_of(text), port, &list[*count])) {
		usage(text);
	}
	(*count)++;
}

static uint64_t read_number(const char *text)
{
	uint64_t value;

	if (!slice_number(slice_of(text), 10000000, &value)) {
		usage(text);
	}
	return value;
}

static void read_option(struct tool *tool, int option, const char *value)
{
	struct resolver_settings *settings = &tool->settings;

	switch (option) {
	case 'd':
		add_endpoint(tool->servers, &tool->dns_settings.server_count, value, 53);
		break;
	case 'a':
		tool->allow[settings->allow_count++ % LIST_MAX] = read_network(slice_of(value));
		break;
	case 'n':
		tool->own_names[settings->own_name_count++ % LIST_MAX] = slice_of(value);
		break;
	case 'o':
		add_endpoint(tool->own_addresses, &settings->own_address_count, value, 0);
		break;
	case 'p':
		settings->port = (uint16_t)read_number(value);
		break;
	case 'D':
		settings->deadline_us = (int64_t)read_number(value) * 1000;
		break;
	case 't':
		tool->dns_settings.timeout_us = (int64_t)read_number(value) * 1000;
		break;
	case 'c':
		tool->plans = read_number(value);
		break;
	case 'r':
		tool->repeat = read_number(value);
		break;
	case '6':
		tool->ipv6 = true;
		break;
	case 'g':
		tool->together = true;
		break;
	case 'l':
		tool->last = true;
		break;
	default:
		usage("option");
	}
}

static void read_options(struct tool *tool, int argc, char **argv)
{
	static const struct option options[] = {
		{"dns", required_argument, NULL, 'd'},
		{"allow", required_argument, NULL, 'a'},
		{"own-name", required_argument, NULL, 'n'},
		{"own-address", required_argument, NULL, 'o'},
		{"port", required_argument, NULL, 'p'},
		{"timeout", required_argument, NULL, 't'},
		{"deadline", required_argument, NULL, 'D'},
		{"plans", required_argument, NULL, 'c'},
		{"repeat", required_argument, NULL, 'r'},
		{"ipv6", no_argument, NULL, '6'},
		{"together", no_argument, NULL, 'g'},
		{"last", no_argument, NULL, 'l'},
		{NULL, 0, NULL, 0},
	};
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		read_option(tool, option, optarg);
	}
	tool->domains = argv + optind;
	tool->count = (size_t)(argc - optind);
	if (tool->count == 0 || tool->dns_settings.server_count == 0) {
		usage("domain or --dns");
	}
}

int main(int argc, char **argv)
{
	struct tool tool = {
		.dns_settings = {.timeout_us = 2 * TIME_SECOND_US, .tries = 2},
		.settings = {.min_ttl_us = 60 * TIME_SECOND_US,
			.max_ttl_us = 3600 * TIME_SECOND_US,
			.negative_max_ttl_us = 300 * TIME_SECOND_US,
			.deadline_us = 30 * TIME_SECOND_US,
			.stale_us = 24 * 3600 * TIME_SECOND_US,
			.cache_max = 10000,
			.port = 25},
		.repeat = 1,
	};

	tool.dns_settings.servers = tool.servers;
	tool.settings.allow = tool.allow;
	tool.settings.own_addresses = tool.own_addresses;
	tool.settings.own_names = tool.own_names;
	read_options(&tool, argc, argv);
	tool.questions = mem_array(tool.count * tool.repeat, sizeof(*tool.questions));
	tool.loop = loop_new();
	tool.begun_us = loop_now_us(tool.loop);
	if (err_is(dns_open(tool.loop, &tool.dns_settings, &tool.dns))) {
		usage("--dns");
	}
	tool.resolver = resolver_new(tool.loop, tool.dns, &tool.settings);
	do {
		ask_next(&tool);
	} while (tool.together && tool.asked < tool.count * tool.repeat);
	loop_run(tool.loop);
	loop_free(&tool.loop);
	mem_free(tool.questions);
	return tool.answered == tool.count * tool.repeat ? 0 : 1;
}
