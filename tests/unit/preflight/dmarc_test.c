/* DMARC: where a record is found, what counts of it, what is aligned. */
#include "preflight/dmarc.h"
#include "no_leaks.h"
#include "zone.h"

TestSuite(dmarc, .fini = no_leaks);

static const struct {
	const char *record;
	const char *why; /* NULL = receivers take notice of it */
	const char *flaws;
	const char *mended;
} records[] = {
	{"v=DMARC1; p=none", NULL, "", "v=DMARC1; p=none"},
	{"v=DMARC1;p=reject;", NULL, "", "v=DMARC1; p=reject"},
	{"v = DMARC1 ; p = Quarantine", NULL, "", "v=DMARC1; p=Quarantine"},
	{"v=DMARC1; p=none; rua=mailto:a@b.test,mailto:c@d.test!10m; fo=1:d; pct=50; ri=3600", NULL,
		"",
		"v=DMARC1; p=none; rua=mailto:a@b.test,mailto:c@d.test!10m; fo=1:d; pct=50; "
		"ri=3600"},
	{"v=DMARC1; p=none; unknown=x", NULL, "", "v=DMARC1; p=none; unknown=x"},
	{"v=DMARC1; p=none; rua=a@b.test", NULL, "rua=a@b.test is not such as", "v=DMARC1; p=none"},
	{"v=DMARC1; p=none; rua=mailto:nobody", NULL, "rua=", "v=DMARC1; p=none"},
	{"v=DMARC1; p=none; pct=101; adkim=x; fo=9; sp=maybe; ri=soon", NULL,
		"pct=101 is not a number from 0 to 100; adkim=x is not r or s; fo=9",
		"v=DMARC1; p=none"},
	{"v=DMARC1", "p= does not stand", "", "v=DMARC1; p=none"},
	{"v=DMARC1; p", "p= is not none", "", "v=DMARC1; p=none"},
	{"v=DMARC1; p=maybe; sp=none", "p=maybe is not", "", "v=DMARC1; p=none; sp=none"},
	{"v=DMARC1; sp=none; p=reject", "p= does not stand", "", "v=DMARC1; p=reject; sp=none"},
	{"v=DMARC1; p=none; rua=mailto:a@b.test; rua=mailto:c@d.test", NULL, "",
		"v=DMARC1; p=none; rua=mailto:a@b.test,mailto:c@d.test"},
	{"p=none; v=DMARC1", "begin with v=DMARC1", "", "v=DMARC1; p=none"},
	{"v=DMARC2; p=none", "begin with v=DMARC1", "", "v=DMARC1; p=none"},
	{"v=dmarc1; p=none", "begin with v=DMARC1", "", "v=DMARC1; p=none"},
	{"", "begin with v=DMARC1", "", "v=DMARC1; p=none"},
	{";;;", "begin with v=DMARC1", "", "v=DMARC1; p=none"},
};

static size_t add_remedy(struct buf *out, const char *const *texts, size_t count)
{
	struct dns_record found[4] = {{.text = {NULL, 0}}};
	struct dns_answer answer = {.status = DNS_FOUND, .records = found};

	while (answer.count < count && texts[answer.count] != NULL) {
		found[answer.count].text = slice_of(texts[answer.count]);
		answer.count++;
	}
	return dmarc_add_remedy(out, &answer);
}

/* Several records are none: one with the strictest word of each, and everybody's reports. */
static const struct {
	const char *texts[4];
	size_t count;
	const char *mended;
} several[] = {
	{{"v=DMARC1; p=none", "v=DMARC1; p=reject"}, 2, "v=DMARC1; p=reject"},
	{{"v=DMARC1; p=reject", "v=DMARC1; p=none"}, 2, "v=DMARC1; p=reject"},
	{{"v=DMARC1; p=none", "v=spf1 -all", "v=DMARC1; p=Quarantine", "v=DMARC1; p=maybe"}, 3,
		"v=DMARC1; p=Quarantine"},
	{{"v=DMARC1; p=none; rua=mailto:a@b.test, mailto:c@d.test",
		 "v=DMARC1; p=none; ruf=mailto:e@f.test; rua=mailto:g@h.test,MAILTO:A@b.test"},
		2,
		"v=DMARC1; p=none; rua=mailto:a@b.test,mailto:c@d.test,mailto:g@h.test; "
		"ruf=mailto:e@f.test"},
	{{"v=DMARC1; p=none; adkim=r; aspf=s", "v=DMARC1; p=none; adkim=s; aspf=r"}, 2,
		"v=DMARC1; p=none; adkim=s; aspf=s"},
	{{"v=DMARC1; p=none; pct=10", "v=DMARC1; p=none; pct=50"}, 2, "v=DMARC1; p=none; pct=50"},
	{{"v=DMARC1; p=none; pct=10", "v=DMARC1; p=none"}, 2, "v=DMARC1; p=none; pct=100"},
	{{"v=DMARC1; p=reject; sp=none", "v=DMARC1; p=quarantine"}, 2,
		"v=DMARC1; p=reject; sp=quarantine"},
	{{"v=DMARC1; p=reject; sp=none", "v=DMARC1; p=none"}, 2, "v=DMARC1; p=reject; sp=none"},
	{{"v=DMARC1; p=none; fo=1:d; ri=60; x=y", "v=DMARC1; p=none; fo=s:1; ri=90; x=z"}, 2,
		"v=DMARC1; p=none; fo=1:d:s; ri=60; x=y"},
	{{"a text"}, 0, "v=DMARC1; p=none"},
};

Test(dmarc, sender_P3_several_records)
{
	for (size_t i = 0; i < ARRAY_LEN(several); i++) {
		struct dmarc dmarc;
		struct buf mended;
		struct buf flaws;

		buf_init(&mended, 0);
		buf_init(&flaws, 0);
		cr_expect_eq(add_remedy(&mended, several[i].texts, 4), several[i].count);
		cr_expect_str_eq(buf_string(&mended), several[i].mended);
		cr_expect(dmarc_parse(buf_slice(&mended), &dmarc, &flaws, &flaws) && flaws.n == 0,
			"%s", buf_string(&mended));
		buf_clear(&mended);
		buf_clear(&flaws);
	}
}

Test(dmarc, sender_P3_what_counts_of_a_record)
{
	struct buf why;
	struct buf flaws;
	struct buf mended;

	buf_init(&why, 0);
	buf_init(&flaws, 0);
	buf_init(&mended, 0);
	for (size_t i = 0; i < ARRAY_LEN(records); i++) {
		struct dmarc dmarc;
		bool fine;

		buf_reset(&why);
		buf_reset(&flaws);
		buf_reset(&mended);
		fine = dmarc_parse(slice_of(records[i].record), &dmarc, &why, &flaws);
		cr_expect_eq(fine, records[i].why == NULL, "%s: %s", records[i].record,
			buf_string(&why));
		cr_expect(fine || strstr(buf_string(&why), records[i].why) != NULL, "%s: %s",
			records[i].record, buf_string(&why));
		cr_expect(strstr(buf_string(&flaws), records[i].flaws) != NULL, "%s: %s",
			records[i].record, buf_string(&flaws));
		cr_expect_eq(flaws.n == 0, records[i].flaws[0] == '\0', "%s: %s", records[i].record,
			buf_string(&flaws));
		add_remedy(&mended, &(const char *){records[i].record}, 1);
		cr_expect_str_eq(buf_string(&mended), records[i].mended);
		buf_reset(&flaws);
		cr_expect(dmarc_parse(buf_slice(&mended), &dmarc, &why, &flaws) && flaws.n == 0,
			"%s", buf_string(&mended));
	}
	buf_clear(&why);
	buf_clear(&flaws);
	buf_clear(&mended);
}

static const struct row zone[] = {
	{"_dmarc.own.shop.test", DNS_TXT, "v=DMARC1; p=none"},
	{"_dmarc.shop.test", DNS_TXT, "v=DMARC1; p=reject"},
	{"_dmarc.two.test", DNS_TXT, "v=DMARC1; p=none"},
	{"_dmarc.two.test", DNS_TXT, "v=DMARC1; p=reject"},
	{"_dmarc.among.test", DNS_TXT, "something else"},
	{"_dmarc.among.test", DNS_TXT, "v=DMARC1; p=none"},
	{"_dmarc.spf.test", DNS_TXT, "v=spf1 -all"},
	{"_dmarc.slow.test", DNS_TXT, "?"},
};

static const struct {
	const char *from;
	enum dmarc_state state;
	const char *at;
} places[] = {
	{"own.shop.test", DMARC_FOUND, "own.shop.test"},
	{"news.shop.test", DMARC_FOUND, "shop.test"},
	{"a.b.c.shop.test", DMARC_FOUND, "shop.test"},
	{"shop.test", DMARC_FOUND, "shop.test"},
	{"x.two.test", DMARC_SEVERAL, "two.test"},
	{"among.test", DMARC_FOUND, "among.test"},
	{"spf.test", DMARC_NONE, "spf.test"},
	{"x.nowhere.test", DMARC_NONE, "nowhere.test"},
	{"x.slow.test", DMARC_TEMPORARY, "slow.test"},
};

Test(dmarc, sender_P3_where_the_record_is)
{
	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		struct answers *answers = answers_new();
		struct dmarc_place place;

		do {
			place = dmarc_find(answers, slice_of(places[i].from));
		} while (answer_all(answers, zone, ARRAY_LEN(zone)));
		cr_expect_eq(place.state, places[i].state, "%s", places[i].from);
		cr_expect(slice_equal(place.domain, slice_of(places[i].at)), "%s", places[i].from);
		answers_free(&answers);
	}
}

static const struct {
	const char *from;
	const char *domain;
	bool relaxed;
	bool strict;
} pairs[] = {
	{"shop.test", "shop.test", true, true},
	{"news.shop.test", "shop.test", true, false},
	{"shop.test", "bounce.shop.test", true, false},
	{"news.shop.test", "bounce.shop.test", true, false},
	{"shop.test", "other.test", false, false},
	{"myshop.test", "shop.test", false, false},
	{"a.co.uk", "b.co.uk", false, false},
	{"a.b.co.uk", "b.co.uk", true, false},
	{"a.github.io", "b.github.io", false, false},
	{"shop.test", "", false, false},
};

Test(dmarc, sender_P4_what_is_aligned)
{
	for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
		struct slice from = slice_of(pairs[i].from);
		struct slice domain = slice_of(pairs[i].domain);

		cr_expect_eq(dmarc_aligned(from, domain, false), pairs[i].relaxed, "%s %s",
			pairs[i].from, pairs[i].domain);
		cr_expect_eq(dmarc_aligned(from, domain, true), pairs[i].strict, "%s %s",
			pairs[i].from, pairs[i].domain);
	}
}
