/*
 * mail/header.  The first octet says what is done with the rest: written as one part
 * of a field, or read as a
 * block.  Whatever is written is exactly one field, in lines
 * of at most 998 octets without a bare CR or LF, and a reader by the RFCs (5322
 * unfolding, 2047, 2231, quoted strings) gets back the text that was given; or it is
 * refused and nothing is written.  Reading never leaves the block.
 */
#include "mail/header.h"

#include <stdio.h>
#include <string.h>

#include "base/codec.h"
#include "fuzz.h"

enum { OUT_MAX = 1 << 20 };

static void check_lines(struct slice text)
{
	struct slice line;

	must(slice_ends(text, SLICE("\r\n")));
	text = slice_first(text, text.n - 1);
	while (slice_split(&text, '\n', &line)) {
		must(line.n <= HEADER_LINE_MAX + 1);
		must(slice_find(line, '\r') + 1 == line.n);
		must(slice_trim(line).n > 0);
		for (size_t i = 0; i + 1 < line.n; i++) {
			must(line.p[i] >= ' ' && line.p[i] <= '~');
		}
	}
}

/* ---- a reader ---- */

/* Line ends before blanks go, and the blank behind the colon. */
static void unfold(struct slice value, struct buf *out)
{
	must(value.n > 0 && value.p[0] == ' ');
	for (size_t i = 1; i < value.n; i++) {
		if (value.p[i] != '\r' && value.p[i] != '\n') {
			buf_add_byte(out, value.p[i]);
		}
	}
}

static unsigned hex_value(char c)
{
	must((c >= '0' && c <= '9') || (c >= 'A' && c <= 'F'));
	return (unsigned)(c <= '9' ? c - '0' : c - 'A' + 10);
}

static void decode_q(struct slice text, struct buf *out)
{
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] == '=') {
			must(i + 2 < text.n);
			buf_add_byte(out,
				(char)(hex_value(text.p[i + 1]) << 4 | hex_value(text.p[i + 2])));
			i += 2;
		} else {
			buf_add_byte(out, text.p[i] == '_' ? ' ' : text.p[i]);
		}
	}
}

static void decode_b(struct slice text, struct buf *out)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	uint32_t bits = 0;
	unsigned count = 0;

	must(text.n % 4 == 0);
	for (size_t i = 0; i < text.n && text.p[i] != '='; i++) {
		const char *digit = memchr(digits, text.p[i], 64);

		must(digit != NULL);
		bits = bits << 6 | (uint32_t)(digit - digits);
		count += 6;
		if (count >= 8) {
			count -= 8;
			buf_add_byte(out, (char)(bits >> count & 0xff));
		}
	}
}

/* Returns the length of the encoded word that the text begins with. */
static size_t decode_word(struct slice text, struct buf *out)
{
	struct slice inner = slice_from(text, 10);
	size_t end = slice_search(inner, SLICE("?="));
	size_t start = out->n;

	must(end < inner.n && end + 12 <= 75);
	must(text.p[9] == '?' && (text.p[8] == 'q' || text.p[8] == 'b'));
	inner = slice_first(inner, end);
	if (text.p[8] == 'q') {
		decode_q(inner, out);
	} else {
		decode_b(inner, out);
	}
	must(codec_is_utf8(slice_from(buf_slice(out), start))); /* whole characters */
	return end + 12;
}

/* Unstructured text; the blanks between two encoded words are no text. */
static void decode_text(struct slice text, struct buf *out)
{
	bool behind_word = false;

	while (text.n > 0) {
		size_t blanks = 0;

		while (behind_word && blanks < text.n && text.p[blanks] == ' ') {
			blanks++;
		}
		if (slice_starts(slice_from(text, blanks), SLICE("=?utf-8?"))) {
			text = slice_from(text, blanks);
			text = slice_from(text, decode_word(text, out));
			behind_word = true;
			continue;
		}
		buf_add_byte(out, text.p[0]);
		text = slice_from(text, 1);
		behind_word = false;
	}
}

static size_t decode_quoted(struct slice text, struct buf *out)
{
	size_t i = 1;

	while (i < text.n && text.p[i] != '"') {
		i += text.p[i] == '\\';
		must(i < text.n);
		buf_add_byte(out, text.p[i++]);
	}
	must(i < text.n);
	return i + 1;
}

static void decode_phrase(struct slice text, struct buf *out)
{
	if (text.n > 0 && text.p[0] == '"') {
		must(decode_quoted(text, out) == text.n);
		return;
	}
	if (!slice_starts(text, SLICE("=?"))) {
		for (size_t i = 0; i < text.n; i++) {
			must(strchr("\"(),.:;<>@[\\]", text.p[i]) == NULL);
		}
	}
	decode_text(text, out);
}

static void decode_percent(struct slice text, struct buf *out)
{
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] == '%') {
			must(i + 2 < text.n);
			buf_add_byte(out,
				(char)(hex_value(text.p[i + 1]) << 4 | hex_value(text.p[i + 2])));
			i += 2;
		} else {
			must(strchr(" *'()<>@,;:\\\"/[]?=", text.p[i]) == NULL);
			buf_add_byte(out, text.p[i]);
		}
	}
}

/* `p="..."`, `p*=utf-8''...`, or `p*0*=utf-8''...; p*1*=...` */
static void decode_parameter(struct slice text, struct buf *out)
{
	struct slice part;

	if (slice_starts(text, SLICE("p=\""))) {
		must(decode_quoted(slice_from(text, 2), out) == text.n - 2);
		return;
	}
	for (unsigned i = 0; slice_split(&text, ';', &part); i++) {
		char name[16];

		part = slice_trim(part);
		if (slice_starts(part, SLICE("p*="))) {
			must(i == 0 && text.p == NULL);
			part = slice_from(part, 3);
		} else {
			int n = snprintf(name, sizeof(name), "p*%u*=", i);

			must(slice_starts(part, slice_make(name, (size_t)n)));
			part = slice_from(part, (size_t)n);
		}
		if (i == 0) {
			must(slice_starts(part, SLICE("utf-8''")));
			part = slice_from(part, 7);
		}
		decode_percent(part, out);
	}
}

/* ---- what is written is read ---- */

static struct buf out;
static struct buf unfolded;
static struct buf decoded;

/* The unfolded value of the one field that was written; false when it was refused. */
static bool one_field(enum header_fault fault, struct slice *ret_value)
{
	struct slice block = buf_slice(&out);
	struct header_field f;

	must(header_fault_text(fault)[0] != '\0');
	if (fault != HEADER_OK) {
		must(out.n == 0 && !out.spoiled);
		return false;
	}
	check_lines(block);
	must(block.n <= HEADER_FIELD_MAX);
	must(header_next(&block, &f) && block.n == 0 && slice_equal(f.name, SLICE("X-A")));
	unfold(f.value, &unfolded);
	*ret_value = buf_slice(&unfolded);
	return true;
}

static void check_bracketed(struct slice value, struct slice phrase, struct slice inner)
{
	struct slice end;

	must(slice_ends(value, SLICE(">")));
	value = slice_first(value, value.n - 1);
	must(slice_ends(value, inner));
	value = slice_first(value, value.n - inner.n);
	end = phrase.n > 0 ? SLICE(" <") : SLICE("<");
	must(slice_ends(value, end));
	decode_phrase(slice_first(value, value.n - end.n), &decoded);
	must(slice_equal(buf_slice(&decoded), phrase));
}

static void write_text(struct slice text)
{
	struct slice value;

	if (one_field(header_add_text(&out, "X-A", text), &value)) {
		decode_text(value, &decoded);
		must(slice_equal(buf_slice(&decoded), text));
	}
}

static void write_plain(struct slice text)
{
	struct slice value;

	if (one_field(header_add_plain(&out, "X-A", text), &value)) {
		must(slice_equal(value, text));
	}
}

static void write_line(struct slice text)
{
	struct slice value;

	if (one_field(header_add_line(&out, "X-A", text), &value)) {
		must(slice_equal(value, text) && out.n == text.n + 7);
	}
}

static void write_mailbox(struct slice text)
{
	struct slice ann = SLICE("ann@example.org");
	struct address a = {0};
	struct address again;
	struct slice value;

	must(address_parse(ann, &a) == ADDRESS_OK);
	if (!one_field(header_add_mailbox(&out, "X-A", text, &a), &value)) {
		return;
	}
	must(header_parse_mailbox(value, &again) == HEADER_OK);
	must(slice_equal(address_text(&again), ann));
	if (text.n == 0) {
		must(slice_equal(value, ann));
	} else {
		check_bracketed(value, text, ann);
	}
}

static void write_phrase(struct slice text)
{
	struct slice value;

	if (one_field(header_add_phrase_id(&out, "X-A", text, SLICE("id")), &value)) {
		check_bracketed(value, text, SLICE("id"));
	}
}

static void write_id(struct slice text)
{
	struct slice value;

	if (one_field(header_add_phrase_id(&out, "X-A", SLICE("A. Name"), text), &value)) {
		must(text.n > 0 && slice_find(text, '>') == text.n);
		check_bracketed(value, SLICE("A. Name"), text);
	}
}

static void write_parameter(struct slice text)
{
	struct slice value;

	if (one_field(header_add_with_parameter(&out, "X-A", SLICE("a/b"), "p", text), &value)) {
		must(slice_starts(value, SLICE("a/b; ")));
		decode_parameter(slice_from(value, 5), &decoded);
		must(slice_equal(buf_slice(&decoded), text));
	}
}

static void write_name(struct slice text)
{
	char name[128];

	if (text.n >= sizeof(name) || slice_find(text, '\0') < text.n) {
		return;
	}
	memcpy(name, text.p, text.n);
	name[text.n] = '\0';
	must((header_add_plain(&out, name, SLICE("x")) == HEADER_OK) == header_is_name(text));
	must((header_add_line(&out, name, SLICE("\n")) == HEADER_CONTROL));
}

static void read_block(struct slice block)
{
	size_t before = block.n;
	struct header_field f;
	struct address a;

	(void)!header_parse_mailbox(block, &a);
	while (header_next(&block, &f)) {
		must(f.whole.n == before - block.n && f.name.n + f.value.n + 3 == f.whole.n);
		must(header_is_name(f.name) && f.name.p[f.name.n] == ':');
		must(slice_ends(f.whole, SLICE("\r\n")));
		must(block.n == 0 || (block.p[0] != ' ' && block.p[0] != '\t'));
		before = block.n;
		if (header_parse_mailbox(f.value, &a) == HEADER_OK) {
			must(a.length > 0 && slice_search(f.value, address_local(&a)) < f.value.n);
		}
	}
	must(block.n == before);
}

/* Letters chosen so that their remainders are the places of the table. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const acts[9])(struct slice) = {
		['t' % 9] = write_text,
		['p' % 9] = write_plain,
		['l' % 9] = write_line,
		['m' % 9] = write_mailbox,
		['f' % 9] = write_phrase,
		['i' % 9] = write_id,
		['q' % 9] = write_parameter,
		['n' % 9] = write_name,
		['s' % 9] = read_block,
	};

	if (size == 0) {
		return 0;
	}
	out.max = OUT_MAX;
	buf_reset(&out);
	buf_reset(&unfolded);
	buf_reset(&decoded);
	acts[data[0] % 9](slice_make((const char *)data + 1, size - 1));
	return 0;
}
