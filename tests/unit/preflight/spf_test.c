/* SPF as RFC 7208 has it: terms, macros, limits; and the record that mends it. */
#include "preflight/spf.h"
#include "no_leaks.h"
#include "zone.h"

TestSuite(spf, .fini = no_leaks);

/* The zone of all tests; 192.0.2.7 is the source. */
static const struct row zone[] = {
	{"ip4.test", DNS_TXT, "v=spf1 ip4:192.0.2.7 -all"},
	{"case.test", DNS_TXT, "V=SPF1 IP4:192.0.2.7 -ALL"},
	{"net.test", DNS_TXT, "v=spf1 ip4:192.0.2.0/29 -all"},
	{"othernet.test", DNS_TXT, "v=spf1 ip4:192.0.2.8/29 -all"},
	{"zero.test", DNS_TXT, "v=spf1 ip4:10.0.0.0/0 -all"},
	{"fail.test", DNS_TXT, "v=spf1 -all"},
	{"soft.test", DNS_TXT, "v=spf1 ~all"},
	{"neutral.test", DNS_TXT, "v=spf1 ?all"},
	{"open.test", DNS_TXT, "v=spf1 +all"},
	{"nomatch.test", DNS_TXT, "v=spf1 ip4:10.0.0.1"},
	{"empty.test", DNS_TXT, "v=spf1"},
	{"minus.test", DNS_TXT, "v=spf1 -ip4:192.0.2.7 +all"},
	{"other.test", DNS_TXT, "v=spf10 +all"},
	{"two.test", DNS_TXT, "v=spf1 +all"},
	{"two.test", DNS_TXT, "v=spf1 -all"},
	{"among.test", DNS_TXT, "site-verification=1"},
	{"among.test", DNS_TXT, "v=spf1 ip4:192.0.2.7 -all"},
	{"silent.test", DNS_TXT, "?"},
	{"a.test", DNS_TXT, "v=spf1 a -all"},
	{"a.test", DNS_A, "192.0.2.7"},
	{"a24.test", DNS_TXT, "v=spf1 a/24 -all"},
	{"a24.test", DNS_A, "192.0.2.99"},
	{"aother.test", DNS_TXT, "v=spf1 a:host.test -all"},
	{"host.test", DNS_A, "10.0.0.1"},
	{"host.test", DNS_A, "192.0.2.7"},
	{"asilent.test", DNS_TXT, "v=spf1 a:slow.test -all"},
	{"slow.test", DNS_A, "?"},
	{"mx.test", DNS_TXT, "v=spf1 mx -all"},
	{"mx.test", DNS_MX, "10 mx1.test"},
	{"mx.test", DNS_MX, "20 host.test"},
	{"mx1.test", DNS_A, "10.0.0.2"},
	{"mxother.test", DNS_TXT, "v=spf1 mx:mx.test//64 -all"},
	{"nullmx.test", DNS_TXT, "v=spf1 mx -all"},
	{"nullmx.test", DNS_MX, "0 "},
	{"ptr.test", DNS_TXT, "v=spf1 ptr:host.test -all"},
	{"ptrother.test", DNS_TXT, "v=spf1 ptr -all"},
	{"7.2.0.192.in-addr.arpa", DNS_PTR, "host.test"},
	{"7.2.0.192.in-addr.arpa", DNS_PTR, "liar.ptrother.test"},
	{"liar.ptrother.test", DNS_A, "10.9.9.9"},
	{"include.test", DNS_TXT, "v=spf1 include:ip4.test -all"},
	{"includefail.test", DNS_TXT, "v=spf1 include:fail.test ?all"},
	{"includenone.test", DNS_TXT, "v=spf1 include:nowhere.test +all"},
	{"includewrong.test", DNS_TXT, "v=spf1 include:wrong.test +all"},
	{"includesilent.test", DNS_TXT, "v=spf1 include:silent.test +all"},
	{"redirect.test", DNS_TXT, "v=spf1 redirect=ip4.test"},
	{"redirectnone.test", DNS_TXT, "v=spf1 redirect=nowhere.test"},
	{"redirectall.test", DNS_TXT, "v=spf1 redirect=ip4.test ~all"},
	{"redirectd.test", DNS_TXT, "v=spf1 redirect=d.test"},
	{"d.test", DNS_TXT, "v=spf1 exists:%{d}.said.test -all"},
	{"d.test.said.test", DNS_A, "127.0.0.2"},
	{"exists.test", DNS_TXT, "v=spf1 exists:%{ir}.%{v}._spf.test -all"},
	{"7.2.0.192.in-addr._spf.test", DNS_A, "127.0.0.2"},
	{"existsnot.test", DNS_TXT, "v=spf1 exists:%{h}.said.test -all"},
	{"wrong.test", DNS_TXT, "v=spf1 ip4:192.0.2.7 ipv4:10.0.0.1 -all"},
	{"loop.test", DNS_TXT, "v=spf1 include:loop.test -all"},
	{"ten.test", DNS_TXT,
		"v=spf1 a:h1.test a:h1.test a:h1.test a:h1.test a:h1.test a:h1.test a:h1.test"
		" a:h1.test a:h1.test a:host.test -all"},
	{"eleven.test", DNS_TXT,
		"v=spf1 a:h1.test a:h1.test a:h1.test a:h1.test a:h1.test a:h1.test a:h1.test"
		" a:h1.test a:h1.test a:h1.test a:host.test -all"},
	{"early.test", DNS_TXT,
		"v=spf1 ip4:192.0.2.7 a:h1.test a:h1.test a:h1.test a:h1.test a:h1.test a:h1.test"
		" a:h1.test a:h1.test a:h1.test a:h1.test a:h1.test -all"},
	{"h1.test", DNS_A, "10.0.0.1"},
	{"void2.test", DNS_TXT, "v=spf1 a:n1.test a:n2.test ip4:192.0.2.7 -all"},
	{"void3.test", DNS_TXT, "v=spf1 a:n1.test a:n2.test a:n3.test ip4:192.0.2.7 -all"},
	{"mx11.test", DNS_TXT, "v=spf1 mx +all"},
	{"mx11.test", DNS_MX, "1 m.test"},
	{"mx11.test", DNS_MX, "2 m.test"},
	{"mx11.test", DNS_MX, "3 m.test"},
	{"mx11.test", DNS_MX, "4 m.test"},
	{"mx11.test", DNS_MX, "5 m.test"},
	{"mx11.test", DNS_MX, "6 m.test"},
	{"mx11.test", DNS_MX, "7 m.test"},
	{"mx11.test", DNS_MX, "8 m.test"},
	{"mx11.test", DNS_MX, "9 m.test"},
	{"mx11.test", DNS_MX, "10 m.test"},
	{"mx11.test", DNS_MX, "11 m.test"},
	{"six.test", DNS_TXT, "v=spf1 ip6:2001:db8::/32 -all"},
	{"sixa.test", DNS_TXT, "v=spf1 a -all"},
	{"sixa.test", DNS_A, "192.0.2.7"},
	{"sixa.test", DNS_AAAA, "2001:db8::7"},
	{"six64.test", DNS_TXT, "v=spf1 a:sixhost.test/32//64 -all"},
	{"sixhost.test", DNS_AAAA, "2001:db8::1:2:3:4"},
	{"sixi.test", DNS_TXT, "v=spf1 exists:%{i}.said.test -all"},
	{"2.0.0.1.0.d.b.8.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.7.said.test", DNS_A,
		"127.0.0.2"},
	{"modifiers.test", DNS_TXT, "v=spf1 foo=bar:/x ip4:192.0.2.7 exp=why.test -all"},
};

static const struct {
	const char *domain;
	const char *address;
	enum spf_result result;
	const char *why; /* a part of it */
} cases[] = {
	{"ip4.test", "192.0.2.7", SPF_PASS, "'ip4:192.0.2.7' of ip4.test"},
	{"ip4.test", "192.0.2.8", SPF_FAIL, "'-all' of ip4.test"},
	{"ip4.test", "2001:db8::7", SPF_FAIL, "-all"},
	{"case.test", "192.0.2.7", SPF_PASS, ""},
	{"net.test", "192.0.2.7", SPF_PASS, ""},
	{"net.test", "192.0.2.8", SPF_FAIL, ""},
	{"othernet.test", "192.0.2.7", SPF_FAIL, ""},
	{"zero.test", "192.0.2.7", SPF_PASS, ""},
	{"soft.test", "192.0.2.7", SPF_SOFTFAIL, "~all"},
	{"neutral.test", "192.0.2.7", SPF_NEUTRAL, "?all"},
	{"open.test", "192.0.2.7", SPF_PASS, ""},
	{"nomatch.test", "192.0.2.7", SPF_NEUTRAL, "no term of nomatch.test matches"},
	{"empty.test", "192.0.2.7", SPF_NEUTRAL, ""},
	{"minus.test", "192.0.2.7", SPF_FAIL, "-ip4"},
	{"nowhere.test", "192.0.2.7", SPF_NONE, "no SPF record"},
	{"other.test", "192.0.2.7", SPF_NONE, "no SPF record"},
	{"two.test", "192.0.2.7", SPF_PERMERROR, "more than one SPF record"},
	{"among.test", "192.0.2.7", SPF_PASS, ""},
	{"silent.test", "192.0.2.7", SPF_TEMPERROR, "does not answer for silent.test"},
	{"a.test", "192.0.2.7", SPF_PASS, ""},
	{"a.test", "192.0.2.8", SPF_FAIL, ""},
	{"a24.test", "192.0.2.7", SPF_PASS, ""},
	{"a24.test", "192.0.3.7", SPF_FAIL, ""},
	{"aother.test", "192.0.2.7", SPF_PASS, ""},
	{"asilent.test", "192.0.2.7", SPF_TEMPERROR, "slow.test"},
	{"mx.test", "192.0.2.7", SPF_PASS, ""},
	{"mx.test", "192.0.2.8", SPF_FAIL, ""},
	{"mxother.test", "192.0.2.7", SPF_PASS, ""},
	{"nullmx.test", "192.0.2.7", SPF_FAIL, ""},
	{"ptr.test", "192.0.2.7", SPF_PASS, ""},
	{"ptrother.test", "192.0.2.7", SPF_FAIL, ""}, /* its name does not lead back */
	{"include.test", "192.0.2.7", SPF_PASS, "include:ip4.test"},
	{"include.test", "192.0.2.8", SPF_FAIL, "of include.test"},
	{"includefail.test", "192.0.2.7", SPF_NEUTRAL, "?all"},
	{"includenone.test", "192.0.2.7", SPF_PERMERROR, "includes nowhere.test"},
	{"includewrong.test", "192.0.2.7", SPF_PERMERROR, "ipv4:10.0.0.1"},
	{"includesilent.test", "192.0.2.7", SPF_TEMPERROR, ""},
	{"redirect.test", "192.0.2.7", SPF_PASS, ""},
	{"redirect.test", "192.0.2.8", SPF_FAIL, ""},
	{"redirectnone.test", "192.0.2.7", SPF_PERMERROR, "redirects to nowhere.test"},
	{"redirectall.test", "192.0.2.7", SPF_SOFTFAIL, ""},
	{"redirectd.test", "192.0.2.7", SPF_PASS, ""}, /* %{d} is the new domain */
	{"exists.test", "192.0.2.7", SPF_PASS, ""},
	{"exists.test", "192.0.2.8", SPF_FAIL, ""},
	{"existsnot.test", "192.0.2.7", SPF_FAIL, ""},
	{"wrong.test", "192.0.2.7", SPF_PERMERROR, "'ipv4:10.0.0.1' of wrong.test is no mechanism"},
	{"loop.test", "192.0.2.7", SPF_PERMERROR, "more than 10 terms"},
	{"ten.test", "192.0.2.7", SPF_PASS, ""},
	{"eleven.test", "192.0.2.7", SPF_PERMERROR,
		"more than 10 terms ask the DNS (at 'a:host.test')"},
	{"early.test", "192.0.2.7", SPF_PASS, ""},
	{"void2.test", "192.0.2.7", SPF_PASS, ""},
	{"void3.test", "192.0.2.7", SPF_PERMERROR, "more than 2 of its names are not there"},
	{"mx11.test", "192.0.2.7", SPF_PERMERROR, "more than 10 MX"},
	{"six.test", "2001:db8::7", SPF_PASS, ""},
	{"six.test", "2001:db9::7", SPF_FAIL, ""},
	{"sixa.test", "2001:db8::7", SPF_PASS, ""},
	{"six64.test", "2001:db8:0:1::9", SPF_FAIL, ""},
	{"six64.test", "2001:db8::1:9:9:9", SPF_PASS, ""},
	{"sixi.test", "2001:db8::7", SPF_PASS, ""},
	{"modifiers.test", "192.0.2.7", SPF_PASS, ""},
};

static struct spf_answer check(const char *domain, const char *address, const struct row *rows,
	size_t count, struct answers *answers)
{
	struct spf_question question = {.domain = slice_of(domain),
		.local = SLICE("bounce-9"),
		.helo = SLICE("out.shop.test")};
	struct spf_answer answer;
	unsigned rounds = 0;

	cr_assert(endpoint_parse(slice_of(address), 0, &question.address));
	do {
		answer = spf_check(answers, &question);
		cr_assert_lt(++rounds, 100, "%s", domain);
	} while (answer_all(answers, rows, count));
	return answer;
}

Test(spf, sender_P1_results_of_rfc_7208)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct answers *answers = answers_new();
		struct spf_answer answer =
			check(cases[i].domain, cases[i].address, zone, ARRAY_LEN(zone), answers);

		cr_expect_eq(answer.result, cases[i].result, "%s %s: %s, %s", cases[i].domain,
			cases[i].address, spf_result_word(answer.result), answer.why);
		cr_expect(strstr(answer.why, cases[i].why) != NULL, "%s: '%s' lacks '%s'",
			cases[i].domain, answer.why, cases[i].why);
		cr_expect_not(answers_open(answers));
		answers_free(&answers);
	}
}

/* One record at a time: x.test with that text, what becomes of 192.0.2.7. */
static const struct {
	const char *record;
	enum spf_result result;
} records[] = {
	{"v=spf1 ip4:192.0.2.7/32", SPF_PASS},
	{"v=spf1 ip4:192.0.2.7/33", SPF_PERMERROR},
	{"v=spf1 ip4:192.0.2.7/024", SPF_PERMERROR},
	{"v=spf1 ip4:192.0.2.7/", SPF_PERMERROR},
	{"v=spf1 ip4:192.0.2", SPF_PERMERROR},
	{"v=spf1 ip4:192.0.2.300", SPF_PERMERROR},
	{"v=spf1 ip4", SPF_PERMERROR},
	{"v=spf1 ip4=192.0.2.7", SPF_NEUTRAL}, /* a modifier that nobody knows */
	{"v=spf1 ip6:2001:db8::/129", SPF_PERMERROR},
	{"v=spf1 ip6:192.0.2.7", SPF_PERMERROR},
	{"v=spf1 all:x.test", SPF_PERMERROR},
	{"v=spf1 all/8", SPF_PERMERROR},
	{"v=spf1 include", SPF_PERMERROR},
	{"v=spf1 include:", SPF_PERMERROR},
	{"v=spf1 a: +all", SPF_PERMERROR},
	{"v=spf1 a:host +all", SPF_PERMERROR},
	{"v=spf1 a:1.2.3.4 +all", SPF_PERMERROR},
	{"v=spf1 a:-x.-y +all", SPF_PERMERROR},
	{"v=spf1 a:h1.test. +all", SPF_PASS},
	{"v=spf1 a/33 +all", SPF_PERMERROR},
	{"v=spf1 a//129 +all", SPF_PERMERROR},
	{"v=spf1 a/24/64 +all", SPF_PERMERROR},
	{"v=spf1 a// +all", SPF_PERMERROR},
	{"v=spf1 a/0//0", SPF_NEUTRAL}, /* no address at all to compare with */
	{"v=spf1 a:h1.test/0//0", SPF_PASS},
	{"v=spf1 redirect=fail.test redirect=fail.test", SPF_PERMERROR},
	{"v=spf1 exp=a.test exp=a.test +all", SPF_PERMERROR},
	{"v=spf1 -redirect=ip4.test", SPF_PERMERROR},
	{"v=spf1 redirect=", SPF_PERMERROR},
	{"v=spf1  +all  ", SPF_PASS},
	{"v=spf1 +all\t", SPF_PERMERROR},
	{"v=spf1 %all", SPF_PERMERROR},
	{"v=spf1 exists:%{x}.test +all", SPF_PERMERROR},
	{"v=spf1 exists:%{c}.test +all", SPF_PERMERROR},
	{"v=spf1 exists:%{d0}.test +all", SPF_PERMERROR},
	{"v=spf1 exists:%{d129}.test +all", SPF_PERMERROR},
	{"v=spf1 exists:%{d.test +all", SPF_PERMERROR},
	{"v=spf1 exists:%{}.test +all", SPF_PERMERROR},
	{"v=spf1 exists:%d.test +all", SPF_PERMERROR},
	{"v=spf1 exists:x% +all", SPF_PERMERROR},
	{"v=spf1 exists:%{d}.5 +all", SPF_PERMERROR},
	{"v=spf1 exists:%{l1r-}.lp.test", SPF_PASS},
	{"v=spf1 exists:%{h2}.helo.test", SPF_PASS},
	{"v=spf1 exists:%{o}.%{p}.o.test", SPF_PASS},
	{"v=spf1 exists:%{S}.url.test", SPF_PASS},
	{"v=spf1 exists:%%%_%-.%{d}.esc.test", SPF_NEUTRAL}, /* the DNS has no such name */
	{"v=spf1 exists:%{d1}.%{dr}.d.test", SPF_PASS},
};

static const struct row said[] = {
	{"bounce.lp.test", DNS_A, "127.0.0.2"},
	{"shop.test.helo.test", DNS_A, "127.0.0.2"},
	{"x.test.unknown.o.test", DNS_A, "127.0.0.2"},
	{"bounce-9%40x.test.url.test", DNS_A, "127.0.0.2"},
	{"test.test.x.d.test", DNS_A, "127.0.0.2"},
	{"h1.test", DNS_A, "10.0.0.1"},
	{"fail.test", DNS_TXT, "v=spf1 -all"},
	{"ip4.test", DNS_TXT, "v=spf1 ip4:192.0.2.7 -all"},
	{"x.test", DNS_TXT, ""},
};

Test(spf, terms_and_macros)
{
	struct row rows[ARRAY_LEN(said)];

	for (size_t i = 0; i < ARRAY_LEN(records); i++) {
		struct answers *answers = answers_new();
		struct spf_answer answer;

		memcpy(rows, said, sizeof(said));
		rows[ARRAY_LEN(said) - 1].text = records[i].record;
		answer = check("x.test", "192.0.2.7", rows, ARRAY_LEN(rows), answers);
		cr_expect_eq(answer.result, records[i].result, "%s: %s, %s", records[i].record,
			spf_result_word(answer.result), answer.why);
		answers_free(&answers);
	}
}

/* A name that a macro makes too long loses labels on the left, and is asked for all the same. */
Test(spf, long_names_are_shortened)
{
	char record[600] = "v=spf1 exists:%{d}";
	struct answers *answers = answers_new();
	struct slice name;
	enum dns_type type;
	bool seen = false;

	for (int i = 0; i < 60; i++) {
		strncat(record, ".abcdefgh", sizeof(record) - strlen(record) - 1);
	}
	struct row rows[] = {{"x.test", DNS_TXT, record}};
	struct spf_question question = {.domain = SLICE("x.test")};

	cr_assert(endpoint_parse(SLICE("192.0.2.7"), 0, &question.address));
	for (int round = 0; round < 3; round++) {
		(void)spf_check(answers, &question);
		while (answers_next(answers, &name, &type)) {
			if (type == DNS_A) {
				seen = true;
				cr_expect_leq(name.n, 253);
				cr_expect(slice_starts(name, SLICE("abcdefgh.")));
			}
			answer_one(answers, rows, 1, name, type);
		}
	}
	cr_expect(seen);
	answers_free(&answers);
}

static const struct {
	const char *texts[4]; /* of the name */
	const char *mended;
	const char *notes;
} remedies[] = {
#define OURS "v=spf1 ip4:192.0.2.7 ip6:2001:db8::7"
	{{NULL}, OURS " -all", ""},
	{{"a text", "v=spf10 mx"}, OURS " -all", ""},
	{{"v=spf1 include:esp.test ~all"}, OURS " include:esp.test ~all", ""},
	{{"v=spf1 ipv4:10.0.0.1 mx -all"}, OURS " mx -all",
		"'ipv4:10.0.0.1' is left out: it is no mechanism of SPF"},
	{{"v=spf1 redirect=a.test redirect=b.test"}, OURS " redirect=a.test",
		"'redirect=b.test' is left out: it counts only without all, and once"},
	{{"v=spf1 ip4:192.0.2.0/24 bad -all"}, "v=spf1 ip6:2001:db8::7 ip4:192.0.2.0/24 -all",
		"'bad' is left out: it is no mechanism of SPF"},
	{{"v=spf1 -all ip4:192.0.2.7 mx"}, OURS " -all",
		"'ip4:192.0.2.7' is left out: behind all it says nothing; "
		"'mx' is left out: behind all it says nothing"},
	{{"v=spf1 mx"}, OURS " mx", ""},
	{{"v=spf1 exp=e.test mx x=y -all"}, OURS " mx exp=e.test x=y -all", ""},
	{{"v=spf1 x\nb -all"}, OURS " -all", "'x\\x0ab' is left out: it is no mechanism of SPF"},
	/* Two: nobody whom one of them lets send is lost. */
	{{"v=spf1 include:esp.test -all", "v=spf1 ip4:198.51.100.0/24 -all"},
		OURS " include:esp.test ip4:198.51.100.0/24 -all", ""},
	{{"v=spf1 mx include:esp.test ~all", "v=verify", "v=spf1 +MX a ?all"},
		OURS " mx include:esp.test a ~all", ""},
	{{"v=spf1 mx +all", "v=spf1 a ?all"}, OURS " mx a ?all", ""},
	{{"v=spf1 mx", "v=spf1 a ~all", "v=spf1 a -all"}, OURS " mx a -all", ""},
	{{"v=spf1 ip4:192.0.2.7 mx -all", "v=spf1 ip4:192.0.2.0/24 a"},
		"v=spf1 ip6:2001:db8::7 ip4:192.0.2.7 mx ip4:192.0.2.0/24 a -all", ""},
	{{"v=spf1 redirect=a.test", "v=spf1 mx -all"}, OURS " include:a.test mx -all", ""},
	{{"v=spf1 mx -all", "v=spf1 redirect=a.test"}, OURS " mx include:a.test -all", ""},
	{{"v=spf1 redirect=a.test", "v=spf1 mx redirect=b.test"},
		OURS " include:a.test mx redirect=b.test", ""},
	{{"v=spf1 redirect=a.test -all", "v=spf1 mx ~all"}, OURS " mx -all",
		"'redirect=a.test' is left out: it counts only without all, and once"},
	{{"v=spf1 exp=a.test -all", "v=spf1 exp=b.test -all"}, OURS " exp=a.test -all",
		"'exp=b.test' is left out: it counts only once"},
	{{"v=spf1 -ip4:192.0.2.9 ip4:192.0.2.8/29 -all", "v=spf1 mx -all"},
		OURS " -ip4:192.0.2.9 ip4:192.0.2.8/29 mx -all", ""},
	{{"v=spf1 a:1.t a:2.t a:3.t a:4.t a:5.t a:6.t -all",
		 "v=spf1 a:7.t a:8.t a:9.t mx ptr -all"},
		OURS " a:1.t a:2.t a:3.t a:4.t a:5.t a:6.t a:7.t a:8.t a:9.t mx ptr -all",
		"11 of its terms ask the DNS, and only 10 may: take out who sends no more"},
};

/* What it says of the addresses of a zone where only the mended record stands. */
static void check_mended(const char *record)
{
	struct answers *answers = answers_new();
	const struct row row = {"x.test", DNS_TXT, record};

	cr_expect_eq(check("x.test", "192.0.2.7", &row, 1, answers).result, SPF_PASS);
	cr_expect_eq(check("x.test", "2001:db8::7", &row, 1, answers).result, SPF_PASS);
	answers_free(&answers);
}

Test(spf, sender_P1_the_record_that_mends_it)
{
	union endpoint addresses[2];

	cr_assert(endpoint_parse(SLICE("192.0.2.7"), 0, &addresses[0]));
	cr_assert(endpoint_parse(SLICE("2001:db8::7"), 0, &addresses[1]));
	for (size_t i = 0; i < ARRAY_LEN(remedies); i++) {
		struct dns_record found[4] = {{.text = {NULL, 0}}};
		struct dns_answer texts = {.status = DNS_FOUND, .records = found};
		struct buf out;
		struct buf notes;

		while (texts.count < 4 && remedies[i].texts[texts.count] != NULL) {
			found[texts.count].text = slice_of(remedies[i].texts[texts.count]);
			texts.count++;
		}
		buf_init(&out, 0);
		buf_init(&notes, 0);
		spf_add_remedy(&out, &texts, addresses, 2, &notes);
		cr_expect_str_eq(buf_string(&out), remedies[i].mended);
		cr_expect_str_eq(buf_string(&notes), remedies[i].notes);
		check_mended(buf_string(&out));
		buf_clear(&out);
		buf_clear(&notes);
	}
}

Test(spf, answers_are_kept_once)
{
	struct answers *answers = answers_new();
	struct slice name;
	enum dns_type type;

	cr_expect_null(answers_find(answers, SLICE("A.test."), DNS_A));
	cr_expect_null(answers_find(answers, SLICE("a.TEST"), DNS_A));
	cr_expect_eq(answers_ttl(answers), 0);
	cr_assert(answers_next(answers, &name, &type));
	cr_expect(slice_equal(name, SLICE("a.test")));
	cr_expect_not(answers_next(answers, &name, &type));
	cr_expect(answers_open(answers));
	answer_one(answers, zone, ARRAY_LEN(zone), name, type);
	cr_expect_not(answers_open(answers));
	cr_assert_not_null(answers_find(answers, SLICE("a.test"), DNS_A));
	cr_expect_eq(answers_find(answers, SLICE("a.test"), DNS_A)->count, 1);
	cr_expect_eq(answers_ttl(answers), 300);
	answers_free(&answers);
}
