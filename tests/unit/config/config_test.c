/*
 * A configuration as a whole: what good ones come to, what is said of bad ones, and
 * that the files we ship and the manual agree with the schema.
 */
#include "config/config.h"

#include <criterion/criterion.h>
#include <string.h>

#include "config/diff.h"
#include "config/schema.h"
#include "no_leaks.h"

TestSuite(config, .fini = no_leaks);

static const struct config *good(const char *text)
{
	const struct config *config = NULL;
	struct buf problems;
	bool ok;

	buf_init(&problems, 0);
	ok = config_parse("t.yaml", slice_of(text), &config, &problems);
	cr_assert(ok, "%s", buf_string(&problems));
	cr_assert_eq(problems.n, 0);
	buf_clear(&problems);
	return config;
}

static void expect_problems(const char *label, const char *text, const char *expected)
{
	const struct config *config = NULL;
	struct buf problems;
	bool ok;

	buf_init(&problems, 0);
	ok = config_parse("t.yaml", slice_of(text), &config, &problems);
	cr_expect_not(ok, "%s: was taken", label);
	cr_expect_null(config);
	cr_expect_str_eq(
		buf_string(&problems), expected, "%s: got\n%s", label, buf_string(&problems));
	config_unref(&config);
	buf_clear(&problems);
}

/* Two lines of a source that others refer to. */
#define SOURCE "sources: {a: {ipv4: 192.0.2.1}, r: {relay: {host: esp.example}}}\n"

static const struct {
	const char *label;
	const char *text;
	const char *problems;
} faults[] = {
	{"a letter missing", "limits:\n  conections: 20\n",
		"t.yaml:2:3: unknown key 'conections', did you mean 'connections'?\n"
		"    conections: 20\n    ^\n"},
	{"letters swapped", "timeouts: {gretting: 5m}\n",
		"t.yaml:1:12: unknown key 'gretting', did you mean 'greeting'?\n"
		"  timeouts: {gretting: 5m}\n             ^\n"},
	{"in the wrong section", "renew: 1m\n",
		"t.yaml:1:1: unknown key 'renew', it belongs below 'lease'\n  renew: 1m\n  ^\n"},
	{"like nothing", "guard: {zebra: 1}\n",
		"t.yaml:1:9: unknown key 'zebra', known here are: allow\n"
		"  guard: {zebra: 1}\n          ^\n"},
	{"no duration", "retry:\n  first: abc\n",
		"t.yaml:2:10: 'abc' is no duration: write 90s, 5m, 1h30m\n"
		"    first: abc\n           ^\n"},
	{"a duration without unit", "retry:\n  first: 90\n",
		"t.yaml:2:10: '90' is no duration: write 90s, 5m, 1h30m\n"
		"    first: 90\n           ^\n"},
	{"too little", "timeouts: {final_dot: 9m59s}\n",
		"t.yaml:1:23: 9m59s is too little: 'final_dot' is at least 10m\n"
		"  timeouts: {final_dot: 9m59s}\n                        ^\n"},
	{"too much", "timeouts: {idle: 31s}\n",
		"t.yaml:1:18: 31s is too much: 'idle' is at most 30s\n"
		"  timeouts: {idle: 31s}\n                   ^\n"},
	{"no bool", "postgres: {listen: maybe}\n",
		"t.yaml:1:20: 'maybe' is no yes or no: write true or false\n"
		"  postgres: {listen: maybe}\n                     ^\n"},
	{"no count", "limits: {jobs: -1}\n",
		"t.yaml:1:16: '-1' is no count: write a whole number such as 20\n"
		"  limits: {jobs: -1}\n                 ^\n"},
	{"no size", "limits: {memory: 1GB}\n",
		"t.yaml:1:18: '1GB' is no size: write 512KiB, 10MiB, 1GiB or a number of bytes\n"
		"  limits: {memory: 1GB}\n                   ^\n"},
	{"no share", "retry: {jitter: 120%}\n",
		"t.yaml:1:17: '120%' is no share: write 5% or 0.05, at most 100%\n"
		"  retry: {jitter: 120%}\n                  ^\n"},
	{"no number", "retry: {factor: inf}\n",
		"t.yaml:1:17: 'inf' is no number: write 2 or 0.5\n"
		"  retry: {factor: inf}\n                  ^\n"},
	{"no rate", "default_site: {rate: 0/m}\n",
		"t.yaml:1:22: '0/m' is no rate: write 100/m, 20/30m, 1000/h burst 10, or none\n"
		"  default_site: {rate: 0/m}\n                       ^\n"},
	{"no word of the enum", "default_site: {tls: require}\n",
		"t.yaml:1:21: 'require' is not one of: none, opportunistic, required, verified; did you "
		"mean 'required'?\n"
		"  default_site: {tls: require}\n                      ^\n"},
	{"no port", "delivery: {port: 65536}\n",
		"t.yaml:1:18: '65536' is no port: write a number from 1 to 65535\n"
		"  delivery: {port: 65536}\n                   ^\n"},
	{"no host name", "hostname: -x-\n",
		"t.yaml:1:11: '-x-' is no host name: write one such as mx1.example.com\n"
		"  hostname: -x-\n            ^\n"},
	{"smtp_S5: a short EHLO name", "sources: {a: {ipv4: 192.0.2.1, ehlo: mx1}}\n",
		"t.yaml:1:38: 'mx1' is no full name: EHLO needs one of two labels or more, such as "
		"mx1.example.com\n  sources: {a: {ipv4: 192.0.2.1, ehlo: mx1}}\n"
		"                                       ^\n"},
	{"a list where one value belongs", "hostname: [a, b]\n",
		"t.yaml:1:11: 'hostname' takes one host name, not a list\n"
		"  hostname: [a, b]\n            ^\n"},
	{"a value where a section belongs", "retry: 5m\n",
		"t.yaml:1:8: 'retry' is a section: write 'key: value' lines below it\n"
		"  retry: 5m\n         ^\n"},
	{"a value where a table belongs", "pools: x\n",
		"t.yaml:1:8: 'pools' is a table: write a name and its settings on each line below it\n"
		"  pools: x\n         ^\n"},
	{"no mapping at all", "- a\n- b\n",
		"t.yaml:1:1: the file must hold 'key: value' lines\n  - a\n  ^\n"},
	{"network with bits behind the prefix", "guard: {allow: [10.1.2.3/8]}\n",
		"t.yaml:1:17: '10.1.2.3/8' is no network: write 192.0.2.0/24, 2001:db8::/32 or one "
		"address\n  guard: {allow: [10.1.2.3/8]}\n                  ^\n"},
	{"all at once, in the order of the schema",
		"retry: {first: x, max: y}\nlimts: {}\nnode: 'a b'\n",
		"t.yaml:2:1: unknown key 'limts', did you mean 'limits'?\n  limts: {}\n  ^\n"
		"t.yaml:3:7: 'a b' is no name: write letters, digits, '.', '-' and '_'\n"
		"  node: 'a b'\n        ^\n"
		"t.yaml:1:16: 'x' is no duration: write 90s, 5m, 1h30m\n"
		"  retry: {first: x, max: y}\n                 ^\n"
		"t.yaml:1:24: 'y' is no duration: write 90s, 5m, 1h30m\n"
		"  retry: {first: x, max: y}\n                         ^\n"},
	{"required key", "tokens: {keys: {1: {}}}\n",
		"t.yaml:1:17: 'file' is missing: The file with the secret, at least 16 bytes.\n"
		"  tokens: {keys: {1: {}}}\n                  ^\n"},
	{"password in the dsn", "postgres: {dsn: 'postgresql://u:p@h/db'}\n",
		"t.yaml:1:17: the dsn has a password: put it into a file and name that in "
		"'password_file'\n"
		"  postgres: {dsn: 'postgresql://u:p@h/db'}\n                  ^\n"},
	{"remote resolver", "dns: {servers: '192.0.2.53:53'}\n",
		"t.yaml:1:16: a resolver off this machine can be answered for by others: run one "
		"here, or set 'allow_remote: true'\n"
		"  dns: {servers: '192.0.2.53:53'}\n                 ^\n"},
	{"lease too short for the last dot", "lease: {duration: 5m}\n",
		"t.yaml:1:19: 'duration' is less than final_dot + renew + autonomy: raise it, or two "
		"workers could send the same job\n"
		"  lease: {duration: 5m}\n                    ^\n"},
	{"default against a value", "retry: {max: 1m}\n",
		"t.yaml: 'first' is more than 'max': lower it\n"},
	{"source without address", "sources: {a: {weight: 2}}\n",
		"t.yaml:1:11: source 'a' has no address: give it 'ipv4', 'ipv6' or a relay with a "
		"host\n  sources: {a: {weight: 2}}\n            ^\n"},
	{"address of two sources", "sources: {a: {ipv4: 192.0.2.1}, b: {ipv4: 192.0.2.1}}\n",
		"t.yaml:1:43: source 'a' has this address already: limits and warm-up are kept by "
		"source, so an address belongs to one\n"
		"  sources: {a: {ipv4: 192.0.2.1}, b: {ipv4: 192.0.2.1}}\n"
		"                                            ^\n"},
	{"IPv6 where IPv4 belongs", "sources: {a: {ipv4: '::1'}}\n",
		"t.yaml:1:21: '::1' is no IPv4 address: write one such as 192.0.2.1\n"
		"  sources: {a: {ipv4: '::1'}}\n                      ^\n"},
	{"member that is no source", SOURCE "pools: {p: {sources: [a, rr]}}\n",
		"t.yaml:2:26: there is no source 'rr': describe it below 'sources'\n"
		"  pools: {p: {sources: [a, rr]}}\n                           ^\n"},
	{"empty pool", "pools: {p: {sources: []}}\n",
		"t.yaml:1:9: pool 'p' is empty: name its sources\n"
		"  pools: {p: {sources: []}}\n          ^\n"},
	{"pool without sources", "pools: {p: }\n",
		"t.yaml:1:9: 'sources' is missing: The sources that share its mail: a list of names, or "
		"a weight for each name.\n  pools: {p: }\n          ^\n"},
	{"route to a source without relay", SOURCE "routes: {x.example: {relay: a}}\n",
		"t.yaml:2:29: source 'a' has no relay: give it one, or use 'host' here\n"
		"  routes: {x.example: {relay: a}}\n                              ^\n"},
	{"route pattern", "routes: {'a.*.example': mx.example}\n",
		"t.yaml:1:10: 'a.*.example' is no pattern: write example.com, *.example.com or *\n"
		"  routes: {'a.*.example': mx.example}\n           ^\n"},
	{"password in the clear",
		"sources:\n  r: {relay: {host: h, username: u, password_file: f, tls: opportunistic}}\n",
		"t.yaml:2:60: a password goes over TLS only: write 'required' or 'verified'\n"
		"    r: {relay: {host: h, username: u, password_file: f, tls: opportunistic}}\n"
		"                                                             ^\n"},
	{"MX of two providers", "providers: {a: {mx: x.example}, b: {mx: X.example}}\n",
		"t.yaml:1:41: 'x.example' is claimed by provider 'a' too: leave it out of one of "
		"them\n  providers: {a: {mx: x.example}, b: {mx: X.example}}\n"
		"                                          ^\n"},
	{"provider that matches nothing", "providers: {a: {connections: 1}}\n",
		"t.yaml:1:13: provider 'a' matches nothing: give it 'mx' or 'domains'\n"
		"  providers: {a: {connections: 1}}\n              ^\n"},
	{"token key that is none", "tokens: {keys: {1: f}, sign_with: 2}\n",
		"t.yaml:1:35: there is no key '2': describe it below 'tokens.keys'\n"
		"  tokens: {keys: {1: f}, sign_with: 2}\n"
		"                                    ^\n"},
	{"key id that is no number", "tokens: {keys: {k1: f}}\n",
		"t.yaml:1:17: 'k1' is no key id: write a number from 1 to 255\n"
		"  tokens: {keys: {k1: f}}\n                  ^\n"},
	{"include without a file", "include: x.yaml\n",
		"t.yaml:1:1: 'include' works in a file only: leave it out\n"
		"  include: x.yaml\n  ^\n"},
};

Test(config, smtp_S5_dns_N2_faults)
{
	for (size_t i = 0; i < ARRAY_LEN(faults); i++) {
		expect_problems(faults[i].label, faults[i].text, faults[i].problems);
	}
}

Test(config, defaults_of_an_empty_file)
{
	const struct config *c = good("");

	cr_expect_eq(c->log_level, LOG_LEVEL_INFO);
	cr_expect_str_eq(c->postgres.dsn, "dbname=penguin");
	cr_expect_null(c->postgres.password_file);
	cr_expect(c->postgres.listen);
	cr_expect_eq(c->timeouts.final_dot_us, INT64_C(600000000));
	cr_expect_eq(c->retry.first_us, INT64_C(900000000));
	cr_expect_float_eq(c->retry.jitter, 0.2, 1e-9);
	cr_expect_float_eq(c->limits.site_share, 0.05, 1e-9);
	cr_expect_eq(c->limits.memory_bytes, UINT64_C(512) << 20);
	cr_expect_eq(c->default_site.sources, 2);
	cr_expect_eq(c->default_site.tls, CONFIG_TLS_OPPORTUNISTIC);
	cr_expect_eq(c->default_site.rate.count, 0);
	cr_expect_eq(c->tls.min_version, CONFIG_TLS_1_2);
	cr_expect_eq(c->keys.check_dns, CONFIG_CHECK_DNS_REQUIRED);
	cr_expect_eq(c->delivery.port, 25);
	cr_expect_null(c->delivery.redirect.host);
	cr_expect_neq(c->hostname[0], '\0');
	cr_expect_neq(c->node[0], '\0');
	cr_expect_null(c->tokens.sign_with);
	config_unref(&c);
	cr_expect_null(c);
}

/* RFC 5321 section 4.5.3.2 and our own: the defaults, in seconds. */
static const struct {
	const char *label;
	size_t offset;
	int64_t seconds;
} timeouts[] = {
	{"connect", offsetof(struct config_timeouts, connect_us), 30},
	{"greeting", offsetof(struct config_timeouts, greeting_us), 300},
	{"ehlo", offsetof(struct config_timeouts, ehlo_us), 300},
	{"starttls", offsetof(struct config_timeouts, starttls_us), 60},
	{"mail", offsetof(struct config_timeouts, mail_us), 300},
	{"rcpt", offsetof(struct config_timeouts, rcpt_us), 300},
	{"data", offsetof(struct config_timeouts, data_us), 120},
	{"block", offsetof(struct config_timeouts, data_block_us), 180},
	{"dot", offsetof(struct config_timeouts, final_dot_us), 600},
	{"rset", offsetof(struct config_timeouts, rset_us), 20},
	{"quit", offsetof(struct config_timeouts, quit_us), 5},
	{"idle", offsetof(struct config_timeouts, idle_us), 5},
	{"reuse", offsetof(struct config_timeouts, reuse_us), 300},
};

static void expect_timeouts(const char *text, int64_t thousandths)
{
	const struct config *c = good(text);

	for (size_t i = 0; i < ARRAY_LEN(timeouts); i++) {
		const char *at = (const char *)&c->timeouts + timeouts[i].offset;
		int64_t value_us = *(const int64_t *)(const void *)at;

		cr_expect_eq(config_timeout_us(&c->timeouts, value_us),
			timeouts[i].seconds * 1000 * thousandths, "%s", timeouts[i].label);
	}
	config_unref(&c);
}

Test(config,
	smtp_timeout_connect_smtp_timeout_greeting_smtp_timeout_ehlo_smtp_timeout_starttls_smtp_timeout_mail)
{
	expect_timeouts("", 1000);
	expect_timeouts("timeouts: {scale: 0.01}\n", 10);
}

Test(config,
	smtp_timeout_rcpt_smtp_timeout_data_smtp_timeout_block_smtp_timeout_dot_smtp_timeout_rset_smtp_timeout_quit)
{
	expect_timeouts("timeouts: {scale: 1.5}\n", 1500);
	expect_timeouts("timeouts: {scale: 0.001}\n", 1);
}

static const char full[] =
	"hostname: MTA.Example.COM\n"
	"log: {level: debug}\n"
	"postgres: {dsn: host=/tmp dbname=x, listen: off, password_file: secret}\n"
	"dns: {servers: ['127.0.0.1:5353', '[::1]:53'], timeout: 100ms}\n"
	"guard: {allow: [127.0.0.0/8, 2001:db8::/32]}\n"
	"delivery: {redirect: staging.example, port: 2525}\n"
	"timeouts: {scale: 0.01}\n"
	"sources:\n"
	"  a: {ipv4: 192.0.2.1, ipv6: '2001:db8::1', weight: 3, rate: 1000/h burst 10}\n"
	"  b: {ipv4: 192.0.2.2, ehlo: b.example}\n"
	"  esp: {relay: {host: 'esp.example', username: u, password_file: p}}\n"
	"pools:\n"
	"  p: {sources: [a, b]}\n"
	"  q: {sources: {a: , b: 7}}\n"
	"routes:\n"
	"  one.example: mx.other.example:26\n"
	"  '*.example': {host: '[2001:db8::5]:25', tls: verified}\n"
	"  '*.deep.example': {relay: esp}\n"
	"providers:\n"
	"  g: {mx: [google.com], connections: 7, rate: 20/30m, tls: required}\n"
	"  w: {domains: web.example, mx: workspace.google.com, ipv6: yes}\n"
	"tokens: {keys: {1: f1, 2: f2}}\n";

Test(config, values)
{
	const struct config *c = good(full);
	const struct config_source *a = c->sources.items[0];

	cr_expect_str_eq(c->hostname, "mta.example.com");
	cr_expect_eq(c->log_level, LOG_LEVEL_DEBUG);
	cr_expect_not(c->postgres.listen);
	cr_expect_str_eq(c->postgres.password_file, "secret");
	cr_expect_eq(c->dns.servers.count, 2);
	cr_expect_eq(c->dns.servers.items[0].port, 5353);
	cr_expect_eq(c->dns.servers.items[1].version, 6);
	cr_expect_eq(c->dns.timeout_us, 100000);
	cr_expect_eq(c->guard_allow.items[0].prefix, 8);
	cr_expect_str_eq(c->delivery.redirect.host, "staging.example");
	cr_expect_eq(c->delivery.redirect.port, 2525);
	cr_expect_eq(config_timeout_us(&c->timeouts, c->timeouts.final_dot_us), 6000000);
	cr_expect_eq(config_timeout_us(&c->timeouts, 1), 1);
	cr_expect_eq(config_timeout_us(&c->timeouts, 0), 0);
	cr_expect_eq(c->sources.count, 3);
	cr_expect_str_eq(a->name, "a");
	cr_expect_str_eq(a->ehlo, "mta.example.com");
	cr_expect_eq(a->weight, 3);
	cr_expect_eq(a->rate.count, 1000);
	cr_expect_eq(a->rate.period_us, INT64_C(3600000000));
	cr_expect_eq(a->rate.burst, 10);
	cr_expect_null(a->relay.host.host);
	cr_expect_eq(c->sources.items[2]->relay.host.port, 587);
	cr_expect_eq(c->sources.items[2]->relay.tls, CONFIG_TLS_VERIFIED);
	cr_expect_str_eq(c->tokens.sign_with, "2");
	cr_expect_str_eq(c->tokens.keys.items[0]->file, "f1");
	config_unref(&c);
}

Test(config, pools)
{
	const struct config *c = good(full);
	const struct config_pool *p = config_pool(c, SLICE("p"));
	const struct config_pool *q = config_pool(c, SLICE("q"));

	cr_assert_not_null(p);
	cr_assert_not_null(q);
	cr_expect_null(config_pool(c, SLICE("r")));
	cr_expect_eq(p->sources.count, 2);
	cr_expect_eq(p->sources.items[0]->weight, 3);
	cr_expect_eq(p->sources.items[0]->source, config_source(c, SLICE("a")));
	cr_expect_eq(q->sources.items[0]->weight, 3);
	cr_expect_eq(q->sources.items[1]->weight, 7);
	config_unref(&c);
}

Test(config, providers)
{
	static const struct {
		const char *host;
		const char *provider; /* "" = none */
	} rows[] = {
		{"aspmx.l.google.com", "g"},
		{"ASPMX.L.GOOGLE.COM.", "g"},
		{"google.com", "g"},
		{"mx.workspace.google.com", "w"},
		{"notgoogle.com", ""},
		{"google.com.evil.example", ""},
		{"com", ""},
		{".", ""},
		{"", ""},
	};
	const struct config *c = good(full);

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct config_provider *p = config_provider_by_mx(c, slice_of(rows[i].host));

		cr_expect_str_eq(p != NULL ? p->name : "", rows[i].provider, "%s", rows[i].host);
	}
	cr_expect_eq(
		config_provider_by_domain(c, SLICE("Web.Example")), config_provider(c, SLICE("w")));
	cr_expect_null(config_provider_by_domain(c, SLICE("sub.web.example")));
	cr_expect_eq(config_provider(c, SLICE("g"))->pace.connections, 7);
	cr_expect_eq(config_provider(c, SLICE("g"))->pace.rate.period_us, INT64_C(1800000000));
	cr_expect_eq(config_provider(c, SLICE("w"))->pace.connections, 5);
	cr_expect(config_provider(c, SLICE("w"))->pace.ipv6);
	config_unref(&c);
}

Test(config, routes)
{
	static const struct {
		const char *domain;
		const char *route; /* "" = none */
	} rows[] = {
		{"one.example", "one.example"},
		{"ONE.example", "one.example"},
		{"two.example", "*.example"},
		{"a.b.c.example", "*.example"},
		{"x.deep.example", "*.deep.example"},
		{"y.x.deep.example", "*.deep.example"},
		{"deep.example", "*.example"},
		{"example", ""},
		{"other.test", ""},
		{"", ""},
	};
	const struct config *c = good(full);
	const struct config *all = good("routes: {'*': smart.example}\n");

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct config_route *r = config_route(c, slice_of(rows[i].domain));

		cr_expect_str_eq(r != NULL ? r->name : "", rows[i].route, "%s", rows[i].domain);
	}
	cr_expect_eq(config_route(c, SLICE("one.example"))->host.port, 26);
	cr_expect_eq(
		config_route(c, SLICE("x.deep.example"))->source, config_source(c, SLICE("esp")));
	cr_expect_str_eq(config_route(c, SLICE("x.example"))->host.host, "2001:db8::5");
	cr_expect_str_eq(config_route(all, SLICE("any.test"))->host.host, "smart.example");
	cr_expect_eq(config_route(all, SLICE("any.test"))->host.port, 25);
	config_unref(&c);
	config_unref(&all);
}

Test(config, references)
{
	const struct config *c = good(full);
	const struct config *again = config_ref(c);

	cr_expect_eq(c, again);
	config_unref(&c);
	cr_expect_str_eq(again->hostname, "mta.example.com");
	config_unref(&again);
	config_unref(&again); /* takes NULL */
}

/* Thousands of faults: the first hundred, and a count. */
Test(config, many_faults)
{
	const struct config *config = NULL;
	struct buf problems;
	struct buf text;

	buf_init(&problems, 0);
	buf_init(&text, 0);
	buf_add_text(&text, "sources:\n");
	for (int i = 0; i < 5000; i++) {
		buf_add_format(&text, "  s%d: {}\n", i);
	}
	cr_expect_not(config_parse("t.yaml", buf_slice(&text), &config, &problems));
	cr_expect_not_null(strstr(buf_string(&problems), "t.yaml:101:3: source 's99' has no"));
	cr_expect_null(strstr(buf_string(&problems), "source 's100'"));
	cr_expect(slice_ends(buf_slice(&problems), SLICE("and 4900 more\n")));
	buf_clear(&problems);
	buf_clear(&text);
}

/* Faults between values: the first line only, places are shown above. */
static const struct {
	const char *label;
	const char *text;
	const char *line;
} relations[] = {
	{"nearest source", "sources: {mta1: {ipv4: 192.0.2.1}}\npools: {p: {sources: mta2}}\n",
		"t.yaml:2:22: 'sources' is a table: write a name and its settings on each line "
		"below it"},
	{"member like a source",
		"sources: {mta1: {ipv4: 192.0.2.1}}\npools: {p: {sources: [mta2]}}\n",
		"t.yaml:2:23: there is no source 'mta2', did you mean 'mta1'?"},
	{"TTL floor above the cap", "dns: {min_ttl: 1h, max_ttl: 1m}\n",
		"t.yaml:1:16: 'min_ttl' is more than 'max_ttl': lower it"},
	{"expiry before the retry", "retry: {expire: 10m}\n",
		"t.yaml:1:17: jobs expire before their first retry: raise 'expire' above 'first'"},
	{"expiry beyond the signature", "retry: {expire: 7d}\n",
		"t.yaml:1:17: signatures would be over before the last attempt is judged: "
		"'keys.expire' must be a day more than 'retry.expire', or 0"},
	{"a signature that is over early", "retry: {expire: 7d}\nkeys: {expire: 191h}\n",
		"t.yaml:2:16: signatures would be over before the last attempt is judged: "
		"'keys.expire' must be a day more than 'retry.expire', or 0"},
	{"renewals too rare", "lease: {renew: 10m, duration: 25m}\n",
		"t.yaml:1:16: 'renew' is more than a third of 'duration': lower it, one lost "
		"renewal must not cost the lease"},
	{"username alone", "sources: {a: {relay: {host: h, username: u}}}\n",
		"t.yaml:1:11: 'username' and 'password_file' of a relay come together: give both or "
		"none"},
	{"relay without a host",
		"sources: {a: {ipv4: 192.0.2.1, relay: {username: u, password_file: p}}}\n",
		"t.yaml:1:11: the relay has a username and no 'host': add it"},
	{"route to nothing", "routes: {a.example: {tls: none}}\n",
		"t.yaml:1:10: a route has either 'host' or 'relay': give one"},
	{"route to an unknown source", "routes: {a.example: {relay: b}}\n",
		"t.yaml:1:29: there is no source 'b': describe it below 'sources'"},
	{"suspended longer than the longest", "default_site: {suspend: 3h}\n",
		"t.yaml:1:25: 'suspend' is more than 'suspend_max': lower it"},
	{"reserved provider", "providers: {other: {mx: a.example}}\n",
		"t.yaml:1:13: 'other' means every site without a provider: set 'default_site', or "
		"take another name"},
	{"MX given twice", "providers: {a: {mx: [x.example, X.example]}}\n",
		"t.yaml:1:21: 'x.example' stands here twice: leave out one"},
	{"item that is no name", "pools: {p: {sources: [[a]]}}\n",
		"t.yaml:1:23: an item of 'sources' must be a name"},
	{"list in a list", "guard: {allow: [[10.0.0.0/8]]}\n",
		"t.yaml:1:17: an item of 'allow' must be one network"},
	{"network without an address", "guard: {allow: [/8]}\n",
		"t.yaml:1:17: '/8' is no network: write 192.0.2.0/24, 2001:db8::/32 or one address"},
};

Test(config, relations)
{
	for (size_t i = 0; i < ARRAY_LEN(relations); i++) {
		const struct config *config = NULL;
		struct slice rest;
		struct slice line;
		struct buf problems;

		buf_init(&problems, 0);
		cr_expect_not(
			config_parse("t.yaml", slice_of(relations[i].text), &config, &problems));
		rest = buf_slice(&problems);
		cr_assert(slice_split(&rest, '\n', &line), "%s", relations[i].label);
		cr_expect(slice_equal(line, slice_of(relations[i].line)), "%s: got\n%.*s",
			relations[i].label, (int)line.n, line.p);
		config_unref(&config);
		buf_clear(&problems);
	}
}

/* What is looked up comes from strangers: names longer than DNS has match nothing. */
Test(config, long_names)
{
	const struct config *c = good("routes: {'*': m.example}\nproviders: {g: {mx: com}}\n");
	char name[400];

	memset(name, 'a', sizeof(name));
	memcpy(name + 396, ".com", 4);
	cr_expect_null(config_provider_by_mx(c, slice_make(name, sizeof(name))));
	cr_expect_null(config_provider_by_domain(c, slice_make(name, sizeof(name))));
	cr_expect_not_null(config_provider_by_mx(c, slice_make(name + 145, 255)));
	cr_expect_not_null(config_route(c, slice_make(name, sizeof(name))));
	config_unref(&c);
}
