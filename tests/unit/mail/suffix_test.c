/* Where registration ends, and what a zone file gets. */
#include <criterion/criterion.h>

#include "mail/suffix.h"
#include "mail/zone.h"
#include "no_leaks.h"

TestSuite(suffix, .fini = no_leaks);

static const struct {
	const char *domain;
	const char *organisation;
	bool public;
} domains[] = {
	{"example.com", "example.com", false},
	{"a.b.example.com", "example.com", false},
	{"shop.co.uk", "shop.co.uk", false},
	{"news.shop.co.uk", "shop.co.uk", false},
	{"co.uk", "co.uk", true},
	{"com", "com", true},
	{"x.test", "x.test", false}, /* no rule: the last label */
	{"x.y.test", "y.test", false},
	{"city.kawasaki.jp", "city.kawasaki.jp", false}, /* an exception of the list */
	{"a.b.kawasaki.jp", "a.b.kawasaki.jp", false},   /* under its wildcard */
	{"me.github.io", "me.github.io", false},
	{"x.xn--55qx5d.cn", "x.xn--55qx5d.cn", false},
	{"", "", true},
};

Test(suffix, organisations)
{
	for (size_t i = 0; i < ARRAY_LEN(domains); i++) {
		struct slice domain = slice_of(domains[i].domain);

		cr_expect(
			slice_equal(suffix_organisation(domain), slice_of(domains[i].organisation)),
			"%s", domains[i].domain);
		cr_expect_eq(suffix_is_public(domain), domains[i].public, "%s", domains[i].domain);
	}
}

Test(suffix, texts_for_a_zone_file)
{
	char text[300];
	struct buf out;

	buf_init(&out, 0);
	zone_add_txt(&out, SLICE("a.test"), SLICE("v=spf1 \"x\\ \x01\xc3"));
	cr_expect_str_eq(buf_string(&out), "a.test. IN TXT ( \"v=spf1 \\\"x\\\\ \\001\\195\" )");
	buf_reset(&out);
	zone_add_txt(&out, SLICE("a.test"), SLICE(""));
	cr_expect_str_eq(buf_string(&out), "a.test. IN TXT ( \"\" )");
	memset(text, 'x', sizeof(text));
	buf_reset(&out);
	zone_add_txt(&out, SLICE("a.test"), slice_make(text, sizeof(text)));
	cr_expect_eq(out.n, sizeof("a.test. IN TXT ( \"\" \"\" )") - 1 + sizeof(text));
	cr_expect_eq(slice_search(buf_slice(&out), SLICE("x\" \"x")), 254 + 18);
	buf_clear(&out);
}
