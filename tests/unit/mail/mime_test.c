/* mail/mime: quoted-printable over every split, line lengths, boundaries. */
#include "mail/mime.h"

#include <criterion/criterion.h>
#include <string.h>

#include "base/codec.h"
#include "base/err.h"
#include "no_leaks.h"

TestSuite(mime, .fini = no_leaks);

#define X75 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

static const struct {
	const char *label;
	struct slice in;
	struct slice out;
} rows[] = {
	{"empty", SLICE(""), SLICE("")},
	{"ascii", SLICE("Hello, world!"), SLICE("Hello, world!")},
	{"equals sign", SLICE("a=b"), SLICE("a=3Db")},
	{"utf-8", SLICE("\xc3\xa9"), SLICE("=C3=A9")},
	{"nul and controls", SLICE("\0\x01\x7f"), SLICE("=00=01=7F")},
	{"LF", SLICE("a\nb\n"), SLICE("a\r\nb\r\n")},
	{"CR", SLICE("a\rb\r"), SLICE("a\r\nb\r\n")},
	{"CRLF", SLICE("a\r\nb\r\n"), SLICE("a\r\nb\r\n")},
	{"LF CR is two", SLICE("a\n\rb"), SLICE("a\r\n\r\nb")},
	{"CR CR LF is two", SLICE("a\r\r\nb"), SLICE("a\r\n\r\nb")},
	{"blank at the end of a line", SLICE("a \nb"), SLICE("a=20\r\nb")},
	{"tab at the end of a line", SLICE("a\t\nb"), SLICE("a=09\r\nb")},
	{"only the last blank", SLICE("a  \nb"), SLICE("a =20\r\nb")},
	{"blank at the end of the text", SLICE("a "), SLICE("a=20")},
	{"line of a blank", SLICE(" \n"), SLICE("=20\r\n")},
	{"dot", SLICE(".\n..\nx."), SLICE("=2E\r\n=2E.\r\nx.")},
	{"end of data", SLICE("a\r\n.\r\nMAIL FROM:<x@y>\r\n"),
		SLICE("a\r\n=2E\r\nMAIL FROM:<x@y>\r\n")},
	{"75 fit", SLICE(X75), SLICE(X75)},
	{"75 and a line end", SLICE(X75 "\n"), SLICE(X75 "\r\n")},
	{"76 do not", SLICE(X75 "y"), SLICE(X75 "=\r\ny")},
	{"a code is not split", SLICE("xx" X75 "\xc3"), SLICE(X75 "=\r\nxx=C3")},
	{"dot after a soft break", SLICE(X75 ".x"), SLICE(X75 "=\r\n=2Ex")},
	{"blank in the last column",
		SLICE("x"
		      "\t" X75 "\n"),
		SLICE("x\txxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx=\r\n"
		      "xx\r\n")},
};

static void encode(struct buf *out, struct slice in, size_t split)
{
	struct qp qp;

	buf_reset(out);
	qp_init(&qp);
	qp_add(&qp, out, slice_first(in, split));
	qp_add(&qp, out, slice_from(in, split));
	qp_end(&qp, out);
}

Test(mime, quoted_printable)
{
	struct buf out;

	buf_init(&out, 0);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		for (size_t split = 0; split <= rows[i].in.n; split++) {
			encode(&out, rows[i].in, split);
			cr_expect(slice_equal(buf_slice(&out), rows[i].out), "%s at %zu: %s",
				rows[i].label, split, buf_string(&out));
		}
	}
	encode(&out, SLICE("From me\nFrom"), 0);
	cr_expect_str_eq(buf_string(&out), "=46rom me\r\n=46rom");
	buf_clear(&out);
}

/* An independent decoder, RFC 2045 section 6.7 to the letter. */
static void decode(struct buf *out, struct slice in)
{
	for (size_t i = 0; i < in.n; i++) {
		struct buf byte;

		if (in.p[i] != '=') {
			buf_add_byte(out, in.p[i]);
			continue;
		}
		if (slice_starts(slice_from(in, i), SLICE("=\r\n"))) {
			i += 2;
			continue;
		}
		buf_init(&byte, 0);
		cr_assert(codec_hex_decode(&byte, slice_make(in.p + i + 1, 2)));
		buf_add(out, buf_slice(&byte));
		buf_clear(&byte);
		i += 2;
	}
}

static void check_lines(struct slice text)
{
	struct slice rest = text;
	struct slice line;

	while (slice_split(&rest, '\n', &line)) {
		bool more = rest.p != NULL;

		cr_assert(!more || (line.n > 0 && line.p[line.n - 1] == '\r'));
		line.n -= more;
		cr_assert(line.n <= 76);
		cr_assert(slice_find(line, '\r') == line.n);
		cr_assert(line.n == 0 ||
			(line.p[0] != '.' && line.p[line.n - 1] != ' ' &&
				line.p[line.n - 1] != '\t'));
		cr_assert(!slice_starts(line, SLICE("From ")));
		for (size_t i = 0; i < line.n; i++) {
			cr_assert((line.p[i] >= ' ' && line.p[i] < 0x7f) || line.p[i] == '\t');
		}
	}
}

/* A small generator of our own, so that a failure can be repeated. */
static unsigned next_random(unsigned *state)
{
	*state = *state * 1664525u + 1013904223u;
	return *state >> 8;
}

Test(mime, smtp_B1_smtp_B2_quoted_printable_any_bytes)
{
	static const char spice[] = "  \t\r\n.=From \n\n";
	unsigned state = 7;
	struct buf in;
	struct buf out;
	struct buf back;
	struct buf canonical;

	buf_init(&in, 0);
	buf_init(&out, 0);
	buf_init(&back, 0);
	buf_init(&canonical, 0);
	for (int round = 0; round < 3000; round++) {
		size_t n = next_random(&state) % 300;

		buf_reset(&in);
		buf_reset(&back);
		buf_reset(&canonical);
		for (size_t i = 0; i < n; i++) {
			unsigned r = next_random(&state);

			buf_add_byte(&in,
				r % 3 == 0 ? spice[r / 3 % (sizeof(spice) - 1)]
					   : (char)(r % 5 == 0 ? r / 5 : 'a' + r % 26));
		}
		for (size_t i = 0; i < n; i++) {
			bool pair = in.p[i] == '\r' && i + 1 < n && in.p[i + 1] == '\n';

			if (in.p[i] == '\r' || in.p[i] == '\n') {
				buf_add(&canonical, SLICE("\r\n"));
				i += pair;
			} else {
				buf_add_byte(&canonical, in.p[i]);
			}
		}
		encode(&out, buf_slice(&in), n == 0 ? 0 : next_random(&state) % n);
		check_lines(buf_slice(&out));
		decode(&back, buf_slice(&out));
		cr_assert(slice_equal(buf_slice(&back), buf_slice(&canonical)), "round %d", round);
	}
	buf_clear(&in);
	buf_clear(&out);
	buf_clear(&back);
	buf_clear(&canonical);
}

Test(mime, soft_break_for_what_was_encoded_before)
{
	struct buf out;
	struct qp qp;

	buf_init(&out, 0);
	qp_init(&qp);
	qp_break(&qp, &out);
	cr_expect(out.n == 0, "nothing at the start of a line");
	qp_add(&qp, &out, SLICE("a "));
	qp_break(&qp, &out);
	qp_add(&qp, &out, SLICE(".b"));
	qp_end(&qp, &out);
	cr_expect_str_eq(buf_string(&out), "a =\r\n=2Eb");
	buf_clear(&out);
}

Test(mime, encoding_by_content)
{
	cr_expect(mime_encoding_for(SLICE("plain text, f\xc3\xbcr alle")) == MIME_QUOTED_PRINTABLE);
	cr_expect(mime_encoding_for(SLICE("")) == MIME_QUOTED_PRINTABLE);
	cr_expect(mime_encoding_for(SLICE("\xe4\xbd\xa0\xe5\xa5\xbd")) == MIME_BASE64);
	cr_expect_str_eq(mime_encoding_word(MIME_BASE64), "base64");
	cr_expect_str_eq(mime_encoding_word(MIME_QUOTED_PRINTABLE), "quoted-printable");
}

Test(mime, gen_G6_threat_C16_boundaries)
{
	char outer[MIME_BOUNDARY + 1];
	char inner[MIME_BOUNDARY + 1];
	struct buf out;
	struct id job;

	cr_assert(id_parse(SLICE("0192f3a0-1234-7abc-8def-0123456789ab"), &job));
	mime_boundary(job, 0, outer);
	mime_boundary(job, 1, inner);
	cr_expect(strlen(outer) == MIME_BOUNDARY);
	cr_expect_str_neq(outer, inner);
	cr_expect(strncmp(outer, "=_0_", 4) == 0);
	buf_init(&out, 0);
	mime_add_delimiter(&out, "b");
	mime_add_close(&out, "b");
	cr_expect_str_eq(buf_string(&out), "--b\r\n--b--\r\n");
	encode(&out, slice_of(outer), 0);
	cr_expect(strstr(buf_string(&out), "=_") == NULL);
	buf_clear(&out);
}

Test(mime, types)
{
	cr_expect(mime_is_type(SLICE("image/png")));
	cr_expect(mime_is_type(SLICE("application/vnd.x+json")));
	cr_expect(!mime_is_type(SLICE("image")));
	cr_expect(!mime_is_type(SLICE("image/")));
	cr_expect(!mime_is_type(SLICE("/png")));
	cr_expect(!mime_is_type(SLICE("a/b; c=d")));
	cr_expect(!mime_is_type(SLICE("a/b\r\nX: y")));
}
