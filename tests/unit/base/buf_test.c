/* Bytes that grow, up to a bound, and are then spoiled. */
#include <criterion/criterion.h>

#include "base/buf.h"
#include "no_leaks.h"

TestSuite(buf, .fini = no_leaks);

static void expect(const struct buf *buf, const char *want)
{
	cr_assert(slice_equal(buf_slice(buf), slice_of(want)), "got '%.*s', want '%s'", (int)buf->n,
		buf->p, want);
}

Test(buf, takes_everything_in_order)
{
	struct buf buf;

	buf_init(&buf, 0);
	cr_assert_str_eq(buf_string(&buf), "");
	buf_add(&buf, (struct slice){NULL, 0});
	buf_add(&buf, SLICE("a"));
	buf_add_byte(&buf, 'b');
	buf_add_text(&buf, "cd");
	buf_add_format(&buf, "-%d-%s", 7, "x");
	buf_add_number(&buf, 0);
	buf_add_number(&buf, UINT64_MAX);
	expect(&buf, "abcd-7-x018446744073709551615");
	cr_assert_str_eq(buf_string(&buf), "abcd-7-x018446744073709551615");
	buf_clear(&buf);
	expect(&buf, "");
}

Test(buf, grows_over_many_appends)
{
	struct buf buf;

	buf_init(&buf, 0);
	for (int i = 0; i < 100000; i++) {
		buf_add_byte(&buf, (char)('a' + i % 26));
	}
	cr_assert_eq(buf.n, 100000);
	for (int i = 0; i < 100000; i++) {
		cr_assert_eq(buf.p[i], 'a' + i % 26);
	}
	buf_clear(&buf);
}

Test(buf, fits_exactly_max_and_is_spoiled_by_one_more)
{
	for (size_t max = 1; max < 200; max++) {
		struct buf buf;

		buf_init(&buf, max);
		for (size_t i = 0; i < max; i++) {
			buf_add_byte(&buf, 'x');
		}
		cr_assert(!buf.spoiled);
		cr_assert_eq(buf.n, max);
		buf_add_byte(&buf, 'y');
		cr_assert(buf.spoiled);
		cr_assert_eq(buf.n, max);
		cr_assert_eq(strlen(buf_string(&buf)), max);
		buf_clear(&buf);
	}
}

Test(buf, spoiled_keeps_what_it_had_and_takes_nothing_more)
{
	struct buf buf;

	buf_init(&buf, 8);
	buf_add_text(&buf, "12345");
	buf_add_text(&buf, "6789");
	cr_assert(buf.spoiled);
	buf_add_text(&buf, "6");
	buf_add_format(&buf, "%d", 6);
	buf_add_number(&buf, 6);
	cr_assert_null(buf_reserve(&buf, 1));
	expect(&buf, "12345");
	buf_reset(&buf);
	cr_assert(!buf.spoiled);
	buf_add_text(&buf, "12345678");
	expect(&buf, "12345678");
	cr_assert(!buf.spoiled);
	buf_clear(&buf);
	cr_assert_eq(buf.max, 8);
}

Test(buf, format_that_does_not_fit_spoils)
{
	struct buf buf;

	buf_init(&buf, 4);
	buf_add_format(&buf, "%s", "1234");
	cr_assert(!buf.spoiled);
	buf_add_format(&buf, "%s", "5");
	cr_assert(buf.spoiled);
	expect(&buf, "1234");
	buf_clear(&buf);
}

Test(buf, format_of_any_length)
{
	for (int width = 0; width < 300; width++) {
		struct buf buf;

		buf_init(&buf, 0);
		buf_add_format(&buf, "%*s|", width, "");
		cr_assert_eq(buf.n, (size_t)width + 1);
		cr_assert_eq(buf.p[width], '|');
		buf_add_format(&buf, "%*s|", width, "");
		cr_assert_eq(buf.n, 2 * ((size_t)width + 1));
		buf_clear(&buf);
	}
}

Test(buf, reserve_and_commit)
{
	struct buf buf;
	char *p;

	buf_init(&buf, 10);
	cr_assert_not_null(buf_reserve(&buf, 0));
	p = buf_reserve(&buf, 10);
	memcpy(p, "0123456789", 10);
	buf_commit(&buf, 4);
	expect(&buf, "0123");
	cr_assert_null(buf_reserve(&buf, 7));
	cr_assert(buf.spoiled);
	buf_clear(&buf);
}

Test(buf, absurd_sizes_spoil)
{
	struct buf buf;

	buf_init(&buf, 100);
	buf_add_text(&buf, "x");
	cr_assert_null(buf_reserve(&buf, SIZE_MAX));
	expect(&buf, "x");
	buf_clear(&buf);
}

Test(buf, drop_and_cut)
{
	static const struct {
		const char *label;
		size_t drop;
		size_t cut;
		const char *want;
	} rows[] = {
		{"nothing", 0, 9, "abcdef"},
		{"front", 2, 9, "cdef"},
		{"end", 0, 3, "abc"},
		{"both", 1, 2, "bc"},
		{"all by drop", 6, 9, ""},
		{"more than all", 7, 9, ""},
		{"all by cut", 0, 0, ""},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct buf buf;

		buf_init(&buf, 0);
		buf_add_text(&buf, "abcdef");
		buf_drop(&buf, rows[i].drop);
		buf_cut(&buf, rows[i].cut);
		cr_expect_str_eq(buf_string(&buf), rows[i].want, "%s", rows[i].label);
		buf_clear(&buf);
	}
}
