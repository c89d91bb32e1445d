/*
 * The verdict list: a subject and a zone where all is well, then one thing that is not;
 * exactly that check fails, with the words that mend it.
 */
#include "preflight/preflight.h"
#include "no_leaks.h"
#include "zone.h"

TestSuite(preflight, .fini = no_leaks);

static const struct row good[] = {
	{"shop.test", DNS_SOA, "ns.shop.test"},
	{"shop.test", DNS_MX, "10 mail.shop.test"},
	{"mail.shop.test", DNS_A, "192.0.2.80"},
	{"news.shop.test", DNS_MX, "10 mail.shop.test"},
	{"_dmarc.shop.test", DNS_TXT, "v=DMARC1; p=none"},
	{"r1._domainkey.news.shop.test", DNS_TXT, "the key"},
	{"bounce.shop.test", DNS_TXT, "v=spf1 ip4:192.0.2.7 ip6:2001:db8::7 -all"},
	{"bounce.shop.test", DNS_MX, "10 mta1.shop.test"},
	{"mta1.shop.test", DNS_A, "192.0.2.1"},
	{"t.shop.test", DNS_AAAA, "2001:db8::80"},
	{"7.2.0.192.in-addr.arpa", DNS_PTR, "s1.shop.test"},
	{"s1.shop.test", DNS_A, "192.0.2.7"},
	{"s1.shop.test", DNS_AAAA, "2001:db8::7"},
	{"7.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa", DNS_PTR,
		"s1.shop.test"},
};

static const char *published(const void *key, const struct dns_answer *answer)
{
	cr_expect_str_eq(key, "a key");
	for (size_t i = 0; i < answer->count; i++) {
		if (slice_equal(answer->records[i].text, SLICE("the key"))) {
			return NULL;
		}
	}
	return "the record holds another key";
}

#define FIELDS "From: a@news.shop.test\r\nTo: b@d1.test\r\nSubject: x\r\n"
#define LIST "List-Unsubscribe: <https://t.shop.test/u/x>, <mailto:x@bounce.shop.test>\r\n"
#define POST "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"

struct scene {
	struct preflight_source sources[2];
	struct preflight_key key;
	struct preflight_content content;
	struct preflight_subject subject;
};

static void scene_init(struct scene *scene)
{
	*scene = (struct scene){
		.sources = {{.name = SLICE("s1"), .ehlo = SLICE("s1.shop.test")},
			{.name = SLICE("s1"), .ehlo = SLICE("s1.shop.test")}},
		.key = {.domain = SLICE("news.shop.test"),
			.name = SLICE("r1._domainkey.news.shop.test"),
			.remedy = SLICE("r1._domainkey.news.shop.test. IN TXT ( \"the key\" )"),
			.bits = 2048,
			.key = "a key"},
		.content = {.marketing = true,
			.headers = SLICE(FIELDS LIST POST),
			.signature_bytes = 700},
		.subject = {.tenant = SLICE("11111111-1111-4111-8111-111111111111"),
			.from_domain = SLICE("news.shop.test"),
			.bounce_domain = SLICE("bounce.shop.test"),
			.tracking_domain = SLICE("t.shop.test"),
			.hostname = SLICE("mta1.shop.test"),
			.pool = SLICE("default"),
			.source_count = 2,
			.key_count = 1,
			.published = published},
	};
	cr_assert(endpoint_parse(SLICE("192.0.2.7"), 0, &scene->sources[0].address));
	cr_assert(endpoint_parse(SLICE("2001:db8::7"), 0, &scene->sources[1].address));
	scene->subject.sources = scene->sources;
	scene->subject.keys = &scene->key;
	scene->subject.content = &scene->content;
}

static struct report *run(const struct scene *scene, const struct row *rows, size_t count)
{
	struct answers *answers = answers_new();
	struct report *report = NULL;
	unsigned rounds = 0;

	do {
		report_free(&report);
		report = report_new();
		preflight_evaluate(&scene->subject, answers, report);
		cr_assert_lt(++rounds, 50);
	} while (answer_all(answers, rows, count));
	cr_expect_not(answers_open(answers));
	answers_free(&answers);
	return report;
}

/* Each check that did not pass, with its verdict, once. */
static void describe(const struct report *report, struct buf *out)
{
	for (unsigned check = 0; check < PREFLIGHT_CHECK_COUNT; check++) {
		bool any;
		enum preflight_verdict verdict =
			report_of(report, (enum preflight_check)check, &any);

		if (verdict != PREFLIGHT_PASS) {
			buf_add_format(out, "%s%s %s", out->n > 0 ? ", " : "",
				preflight_check_word((enum preflight_check)check),
				preflight_verdict_word(verdict));
		}
	}
}

static void add_remedies(const struct report *report, struct buf *out)
{
	for (size_t i = 0; i < report_count(report); i++) {
		buf_add(out, buf_slice(&report_at(report, i)->remedy));
	}
}

/* For each of the two domains that are in it. */
#define SOA_REMEDY "shop.test. IN SOA ns1.shop.test. hostmaster.shop.test. 1 3600 600 1209600 300\n"

/* A row of the good zone that is another (or, without text, missing), and what comes of it. */
static const struct {
	const char *label;
	const char *name;
	enum dns_type type;
	const char *text; /* NULL: it is not there */
	const char *found;
	const char *remedy;
} broken[] = {
	{"nothing", "", DNS_A, NULL, "", ""},
	{"sender_P1: no SPF record", "bounce.shop.test", DNS_TXT, NULL,
		"spf_pass_for_all_pool_ips fail",
		"bounce.shop.test. IN TXT ( \"v=spf1 ip4:192.0.2.7 ip6:2001:db8::7 -all\" )\n"},
	{"one address missing", "bounce.shop.test", DNS_TXT, "v=spf1 ip4:192.0.2.7 ~all",
		"spf_pass_for_all_pool_ips fail",
		"bounce.shop.test. IN TXT ( \"v=spf1 ip6:2001:db8::7 ip4:192.0.2.7 ~all\" )"
		"  (in place of what begins with v=spf1)\n"},
	{"SPF silent", "bounce.shop.test", DNS_TXT, "?", "spf_pass_for_all_pool_ips unknown", ""},
	{"another key", "r1._domainkey.news.shop.test", DNS_TXT, "another", "dkim_key_match fail",
		"r1._domainkey.news.shop.test. IN TXT ( \"the key\" )\n"},
	{"key silent", "r1._domainkey.news.shop.test", DNS_TXT, "?", "dkim_key_match unknown", ""},
	{"no DMARC", "_dmarc.shop.test", DNS_TXT, NULL, "dmarc_record fail",
		"_dmarc.shop.test. IN TXT ( \"v=DMARC1; p=none\" )\n"},
	{"DMARC without p=", "_dmarc.shop.test", DNS_TXT, "v=DMARC1; rua=mailto:a@b.test",
		"dmarc_record fail",
		"_dmarc.shop.test. IN TXT ( \"v=DMARC1; p=none; rua=mailto:a@b.test\" )"
		"  (in place of what begins with v=DMARC1)\n"},
	{"DMARC with a flaw", "_dmarc.shop.test", DNS_TXT, "v=DMARC1; p=none; pct=x",
		"dmarc_record warning", ""},
	{"DMARC silent", "_dmarc.shop.test", DNS_TXT, "?", "dmarc_record unknown", ""},
	{"SPF not aligned", "_dmarc.shop.test", DNS_TXT, "v=DMARC1; p=none; aspf=s",
		"dmarc_aligned warning", ""},
	{"no MX of From", "news.shop.test", DNS_MX, NULL, "mx_of_from fail",
		"news.shop.test. IN MX 10 mail.shop.test.\n"},
	{"an MX of From that leads nowhere", "news.shop.test", DNS_MX, "10 nowhere.test",
		"mx_of_from fail", "news.shop.test. IN MX 10 mail.shop.test.\n"},
	{"a null MX of From", "news.shop.test", DNS_MX, "0 ", "not_null_mx fail",
		"news.shop.test. IN MX 10 mail.shop.test.\n"
		"and without: news.shop.test. IN MX 0 .\n"},
	{"MX of From silent", "news.shop.test", DNS_MX, "?", "mx_of_from unknown", ""},
	{"no MX of the return path", "bounce.shop.test", DNS_MX, NULL, "mx_of_bounce fail",
		"bounce.shop.test. IN MX 10 mta1.shop.test.\n"},
	{"a null MX of the return path", "bounce.shop.test", DNS_MX, "0 ", "not_null_mx fail",
		"bounce.shop.test. IN MX 10 mta1.shop.test.\n"
		"and without: bounce.shop.test. IN MX 0 .\n"},
	{"no zone", "shop.test", DNS_SOA, NULL, "soa fail", SOA_REMEDY SOA_REMEDY},
	{"no tracking host", "t.shop.test", DNS_AAAA, NULL, "tracking_host fail",
		"t.shop.test. IN CNAME mta1.shop.test.\n"},
	{"no PTR", "7.2.0.192.in-addr.arpa", DNS_PTR, NULL, "ptr fail",
		"7.2.0.192.in-addr.arpa. IN PTR s1.shop.test.\n"},
	{"PTR silent", "7.2.0.192.in-addr.arpa", DNS_PTR, "?", "ptr unknown", ""},
	{"a PTR that does not lead back", "7.2.0.192.in-addr.arpa", DNS_PTR, "mail.shop.test",
		"fcrdns fail", "mail.shop.test. IN A 192.0.2.7\n"},
	{"a PTR that looks dynamic and does not lead back", "7.2.0.192.in-addr.arpa", DNS_PTR,
		"192-0-2-7.dsl.isp.test", "fcrdns fail, ptr_generic fail",
		"192-0-2-7.dsl.isp.test. IN A 192.0.2.7\n"
		"7.2.0.192.in-addr.arpa. IN PTR s1.shop.test.\ns1.shop.test. IN A 192.0.2.7\n"},
};

Test(preflight, sender_Y1_sender_MS1_sender_A1_exactly_what_is_broken_fails)
{
	struct scene scene;
	struct buf out;

	scene_init(&scene);
	buf_init(&out, 0);
	for (size_t i = 0; i < ARRAY_LEN(broken); i++) {
		struct row rows[ARRAY_LEN(good)];
		struct report *report;
		size_t count = 0;

		for (size_t r = 0; r < ARRAY_LEN(good); r++) {
			bool here = strcmp(good[r].name, broken[i].name) == 0 &&
				good[r].type == broken[i].type;

			rows[count] = good[r];
			if (here) {
				rows[count].text = broken[i].text;
			}
			count += here && broken[i].text == NULL ? 0 : 1;
		}
		cr_assert(i == 0 || count < ARRAY_LEN(good) || broken[i].text != NULL);
		report = run(&scene, rows, count);
		buf_reset(&out);
		describe(report, &out);
		cr_expect_str_eq(buf_string(&out), broken[i].found, "%s: %s", broken[i].label,
			buf_string(&out));
		buf_reset(&out);
		add_remedies(report, &out);
		cr_expect(i == 0 || broken[i].remedy[0] == '\0' ||
				strcmp(buf_string(&out), broken[i].remedy) == 0,
			"%s: %s", broken[i].label, buf_string(&out));
		report_free(&report);
	}
	buf_clear(&out);
}

static void expect(const struct scene *scene, const char *found, const char *remedy)
{
	struct report *report = run(scene, good, ARRAY_LEN(good));
	struct buf out;

	buf_init(&out, 0);
	describe(report, &out);
	cr_expect_str_eq(buf_string(&out), found, "%s, wanted %s", buf_string(&out), found);
	buf_reset(&out);
	add_remedies(report, &out);
	cr_expect(
		strstr(buf_string(&out), remedy) != NULL, "%s lacks %s", buf_string(&out), remedy);
	buf_clear(&out);
	report_free(&report);
}

static const struct {
	const char *headers;
	bool marketing;
	const char *found;
} contents[] = {
	{FIELDS LIST POST, true, ""},
	{FIELDS, false, ""},
	{FIELDS, true, "list_unsub_headers fail"},
	{FIELDS LIST, true, "list_unsub_headers fail"},
	{FIELDS POST, true, "list_unsub_headers fail"},
	{FIELDS LIST "List-Unsubscribe-Post: List-Unsubscribe=Yes\r\n", true,
		"list_unsub_headers fail"},
	{FIELDS "List-Unsubscribe: <mailto:x@y.test>\r\n" POST, true, "list_unsub_headers fail"},
	{FIELDS "List-Unsubscribe: <http://a.test/x>\r\n" POST, true, "list_unsub_headers fail"},
	{FIELDS "List-Unsubscribe: <https://a.test/x>,\r\n <https://b.test/x>\r\n" POST, true,
		"list_unsub_headers fail"},
	{FIELDS "List-Unsubscribe: <mailto:x@y.test>,\r\n <https://b.test/x>\r\n" POST, true, ""},
};

Test(preflight, sender_P14_sender_Y2_one_click_is_wanted_of_marketing)
{
	struct scene scene;

	scene_init(&scene);
	for (size_t i = 0; i < ARRAY_LEN(contents); i++) {
		scene.content.headers = slice_of(contents[i].headers);
		scene.content.marketing = contents[i].marketing;
		expect(&scene, contents[i].found,
			contents[i].found[0] != '\0'
				? "SQL: UPDATE penguin.tenants SET settings = settings || "
				  "'{\"tracking_domain\": \"t.news.shop.test\"}' WHERE tenant_id = "
				  "'11111111-1111-4111-8111-111111111111'\n"
				: "");
	}
}

Test(preflight, sender_P11_header_sizes)
{
	struct scene scene;
	struct buf headers;

	scene_init(&scene);
	buf_init(&headers, 0);
	buf_add_text(&headers, FIELDS LIST POST "X-Long: ");
	for (int i = 0; i < 8100; i++) {
		buf_add_byte(&headers, 'x');
	}
	buf_add_text(&headers, "\r\n");
	scene.content.headers = buf_slice(&headers);
	expect(&scene, "", "");
	scene.content.signature_bytes = 8500; /* the signatures count too */
	expect(&scene, "header_bytes fail", "in the content: shorten X-Long,");
	scene.content.signature_bytes = 0;
	buf_cut(&headers, headers.n - 2);
	for (int i = 0; i < 100; i++) {
		buf_add_byte(&headers, 'x');
	}
	buf_add_text(&headers, "\r\n");
	scene.content.headers = buf_slice(&headers);
	expect(&scene, "header_bytes fail", "in the content: shorten X-Long,");
	scene.content.fault = SLICE("its header has more than 14336 octets");
	scene.content.kind = PREFLIGHT_FAULT_HEADER_SIZE;
	expect(&scene, "header_bytes fail", "in the content: shorten");
	buf_clear(&headers);
}

/* What of the jobs is theirs holds no campaign up; what is the content's does. */
Test(preflight, messages_that_cannot_be_composed)
{
	struct scene scene;
	const struct preflight_job failed[] = {
		{SLICE("0192f3a0-1234-7abc-8def-0123456789ab"), SLICE("recipient: it has no '@'")}};

	scene_init(&scene);
	scene.content.fault = SLICE("subject: it runs too long");
	expect(&scene, "composes fail", "mend the content as said, then: penguinctl content add");
	scene.content.kind = PREFLIGHT_FAULT_NO_VALUES;
	expect(&scene, "composes warning", "enqueue a job, then check again\n");
	scene_init(&scene);
	scene.content.failed = failed;
	scene.content.failed_count = 1;
	scene.content.job_count = 24;
	expect(&scene, "composes warning", "such a job will end as failed, the others are sent");
	scene.content.fault = SLICE("subject: it runs too long");
	expect(&scene, "composes fail", "penguinctl content add");
}

Test(preflight, settings_that_are_wrong)
{
	struct scene scene;
	const struct preflight_setting wrong[] = {
		{"bounce_domain", SLICE("b_x.shop.test"), "is not a host name"},
		{"tracking_domain", SLICE("t x"), "is not a host name"},
		{"sender_id", SLICE("a"), "is too short"},
	};

	scene_init(&scene);
	scene.subject.settings = wrong;
	scene.subject.setting_count = 1;
	scene.subject.bounce_domain = SLICE("");
	scene.subject.content = NULL;
	expect(&scene, "tenant_settings fail, dmarc_aligned warning",
		"'{\"bounce_domain\": \"bounce.shop.test\"}' WHERE tenant_id = '11111111-");
	scene_init(&scene);
	scene.subject.settings = wrong + 1;
	scene.subject.setting_count = 2;
	expect(&scene, "tenant_settings fail",
		"'{\"tracking_domain\": \"t.news.shop.test\"}' WHERE tenant_id = '11111111-");
	expect(&scene, "tenant_settings fail",
		"'{\"sender_id\": \"shoptest\"}' WHERE tenant_id = '11111111-");
}

Test(preflight, keys)
{
	struct scene scene;

	scene_init(&scene);
	scene.key.bits = 1024;
	expect(&scene, "dkim_bits warning", "");
	scene.key.ed25519 = true;
	expect(&scene, "dkim_key_match fail", "penguinctl key add 11111111-1111-");
	scene_init(&scene);
	scene.subject.key_count = 0;
	scene.subject.key_fault = SLICE("no key");
	expect(&scene, "dkim_key_match fail", "penguinctl key add 11111111-1111-");
	scene_init(&scene);
	scene.key.domain = SLICE("other.test");
	expect(&scene, "dmarc_aligned warning", "key add");
	scene.subject.bounce_domain = SLICE("bounce.other.test");
	expect(&scene,
		"spf_pass_for_all_pool_ips fail, dmarc_aligned fail, mx_of_bounce fail, soa fail",
		"'{\"bounce_domain\": \"bounce.shop.test\"}'");
}

/* Two records at one selector: receivers may take either. */
Test(preflight, sender_P2_a_key_that_is_not_alone)
{
	static const struct {
		const char *texts[2];
		const char *verdict;
	} rows[] = {
		{{"the key", "another"}, "warning"},
		{{"another", "the key"}, "warning"},
		{{"another", "and another"}, "fail"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct row zone[ARRAY_LEN(good) + 1];
		struct report *report;
		struct scene scene;
		struct buf out;

		scene_init(&scene);
		memcpy(zone, good, sizeof(good));
		for (size_t j = 0; j < ARRAY_LEN(good); j++) {
			if (slice_equal(slice_of(zone[j].name), scene.key.name)) {
				zone[j].text = rows[i].texts[0];
				zone[ARRAY_LEN(good)] = zone[j];
			}
		}
		zone[ARRAY_LEN(good)].text = rows[i].texts[1];
		report = run(&scene, zone, ARRAY_LEN(zone));
		buf_init(&out, 0);
		describe(report, &out);
		cr_expect(slice_starts(buf_slice(&out), SLICE("dkim_key_match ")) &&
				slice_ends(buf_slice(&out), slice_of(rows[i].verdict)),
			"%s", buf_string(&out));
		buf_reset(&out);
		add_remedies(report, &out);
		cr_expect_str_eq(buf_string(&out),
			"r1._domainkey.news.shop.test. IN TXT ( \"the key\" )"
			"  (alone: take away the other TXT records of this name)\n");
		buf_clear(&out);
		report_free(&report);
	}
}

Test(preflight, settings_that_are_missing)
{
	struct scene scene;

	scene_init(&scene);
	scene.subject.bounce_domain = SLICE("");
	expect(&scene, "dmarc_aligned warning, mx_of_bounce fail",
		"'{\"bounce_domain\": \"bounce.shop.test\"}'");
	scene_init(&scene);
	scene.subject.source_count = 0;
	scene.subject.pool_fault = SLICE("there is no pool 'default'");
	scene.subject.pool_remedy = SLICE("pools: {default: {sources: [s1]}}\n");
	expect(&scene, "pool fail", "pools: {default:");
	scene_init(&scene);
	scene.subject.relay_count = 1;
	expect(&scene, "spf_pass_for_all_pool_ips warning", "");
	scene_init(&scene);
	scene.sources[0].ehlo = SLICE("mta1.shop.test");
	expect(&scene, "ehlo_matches fail",
		"mta1.shop.test. IN A 192.0.2.7\nor penguin-mta.yaml: sources: {s1: {ehlo: "
		"s1.shop.test}}\n");
	scene.sources[0].ehlo = SLICE("localhost");
	expect(&scene, "ehlo_matches fail",
		"penguin-mta.yaml: sources: {s1: {ehlo: s1.shop.test}}\n");
}

static const struct {
	const char *name;
	const char *address;
	bool generic;
} ptrs[] = {
	{"mail.example.org", "192.0.2.7", false},
	{"o1.mta7.example.org", "192.0.2.7", false},
	{"a8-7.smtp-out.example.org", "192.0.2.7", false},
	{"mta-192-0-2.example.org", "192.0.2.7", false},
	{"192-0-2-7.example.org", "192.0.2.7", true},
	{"ip7.2.0.192.example.org", "192.0.2.7", true},
	{"host-192-000-002-007.example.org", "192.0.2.7", true},
	{"h192000002007.example.org", "192.0.2.7", true},
	{"c0000207.example.org", "192.0.2.7", true},
	{"192-0-2-8.example.org", "192.0.2.7", false}, /* somebody else's */
	{"mail.dynamic.example.org", "192.0.2.7", true},
	{"dhcp12.example.org", "192.0.2.7", true},
	{"x-adsl.example.org", "192.0.2.7", true},
	{"dynamo.example.org", "192.0.2.7", false},
	{"mail.dsl.org", "192.0.2.7", false}, /* its own name */
	{"mail.ppp.co.uk", "192.0.2.7", false},
	{"99999999999999999999.example.org", "192.0.2.7", false},
	{"mail.example.org", "2001:db8::7", false},
	{"2001-db8-0-0-0-0-0-7.example.org", "2001:db8::7", true},
	{"20010db8000000000000000000000007.example.org", "2001:db8::7", true},
	{"7.0.example.org", "2001:db8::7", false},
};

Test(preflight, sender_Y4_sender_MS5_names_that_look_like_a_line)
{
	for (size_t i = 0; i < ARRAY_LEN(ptrs); i++) {
		struct scene scene;
		struct answers *answers = answers_new();
		struct report *report = NULL;
		struct buf reverse;
		bool any;

		scene_init(&scene);
		scene.subject.source_count = 1;
		cr_assert(endpoint_parse(slice_of(ptrs[i].address), 0, &scene.sources[0].address));
		buf_init(&reverse, 0);
		answers_reverse_name(&scene.sources[0].address, &reverse);
		struct row row = {buf_string(&reverse), DNS_PTR, ptrs[i].name};

		do {
			report_free(&report);
			report = report_new();
			preflight_evaluate_sources(&scene.subject, answers, report);
		} while (answer_all(answers, &row, 1));
		cr_expect_eq(report_of(report, PREFLIGHT_PTR_GENERIC, &any) == PREFLIGHT_FAIL,
			ptrs[i].generic, "%s", ptrs[i].name);
		report_free(&report);
		answers_free(&answers);
		buf_clear(&reverse);
	}
}

/* The record that programs read: each check by its name, and the words that mend. */
Test(preflight, a_report_for_programs_and_for_people)
{
	struct scene scene;
	struct report *report;
	struct report_head head = {
		.tenant = SLICE("t"),
		.from_domain = SLICE("news.shop.test"),
		.bounce_domain = SLICE("bounce.shop.test"),
		.selectors = SLICE("r1"),
		.pool = SLICE("default"),
		.dkim_bits = 2048,
		.header_bytes = 1234,
		.ttl_s = 300,
	};
	struct buf out;

	scene_init(&scene);
	scene.sources[0].ehlo = SLICE("mta1.shop.test");
	scene.subject.tracking_domain = SLICE("");
	report = run(&scene, good, ARRAY_LEN(good));
	buf_init(&out, 0);
	report_add_json(report, &head, &out);
	cr_expect(
		slice_starts(buf_slice(&out),
			SLICE("{\"verdict\":\"fail\",\"tenant\":\"t\",\"from_domain\":\"news.shop.test\","
			      "\"bounce_domain\":\"bounce.shop.test\",\"tracking_domain\":null,"
			      "\"selectors\":\"r1\",\"pool_name\":\"default\",\"pool\":null,\"tenant_settings\":true,"
			      "\"spf_pass_for_all_pool_ips\":true,\"dkim_key_match\":true,"
			      "\"dkim_bits\":2048,\"dmarc_record\":true,\"dmarc_aligned\":true,"
			      "\"mx_of_from\":true,\"mx_of_bounce\":true,\"not_null_mx\":true,"
			      "\"soa\":true,\"ptr\":true,\"fcrdns\":true,\"ptr_generic\":false,"
			      "\"ehlo_matches\":false,\"tracking_host\":null,"
			      "\"list_unsub_headers\":true,\"composes\":true,\"header_bytes\":1234,"
			      "\"checked_at\":\"1970-01-01T00:00:00")),
		"%s", buf_string(&out));
	cr_expect(strstr(buf_string(&out), "\"verdict\":\"fail\",\"subject\":\"s1 192.0.2.7\"") !=
			NULL,
		"%s", buf_string(&out));
	buf_reset(&out);
	report_add_text(report, &head, &out);
	cr_expect(strstr(buf_string(&out), "fail     ehlo_matches               s1 192.0.2.7") !=
			NULL,
		"%s", buf_string(&out));
	cr_expect(
		strstr(buf_string(&out), "           => mta1.shop.test. IN A 192.0.2.7\n") != NULL,
		"%s", buf_string(&out));
	buf_clear(&out);
	report_free(&report);
}
