/* UTF-8, printable text, JSON strings. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "base/codec.h"
#include "no_leaks.h"

TestSuite(codec_text, .fini = no_leaks);

Test(codec_text, utf8_sequences)
{
	static const struct {
		const char *label;
		struct slice s;
		size_t length;
		uint32_t point;
	} rows[] = {
		{"nothing", {"", 0}, 0, 0},
		{"NUL", {"\0", 1}, 1, 0},
		{"ASCII", {"az", 2}, 1, 'a'},
		{"last of one", {"\x7f", 1}, 1, 0x7f},
		{"first of two", {"\xc2\x80", 2}, 2, 0x80},
		{"last of two", {"\xdf\xbf", 2}, 2, 0x7ff},
		{"first of three", {"\xe0\xa0\x80", 3}, 3, 0x800},
		{"before the surrogates", {"\xed\x9f\xbf", 3}, 3, 0xd7ff},
		{"behind the surrogates", {"\xee\x80\x80", 3}, 3, 0xe000},
		{"last of three", {"\xef\xbf\xbf", 3}, 3, 0xffff},
		{"first of four", {"\xf0\x90\x80\x80", 4}, 4, 0x10000},
		{"last of all", {"\xf4\x8f\xbf\xbf", 4}, 4, 0x10ffff},
		{"a trail byte", {"\x80", 1}, 0, 0},
		{"overlong two", {"\xc1\xbf", 2}, 0, 0},
		{"overlong three", {"\xe0\x9f\xbf", 3}, 0, 0},
		{"overlong four", {"\xf0\x8f\xbf\xbf", 4}, 0, 0},
		{"first surrogate", {"\xed\xa0\x80", 3}, 0, 0},
		{"last surrogate", {"\xed\xbf\xbf", 3}, 0, 0},
		{"above all", {"\xf4\x90\x80\x80", 4}, 0, 0},
		{"five bytes", {"\xf8\x88\x80\x80\x80", 5}, 0, 0},
		{"two cut", {"\xc3", 1}, 0, 0},
		{"three cut", {"\xe2\x82", 2}, 0, 0},
		{"four cut", {"\xf0\x9f\x98", 3}, 0, 0},
		{"no trail", {"\xe2\x82z", 3}, 0, 0},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		size_t length = codec_utf8(rows[i].s);
		struct buf out;

		cr_expect_eq(length, rows[i].length, "%s", rows[i].label);
		if (length == 0) {
			continue;
		}
		cr_expect_eq(
			codec_utf8_point(rows[i].s, length), rows[i].point, "%s", rows[i].label);
		buf_init(&out, 0);
		codec_utf8_add(&out, rows[i].point);
		cr_expect(slice_equal(buf_slice(&out), slice_first(rows[i].s, length)), "%s",
			rows[i].label);
		buf_clear(&out);
	}
}

Test(codec_text, whole_texts)
{
	static const struct {
		struct slice s;
		bool utf8;
		bool ascii;
	} rows[] = {
		{{NULL, 0}, true, true},
		{{"plain text of more than eight bytes", 35}, true, true},
		{{"plain text, then \xc3\xa4 and plain again", 35}, true, false},
		{{"1234567\x80", 8}, false, false},
		{{"12345678\xff", 9}, false, false},
		{{"\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xe2\x82", 10}, false, false},
		{{"nul\0is ascii", 12}, true, true},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		cr_expect_eq(codec_is_utf8(rows[i].s), rows[i].utf8, "row %zu", i);
		cr_expect_eq(codec_is_ascii(rows[i].s), rows[i].ascii, "row %zu", i);
	}
}

Test(codec_text, no_point_is_written_that_is_none)
{
	static const uint32_t points[] = {0xd800, 0xdfff, 0x110000, UINT32_MAX};

	for (size_t i = 0; i < ARRAY_LEN(points); i++) {
		struct buf out;

		buf_init(&out, 0);
		codec_utf8_add(&out, points[i]);
		cr_expect_str_eq(buf_string(&out), "\xef\xbf\xbd");
		buf_clear(&out);
	}
}

Test(codec_text, printable)
{
	static const struct {
		const char *label;
		struct slice s;
		size_t max;
		const char *want;
	} rows[] = {
		{"plain", {"250 ok", 6}, 100, "250 ok"},
		{"tab stays", {"a\tb", 3}, 100, "a\tb"},
		{"CR, LF, NUL, DEL", {"\r\n\0\x7f", 4}, 100, "\\x0d\\x0a\\x00\\x7f"},
		{"escape sequence", {"\x1b[2J", 4}, 100, "\\x1b[2J"},
		{"UTF-8 stays", {"\xc3\xa4\xe2\x82\xac", 5}, 100, "\xc3\xa4\xe2\x82\xac"},
		{"Latin-1", {"M\xfcller", 6}, 100, "M\\xfcller"},
		{"C1 control", {"\xc2\x9b", 2}, 100, "\\xc2\\x9b"},
		{"last of C1", {"\xc2\x9f", 2}, 100, "\\xc2\\x9f"},
		{"no-break space", {"\xc2\xa0", 2}, 100, "\xc2\xa0"},
		{"separators", {"\xe2\x80\xa8\xe2\x80\xa9", 6}, 100,
			"\\xe2\\x80\\xa8\\xe2\\x80\\xa9"},
		{"an override", {"\xe2\x80\xae", 3}, 100, "\\xe2\\x80\\xae"},
		{"an isolate", {"\xe2\x81\xa9", 3}, 100, "\\xe2\\x81\\xa9"},
		{"a mark", {"\xd8\x9c\xe2\x80\x8f", 5}, 100, "\\xd8\\x9c\\xe2\\x80\\x8f"},
		{"beside them", {"\xe2\x80\x8d\xe2\x80\xa7\xe2\x80\xaf\xe2\x81\xaa", 12}, 100,
			"\xe2\x80\x8d\xe2\x80\xa7\xe2\x80\xaf\xe2\x81\xaa"},
		{"cut before all of an escape", {"\xe2\x80\xae", 3}, 11, ""},
		{"cut", {"abcdef", 6}, 3, "abc"},
		{"cut before a character", {"ab\xc3\xa4", 4}, 3, "ab"},
		{"cut before an escape", {"a\r", 2}, 4, "a"},
		{"an escape that fits", {"a\r", 2}, 5, "a\\x0d"},
		{"no room", {"a", 1}, 0, ""},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct buf out;

		buf_init(&out, 0);
		codec_printable(&out, rows[i].s, rows[i].max);
		cr_expect_str_eq(buf_string(&out), rows[i].want, "%s", rows[i].label);
		buf_clear(&out);
	}
}

Test(codec_text, json)
{
	static const struct {
		const char *label;
		struct slice s;
		const char *want;
	} rows[] = {
		{"empty", {NULL, 0}, "\"\""},
		{"plain", {"abc", 3}, "\"abc\""},
		{"quotes", {"a\"b\\c", 5}, "\"a\\\"b\\\\c\""},
		{"short escapes", {"\b\f\n\r\t", 5}, "\"\\b\\f\\n\\r\\t\""},
		{"other controls", {"\0\x1f\x7f", 3}, "\"\\u0000\\u001f\\u007f\""},
		{"C1 controls", {"\xc2\x80z\xc2\x9f", 5}, "\"\\u0080z\\u009f\""},
		{"what steers", {"a\xe2\x80\xa8\xe2\x80\xae\xd8\x9c", 9},
			"\"a\\u2028\\u202e\\u061c\""},
		{"UTF-8", {"\xc3\xa4\xf0\x9f\x98\x80", 6}, "\"\xc3\xa4\xf0\x9f\x98\x80\""},
		{"not UTF-8", {"a\xff\xc3z", 4}, "\"a\xef\xbf\xbd\xef\xbf\xbdz\""},
		{"longer than a block", {"0123456789abcdef0123456789\"abcdef", 33},
			"\"0123456789abcdef0123456789\\\"abcdef\""},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct buf out;

		buf_init(&out, 0);
		codec_json(&out, rows[i].s);
		cr_expect_str_eq(buf_string(&out), rows[i].want, "%s", rows[i].label);
		buf_clear(&out);
	}
}

Test(codec_text, json_of_others_becomes_a_line)
{
	static const struct {
		const char *label;
		struct slice s;
		const char *want;
	} rows[] = {
		{"nothing", {NULL, 0}, "\n"},
		{"as it is", SLICE("{\"a\": \"\\n\xc3\xa4\"}"), "{\"a\": \"\\n\xc3\xa4\"}\n"},
		{"blanks", SLICE("{\t\"a\"\r\n:1}"), "{ \"a\"  :1}\n"},
		{"what steers", SLICE("\"\x7f\xc2\x9b\xe2\x80\xae\""),
			"\"\\u007f\\u009b\\u202e\"\n"},
		{"not UTF-8", SLICE("\"\xff\""), "\"\xef\xbf\xbd\"\n"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct buf out;

		buf_init(&out, 0);
		codec_json_line(&out, rows[i].s);
		cr_expect_str_eq(buf_string(&out), rows[i].want, "%s", rows[i].label);
		buf_clear(&out);
	}
}

/* A special byte is seen at every place of a block, and nothing behind the end is read. */
Test(codec_text, json_at_every_place)
{
	for (size_t n = 1; n <= 50; n++) {
		for (size_t at = 0; at < n; at++) {
			char *bytes = malloc(n);
			struct buf out;

			memset(bytes, 'x', n);
			buf_init(&out, 0);
			bytes[at] = '\n';
			codec_json(&out, slice_make(bytes, n));
			cr_assert_eq(out.n, n + 3);
			cr_assert_eq(out.p[at + 1], '\\');
			cr_assert_eq(out.p[at + 2], 'n');
			buf_reset(&out);
			bytes[at] = '\x7f';
			codec_json(&out, slice_make(bytes, n));
			cr_assert_eq(out.n, n + 7);
			cr_assert_eq(memcmp(out.p + at + 1, "\\u007f", 6), 0);
			buf_clear(&out);
			free(bytes);
		}
	}
}
