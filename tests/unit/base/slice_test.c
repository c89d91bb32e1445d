/* Views of bytes: comparing, searching, cutting, numbers. */
#include <criterion/criterion.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/slice.h"
#include "no_leaks.h"

TestSuite(slice, .fini = no_leaks);

Test(slice, compares)
{
	static const struct {
		const char *label;
		const char *a;
		const char *b;
		int order;
		bool nocase;
	} rows[] = {
		{"same", "abc", "abc", 0, true},
		{"both empty", "", "", 0, true},
		{"no pointer and empty", NULL, "", 0, true},
		{"empty first", "", "a", -1, false},
		{"shorter first", "ab", "abc", -1, false},
		{"later byte", "abd", "abc", 1, false},
		{"as unsigned", "\xff", "a", 1, false},
		{"case", "aBc", "AbC", 1, true},
		{"not letters", "@", "`", -1, false},
		{"brackets", "[", "{", -1, false},
		{"umlauts keep their case", "\xc3\xa4", "\xc3\x84", 1, false},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct slice a = slice_of(rows[i].a);
		struct slice b = slice_of(rows[i].b);
		int order = slice_compare(a, b);
		int back = slice_compare(b, a);

		cr_expect_eq((order > 0) - (order < 0), rows[i].order, "%s", rows[i].label);
		cr_expect_eq((back < 0) - (back > 0), rows[i].order, "%s", rows[i].label);
		cr_expect_eq(slice_equal(a, b), rows[i].order == 0, "%s", rows[i].label);
		cr_expect_eq(slice_equal_nocase(a, b), rows[i].nocase, "%s", rows[i].label);
	}
}

Test(slice, starts_and_ends)
{
	static const struct {
		const char *s;
		const char *part;
		bool starts;
		bool starts_nocase;
		bool ends;
		bool ends_nocase;
	} rows[] = {
		{"mail.example", "mail", true, true, false, false},
		{"mail.example", "MAIL", false, true, false, false},
		{"mail.example", ".example", false, false, true, true},
		{"mail.example", ".EXAMPLE", false, false, false, true},
		{"mail.example", "mail.example", true, true, true, true},
		{"mail.example", "mail.example.", false, false, false, false},
		{"mail.example", "", true, true, true, true},
		{"", "x", false, false, false, false},
		{"", "", true, true, true, true},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct slice s = slice_of(rows[i].s);
		struct slice part = slice_of(rows[i].part);

		cr_expect_eq(slice_starts(s, part), rows[i].starts, "row %zu", i);
		cr_expect_eq(slice_starts_nocase(s, part), rows[i].starts_nocase, "row %zu", i);
		cr_expect_eq(slice_ends(s, part), rows[i].ends, "row %zu", i);
		cr_expect_eq(slice_ends_nocase(s, part), rows[i].ends_nocase, "row %zu", i);
	}
}

Test(slice, finds)
{
	struct slice s = SLICE("a@b@c");
	struct slice none = {NULL, 0};

	cr_expect_eq(slice_find(s, '@'), 1);
	cr_expect_eq(slice_find_last(s, '@'), 3);
	cr_expect_eq(slice_find(s, 'x'), 5);
	cr_expect_eq(slice_find_last(s, 'x'), 5);
	cr_expect_eq(slice_find(none, 'x'), 0);
	cr_expect_eq(slice_find_last(none, 'x'), 0);
	cr_expect_eq(slice_search(s, SLICE("b@")), 2);
	cr_expect_eq(slice_search(s, SLICE("@d")), 5);
	cr_expect_eq(slice_search(s, SLICE("")), 0);
	cr_expect_eq(slice_search(s, SLICE("a@b@c@")), 5);
	cr_expect_eq(slice_search(none, SLICE("x")), 0);
}

Test(slice, cuts)
{
	struct slice s = SLICE("abcdef");

	cr_expect(slice_equal(slice_from(s, 2), SLICE("cdef")));
	cr_expect_eq(slice_from(s, 6).n, 0);
	cr_expect_eq(slice_from(s, 7).n, 0);
	cr_expect_eq(slice_from((struct slice){NULL, 0}, 7).n, 0);
	cr_expect(slice_equal(slice_first(s, 2), SLICE("ab")));
	cr_expect(slice_equal(slice_first(s, 99), s));
}

Test(slice, trims)
{
	static const struct {
		const char *s;
		const char *want;
	} rows[] = {
		{"", ""},
		{" \t\r\n", ""},
		{" a b\r\n", "a b"},
		{"a", "a"},
		{"\va\f", "\va\f"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		cr_expect(slice_equal(slice_trim(slice_of(rows[i].s)), slice_of(rows[i].want)),
			"row %zu", i);
	}
	cr_expect_eq(slice_trim((struct slice){NULL, 0}).n, 0);
}

Test(slice, splits)
{
	static const struct {
		const char *s;
		size_t count;
		const char *parts[4];
	} rows[] = {
		{NULL, 0, {NULL}},
		{"", 1, {""}},
		{"a", 1, {"a"}},
		{"a,b", 2, {"a", "b"}},
		{"a,", 2, {"a", ""}},
		{",a", 2, {"", "a"}},
		{",,", 3, {"", "", ""}},
		{"one,,three", 3, {"one", "", "three"}},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct slice rest = slice_of(rows[i].s);
		struct slice part;
		size_t count = 0;

		while (slice_split(&rest, ',', &part)) {
			cr_assert_lt(count, rows[i].count, "row %zu", i);
			cr_expect(
				slice_equal(part, slice_of(rows[i].parts[count++])), "row %zu", i);
		}
		cr_expect_eq(count, rows[i].count, "row %zu", i);
		cr_expect_null(rest.p);
	}
}

Test(slice, reads_numbers)
{
	static const struct {
		const char *s;
		uint64_t max;
		bool good;
		uint64_t value;
	} rows[] = {
		{"0", 0, true, 0},
		{"1", 0, false, 0},
		{"007", 7, true, 7},
		{"65535", 65535, true, 65535},
		{"65536", 65535, false, 0},
		{"655350", 65535, false, 0},
		{"18446744073709551615", UINT64_MAX, true, UINT64_MAX},
		{"18446744073709551616", UINT64_MAX, false, 0},
		{"99999999999999999999999", UINT64_MAX, false, 0},
		{"", 9, false, 0},
		{"-1", 9, false, 0},
		{"+1", 9, false, 0},
		{" 1", 9, false, 0},
		{"1 ", 9, false, 0},
		{"1a", 99, false, 0},
		{"\xb1", 99, false, 0},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint64_t value = 42;

		cr_expect_eq(slice_number(slice_of(rows[i].s), rows[i].max, &value), rows[i].good,
			"'%s'", rows[i].s);
		cr_expect_eq(value, rows[i].good ? rows[i].value : 42, "'%s'", rows[i].s);
	}
}

Test(slice, becomes_a_string)
{
	char *text = slice_string(slice_first(SLICE("abcdef"), 3));
	char *empty = slice_string((struct slice){NULL, 0});

	cr_expect_str_eq(text, "abc");
	cr_expect_str_eq(empty, "");
	mem_free(text);
	mem_free(empty);
}
