#include "resolve/resolver.h"

#include <criterion/criterion.h>
#include <stdatomic.h>
#include <stdio.h>

#include "../io/dns_server.h"
#include "base/time.h"
#include "no_leaks.h"

TestSuite(resolver, .fini = no_leaks, .timeout = 30);

/* ---- the zone ---- */

static const struct {
	const char *name;
	unsigned type;
	unsigned ttl_s;
	unsigned preference;
	const char *data;
} zone[] = {
	{"a.test", 15, 300, 10, "mx1.test"},
	{"a.test", 15, 300, 20, "mx2.test"},
	{"b.test", 15, 0, 1, "mx1.test"},
	{"b.test", 15, 0, 2, "mx2.test"},
	{"mx1.test", 1, 300, 0, "192.0.2.1"},
	{"mx1.test", 28, 300, 0, "2001:db8::1"},
	{"mx2.test", 1, 300, 0, "192.0.2.2"},
	{"implicit.test", 1, 300, 0, "192.0.2.3"},
	{"null.test", 15, 300, 0, ""},
	{"alias.test", 5, 300, 0, "a.test"},
	{"aliasmx.test", 15, 300, 10, "cname.test"},
	{"cname.test", 5, 300, 0, "mx1.test"},
	{"lost.test", 15, 300, 10, "nowhere.test"},
	{"lost.test", 1, 300, 0, "192.0.2.9"},
	{"private.test", 15, 300, 10, "local.test"},
	{"local.test", 1, 300, 0, "127.0.0.1"},
	{"staging.test", 1, 300, 0, "127.0.0.1"},
	{"flaky.test", 15, 300, 10, "mx1.test"},
};

static atomic_bool broken;           /* the DNS answers SERVFAIL to all */
static atomic_bool only_n;           /* but only to names that begin with n */
static atomic_bool moved;            /* flaky.test is at mx2.test */
static _Atomic(const char *) silent; /* this name is never answered */

static void add_data(struct buf *m, size_t i, const char *data)
{
	switch (zone[i].type) {
	case 15:
		add_mx(m, zone[i].name, zone[i].ttl_s, zone[i].preference, data);
		break;
	case 5:
		add_rr_name(m, zone[i].name, 5, zone[i].ttl_s, data);
		break;
	default:
		add_address(m, zone[i].name, zone[i].ttl_s, data);
	}
}

static void respond(const struct dns_query *query, struct buf *message, void *arg)
{
	bool exists = false;
	unsigned answers = 0;
	struct buf records;

	(void)arg;
	if (atomic_load(&silent) != NULL && strcmp(atomic_load(&silent), query->name) == 0) {
		return;
	}
	buf_init(&records, 0);
	for (size_t i = 0; i < ARRAY_LEN(zone); i++) {
		bool ours = strcmp(zone[i].name, query->name) == 0;

		exists = exists || ours;
		if (ours && (zone[i].type == query->type || zone[i].type == 5)) {
			bool away = atomic_load(&moved) && strcmp(query->name, "flaky.test") == 0;

			add_data(&records, i, away ? "mx2.test" : zone[i].data);
			answers++;
		}
	}
	if (atomic_load(&broken) && (!atomic_load(&only_n) || query->name[0] == 'n')) {
		add_header(message, query->id, SERVFAIL, 0, 0);
		add_question(message, query->name, query->type);
	} else {
		add_header(message, query->id, exists ? ANSWER : NXDOMAIN, answers,
			answers == 0 ? 1 : 0);
		add_question(message, query->name, query->type);
		buf_add(message, buf_slice(&records));
		if (answers == 0) {
			add_soa(message, "test", 300, 300);
		}
	}
	buf_clear(&records);
}

/* ---- the world of one test ---- */

struct world {
	struct loop *loop;
	struct dns_server server;
	struct dns *dns;
	struct resolver *resolver;
	struct buf said;
	struct site *last;
	unsigned answers;
	bool in_call;
	bool free; /* from the answer */
};

static const struct resolver_settings settings = {
	.min_ttl_us = 60 * TIME_SECOND_US,
	.max_ttl_us = 3600 * TIME_SECOND_US,
	.negative_max_ttl_us = 300 * TIME_SECOND_US,
	.deadline_us = 30 * TIME_SECOND_US,
	.stale_us = 24 * 3600 * TIME_SECOND_US,
	.cache_max = 1000,
	.port = 25,
};

static void world_init(struct world *w, const struct resolver_settings *with)
{
	*w = (struct world){.loop = loop_new()};
	dns_server_start(&w->server, respond, NULL);
	struct dns_settings dns_settings = {&w->server.address, 1, 200000, 2};

	cr_assert(!err_is(dns_open(w->loop, &dns_settings, &w->dns)));
	w->resolver = resolver_new(w->loop, w->dns, with);
}

static void world_clear(struct world *w)
{
	site_unref(&w->last);
	resolver_free(&w->resolver);
	dns_close(&w->dns);
	loop_run(w->loop);
	loop_free(&w->loop);
	dns_server_stop(&w->server);
	buf_clear(&w->said);
}

static void on_site(void *owner, struct site *site)
{
	struct world *w = owner;
	struct site_choice choices[SITE_CHOICES];
	size_t n = site_plan(site, true, false, 1, choices);

	cr_assert(!w->in_call);
	w->answers++;
	buf_reset(&w->said);
	buf_add_text(&w->said, failure_word(site_failure(site)));
	for (size_t i = 0; i < n; i++) {
		buf_add_text(&w->said, i == 0 ? "" : " ");
		buf_add(&w->said, choices[i].host);
		buf_add_byte(&w->said, '=');
		endpoint_add(&w->said, &choices[i].endpoint, true);
	}
	site_unref(&w->last);
	w->last = site_ref(site);
	if (w->free) {
		resolver_free(&w->resolver);
	}
}

static const char *resolve(struct world *w, const char *domain)
{
	w->in_call = true;
	resolver_find(w->resolver, slice_of(domain), on_site, w);
	w->in_call = false;
	loop_run(w->loop);
	return buf_string(&w->said);
}

static const struct {
	const char *domain;
	const char *said;
} rows[] = {
	{"a.test", "mx1.test=192.0.2.1:25 mx2.test=192.0.2.2:25"},
	{"alias.test", "mx1.test=192.0.2.1:25 mx2.test=192.0.2.2:25"},
	{"implicit.test", "implicit.test=192.0.2.3:25"},
	{"null.test", "null_mx"},
	{"aliasmx.test", "cname.test=192.0.2.1:25"},
	{"lost.test", "dns_no_address"},
	{"private.test", "mx_prohibited"},
	{"nowhere.test", "dns_no_domain"},
	{"", "dns_no_domain"},
};

Test(resolver, finds)
{
	struct world w;

	world_init(&w, &settings);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		cr_expect_str_eq(resolve(&w, rows[i].domain), rows[i].said, "%s: %s",
			rows[i].domain, buf_string(&w.said));
	}
	world_clear(&w);
}

Test(resolver, dns_D15_asks_once_even_with_ttl_0)
{
	struct world w;

	world_init(&w, &settings);
	cr_assert_null(resolver_cached(w.resolver, SLICE("b.test")));
	resolve(&w, "b.test");
	unsigned questions = atomic_load(&w.server.questions);

	cr_assert_eq(questions, 5, "MX, and A and AAAA of two hosts: %u", questions);
	for (int i = 0; i < 1000; i++) {
		resolve(&w, "b.test");
	}
	resolve(&w, "nowhere.test");
	resolve(&w, "nowhere.test");
	cr_assert_eq(w.answers, 1003);
	cr_assert_eq(atomic_load(&w.server.questions), questions + 1);
	cr_assert_not_null(resolver_cached(w.resolver, SLICE("b.test")));
	world_clear(&w);
}

Test(resolver, dns_D16_domains_on_the_same_hosts_share_a_site_and_its_addresses)
{
	struct world w;
	struct site *first;

	world_init(&w, &settings);
	resolve(&w, "a.test");
	first = site_ref(w.last);
	unsigned questions = atomic_load(&w.server.questions);

	resolve(&w, "b.test");
	cr_assert_eq(w.last, first);
	cr_assert_eq(atomic_load(&w.server.questions), questions + 1, "only the MX");
	site_unref(&first);
	world_clear(&w);
}

Test(resolver, those_who_wait_for_the_same_are_answered_once_each)
{
	struct world w;

	world_init(&w, &settings);
	for (int i = 0; i < 100; i++) {
		resolver_find(w.resolver, SLICE("a.test"), on_site, &w);
	}
	loop_run(w.loop);
	cr_assert_eq(w.answers, 100);
	cr_assert_eq(atomic_load(&w.server.questions), 5);
	world_clear(&w);
}

Test(resolver, dns_N7_a_known_site_outlives_the_DNS)
{
	struct resolver_settings brief = settings;
	struct world w;

	brief.min_ttl_us = brief.max_ttl_us = brief.negative_max_ttl_us = 1;
	world_init(&w, &brief);
	resolve(&w, "flaky.test");
	cr_assert_str_eq(buf_string(&w.said), "mx1.test=192.0.2.1:25");
	atomic_store(&broken, true);
	cr_assert_str_eq(resolve(&w, "flaky.test"), "mx1.test=192.0.2.1:25");
	cr_assert_str_eq(resolve(&w, "a.test"), "dns_temporary");
	world_clear(&w);
}

/* In the test the day is half a second. */
Test(resolver, dns_N7_a_known_site_is_served_for_a_day_and_no_longer)
{
	struct resolver_settings brief = settings;
	struct world w;

	brief.min_ttl_us = brief.max_ttl_us = brief.negative_max_ttl_us = 1;
	brief.stale_us = TIME_SECOND_US / 2;
	world_init(&w, &brief);
	resolve(&w, "flaky.test");
	atomic_store(&broken, true);
	usleep(100000);
	cr_assert_str_eq(resolve(&w, "flaky.test"), "mx1.test=192.0.2.1:25");
	usleep(600000);
	loop_drain(w.loop); /* the loop's time */
	cr_assert_str_eq(resolve(&w, "flaky.test"), "dns_temporary");
	world_clear(&w);
}

Test(resolver, dns_N4_a_domain_has_a_deadline)
{
	struct resolver_settings brief = settings;
	struct world w;

	brief.deadline_us = 50000; /* a question takes up to 400 ms here */
	world_init(&w, &brief);
	for (int round = 0; round < 2; round++) {
		int64_t begun_us = time_monotonic_us();

		atomic_store(&silent, round == 0 ? "mx2.test" : "implicit.test");
		w.in_call = true;
		resolver_find(w.resolver, round == 0 ? SLICE("a.test") : SLICE("implicit.test"),
			on_site, &w);
		w.in_call = false;
		while (w.answers == (unsigned)round) {
			loop_drain(w.loop);
			usleep(1000);
		}
		cr_assert_str_eq(buf_string(&w.said),
			round == 0 ? "mx1.test=192.0.2.1:25" : "dns_temporary");
		cr_assert_lt(time_monotonic_us() - begun_us, 300000);
	}
	loop_run(w.loop); /* what comes late is no harm */
	cr_assert_eq(w.answers, 2);
	world_clear(&w);
}

Test(resolver, dns_N4_may_be_freed_while_a_concluded_lookup_waits)
{
	struct resolver_settings brief = settings;
	struct world w;

	brief.deadline_us = 50000;
	world_init(&w, &brief);
	atomic_store(&silent, "mx2.test");
	resolver_find(w.resolver, SLICE("a.test"), on_site, &w);
	while (w.answers == 0) {
		loop_drain(w.loop);
		usleep(1000);
	}
	resolver_free(&w.resolver);
	loop_run(w.loop);
	cr_assert_eq(w.answers, 1);
	world_clear(&w);
}

static void note_outage(void *owner, bool out)
{
	struct buf *said = owner;

	buf_add_text(said, out ? "away " : "back ");
}

static void ask_many(struct world *w, int from, int to)
{
	char name[32];

	for (int i = from; i < to; i++) {
		snprintf(name, sizeof(name), "n%d.test", i);
		resolver_find(w->resolver, slice_of(name), on_site, w);
	}
}

static void turn_until(struct world *w, const struct buf *said, const char *text)
{
	int64_t until_us = time_monotonic_us() + 10 * TIME_SECOND_US;

	while (!slice_equal(buf_slice(said), slice_of(text)) && time_monotonic_us() < until_us) {
		loop_drain(w->loop);
		usleep(1000);
	}
	cr_assert(slice_equal(buf_slice(said), slice_of(text)), "%.*s, wanted %s", (int)said->n,
		said->p, text);
}

/* All fail, and a name that must have an answer has none: until it has. */
Test(resolver, dns_N7_an_outage_begins_and_ends)
{
	struct world w;
	struct buf said;

	buf_init(&said, 0);
	world_init(&w, &settings);
	resolver_watch(w.resolver, note_outage, &said);
	resolve(&w, "a.test");
	cr_assert_eq(resolver_room(w.resolver, 1000), 1000);
	atomic_store(&broken, true);
	ask_many(&w, 0, 30);
	turn_until(&w, &said, "away ");
	cr_assert(resolver_is_out(w.resolver));
	cr_assert_eq(resolver_room(w.resolver, 1000), 0);
	usleep(2500000); /* no blink */
	loop_drain(w.loop);
	cr_assert(resolver_is_out(w.resolver));
	atomic_store(&broken, false);
	turn_until(&w, &said, "away back ");
	cr_assert(!resolver_is_out(w.resolver));
	cr_assert_eq(resolver_room(w.resolver, 1000), 50, "slowly");
	cr_assert_eq(resolver_room(w.resolver, 20), 20);
	usleep(1100000);
	resolve(&w, "a.test"); /* a turn, and its time */
	cr_assert_eq(resolver_room(w.resolver, 1000), 100);
	world_clear(&w);
	buf_clear(&said);
}

/* Broken domains among good ones are no outage: the question is answered. */
Test(resolver, dns_N7_many_broken_domains_are_no_outage)
{
	struct world w;
	struct buf said;

	buf_init(&said, 0);
	world_init(&w, &settings);
	resolver_watch(w.resolver, note_outage, &said);
	resolve(&w, "a.test");
	atomic_store(&only_n, true);
	atomic_store(&broken, true);
	ask_many(&w, 0, 30);
	turn_until(&w, &said, "away back ");
	cr_assert_eq(resolver_room(w.resolver, 1000), 1000, "at once");
	ask_many(&w, 30, 60);
	while (w.answers < 61) {
		loop_drain(w.loop);
		usleep(1000);
	}
	turn_until(&w, &said, "away back ");
	world_clear(&w);
	buf_clear(&said);
}

Test(resolver, a_site_that_moves_is_seen)
{
	struct resolver_settings brief = settings;
	struct world w;

	brief.min_ttl_us = brief.max_ttl_us = 1;
	world_init(&w, &brief);
	resolve(&w, "flaky.test");
	atomic_store(&moved, true);
	cr_assert_str_eq(resolve(&w, "flaky.test"), "mx2.test=192.0.2.2:25");
	world_clear(&w);
}

Test(resolver, dns_D10_and_the_guard_follow_a_reload)
{
	struct resolver_settings other = settings;
	struct network allow = {.prefix = 8};
	union endpoint own;
	struct world w;

	world_init(&w, &settings);
	cr_assert(endpoint_parse(SLICE("192.0.2.2"), 0, &own));
	cr_assert(endpoint_parse(SLICE("127.0.0.0"), 0, &allow.address));
	other.allow = &allow;
	other.allow_count = 1;
	other.own_addresses = &own;
	other.own_address_count = 1;
	other.port = 2525;
	resolver_change(w.resolver, &other);
	cr_assert_str_eq(resolve(&w, "private.test"), "local.test=127.0.0.1:2525");
	cr_assert_str_eq(resolve(&w, "a.test"), "mx1.test=192.0.2.1:2525");
	world_clear(&w);
}

Test(resolver, dns_N5_the_guard_has_the_last_word)
{
	struct resolver_settings open = settings;
	struct network all = {.prefix = 0};
	union endpoint local, own;
	struct world w;

	cr_assert(endpoint_parse(SLICE("0.0.0.0"), 0, &all.address));
	cr_assert(endpoint_parse(SLICE("127.0.0.1"), 25, &local));
	cr_assert(endpoint_parse(SLICE("192.0.2.2"), 0, &own));
	open.allow = &all;
	open.allow_count = 1;
	world_init(&w, &open);
	cr_assert_str_eq(resolve(&w, "private.test"), "local.test=127.0.0.1:25");
	cr_assert(resolver_allows(w.resolver, w.last, &local));
	cr_assert(resolver_allows(w.resolver, w.last, &own));
	open.own_addresses = &own;
	open.own_address_count = 1;
	open.allow_count = 0;
	resolver_change(w.resolver, &open);
	cr_assert_str_eq(resolve(&w, "private.test"), "local.test=127.0.0.1:25", "still known");
	cr_assert(!resolver_allows(w.resolver, w.last, &local), "but not for a connection");
	cr_assert(!resolver_allows(w.resolver, w.last, &own));
	resolver_find_host(w.resolver, SLICE("127.0.0.1"), 25, on_site, &w);
	loop_run(w.loop);
	cr_assert(resolver_allows(w.resolver, w.last, &local), "an operator wrote it");
	resolver_find_host(w.resolver, SLICE("local.test"), 25, on_site, &w);
	loop_run(w.loop);
	cr_assert(resolver_allows(w.resolver, w.last, &local), "and it is another site");
	world_clear(&w);
}

static const char *resolve_host(struct world *w, const char *host, uint16_t port)
{
	w->in_call = true;
	resolver_find_host(w->resolver, slice_of(host), port, on_site, w);
	w->in_call = false;
	loop_run(w->loop);
	return buf_string(&w->said);
}

Test(resolver, hosts_that_an_operator_names)
{
	struct world w;

	world_init(&w, &settings);
	cr_assert_str_eq(resolve_host(&w, "127.0.0.1", 2525), "127.0.0.1=127.0.0.1:2525");
	cr_assert_eq(atomic_load(&w.server.questions), 0);
	cr_assert_str_eq(resolve_host(&w, "staging.test", 587), "staging.test=127.0.0.1:587");
	cr_assert_str_eq(resolve_host(&w, "staging.test", 25), "staging.test=127.0.0.1:25");
	cr_assert_eq(atomic_load(&w.server.questions), 2, "the address is known");
	cr_assert_str_eq(resolve_host(&w, "a.test", 25), "dns_no_address", "its MX is not asked");
	cr_assert_str_eq(resolve_host(&w, "nowhere.test", 25), "dns_no_address");
	cr_assert_str_eq(resolve(&w, "a.test"), rows[0].said);
	world_clear(&w);
}

Test(resolver, the_cache_is_bounded)
{
	struct resolver_settings small = settings;
	struct world w;
	char name[32];

	small.cache_max = 10;
	world_init(&w, &small);
	for (int i = 0; i < 2000; i++) {
		snprintf(name, sizeof(name), "n%d.test", i);
		resolver_find(w.resolver, slice_of(name), on_site, &w);
	}
	loop_run(w.loop);
	cr_assert_eq(w.answers, 2000);
	unsigned kept = 0;

	for (int i = 0; i < 2000; i++) {
		snprintf(name, sizeof(name), "n%d.test", i);
		kept += resolver_cached(w.resolver, slice_of(name)) != NULL;
	}
	cr_assert_eq(kept, 10);
	world_clear(&w);
}

Test(resolver, may_be_freed_at_any_time)
{
	struct world w;

	world_init(&w, &settings);
	resolve(&w, "a.test");
	resolver_find(w.resolver, SLICE("a.test"), on_site, &w); /* about to be told */
	resolver_find(w.resolver, SLICE("implicit.test"), on_site, &w);
	resolver_free(&w.resolver);
	loop_run(w.loop);
	cr_assert_eq(w.answers, 1);
	world_clear(&w); /* w.last outlives it */

	world_init(&w, &settings);
	w.free = true;
	resolver_find(w.resolver, SLICE("implicit.test"), on_site, &w);
	resolver_find(w.resolver, SLICE("implicit.test"), on_site, &w);
	resolver_find(w.resolver, SLICE("lost.test"), on_site, &w);
	loop_run(w.loop);
	cr_assert_eq(w.answers, 1);
	world_clear(&w);
}
