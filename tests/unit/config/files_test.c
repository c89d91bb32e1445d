/*
 * Files: the ones we ship, includes, the dump (which loads again), the diff, and the
 * manual, which has to say of each key what the schema says.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "config/config.h"
#include "config/diff.h"
#include "config/schema.h"
#include "no_leaks.h"

TestSuite(files, .fini = no_leaks);

static char folder[] = "/tmp/config_files_XXXXXX";

static void make_folder(void)
{
	cr_assert_not_null(mkdtemp(folder));
}

static void remove_folder(void)
{
	char command[200];

	for (int i = 0; i < 3; i++) {
		static const char *const names[] = {"main.yaml", "one.yaml", "two.yaml"};

		snprintf(command, sizeof(command), "%s/%s", folder, names[i]);
		unlink(command);
	}
	rmdir(folder);
	no_leaks();
}

static const char *file(const char *name, const char *text)
{
	static char path[200];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	f = fopen(path, "w");
	cr_assert_not_null(f);
	fputs(text, f);
	fclose(f);
	return path;
}

static const struct config *load(const char *path)
{
	const struct config *config = NULL;
	struct buf problems;
	bool ok;

	buf_init(&problems, 0);
	ok = config_load(path, &config, &problems);
	cr_assert(ok, "%s", buf_string(&problems));
	buf_clear(&problems);
	return config;
}

static const struct config *parse(const char *text)
{
	const struct config *config = NULL;
	struct buf problems;
	bool ok;

	buf_init(&problems, 0);
	ok = config_parse("t.yaml", slice_of(text), &config, &problems);
	cr_assert(ok, "%s", buf_string(&problems));
	buf_clear(&problems);
	return config;
}

Test(files, shipped)
{
	const struct config *c = load(SOURCE_ROOT "/conf/penguin-mta.yaml");
	static const struct {
		const char *mx;
		const char *provider;
		enum config_tls tls;
	} rows[] = {
		{"gmail-smtp-in.l.google.com", "gmail", CONFIG_TLS_REQUIRED},
		{"mta5.am0.yahoodns.net", "yahoo", CONFIG_TLS_REQUIRED},
		{"hotmail-com.olc.protection.outlook.com", "microsoft", CONFIG_TLS_REQUIRED},
		{"example-com.mail.protection.outlook.com", "microsoft-365", CONFIG_TLS_REQUIRED},
		{"example-com.a-v1.mx.microsoft", "microsoft-365", CONFIG_TLS_REQUIRED},
		{"mx01.mail.icloud.com", "apple", CONFIG_TLS_REQUIRED},
		{"mx00.gmx.net", "gmx", CONFIG_TLS_REQUIRED},
		{"smtp-in.orange.fr", "orange", CONFIG_TLS_REQUIRED},
		{"mxs.mail.ru", "mail-ru", CONFIG_TLS_OPPORTUNISTIC},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct config_provider *p = config_provider_by_mx(c, slice_of(rows[i].mx));

		cr_assert_not_null(p, "%s", rows[i].mx);
		cr_expect_str_eq(p->name, rows[i].provider);
		cr_expect_eq(p->pace.tls, rows[i].tls, "%s", p->name);
	}
	cr_expect_not_null(config_pool(c, SLICE("main")));
	cr_expect_str_eq(c->keys.directory, SOURCE_ROOT "/conf/keys");
	config_unref(&c);
}

/* "  # key: value" loses its "# ": a comment whose first word ends with a colon is a setting. */
static void uncomment(const char *line, struct buf *out)
{
	size_t indent = strspn(line, " ");
	const char *rest = line + indent;
	const char *word = rest + 1 + strspn(rest + 1, " ");
	size_t length = strcspn(word, " \n");

	buf_add(out, slice_make(line, indent));
	if (rest[0] == '#' && length > 1 && word[length - 1] == ':') {
		rest += 2;
	}
	buf_add_text(out, rest);
}

/* What the sample has in comments must be right too: an operator will take the # away. */
Test(files, shipped_comments)
{
	FILE *f = fopen(SOURCE_ROOT "/conf/penguin-mta.yaml", "r");
	const struct config *c = NULL;
	struct buf problems;
	struct buf text;
	char line[300];
	bool ok;

	cr_assert_not_null(f);
	buf_init(&text, 0);
	buf_init(&problems, 0);
	while (fgets(line, sizeof(line), f) != NULL && strstr(line, "providers.yaml\n") == NULL) {
		/* the introduction, and the include */
	}
	while (fgets(line, sizeof(line), f) != NULL) {
		uncomment(line, &text);
	}
	fclose(f);
	ok = config_parse("sample", buf_slice(&text), &c, &problems);
	cr_assert(ok, "%s", buf_string(&problems));
	cr_expect_eq(c->routes.count, 2);
	cr_expect_eq(c->tokens.keys.count, 2);
	cr_expect_not_null(c->sources.items[2]->relay.username);
	cr_expect_eq(c->retry.jitter, 0.2);
	config_unref(&c);
	buf_clear(&text);
	buf_clear(&problems);
}

Test(files, includes, .init = make_folder, .fini = remove_folder)
{
	const struct config *c;
	const char *main;

	file("one.yaml",
		"retry: {first: 1m, max: 2m}\nproviders: {g: {mx: [a.example, b.example], "
		"connections: 1, rate: 5/s}}\ndelivery: {log: d.log}\n");
	file("two.yaml", "retry: {max: 3m}\nproviders: {g: {mx: c.example, connections: 2}}\n");
	main = file(
		"main.yaml", "include: [one.yaml, two.yaml]\nproviders: {g: {connections: 3}}\n");
	c = load(main);
	cr_expect_eq(c->retry.first_us, INT64_C(60000000));
	cr_expect_eq(c->retry.max_us, INT64_C(180000000));
	cr_expect_eq(c->providers.count, 1);
	cr_expect_eq(c->providers.items[0]->pace.connections, 3);
	cr_expect_eq(c->providers.items[0]->pace.rate.count, 5);
	cr_expect_eq(c->providers.items[0]->mx.count, 1);
	cr_expect_str_eq(c->providers.items[0]->mx.items[0], "c.example");
	cr_expect_eq(strncmp(c->delivery.log, folder, strlen(folder)), 0);
	cr_expect_eq(c->include.count, 2);
	config_unref(&c);
}

static void expect_load_problems(const char *path, const char *part)
{
	const struct config *c = NULL;
	struct buf problems;

	buf_init(&problems, 0);
	cr_expect_not(config_load(path, &c, &problems));
	cr_expect_null(c);
	cr_expect_not_null(strstr(buf_string(&problems), part), "%s", buf_string(&problems));
	buf_clear(&problems);
}

Test(files, include_faults, .init = make_folder, .fini = remove_folder)
{
	file("one.yaml", "include: two.yaml\n");
	file("two.yaml", "retry: {frist: 1m}\n");
	expect_load_problems(file("main.yaml", "include: one.yaml\n"),
		"one.yaml:1:1: an included file cannot include others");
	expect_load_problems(file("main.yaml", "include: [two.yaml]\n"),
		"two.yaml:1:9: unknown key 'frist', did you mean 'first'?");
	expect_load_problems(
		file("main.yaml", "include: gone.yaml\n"), "gone.yaml: cannot be read: ");
	expect_load_problems(
		file("main.yaml", "include: [[x]]\n"), "an item of 'include' must be one path");
	expect_load_problems(file("main.yaml", "include: main.yaml\n"), "cannot include others");
	file("one.yaml", "- x\n");
	expect_load_problems(
		file("main.yaml", "include: one.yaml\n"), "must hold 'key: value' lines");
}

Test(files, commands, .init = make_folder, .fini = remove_folder)
{
	struct buf out;
	struct buf problems;

	buf_init(&out, 0);
	buf_init(&problems, 0);
	cr_expect_eq(
		config_check_file(file("main.yaml", "retry: x\n"), &out, &problems), EX_CONFIG);
	cr_expect_eq(out.n, 0);
	cr_expect_gt(problems.n, 0);
	buf_reset(&problems);
	cr_expect_eq(config_check_file(file("main.yaml", "node: n1\n"), &out, &problems), EX_OK);
	cr_expect_eq(problems.n, 0);
	buf_reset(&out);
	cr_expect_eq(config_dump_file(file("main.yaml", "node: n1\n"), &out, &problems), EX_OK);
	cr_expect_not_null(strstr(buf_string(&out), "main.yaml:1\n"));
	cr_expect_not_null(strstr(buf_string(&out), "  first: 15m "));
	buf_reset(&out);
	cr_expect_eq(config_dump_file("/nonexistent", &out, &problems), EX_CONFIG);
	buf_clear(&out);
	buf_clear(&problems);
}

static const char rich[] =
	"node: 'n-1'\n"
	"postgres: {dsn: 'host=/tmp user=''a b''', password_file: /x/y}\n"
	"dns: {servers: ['[::1]:53', '127.0.0.1:5353']}\n"
	"guard: {allow: ['fd00::/8', 10.0.0.0/8]}\n"
	"sources:\n"
	"  null-a: {ipv6: '2001:db8::1', rate: 7/20m burst 3}\n"
	"  r: {relay: {host: '[2001:db8::9]:26', username: \"%x\\x7f\\u00e9\\u2028\\U0001f427\\t\", password_file: 'p: q'}}\n"
	"routes: {'*.x.example': {relay: r}, '*': m.example}\n"
	"pools: {p: {sources: {null-a: 5, r: }}}\n"
	"providers: {g: {mx: [a.example, b.example], tls: verified, suspend: 90s}}\n"
	"tokens: {keys: {1: f}}\n";

/* The dump of a configuration loads again, as the same. */
Test(files, dump_round_trip)
{
	const struct config *first;
	const struct config *second;
	struct buf dump;
	struct buf changes;

	buf_init(&dump, 0);
	buf_init(&changes, 0);
	first = parse(rich);
	config_settings_dump(config_settings(first), &dump);
	second = parse(buf_string(&dump));
	config_settings_diff(config_settings(first), config_settings(second), &changes);
	cr_expect_str_eq(
		buf_string(&changes), "", "%s\n%s", buf_string(&changes), buf_string(&dump));
	config_unref(&first);
	config_unref(&second);
	buf_clear(&dump);
	buf_clear(&changes);
}

Test(files, diff)
{
	static const struct {
		const char *label;
		const char *before;
		const char *after;
		const char *changes;
	} rows[] = {
		{"nothing", "retry: {first: 5m}\n", "retry:\n  first: 300s # same\n", ""},
		{"a default that is written out", "", "retry: {first: 15m}\n", ""},
		{"a value", "", "retry: {first: 5m}\n", "retry.first: 15m -> 5m\n"},
		{"a list", "guard: {allow: 10.0.0.0/8}\n", "guard: {allow: []}\n",
			"guard.allow: [10.0.0.0/8] -> []\n"},
		{"set", "", "delivery: {redirect: h.example}\n",
			"delivery.redirect: unset -> h.example:25\n"},
		{"moved entries", "routes: {a.example: m, b.example: n}\n",
			"routes: {b.example: n, a.example: m}\n", ""},
		{"an entry that came", "", "tokens: {keys: {1: /f}}\n",
			"tokens.keys.1.file: unset -> /f\ntokens.sign_with: unset -> 1\n"},
		{"an entry that went", "routes: {a.example: m}\n", "",
			"routes.\"a.example\".host: m:25 -> unset\n"
			"routes.\"a.example\".tls: opportunistic -> unset\n"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct config *before = parse(rows[i].before);
		const struct config *after = parse(rows[i].after);
		struct buf changes;

		buf_init(&changes, 0);
		config_settings_diff(config_settings(before), config_settings(after), &changes);
		cr_expect_str_eq(buf_string(&changes), rows[i].changes, "%s: got\n%s",
			rows[i].label, buf_string(&changes));
		config_unref(&before);
		config_unref(&after);
		buf_clear(&changes);
	}
}

/* What a reload does not apply is named until it is as it was at the start. */
Test(files, restart)
{
	static const struct {
		const char *label;
		const char *now;
		const char *keys;
	} rows[] = {
		{"nothing", "node: n\n", ""},
		{"what a reload applies",
			"node: n\nretry: {first: 5m}\ndns: {servers: '127.0.0.1:5'}\n", ""},
		{"one", "node: m\n", "node"},
		{"several", "node: m\npostgres: {dsn: x, feed: 2s}\nlimits: {jobs: 500}\n",
			"node postgres.dsn postgres.feed"},
		{"one that was unset", "node: n\npostgres: {password_file: /f}\n",
			"postgres.password_file"},
	};
	const struct config *started = parse("node: n\n");

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct config *now = parse(rows[i].now);
		struct buf keys;

		buf_init(&keys, 0);
		config_settings_restart(config_settings(started), config_settings(now), &keys);
		cr_expect_str_eq(buf_string(&keys), rows[i].keys, "%s: got %s", rows[i].label,
			buf_string(&keys));
		config_unref(&now);
		buf_clear(&keys);
	}
	config_unref(&started);
}

/* Two nodes of one fleet: what they may have of their own, and what they may not. */
Test(files, shared)
{
	static const char first[] = "node: n\nsources: {a: {ipv4: 192.0.2.1, ehlo: a.test}}\n"
				    "pools: {p: {sources: [a]}}\n"
				    "tokens: {keys: {1: /one}}\n";
	static const struct {
		const char *label;
		const char *text;
		bool alike;
	} rows[] = {
		{"the same", first, true},
		{"the machine's own",
			"node: m\nhostname: m.test\ninclude: []\nlog: {level: debug}\n"
			"postgres: {dsn: x, password_file: /f, listen: false}\n"
			"dns: {servers: '127.0.0.1:5', allow_remote: true}\n"
			"keys: {directory: /k}\ndelivery: {log: /l}\nlimits: {memory: 64MiB}\n"
			"spool: {directory: /s, segment: 1MiB, keep: 1d, keep_size: 1MiB}\n"
			"tls: {ca_file: /c}\ntokens: {keys: {1: /two}}\n"
			"sources: {b: {ipv4: 192.0.2.2, ehlo: b.test, weight: 7}}\n"
			"pools: {p: {sources: [b]}}\n",
			true},
		{"in another order",
			"pools: {p: {sources: [a]}}\ntokens: {keys: {1: /one}}\n"
			"sources: {a: {ipv4: 192.0.2.1, ehlo: a.test}}\nnode: n\n",
			true},
		{"another pool",
			"sources: {a: {ipv4: 192.0.2.1, ehlo: a.test}}\n"
			"pools: {q: {sources: [a]}}\ntokens: {keys: {1: /one}}\n",
			false},
		{"another token key",
			"sources: {a: {ipv4: 192.0.2.1, ehlo: a.test}}\n"
			"pools: {p: {sources: [a]}}\ntokens: {keys: {2: /one}}\n",
			false},
		{"another rule",
			"sources: {a: {ipv4: 192.0.2.1, ehlo: a.test}}\n"
			"pools: {p: {sources: [a]}}\ntokens: {keys: {1: /one}}\n"
			"retry: {first: 5m}\n",
			false},
		{"a provider of its own",
			"sources: {a: {ipv4: 192.0.2.1, ehlo: a.test}}\n"
			"pools: {p: {sources: [a]}}\ntokens: {keys: {1: /one}}\n"
			"providers: {big: {mx: [big.test]}}\n",
			false},
	};
	const struct config *config = parse(first);
	struct buf wanted;

	buf_init(&wanted, 0);
	config_settings_shared(config_settings(config), &wanted);
	cr_expect_null(strstr(buf_string(&wanted), "192.0.2.1"));
	config_unref(&config);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct buf shared;

		config = parse(rows[i].text);
		buf_init(&shared, 0);
		config_settings_shared(config_settings(config), &shared);
		cr_expect_eq(slice_equal(buf_slice(&shared), buf_slice(&wanted)), rows[i].alike,
			"%s", rows[i].label);
		config_unref(&config);
		buf_clear(&shared);
	}
	buf_clear(&wanted);
}

static char *read_manual(void)
{
	FILE *f = fopen(SOURCE_ROOT "/man/penguin-mta.yaml.5", "r");
	char *text = calloc(1, 1 << 20);

	cr_assert_not_null(f);
	cr_assert_gt(fread(text, 1, (1 << 20) - 1, f), 0);
	fclose(f);
	return text;
}

/* The facts of a row as the manual has them, from the columns of --dump-schema. */
static void facts(struct slice row, struct buf *ret_path, struct buf *ret_facts)
{
	struct slice columns[7];

	for (size_t i = 0; i < ARRAY_LEN(columns); i++) {
		cr_assert(slice_split(&row, '\t', &columns[i]));
	}
	buf_reset(ret_path);
	buf_reset(ret_facts);
	buf_add(ret_path, columns[0]);
	buf_add_format(ret_facts, ".It Cm %s\n%.*s", buf_string(ret_path), (int)columns[1].n,
		columns[1].p);
	if (columns[3].n > 0) {
		buf_add_format(ret_facts, " (%.*s)", (int)columns[3].n, columns[3].p);
	}
	if (columns[2].n > 0) {
		buf_add_format(ret_facts, ", %.*s", (int)columns[2].n, columns[2].p);
	}
	if (slice_equal(columns[4], SLICE("(required)"))) {
		buf_add_text(ret_facts, ", required");
	} else if (columns[4].n > 0) {
		buf_add_format(ret_facts, ", default %.*s", (int)columns[4].n, columns[4].p);
	}
	if (slice_equal(columns[6], SLICE("restart"))) {
		buf_add_text(ret_facts, ", restart");
	}
	buf_add_text(ret_facts, ".\n");
}

Test(files, manual)
{
	char *manual = read_manual();
	struct slice rest;
	struct slice row;
	struct buf out;
	struct buf path;
	struct buf wanted;
	size_t keys = 0;

	buf_init(&out, 0);
	buf_init(&path, 0);
	buf_init(&wanted, 0);
	config_dump_schema(&out);
	rest = buf_slice(&out);
	while (slice_split(&rest, '\n', &row) && row.n > 0) {
		facts(row, &path, &wanted);
		if (strchr(buf_string(&path), '.') != NULL ||
			strstr(buf_string(&wanted), "\nsection") == NULL) {
			if (strchr(buf_string(&path), '.') == NULL &&
				strstr(buf_string(&wanted), "\ntable") != NULL) {
				continue; /* a heading of its own, like a section */
			}
			cr_expect_not_null(strstr(manual, buf_string(&wanted)),
				"the manual lacks:\n%s", buf_string(&wanted));
			keys++;
		}
	}
	cr_expect_gt(keys, 100);
	buf_clear(&out);
	buf_clear(&path);
	buf_clear(&wanted);
	free(manual);
}

static void expect_secret(const char *text, const char *secret)
{
	struct buf out;
	struct err err;

	buf_init(&out, 0);
	err = config_secret_read(file("one.yaml", text), &out);
	cr_expect_eq(err.kind, secret != NULL ? ERR_NONE : ERR_INPUT, "%.20s", text);
	cr_expect_str_eq(buf_string(&out), secret != NULL ? secret : "");
	buf_clear(&out);
}

Test(files, secrets, .init = make_folder, .fini = remove_folder)
{
	char *long_text = calloc(1, 4200);
	struct buf out;

	memset(long_text, 'x', 4097);
	expect_secret("s3cret\n", "s3cret");
	expect_secret(" with blanks \r\n", " with blanks ");
	expect_secret("\n", NULL);
	expect_secret("", NULL);
	expect_secret(long_text, NULL);
	long_text[4096] = '\0';
	expect_secret(long_text, long_text);
	buf_init(&out, 0);
	cr_expect_eq(config_secret_read("/nonexistent/x", &out).kind, ERR_SYSTEM);
	buf_clear(&out);
	free(long_text);
}
