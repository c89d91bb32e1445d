#include "io/dns.h"

#include <criterion/criterion.h>
#include <stdio.h>

#include "base/mem.h"
#include "base/time.h"
#include "dns_server.h"
#include "no_leaks.h"

TestSuite(dns, .fini = no_leaks, .timeout = 30);

/* ---- the server: what it does is in the first label ---- */

static void begin(const struct dns_query *query, struct buf *m, unsigned flags, unsigned answers)
{
	add_header(m, query->id, flags, answers, 0);
	add_question(m, query->name, query->type);
}

static void respond_chain(const struct dns_query *query, struct buf *m)
{
	char target[64];
	unsigned at = (unsigned)strtoul(query->name + 1, NULL, 10);

	begin(query, m, ANSWER, 1);
	if (at == 0) {
		add_address(m, query->name, 60, "192.0.2.1");
		return;
	}
	snprintf(target, sizeof(target), "c%u.chain.test", at - 1);
	add_rr_name(m, query->name, DNS_CNAME, 60, target);
}

static void respond_fault(const struct dns_query *query, struct buf *m)
{
	static const struct {
		const char *label;
		unsigned flags;
	} faults[] = {{"servfail", SERVFAIL}, {"refused", REFUSED}, {"formerr", FORMERR},
		{"nxdomain", NXDOMAIN}, {"nodata", ANSWER}};

	for (size_t i = 0; i < ARRAY_LEN(faults); i++) {
		if (strncmp(query->name, faults[i].label, strlen(faults[i].label)) == 0) {
			begin(query, m, faults[i].flags, 0);
		}
	}
}

/* The right id and question, from a port that is not the server's, or another address. */
static void forge(const struct dns_query *query, const char *from)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	union endpoint address;
	struct buf m;

	cr_assert(endpoint_parse(slice_of(from), 0, &address));
	cr_assert_eq(bind(fd, &address.any, sizeof(address.v4)), 0);
	buf_init(&m, 0);
	begin(query, &m, ANSWER, 1);
	add_address(&m, query->name, 60, "203.0.113.66");
	sendto(fd, m.p, m.n, 0, (const struct sockaddr *)&query->from, sizeof(address.v4));
	buf_clear(&m);
	close(fd);
}

static void respond(const struct dns_query *query, struct buf *m, void *arg)
{
	struct dns_query other = *query;

	(void)arg;
	if (strncmp(query->name, "forged.", 7) == 0 && query->nth == 1) {
		forge(query, "127.0.0.1");
		forge(query, "127.0.0.99"); /* no true answer: the question is asked again */
	} else if (strncmp(query->name, "mx.", 3) == 0) {
		begin(query, m, ANSWER, 2);
		add_mx(m, query->name, 600, 20, "b.test");
		add_mx(m, query->name, 300, 10, "a.test");
	} else if (strncmp(query->name, "big.", 4) == 0 && !query->tcp) {
		begin(query, m, ANSWER | TRUNCATED, 0);
	} else if (strncmp(query->name, "big.", 4) == 0) {
		begin(query, m, ANSWER, 1);
		add_address(m, query->name, 60, "192.0.2.9");
	} else if (query->name[0] == 'c') {
		respond_chain(query, m);
	} else if (strncmp(query->name, "loop.", 5) == 0) {
		begin(query, m, ANSWER, 1);
		add_rr_name(m, query->name, DNS_CNAME, 60, query->name);
	} else if (strncmp(query->name, "spoofed.", 8) == 0 && query->nth == 1) {
		other.id ^= 1; /* ignored; the next try is answered rightly */
		begin(&other, m, ANSWER, 1);
		add_address(m, query->name, 60, "203.0.113.66");
	} else if (strncmp(query->name, "misled.", 7) == 0 && query->nth == 1) {
		snprintf(other.name, sizeof(other.name), "other.test");
		begin(&other, m, ANSWER, 1);
		add_address(m, other.name, 60, "203.0.113.66");
	} else if (strncmp(query->name, "spoofed.", 8) == 0 ||
		strncmp(query->name, "misled.", 7) == 0 ||
		strncmp(query->name, "forged.", 7) == 0) {
		begin(query, m, ANSWER, 1);
		add_address(m, query->name, 60, "192.0.2.1");
	} else {
		respond_fault(query, m); /* or silence */
	}
}

/* ---- the askers ---- */

struct ask {
	struct dns *dns;
	struct buf words;
	unsigned answers;
	bool in_call;
	bool close; /* from the answer */
	bool again; /* asks from the answer, once */
};

static void on_answer(void *owner, const struct dns_answer *answer)
{
	static const char *const words[] = {"found", "no data", "no domain", "temporary"};
	struct ask *ask = owner;

	cr_assert(!ask->in_call);
	ask->answers++;
	buf_add_format(&ask->words, "%s%s", ask->words.n > 0 ? "; " : "", words[answer->status]);
	for (size_t i = 0; i < answer->count; i++) {
		buf_add_byte(&ask->words, ' ');
		buf_add(&ask->words, answer->records[i].name);
		endpoint_add(&ask->words, &answer->records[i].endpoint, false);
	}
	if (ask->again) {
		ask->again = false;
		dns_find(ask->dns, SLICE("nodata.test"), DNS_A, on_answer, ask);
	}
	if (ask->close) {
		dns_close(&ask->dns);
	}
}

static void find(struct ask *ask, const char *name, enum dns_type type)
{
	ask->in_call = true;
	dns_find(ask->dns, slice_of(name), type, on_answer, ask);
	ask->in_call = false;
}

static struct dns *open_dns(struct loop *loop, const union endpoint *servers, size_t count)
{
	struct dns_settings settings = {servers, count, 100000, 2};
	struct dns *dns = NULL;

	cr_assert(!err_is(dns_open(loop, &settings, &dns)));
	return dns;
}

static const struct {
	const char *name;
	enum dns_type type;
	const char *words;
	unsigned questions;
} table[] = {
	{"mx.test", DNS_MX, "found b.test a.test", 1},
	{"MX.Test.", DNS_MX, "found b.test a.test", 1},
	{"big.test", DNS_A, "found 192.0.2.9", 2},
	{"c3.chain.test", DNS_A, "found 192.0.2.1", 4},
	{"c8.chain.test", DNS_A, "found 192.0.2.1", 9},
	{"c9.chain.test", DNS_A, "temporary", 9},
	{"loop.test", DNS_A, "temporary", 1},
	{"spoofed.test", DNS_A, "found 192.0.2.1", 2},
	{"misled.test", DNS_A, "found 192.0.2.1", 2},
	{"forged.test", DNS_A, "found 192.0.2.1", 2},
	{"servfail.test", DNS_A, "temporary", 2},
	{"refused.test", DNS_A, "temporary", 2},
	{"nxdomain.test", DNS_A, "no domain", 1},
	{"nodata.test", DNS_A, "no data", 1},
	{"silent.test", DNS_A, "temporary", 2},
	{"", DNS_A, "no domain", 0},
	{"a..test", DNS_A, "no domain", 0},
	{"a b.test", DNS_A, "no domain", 0},
	{"a\\046b.test", DNS_A, "no domain", 0},
};

Test(dns, dns_N2_answers_of_all_kinds)
{
	struct loop *loop = loop_new();

	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct dns_server server;
		struct ask ask = {0};

		dns_server_start(&server, respond, NULL);
		ask.dns = open_dns(loop, &server.address, 1);
		find(&ask, table[i].name, table[i].type);
		loop_run(loop);
		cr_expect_str_eq(buf_string(&ask.words), table[i].words, "%s: %s", table[i].name,
			buf_string(&ask.words));
		cr_expect_eq(atomic_load(&server.questions), table[i].questions, "%s: %u questions",
			table[i].name, atomic_load(&server.questions));
		dns_close(&ask.dns);
		loop_drain(loop);
		dns_server_stop(&server);
		buf_clear(&ask.words);
	}
	loop_free(&loop);
}

Test(dns, formerr_is_tried_without_edns_and_then_temporary)
{
	struct loop *loop = loop_new();
	struct dns_server server;
	struct ask ask = {0};

	dns_server_start(&server, respond, NULL);
	ask.dns = open_dns(loop, &server.address, 1);
	find(&ask, "formerr.test", DNS_A);
	loop_run(loop);
	cr_assert_str_eq(buf_string(&ask.words), "temporary");
	dns_close(&ask.dns);
	loop_drain(loop);
	dns_server_stop(&server);
	buf_clear(&ask.words);
	loop_free(&loop);
}

Test(dns, equal_questions_are_asked_once)
{
	struct loop *loop = loop_new();
	struct dns_server server;
	struct ask ask = {0};

	dns_server_start(&server, respond, NULL);
	ask.dns = open_dns(loop, &server.address, 1);
	for (int i = 0; i < 100; i++) {
		find(&ask, i % 2 == 0 ? "nodata.test" : "NODATA.test.", DNS_A);
	}
	find(&ask, "nodata.test", DNS_AAAA);
	loop_run(loop);
	cr_assert_eq(ask.answers, 101);
	cr_assert_eq(atomic_load(&server.questions), 2);
	find(&ask, "nodata.test", DNS_A); /* nothing is kept here */
	loop_run(loop);
	cr_assert_eq(atomic_load(&server.questions), 3);
	dns_close(&ask.dns);
	loop_drain(loop);
	dns_server_stop(&server);
	buf_clear(&ask.words);
	loop_free(&loop);
}

Test(dns, dns_N1_an_answer_may_ask_and_may_close)
{
	struct loop *loop = loop_new();
	struct dns_server server;
	struct ask ask = {.again = true};

	dns_server_start(&server, respond, NULL);
	ask.dns = open_dns(loop, &server.address, 1);
	find(&ask, "nxdomain.test", DNS_A);
	loop_run(loop);
	cr_assert_str_eq(buf_string(&ask.words), "no domain; no data");
	buf_reset(&ask.words);
	ask.close = true;
	find(&ask, "nxdomain.test", DNS_A);
	find(&ask, "silent.test", DNS_A);
	find(&ask, "silent.test", DNS_MX);
	loop_run(loop); /* ends although two had no answer */
	cr_assert_str_eq(buf_string(&ask.words), "no domain; temporary; temporary");
	cr_assert_null(ask.dns);
	dns_server_stop(&server);
	buf_clear(&ask.words);
	loop_free(&loop);
}

Test(dns, dns_N1_closing_answers_what_waits)
{
	struct loop *loop = loop_new();
	struct dns_server server;
	struct ask ask = {0};

	dns_server_start(&server, respond, NULL);
	ask.dns = open_dns(loop, &server.address, 1);
	find(&ask, "silent.test", DNS_A);
	find(&ask, "a..b", DNS_A);
	ask.in_call = true;
	dns_close(&ask.dns);
	dns_close(&ask.dns);
	ask.in_call = false;
	loop_run(loop);
	cr_assert_eq(ask.answers, 2);
	dns_server_stop(&server);
	buf_clear(&ask.words);
	loop_free(&loop);
}

Test(dns, a_dead_server_is_passed_over)
{
	struct loop *loop = loop_new();
	struct dns_server server, dead;
	struct ask ask = {0};

	dns_server_start(&server, respond, NULL);
	dns_server_start(&dead, respond, NULL);
	union endpoint servers[] = {dead.address, server.address};

	dns_server_stop(&dead);
	ask.dns = open_dns(loop, servers, 2);
	find(&ask, "mx.test", DNS_MX);
	loop_run(loop);
	cr_assert_str_eq(buf_string(&ask.words), "found b.test a.test");
	dns_close(&ask.dns);
	loop_drain(loop);
	dns_server_stop(&server);
	buf_clear(&ask.words);
	loop_free(&loop);
}

Test(dns, no_server_is_an_error)
{
	struct loop *loop = loop_new();
	struct dns_settings settings = {NULL, 0, 100000, 2};
	struct dns *dns = NULL;

	cr_assert(err_is(dns_open(loop, &settings, &dns)));
	cr_assert_null(dns);
	loop_free(&loop);
}

/* Each of three servers is asked while it is the one, and what it was asked it may answer. */
Test(dns, servers_that_change_lose_no_question)
{
	struct loop *loop = loop_new();
	struct dns_server servers[3];
	struct ask ask = {0};
	uint64_t answered = 0;
	uint64_t failed = 0;

	for (size_t i = 0; i < ARRAY_LEN(servers); i++) {
		struct dns *other;

		dns_server_start(&servers[i], respond, NULL);
		other = open_dns(loop, &servers[i].address, 1);
		if (i == 0) {
			ask.dns = other;
		} else {
			dns_follow(ask.dns, &other);
			cr_assert_null(other);
		}
		find(&ask, "mx.test", DNS_MX); /* not joined to the one before */
		find(&ask, "servfail.test", DNS_MX);
	}
	loop_run(loop);
	cr_assert_eq(ask.answers, 6);
	cr_expect_null(strstr(buf_string(&ask.words), "no domain"));
	for (size_t i = 0; i < ARRAY_LEN(servers); i++) {
		cr_expect_eq(atomic_load(&servers[i].questions), 3, "%zu: %u", i,
			atomic_load(&servers[i].questions));
	}
	find(&ask, "nodata.test", DNS_MX);
	loop_run(loop);
	cr_expect_eq(atomic_load(&servers[2].questions), 4);
	dns_counts(ask.dns, &answered, &failed);
	cr_expect_eq(answered, 3, "of the first and the last: %lu", (unsigned long)answered);
	cr_expect_eq(failed, 2, "%lu", (unsigned long)failed);
	find(&ask, "silent.test", DNS_MX);
	dns_close(&ask.dns);
	loop_run(loop);
	cr_assert_eq(ask.answers, 8);
	for (size_t i = 0; i < ARRAY_LEN(servers); i++) {
		dns_server_stop(&servers[i]);
	}
	buf_clear(&ask.words);
	loop_free(&loop);
}

/* Half of the questions die in one way or another, and the channel goes in the middle. */
Test(dns, dns_N1_a_resolver_that_kills_half_of_the_questions)
{
	static const char *const kinds[] = {"mx", "silent", "servfail", "nxdomain", "loop", "big"};
	struct loop *loop = loop_new();
	struct dns_server server;
	struct ask ask = {0};
	char name[64];

	dns_server_start(&server, respond, NULL);
	ask.dns = open_dns(loop, &server.address, 1);
	for (unsigned i = 0; i < 300; i++) {
		snprintf(name, sizeof(name), "%s.n%u.test", kinds[i % ARRAY_LEN(kinds)], i);
		find(&ask, name, DNS_MX);
		loop_drain(loop);
	}
	loop_run(loop);
	cr_assert_eq(ask.answers, 300);
	for (unsigned i = 0; i < 300; i++) {
		snprintf(name, sizeof(name), "%s.n%u.test", kinds[i % ARRAY_LEN(kinds)], i);
		find(&ask, name, DNS_MX);
	}
	loop_drain(loop);
	dns_close(&ask.dns);
	loop_run(loop);
	cr_assert_eq(ask.answers, 600);
	dns_server_stop(&server);
	buf_clear(&ask.words);
	loop_free(&loop);
}
