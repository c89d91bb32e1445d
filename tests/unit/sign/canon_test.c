/* Relaxed canonical form: the vectors of RFC 6376 section 3.4.5, and the corners. */
#include <criterion/criterion.h>

#include "canon.h"
#include "no_leaks.h"

TestSuite(canon, .fini = no_leaks);

static const struct {
	const char *label;
	const char *given;
	const char *wanted;
} headers[] =
	{
		{"RFC 6376 3.4.5", "A: X\r\nB : Y\t\r\n\tZ  \r\n", "a:X\r\nb:Y Z\r\n"},
		{"an empty value", "A:\r\n", "a:\r\n"},
		{"a value of blanks", "A: \t \r\n", "a:\r\n"},
		{"blanks before the value", "A: \t x\r\n", "a:x\r\n"},
		{"folds only", "A:\r\n x\r\n\ty\r\n", "a:x y\r\n"},
		{"a fold of blanks", "A: x\r\n \r\n y\r\n", "a:x y\r\n"},
		{"colons in the value", "A: x:y : z\r\n", "a:x:y : z\r\n"},
		{"no blank", "LONG-Name:x\r\n", "long-name:x\r\n"},
		{"eight bits", "A: \xc3\xa9  \xc3\xa8\r\n", "a:\xc3\xa9 \xc3\xa8\r\n"},
},
  bodies[] =
	  {
		  {"RFC 6376 3.4.5", " C \r\nD \t E\r\n\r\n\r\n", " C\r\nD E\r\n"},
		  {"RFC 6376 3.4.4: no body", "", ""},
		  {"empty lines only", "\r\n\r\n\r\n", ""},
		  {"a line of blanks only", " \t \r\n", ""},
		  {"blanks behind the last line", "x\r\n \r\n\t\r\n", "x\r\n"},
		  {"no CRLF at the end", "x", "x\r\n"},
		  {"blanks without CRLF at the end", "x\r\n ", "x\r\n"},
		  {"an empty line first", "\r\nx\r\n", "\r\nx\r\n"},
		  {"empty lines within", "x\r\n\r\n\r\ny\r\n", "x\r\n\r\n\r\ny\r\n"},
		  {"one tab", "\tx\ty\t\r\n", " x y\r\n"},
		  {"runs", "  x \t\t  y\r\n", " x y\r\n"},
		  {"one letter", "x\r\n\r\n", "x\r\n"},
},
  refused[] = {
	  {"a bare LF", "A: x\ny\r\n", NULL},
	  {"a bare CR", "A: x\ry\r\n", NULL},
	  {"no CRLF at the end", "A: x", NULL},
	  {"a CR at the end", "A: x\r", NULL},
	  {"no colon", "nonsense\r\n", NULL},
	  {"no name", ": x\r\n", NULL},
	  {"a blank within a name", "A B: x\r\n", NULL},
	  {"a control in a name", "A\001: x\r\n", NULL},
	  {"eight bits in a name", "\xc3\xa9: x\r\n", NULL},
	  {"begins with a fold", " x\r\nA: x\r\n", NULL},
	  {"an empty line", "A: x\r\n\r\n", NULL},
};

Test(canon, header_fields)
{
	for (size_t i = 0; i < ARRAY_LEN(headers); i++) {
		struct fields fields;
		struct buf out;

		buf_init(&out, 0);
		cr_assert(canon_split(slice_of(headers[i].given), &fields), "%s", headers[i].label);
		for (size_t f = 0; f < fields.count; f++) {
			canon_field(&fields.at[f], &out);
		}
		cr_expect_str_eq(buf_string(&out), headers[i].wanted, "%s", headers[i].label);
		buf_clear(&out);
	}
}

Test(canon, what_is_no_header_block)
{
	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		struct fields fields;

		cr_expect_not(
			canon_split(slice_of(refused[i].given), &fields), "%s", refused[i].label);
	}
}

Test(canon, a_nul_is_in_no_field)
{
	struct fields fields;

	cr_assert_not(canon_split(SLICE("A: x\0y\r\n"), &fields));
}

Test(canon, more_fields_than_there_may_be)
{
	struct fields fields;
	struct buf block;

	buf_init(&block, 0);
	for (int i = 0; i < CANON_FIELDS; i++) {
		buf_add_text(&block, "A: x\r\n");
	}
	cr_assert(canon_split(buf_slice(&block), &fields));
	buf_add_text(&block, "A: x\r\n");
	cr_assert_not(canon_split(buf_slice(&block), &fields));
	buf_clear(&block);
}

Test(canon, bodies)
{
	for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
		struct buf out;

		buf_init(&out, 0);
		cr_assert(canon_body(slice_of(bodies[i].given), &out), "%s", bodies[i].label);
		cr_expect_str_eq(buf_string(&out), bodies[i].wanted, "%s", bodies[i].label);
		buf_clear(&out);
	}
}

static const char *const bare[] = {"x\ny", "x\ry", "x\n", "x\r", "\n", "\r", "x\r\r\n", "x\n\r\n"};

Test(canon, a_body_with_bare_line_ends_is_refused)
{
	for (size_t i = 0; i < ARRAY_LEN(bare); i++) {
		struct buf out;

		buf_init(&out, 0);
		cr_expect_not(canon_body(slice_of(bare[i]), &out), "row %zu", i);
		buf_clear(&out);
	}
}

/* Of several the last one first, and one more than there are (RFC 6376 5.4.2, 8.15). */
Test(canon, gen_G12_what_is_picked)
{
	struct pick picks[CANON_PICKS];
	struct fields fields;
	size_t from = 0;
	size_t n;

	cr_assert(canon_split(
		SLICE("To: 1\r\nX-Other: x\r\nFROM: a\r\nTo: 2\r\nComments: c\r\n"), &fields));
	n = canon_pick(&fields, picks);
	cr_assert_str_eq(picks[0].name, "from");
	cr_assert_eq(picks[0].field, &fields.at[2]);
	for (size_t i = 0; i < n; i++) {
		cr_expect_neq(picks[i].field, &fields.at[1], "a field that is not to be signed");
		from += slice_equal(slice_of(picks[i].name), SLICE("from")) ? 1 : 0;
	}
	cr_assert_eq(from, 2);
	cr_assert_null(picks[1].field);
	cr_assert_eq(picks[2].field, &fields.at[3]);
	cr_assert_eq(picks[3].field, &fields.at[0]);
	cr_assert_null(picks[4].field);
}
