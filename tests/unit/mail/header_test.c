/* mail/header: what is written is what a reader gets back, and no value ends its field. */
#include "mail/header.h"

#include <criterion/criterion.h>
#include <string.h>

#include "base/codec.h"
#include "no_leaks.h"

TestSuite(header, .fini = no_leaks);

#define W10 "abcdefghi "
#define W70 W10 W10 W10 W10 W10 W10 W10

static const struct {
	const char *label;
	struct slice text;
	const char *field;
} texts[] = {
	{"plain", SLICE("Hello, world"), "Subject: Hello, world\r\n"},
	{"empty", SLICE(""), "Subject: \r\n"},
	{"folded at 78", SLICE(W70 "tail"),
		"Subject: abcdefghi abcdefghi abcdefghi abcdefghi abcdefghi abcdefghi "
		"abcdefghi\r\n tail\r\n"},
	{"beyond ASCII",
		SLICE("Gr\xc3\xbc\xc3\x9f"
		      "e aus K\xc3\xb6ln"),
		"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe_aus_K=C3=B6ln?=\r\n"},
	{"mostly beyond ASCII", SLICE("\xe4\xbd\xa0\xe5\xa5\xbd"),
		"Subject: =?utf-8?b?5L2g5aW9?=\r\n"},
	{"looks encoded", SLICE("=?utf-8?q?=0D=0A?="),
		"Subject: =?utf-8?q?=3D=3Futf-8=3Fq=3F=3D0D=3D0A=3F=3D?=\r\n"},
	{"two blanks", SLICE("a  b"), "Subject: =?utf-8?q?a__b?=\r\n"},
	{"blank first", SLICE(" a"), "Subject: =?utf-8?q?_a?=\r\n"},
	{"blank last", SLICE("a "), "Subject: =?utf-8?q?a_?=\r\n"},
	{"next line",
		SLICE("a\xc2\x85"
		      "b"),
		"Subject: =?utf-8?q?a=C2=85b?=\r\n"},
	{"line separator",
		SLICE("a\xe2\x80\xa8"
		      "b"),
		"Subject: =?utf-8?q?a=E2=80=A8b?=\r\n"},
};

Test(header, text)
{
	struct buf out;

	buf_init(&out, 0);
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		buf_reset(&out);
		cr_expect(header_add_text(&out, "Subject", texts[i].text) == HEADER_OK, "%s",
			texts[i].label);
		cr_expect_str_eq(buf_string(&out), texts[i].field, "%s", texts[i].label);
	}
	buf_clear(&out);
}

static const struct {
	const char *label;
	struct slice text;
	enum header_fault fault;
} faults[] = {
	{"CRLF", SLICE("x\r\nBcc: all@example.org"), HEADER_CONTROL},
	{"LF", SLICE("x\nBcc: all@example.org"), HEADER_CONTROL},
	{"CR", SLICE("x\rBcc: all@example.org"), HEADER_CONTROL},
	{"fold", SLICE("x\r\n y"), HEADER_CONTROL},
	{"nul", SLICE("x\0y"), HEADER_CONTROL},
	{"tab", SLICE("x\ty"), HEADER_CONTROL},
	{"del", SLICE("x\x7fy"), HEADER_CONTROL},
	{"latin-1", SLICE("x\xfcy"), HEADER_ENCODING},
};

Test(header, gen_G18_no_value_ends_its_field)
{
	struct address a;
	struct buf out;

	cr_assert(address_parse(SLICE("a@x.y"), &a) == ADDRESS_OK);
	buf_init(&out, 0);
	buf_add_text(&out, "A: b\r\n");
	for (size_t i = 0; i < ARRAY_LEN(faults); i++) {
		struct slice t = faults[i].text;

		cr_expect(header_add_text(&out, "X", t) == faults[i].fault, "%s", faults[i].label);
		cr_expect(header_add_plain(&out, "X", t) == faults[i].fault, "%s", faults[i].label);
		cr_expect(header_add_line(&out, "X", t) == faults[i].fault, "%s", faults[i].label);
		cr_expect(header_add_mailbox(&out, "X", t, &a) == faults[i].fault, "%s",
			faults[i].label);
		cr_expect(header_add_phrase_id(&out, "X", t, SLICE("i")) == faults[i].fault, "%s",
			faults[i].label);
		cr_expect(header_add_phrase_id(&out, "X", SLICE(""), t) == faults[i].fault, "%s",
			faults[i].label);
		cr_expect(header_add_with_parameter(&out, "X", SLICE("a/b"), "name", t) ==
				faults[i].fault,
			"%s", faults[i].label);
	}
	cr_expect(header_add_text(&out, "X: y\r\nZ", SLICE("v")) == HEADER_NAME);
	cr_expect(header_add_text(&out, "", SLICE("v")) == HEADER_NAME);
	cr_expect(header_add_plain(&out, "X", SLICE("\xc3\xbc")) == HEADER_ENCODING);
	cr_expect(header_add_phrase_id(&out, "X", SLICE(""), SLICE("a>b")) == HEADER_SYNTAX);
	cr_expect_str_eq(buf_string(&out), "A: b\r\n", "nothing appended on a fault");
	buf_clear(&out);
}

static const struct {
	const char *label;
	struct slice display;
	const char *address;
	const char *field;
} mailboxes[] = {
	{"bare", SLICE(""), "ann@example.org", "To: ann@example.org\r\n"},
	{"atoms", SLICE("Ann Smith"), "ann@example.org", "To: Ann Smith <ann@example.org>\r\n"},
	{"quoted", SLICE("Smith, Ann"), "ann@example.org",
		"To: \"Smith, Ann\" <ann@example.org>\r\n"},
	{"escaped", SLICE("a\"b\\c"), "ann@example.org",
		"To: \"a\\\"b\\\\c\" <ann@example.org>\r\n"},
	{"looks like an address", SLICE("a@evil.example>,"), "ann@example.org",
		"To: \"a@evil.example>,\" <ann@example.org>\r\n"},
	{"encoded, not quoted", SLICE("J\xc3\xb6rg \"X\" M\xc3\xbcller"), "j@example.org",
		"To: =?utf-8?q?J=C3=B6rg_=22X=22_M=C3=BCller?= <j@example.org>\r\n"},
	{"quoted local part stays", SLICE("A"), "\"a b\"@example.org",
		"To: A <\"a b\"@example.org>\r\n"},
	{"long address on the next line", SLICE("A Name Of Some Forty Characters In All"),
		"a.local.part.of.forty.octets.and.a.few@example.org",
		"To: A Name Of Some Forty Characters In All\r\n"
		" <a.local.part.of.forty.octets.and.a.few@example.org>\r\n"},
};

Test(header, mailbox)
{
	struct buf out;

	buf_init(&out, 0);
	for (size_t i = 0; i < ARRAY_LEN(mailboxes); i++) {
		struct address a;
		struct address back;

		cr_assert(address_parse(slice_of(mailboxes[i].address), &a) == ADDRESS_OK);
		buf_reset(&out);
		cr_expect(header_add_mailbox(&out, "To", mailboxes[i].display, &a) == HEADER_OK);
		cr_expect_str_eq(buf_string(&out), mailboxes[i].field, "%s", mailboxes[i].label);
		cr_expect(
			header_parse_mailbox(slice_from(slice_first(buf_slice(&out), out.n - 2), 3),
				&back) == HEADER_OK,
			"%s", mailboxes[i].label);
		cr_expect_str_eq(back.text, a.text);
	}
	buf_clear(&out);
}

Test(header, gen_G7_parameters)
{
	struct buf out;

	buf_init(&out, 0);
	cr_expect(header_add_with_parameter(&out, "Content-Type", SLICE("image/png"), "name",
			  SLICE("a\"; X: y.png")) == HEADER_OK);
	cr_expect_str_eq(
		buf_string(&out), "Content-Type: image/png;\r\n name=\"a\\\"; X: y.png\"\r\n");
	buf_reset(&out);
	cr_expect(header_add_with_parameter(&out, "Content-Disposition", SLICE("attachment"),
			  "filename", SLICE("=?utf-8?q?x?=")) == HEADER_OK);
	cr_expect_str_eq(buf_string(&out),
		"Content-Disposition: attachment;\r\n filename*=utf-8''%3D%3Futf-8%3Fq%3Fx%3F%3D\r\n",
		"readers that decode too much");
	buf_reset(&out);
	cr_expect(header_add_with_parameter(&out, "Content-Disposition", SLICE("attachment"),
			  "filename", SLICE("\xe2\x82\xac 5.pdf")) == HEADER_OK);
	cr_expect_str_eq(buf_string(&out),
		"Content-Disposition: attachment;\r\n filename*=utf-8''%E2%82%AC%205.pdf\r\n");
	buf_reset(&out);
	cr_expect(
		header_add_with_parameter(&out, "Content-Disposition", SLICE("attachment"),
			"filename",
			SLICE("a name that has more than sixty octets and thus cannot stand in one "
			      "line with its parameter.pdf")) == HEADER_OK);
	cr_expect_str_eq(buf_string(&out),
		"Content-Disposition: attachment;\r\n"
		" filename*0*=utf-8''a%20name%20that%20has%20more%20than%20sixty%20octe;\r\n"
		" filename*1*=ts%20and%20thus%20cannot%20stand%20in%20one%20line;\r\n"
		" filename*2*=%20with%20its%20parameter.pdf\r\n");
	buf_clear(&out);
}

Test(header, gen_G17_lengths)
{
	struct buf value;
	struct buf out;

	buf_init(&value, 0);
	buf_init(&out, 0);
	while (value.n < HEADER_LINE_MAX - 3) {
		buf_add_byte(&value, 'x');
	}
	cr_expect(header_add_line(&out, "X", buf_slice(&value)) == HEADER_OK);
	buf_add_byte(&value, 'x');
	buf_reset(&out);
	cr_expect(header_add_line(&out, "X", buf_slice(&value)) == HEADER_LONG);
	cr_expect(header_add_plain(&out, "X", buf_slice(&value)) == HEADER_LONG);
	cr_expect(out.n == 0);
	cr_expect(header_add_text(&out, "X", buf_slice(&value)) == HEADER_OK, "encoded words fold");
	while (value.n < HEADER_FIELD_MAX) {
		buf_add_byte(&value, 'x');
	}
	buf_reset(&out);
	cr_expect(header_add_text(&out, "X", buf_slice(&value)) == HEADER_LONG);
	buf_clear(&value);
	buf_clear(&out);
}

/* Each line of a long encoded text: at most 76 columns, words of at most 75, whole characters. */
Test(header, smtp_B2_gen_G7_encoded_words)
{
	struct buf text;
	struct buf out;

	buf_init(&text, 0);
	buf_init(&out, 0);
	for (int i = 0; i < 300; i++) {
		struct slice rest;
		struct slice line;

		buf_add_text(&text,
			i % 3 == 0           ? "\xe2\x82\xac"
				: i % 3 == 1 ? "x "
					     : "\xf0\x9f\x90\xa7");
		buf_reset(&out);
		cr_assert(header_add_text(&out, "Subject", buf_slice(&text)) == HEADER_OK);
		rest = slice_first(buf_slice(&out), out.n - 1);
		while (slice_split(&rest, '\n', &line)) {
			struct buf bytes;
			size_t open;

			line = slice_trim(line);
			cr_assert(line.n <= 76);
			open = slice_search(line, SLICE("=?utf-8?b?"));
			if (open == line.n) {
				continue;
			}
			line = slice_from(line, open);
			cr_assert(line.n <= 75 && slice_ends(line, SLICE("?=")));
			buf_init(&bytes, 0);
			cr_assert(
				codec_base64_decode(&bytes, slice_make(line.p + 10, line.n - 12)));
			cr_assert(codec_is_utf8(buf_slice(&bytes)));
			buf_clear(&bytes);
		}
	}
	buf_clear(&text);
	buf_clear(&out);
}

Test(header, read)
{
	struct slice block = SLICE("A: b\r\nSubject: x\r\n y\r\n\tz\r\nEmpty:\r\n");
	struct header_field f;

	cr_assert(header_next(&block, &f));
	cr_expect(slice_equal(f.name, SLICE("A")));
	cr_expect(slice_equal(f.value, SLICE(" b")));
	cr_expect(slice_equal(f.whole, SLICE("A: b\r\n")));
	cr_assert(header_next(&block, &f));
	cr_expect(slice_equal(f.value, SLICE(" x\r\n y\r\n\tz")));
	cr_assert(header_next(&block, &f));
	cr_expect(f.value.n == 0);
	cr_expect(!header_next(&block, &f));
	cr_expect(block.n == 0);
}

Test(header, read_refuses)
{
	static const struct slice bad[] = {SLICE("no colon\r\n"), SLICE(": x\r\n"),
		SLICE("a b: c\r\n"), SLICE(" a: b\r\n"), SLICE("a: b"), SLICE("a: b\n"),
		SLICE("a\r\n: b\r\n"), SLICE("\r\n"), SLICE("a: b\r")};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct slice block = bad[i];
		struct header_field f;

		cr_expect(!header_next(&block, &f), "row %zu", i);
		cr_expect(block.n == bad[i].n, "row %zu", i);
	}
}

Test(header, gen_G2_parse_mailbox)
{
	static const struct {
		const char *text;
		const char *address;
	} boxes[] = {
		{" ann@example.org", "ann@example.org"},
		{" Ann <ann@example.org>", "ann@example.org"},
		{" \"a <b@evil.example>\" <ann@example.org>", "ann@example.org"},
		{"\r\n =?utf-8?q?x?=\r\n <ann@example.org>", "ann@example.org"},
		{" \"a b\"@example.org", "\"a b\"@example.org"},
		{" a@b.c, d@e.f", NULL},
		{" A <a@b.c>, B <d@e.f>", NULL},
		{" g: a@b.c;", NULL},
		{" a@b.c (x)", NULL},
		{" <@r:a@b.c>", NULL},
		{" Ann <ann@example.org", NULL},
		{" \"open <a@b.c>", NULL},
		{"", NULL},
	};

	for (size_t i = 0; i < ARRAY_LEN(boxes); i++) {
		struct address a;
		enum header_fault fault = header_parse_mailbox(slice_of(boxes[i].text), &a);

		cr_expect((fault == HEADER_OK) == (boxes[i].address != NULL), "%s", boxes[i].text);
		if (fault == HEADER_OK && boxes[i].address != NULL) {
			cr_expect_str_eq(a.text, boxes[i].address);
		}
	}
}
