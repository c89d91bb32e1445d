#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/arena.h"
#include "no_leaks.h"

/* An inner header of src/io: the parser is pure, so it is tried without a server. */
#include "../../../src/io/dns_wire.h"

#include "dns_message.h"

TestSuite(dns_wire, .fini = no_leaks, .timeout = 20);

static const char *const words[] = {
	[DNS_FOUND] = "found",
	[DNS_NO_DATA] = "no data",
	[DNS_NO_DOMAIN] = "no domain",
	[DNS_TEMPORARY] = "temporary",
};

/* The answer as one line: "found 300 b.test: 10 mx1.test, 20 mx2.test". */
static void describe(struct slice message, const char *name, enum dns_type type, struct buf *line)
{
	/* In memory of exactly its size, so that a sanitizer sees each octet too far. */
	char *exact = malloc(message.n > 0 ? message.n : 1);
	struct arena *arena = arena_new(0);
	struct dns_answer answer = {0};
	unsigned hops = 0;

	memcpy(exact, message.p == NULL ? "" : message.p, message.n);
	enum dns_wire wire = dns_wire_parse(
		slice_make(exact, message.n), slice_of(name), type, arena, &hops, &answer);

	buf_reset(line);
	if (wire == DNS_WIRE_GARBAGE) {
		buf_add_text(line, "garbage");
	} else if (wire == DNS_WIRE_FOLLOW) {
		buf_add_text(line, "follow ");
		buf_add(line, answer.name);
	} else {
		buf_add_format(line, "%s %u ", words[answer.status], answer.ttl_s);
		buf_add(line, answer.name);
	}
	for (size_t i = 0; wire == DNS_WIRE_ANSWER && i < answer.count; i++) {
		const struct dns_record *record = &answer.records[i];

		buf_add_text(line, i == 0 ? ": " : ", ");
		if (type == DNS_MX) {
			buf_add_format(line, "%u ", record->preference);
		}
		buf_add(line, type == DNS_TXT ? record->text : record->name);
		endpoint_add(line, &record->endpoint, false);
	}
	arena_free(&arena);
	free(exact);
}

static void expect(
	const struct buf *message, const char *name, enum dns_type type, const char *wanted)
{
	struct buf line;

	buf_init(&line, 0);
	describe(buf_slice(message), name, type, &line);
	cr_expect_str_eq(buf_string(&line), wanted, "%s, wanted %s", buf_string(&line), wanted);
	buf_clear(&line);
}

static void start(struct buf *m, unsigned flags, const char *name, unsigned type, unsigned answers,
	unsigned authorities)
{
	buf_reset(m);
	add_header(m, 7, flags, answers, authorities);
	add_question(m, name, type);
}

Test(dns_wire, answers)
{
	struct buf m;

	buf_init(&m, 0);
	start(&m, ANSWER, "b.test", DNS_MX, 3, 0);
	add_mx(&m, "b.test", 600, 10, "MX1.b.TEST");
	add_mx(&m, "B.tEsT", 300, 20, "mx2.test");
	add_mx(&m, "other.test", 5, 5, "not.ours");
	expect(&m, "b.test", DNS_MX, "found 300 b.test: 10 mx1.b.test, 20 mx2.test");

	start(&m, ANSWER, "b.test", DNS_MX, 1, 0);
	add_mx(&m, "b.test", 0, 0, "");
	expect(&m, "b.test", DNS_MX, "found 0 b.test: 0 ");

	start(&m, ANSWER, "h.test", DNS_A, 2, 0);
	add_address(&m, "h.test", 60, "192.0.2.1");
	add_address(&m, "h.test", 60, "192.0.2.2");
	expect(&m, "h.test", DNS_A, "found 60 h.test: 192.0.2.1, 192.0.2.2");

	start(&m, ANSWER, "h.test", DNS_AAAA, 2, 0);
	add_address(&m, "h.test", 60, "192.0.2.1"); /* not what we asked for */
	add_address(&m, "h.test", 50, "2001:db8::1");
	expect(&m, "h.test", DNS_AAAA, "found 50 h.test: 2001:db8::1");

	start(&m, ANSWER, "t.test", DNS_TXT, 1, 0);
	add_rr(&m, "t.test", DNS_TXT, 60, SLICE("\3v=D\0\4KIM1"));
	expect(&m, "t.test", DNS_TXT, "found 60 t.test: v=DKIM1");

	start(&m, ANSWER, "z.test", DNS_SOA, 1, 0);
	add_soa(&m, "z.test", 3600, 120);
	expect(&m, "z.test", DNS_SOA, "found 3600 z.test: ns.example");

	start(&m, ANSWER, "1.2.0.192.in-addr.arpa", DNS_PTR, 1, 0);
	add_rr_name(&m, "1.2.0.192.in-addr.arpa", DNS_PTR, 60, "out.test");
	expect(&m, "1.2.0.192.in-addr.arpa", DNS_PTR, "found 60 1.2.0.192.in-addr.arpa: out.test");
	buf_clear(&m);
}

Test(dns_wire, negative_answers_and_their_ttl)
{
	struct buf m;

	buf_init(&m, 0);
	start(&m, NXDOMAIN, "x.test", DNS_MX, 0, 1);
	add_soa(&m, "test", 3600, 120);
	expect(&m, "x.test", DNS_MX, "no domain 120 x.test");
	start(&m, ANSWER, "x.test", DNS_MX, 0, 1);
	add_soa(&m, "test", 60, 120);
	expect(&m, "x.test", DNS_MX, "no data 60 x.test");
	start(&m, ANSWER, "x.test", DNS_MX, 0, 0);
	expect(&m, "x.test", DNS_MX, "no data 0 x.test");
	start(&m, ANSWER, "x.test", DNS_MX, 0, 1); /* the SOA is cut off: no TTL, still an answer */
	add_soa(&m, "test", 60, 120);
	buf_cut(&m, m.n - 5);
	expect(&m, "x.test", DNS_MX, "no data 0 x.test");
	buf_clear(&m);
}

Test(dns_wire, dns_N4_chains)
{
	struct buf m;
	char from[16] = "a0", to[16];

	buf_init(&m, 0);
	start(&m, ANSWER, "a.test", DNS_MX, 3, 0);
	add_mx(&m, "c.test", 600, 10, "mx.test"); /* in any order */
	add_rr_name(&m, "b.test", DNS_CNAME, 30, "c.test");
	add_rr_name(&m, "a.test", DNS_CNAME, 900, "b.test");
	expect(&m, "a.test", DNS_MX, "found 30 c.test: 10 mx.test");

	start(&m, ANSWER, "a.test", DNS_MX, 1, 0);
	add_rr_name(&m, "a.test", DNS_CNAME, 900, "b.test");
	expect(&m, "a.test", DNS_MX, "follow b.test");
	start(&m, ANSWER, "a.test", DNS_MX, 1, 1);
	add_rr_name(&m, "a.test", DNS_CNAME, 900, "b.test");
	add_soa(&m, "test", 60, 120);
	expect(&m, "a.test", DNS_MX, "no data 60 b.test");
	start(&m, NXDOMAIN, "a.test", DNS_MX, 1, 1);
	add_rr_name(&m, "a.test", DNS_CNAME, 20, "b.test");
	add_soa(&m, "test", 60, 120);
	expect(&m, "a.test", DNS_MX, "no domain 20 b.test");
	start(&m, ANSWER, "a.test", DNS_CNAME, 1, 0);
	add_rr_name(&m, "a.test", DNS_CNAME, 900, "b.test");
	expect(&m, "a.test", DNS_CNAME, "found 900 a.test: b.test");

	start(&m, ANSWER, "a.test", DNS_MX, 2, 0);
	add_rr_name(&m, "a.test", DNS_CNAME, 900, "b.test");
	add_rr_name(&m, "b.test", DNS_CNAME, 900, "a.test");
	expect(&m, "a.test", DNS_MX, "garbage");
	start(&m, ANSWER, "a.test", DNS_A, 1, 0);
	add_rr_name(&m, "a.test", DNS_CNAME, 900, "a.test");
	expect(&m, "a.test", DNS_A, "garbage");

	for (unsigned length = 8; length <= 9; length++) { /* 8 hops at most */
		start(&m, ANSWER, "a0", DNS_A, length + 1, 0);
		for (unsigned i = 0; i < length; i++) {
			snprintf(from, sizeof(from), "a%u", i);
			snprintf(to, sizeof(to), "a%u", i + 1);
			add_rr_name(&m, from, DNS_CNAME, 60, to);
		}
		add_address(&m, to, 60, "192.0.2.1");
		expect(&m, "a0", DNS_A, length == 8 ? "found 60 a8: 192.0.2.1" : "garbage");
	}
	buf_clear(&m);
}

Test(dns_wire, strange_names_stay_strange)
{
	struct buf m;

	buf_init(&m, 0);
	start(&m, ANSWER, "b.test", DNS_MX, 1, 0);
	add_rr(&m, "b.test", DNS_MX, 60, SLICE("\0\12\5a.b\0\xff\4test\0"));
	expect(&m, "b.test", DNS_MX, "found 60 b.test: 10 a\\046b\\000\\255.test");
	buf_clear(&m);
}

Test(dns_wire, ttl_above_31_bits_is_zero)
{
	struct buf m;

	buf_init(&m, 0);
	start(&m, ANSWER, "h.test", DNS_A, 1, 0);
	add_address(&m, "h.test", 0x80000000, "192.0.2.1");
	expect(&m, "h.test", DNS_A, "found 0 h.test: 192.0.2.1");
	buf_clear(&m);
}

Test(dns_wire, of_many_texts_128_are_kept)
{
	struct arena *arena = arena_new(0);
	struct dns_answer answer;
	struct buf m;
	unsigned hops = 0;

	buf_init(&m, 0);
	start(&m, ANSWER, "t.test", DNS_TXT, 200, 0);
	for (unsigned i = 0; i < 200; i++) {
		add_rr(&m, "t.test", DNS_TXT, 60, i == 127 ? SLICE("\4last") : SLICE("\1x"));
	}
	cr_assert_eq(dns_wire_parse(buf_slice(&m), SLICE("t.test"), DNS_TXT, arena, &hops, &answer),
		DNS_WIRE_ANSWER);
	cr_assert_eq(answer.count, 128);
	cr_expect(slice_equal(answer.records[127].text, SLICE("last")));
	buf_clear(&m);
	arena_free(&arena);
}

Test(dns_wire, dns_N3_of_many_records_16_are_kept_and_of_MX_the_best)
{
	struct arena *arena = arena_new(0);
	struct dns_answer answer;
	struct buf m;
	unsigned hops = 0;

	buf_init(&m, 0);
	start(&m, ANSWER, "b.test", DNS_MX, 1000, 0);
	for (unsigned i = 0; i < 1000; i++) {
		add_mx(&m, "b.test", 60, 1000 - i, "mx.test");
	}
	cr_assert_eq(dns_wire_parse(buf_slice(&m), SLICE("b.test"), DNS_MX, arena, &hops, &answer),
		DNS_WIRE_ANSWER);
	cr_assert_eq(answer.count, 16);
	for (size_t i = 0; i < answer.count; i++) {
		cr_assert_leq(answer.records[i].preference, 16);
	}
	start(&m, ANSWER, "h.test", DNS_A, 1000, 0);
	for (unsigned i = 0; i < 1000; i++) {
		add_address(&m, "h.test", 60, "192.0.2.1");
	}
	cr_assert_eq(dns_wire_parse(buf_slice(&m), SLICE("h.test"), DNS_A, arena, &hops, &answer),
		DNS_WIRE_ANSWER);
	cr_assert_eq(answer.count, 16);
	buf_clear(&m);
	arena_free(&arena);
}

/* Record data behind a sound header and question for b.test; what it must be. */
static const struct {
	const char *label;
	enum dns_type type;
	struct slice data;
	const char *wanted;
} broken[] = {
	{"MX without data", DNS_MX, {"", 0}, "garbage"},
	{"MX of two octets", DNS_MX, {"\0\12", 2}, "garbage"},
	{"MX whose name does not end", DNS_MX, {"\0\12\2mx", 5}, "garbage"},
	{"MX with more behind its name", DNS_MX, {"\0\12\2mx\0x", 7}, "garbage"},
	{"MX with a label that runs out", DNS_MX, {"\0\12\77mx", 5}, "garbage"},
	{"MX with a pointer to itself", DNS_MX, {"\0\12\xc0\x26", 4}, "garbage"},
	{"MX with a pointer forward", DNS_MX, {"\0\12\xc0\xff", 4}, "garbage"},
	{"MX with half a pointer", DNS_MX, {"\0\12\xc0", 3}, "garbage"},
	{"MX with a reserved label", DNS_MX, {"\0\12\x80\0", 4}, "garbage"},
	{"MX compressed to the question", DNS_MX, {"\0\12\2mx\xc0\14", 7},
		"found 60 b.test: 10 mx.b.test"},
	{"MX pointing at a pointer", DNS_MX, {"\0\12\2mx\xc0\30", 7},
		"found 60 b.test: 10 mx.b.test"},
	{"A of three octets", DNS_A, {"\1\2\3", 3}, "garbage"},
	{"A of five octets", DNS_A, {"\1\2\3\4\5", 5}, "garbage"},
	{"AAAA of four octets", DNS_AAAA, {"\1\2\3\4", 4}, "garbage"},
	{"SOA without its numbers", DNS_SOA, {"\2ns\0\1r\0", 7}, "garbage"},
	{"SOA with a number too many", DNS_SOA,
		{"\0\0"
		 "123456789012345678901234",
			26},
		"garbage"},
	{"SOA of the least size", DNS_SOA,
		{"\0\0"
		 "12345678901234567890",
			22},
		"found 60 b.test: "},
	{"TXT that says more than it has", DNS_TXT, {"\5ab", 3}, "garbage"},
	{"TXT of nothing", DNS_TXT, {"", 0}, "found 60 b.test: "},
	{"TXT of an empty string", DNS_TXT, {"\0", 1}, "found 60 b.test: "},
};

Test(dns_wire, dns_N3_broken_records_spoil_the_answer)
{
	struct buf m;

	buf_init(&m, 0);
	for (size_t i = 0; i < ARRAY_LEN(broken); i++) {
		start(&m, ANSWER, "b.test", broken[i].type, 1, 0);
		cr_assert_eq(m.n, 24);
		add_16(&m, 0xc00c); /* owner: the question's name; 24 is a pointer now */
		add_16(&m, broken[i].type);
		add_16(&m, 1);
		add_32(&m, 60);
		add_16(&m, (unsigned)broken[i].data.n);
		cr_assert_eq(m.n, 36);
		buf_add(&m, broken[i].data);
		expect(&m, "b.test", broken[i].type, broken[i].wanted);
	}
	buf_clear(&m);
}

/* A TXT of 255 strings of 255 octets, and one that says a little more than there is. */
Test(dns_wire, dns_N3_a_TXT_that_fills_a_message)
{
	struct buf m, data, line;

	buf_init(&m, 0);
	buf_init(&data, 0);
	buf_init(&line, 0);
	for (int i = 0; i < 255; i++) {
		buf_add_byte(&data, (char)255);
		for (int k = 0; k < 255; k++) {
			buf_add_byte(&data, 'x');
		}
	}
	start(&m, ANSWER, "t.test", DNS_TXT, 1, 0);
	add_rr(&m, "t.test", DNS_TXT, 60, buf_slice(&data));
	describe(buf_slice(&m), "t.test", DNS_TXT, &line);
	cr_assert(slice_starts(buf_slice(&line), SLICE("found 60 t.test: xxx")));
	cr_assert_eq(line.n, strlen("found 60 t.test: ") + 255 * 255);
	data.p[data.n - 256] =
		(char)254; /* the last one: an octet is left, a length without text */
	start(&m, ANSWER, "t.test", DNS_TXT, 1, 0);
	add_rr(&m, "t.test", DNS_TXT, 60, buf_slice(&data));
	describe(buf_slice(&m), "t.test", DNS_TXT, &line);
	cr_assert_str_eq(buf_string(&line), "garbage");
	buf_clear(&line);
	buf_clear(&data);
	buf_clear(&m);
}

Test(dns_wire, dns_N3_names_have_255_octets_at_most)
{
	static const char label[] =
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.";
	struct buf m, name;

	buf_init(&m, 0);
	buf_init(&name, 0);
	for (unsigned last = 61; last <= 62; last++) {
		buf_reset(&name);
		for (int i = 0; i < 3; i++) {
			buf_add_text(&name, label);
		}
		buf_add(&name, slice_first(slice_of(label), last));
		start(&m, ANSWER, "b.test", DNS_PTR, 1, 0);
		add_rr_name(&m, "b.test", DNS_PTR, 60, buf_string(&name));
		struct buf line;

		buf_init(&line, 0);
		describe(buf_slice(&m), "b.test", DNS_PTR, &line);
		cr_assert_eq(slice_equal(buf_slice(&line), SLICE("garbage")), last == 62);
		buf_clear(&line);
	}
	buf_clear(&name);
	buf_clear(&m);
}

Test(dns_wire, dns_N2_what_is_no_answer_to_the_question)
{
	struct buf m;

	buf_init(&m, 0);
	expect(&m, "b.test", DNS_A, "garbage");
	add_header(&m, 7, ANSWER, 0, 0);
	buf_cut(&m, 11);
	expect(&m, "b.test", DNS_A, "garbage");
	start(&m, ANSWER, "b.test", DNS_MX, 0, 0);
	expect(&m, "b.test", DNS_A, "garbage");
	expect(&m, "c.test", DNS_MX, "garbage");
	start(&m, 0x0100, "b.test", DNS_A, 0, 0); /* a question */
	expect(&m, "b.test", DNS_A, "garbage");
	start(&m, ANSWER | TRUNCATED, "b.test", DNS_A, 0, 0);
	expect(&m, "b.test", DNS_A, "garbage");
	start(&m, SERVFAIL, "b.test", DNS_A, 0, 0);
	expect(&m, "b.test", DNS_A, "garbage");
	start(&m, REFUSED, "b.test", DNS_A, 0, 0);
	expect(&m, "b.test", DNS_A, "garbage");
	start(&m, ANSWER, "b.test", DNS_A, 2, 0); /* fewer records than it says */
	add_address(&m, "b.test", 60, "192.0.2.1");
	expect(&m, "b.test", DNS_A, "garbage");
	buf_clear(&m);
}

/* Every message cut at every length: never a crash, never an answer that was not there. */
Test(dns_wire, dns_N3_cut_anywhere)
{
	struct buf m, line;

	buf_init(&m, 0);
	buf_init(&line, 0);
	start(&m, ANSWER, "a.test", DNS_MX, 2, 1);
	add_rr_name(&m, "a.test", DNS_CNAME, 900, "b.test");
	add_mx(&m, "b.test", 600, 10, "mx.test");
	size_t needed = m.n;

	add_soa(&m, "test", 60, 120);
	for (size_t n = 0; n < needed; n++) {
		describe(slice_first(buf_slice(&m), n), "a.test", DNS_MX, &line);
		cr_assert_str_eq(buf_string(&line), "garbage", "cut at %zu", n);
	}
	buf_clear(&line);
	buf_clear(&m);
}
