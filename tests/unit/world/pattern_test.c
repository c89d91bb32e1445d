/* Names for many, and what is made of their captures. */
#include <criterion/criterion.h>

#include "no_leaks.h"
#include "pattern.h"

TestSuite(pattern, .fini = no_leaks);

Test(pattern, faults)
{
	static const struct {
		const char *pattern;
		bool ok;
	} rows[] = {
		{"d1.test", true},
		{"d[1-50].test", true},
		{"[0-0]", true},
		{"*", true},
		{"a[1-2]b[3-4]c*d*", true},
		{"", false},
		{"d[5-1].test", false},
		{"d[1-50.test", false},
		{"d[1].test", false},
		{"d[-].test", false},
		{"d[1-].test", false},
		{"d[a-b].test", false},
		{"d[1-2-3].test", false},
		{"*****", false},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		cr_expect_eq(pattern_fault(slice_of(rows[i].pattern)) == NULL, rows[i].ok, "%s",
			rows[i].pattern);
	}
}

Test(pattern, matches)
{
	static const struct {
		const char *pattern;
		const char *name;
		bool match;
		const char *captures; /* joined by '|' */
	} rows[] = {
		{"d1.test", "D1.TEST", true, ""},
		{"d1.test", "d1.tes", false, ""},
		{"d1.test", "d1.testx", false, ""},
		{"d[1-50].test", "d1.test", true, "1"},
		{"d[1-50].test", "d50.test", true, "50"},
		{"d[1-50].test", "d0.test", false, ""},
		{"d[1-50].test", "d51.test", false, ""},
		{"d[1-50].test", "d01.test", false, ""},
		{"d[1-50].test", "d.test", false, ""},
		{"d[1-50].test", "d99999999999999999999.test", false, ""},
		{"[0-9]", "0", true, "0"},
		{"*", "", true, ""},
		{"*", "a.b", true, "a.b"},
		{"*.test", "a.test.test", true, "a.test"},
		{"a*b*c", "abbc", true, "|b"},
		{"a*b*c", "ac", false, ""},
		{"m[1-3].*.test", "m2.x.y.test", true, "2|x.y"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct captures captures;
		struct buf joined;
		bool match =
			pattern_match(slice_of(rows[i].pattern), slice_of(rows[i].name), &captures);

		cr_expect_eq(match, rows[i].match, "%s on %s", rows[i].pattern, rows[i].name);
		buf_init(&joined, 0);
		for (unsigned j = 0; match && j < captures.count; j++) {
			buf_add_text(&joined, j > 0 ? "|" : "");
			buf_add(&joined, captures.at[j]);
		}
		cr_expect_str_eq(buf_string(&joined), match ? rows[i].captures : "", "%s on %s",
			rows[i].pattern, rows[i].name);
		buf_clear(&joined);
	}
}

/* Whatever pattern_nth() makes, pattern_match() takes, with the same captures. */
Test(pattern, spreads_and_finds_again)
{
	struct slice pattern = SLICE("a[8-11].[0-2].b[1-7]");
	struct buf name;

	buf_init(&name, 0);
	cr_assert_eq(pattern_count(pattern), 4 * 3 * 7);
	for (uint64_t n = 0; n < pattern_count(pattern); n++) {
		struct captures made;
		struct captures found;

		pattern_nth(pattern, n, &name, &made);
		cr_assert(
			pattern_match(pattern, buf_slice(&name), &found), "%s", buf_string(&name));
		cr_assert_eq(made.count, 3);
		for (unsigned i = 0; i < 3; i++) {
			cr_assert(slice_equal(made.at[i], found.at[i]));
		}
	}
	pattern_nth(pattern, 0, &name, &(struct captures){0});
	cr_expect_str_eq(buf_string(&name), "a8.0.b1");
	pattern_nth(pattern, 83, &name, &(struct captures){0});
	cr_expect_str_eq(buf_string(&name), "a11.2.b7");
	buf_clear(&name);
}

Test(pattern, templates)
{
	static const struct {
		const char *text;
		const char *result; /* NULL = a fault */
	} rows[] = {
		{"plain", "plain"},
		{"mx{1}.test", "mx7.test"},
		{"{2}-{1}", "word-7"},
		{"{1+1}", "8"},
		{"{1%3+1}", "2"},
		{"{1*10/4}", "17"},
		{"{1-9}", "0"},
		{"{1/0}", "0"},
		{"{2+1}", "1"},
		{"{3}", NULL},
		{"{0}", NULL},
		{"{}", NULL},
		{"{1", NULL},
		{"{1+}", NULL},
		{"{1^2}", NULL},
	};
	const struct captures captures = {{SLICE("7"), SLICE("word")}, 2};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *fault = template_fault(slice_of(rows[i].text), 2);
		struct buf out;

		cr_expect_eq(fault == NULL, rows[i].result != NULL, "%s", rows[i].text);
		buf_init(&out, 0);
		if (fault == NULL) {
			template_add(&out, slice_of(rows[i].text), &captures);
			cr_expect_str_eq(buf_string(&out), rows[i].result, "%s", rows[i].text);
		}
		buf_clear(&out);
	}
}
