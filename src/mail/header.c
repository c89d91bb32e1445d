/*
 * Writing header fields.  One rule carries the safety: every writer checks its value
 * for controls before it appends anything (field_start), and folds are the only
 * line ends that this file itself puts in.  So a value cannot end its field.
 *
 * Folding (RFC 5322 section 2.2.3) happens at single blanks that stand in the value
 * anyway, and never leaves a line of blanks only.  What is longer than a line and
 * has no blank stays long: section 2.1.1 forbids only more than 998.
 */
#include "mail/header.h"

#include <string.h>

#include "base/codec.h"
#include "encoded_word.h"

enum {
	FOLD = 78,
	FOLD_ENCODED = 76, /* of a line with an encoded word, RFC 2047 section 2 */
	WORD_LONG = 60,    /* a longer word of free text is encoded, for encoded words fold */
	NAME_LONG = 76,
	SEGMENT = 60, /* of a continued parameter, RFC 2231 section 3 */
};

static const char *const fault_texts[] = {
	[HEADER_OK] = "the header is valid",
	[HEADER_NAME] = "the header's name is not valid",
	[HEADER_CONTROL] = "the header has a line end or another control character",
	[HEADER_ENCODING] = "the header is not valid UTF-8, or not ASCII where it must be",
	[HEADER_LONG] = "the header is too long",
	[HEADER_SYNTAX] = "the header is not of the form expected",
};
_Static_assert(ARRAY_LEN(fault_texts) == HEADER_FAULTS, "a text for every fault");

const char *header_fault_text(enum header_fault fault)
{
	return fault < HEADER_FAULTS ? fault_texts[fault] : "the header is not valid";
}

bool header_is_name(struct slice name)
{
	for (size_t i = 0; i < name.n; i++) {
		if (name.p[i] <= ' ' || name.p[i] > '~' || name.p[i] == ':') {
			return false;
		}
	}
	return name.n > 0 && name.n <= NAME_LONG;
}

static enum header_fault check_value(struct slice value, bool ascii)
{
	for (size_t i = 0; i < value.n; i++) {
		if ((unsigned char)value.p[i] < ' ' || value.p[i] == 0x7f) {
			return HEADER_CONTROL;
		}
	}
	return (ascii ? codec_is_ascii(value) : codec_is_utf8(value)) ? HEADER_OK : HEADER_ENCODING;
}

/* Appends `Name:` and one blank, unless one of the values may not stand in a header. */
static enum header_fault field_start(
	struct buf *out, const char *name, struct slice value, bool ascii)
{
	enum header_fault fault = check_value(value, ascii);

	if (fault == HEADER_OK && !header_is_name(slice_of(name))) {
		fault = HEADER_NAME;
	}
	if (fault == HEADER_OK) {
		buf_add_text(out, name);
		buf_add(out, SLICE(": "));
	}
	return fault;
}

/* Ends the field, or takes it back when it became too long. */
static enum header_fault field_end(struct buf *out, size_t start)
{
	const char *line;
	const char *end;

	buf_add(out, SLICE("\r\n"));
	if (out->spoiled || out->n - start > HEADER_FIELD_MAX) {
		buf_cut(out, start);
		return HEADER_LONG;
	}
	line = out->p + start;
	end = out->p + out->n;
	while (line < end) {
		const char *lf = memchr(line, '\n', (size_t)(end - line));

		if (lf - line - 1 > HEADER_LINE_MAX) {
			buf_cut(out, start);
			return HEADER_LONG;
		}
		line = lf + 1;
	}
	return HEADER_OK;
}

/* A word behind a blank, or behind a fold where it would not fit the line. */
static void add_word(struct buf *out, size_t *column, struct slice word, bool first)
{
	if (!first) {
		if (*column + 1 + word.n > FOLD && word.n > 0) {
			buf_add(out, SLICE("\r\n "));
			*column = 1;
		} else {
			buf_add_byte(out, ' ');
			*column += 1;
		}
	}
	buf_add(out, word);
	*column += word.n;
}

static void add_folded(struct buf *out, size_t column, struct slice value)
{
	struct slice rest = value;
	struct slice word;
	bool first = true;

	while (slice_split(&rest, ' ', &word)) {
		add_word(out, &column, word, first);
		first = false;
	}
}

/* Text that a reader gives back as it is: no odd blanks, no look of an encoded word. */
static bool is_plain_text(struct slice text)
{
	size_t word = 0;

	if (text.n > 0 && (text.p[0] == ' ' || text.p[text.n - 1] == ' ')) {
		return false;
	}
	for (size_t i = 0; i < text.n; i++) {
		word = text.p[i] == ' ' ? 0 : word + 1;
		if ((unsigned char)text.p[i] >= 0x7f || word > WORD_LONG ||
			(text.p[i] == ' ' && text.p[i + 1] == ' ') ||
			(text.p[i] == '=' && i + 1 < text.n && text.p[i + 1] == '?')) {
			return false;
		}
	}
	return true;
}

enum header_fault header_add_text(struct buf *out, const char *name, struct slice text)
{
	size_t start = out->n;
	enum header_fault fault = field_start(out, name, text, false);

	if (fault != HEADER_OK) {
		return fault;
	}
	if (is_plain_text(text)) {
		add_folded(out, out->n - start, text);
	} else {
		(void)encoded_word_add(out, out->n - start, text);
	}
	return field_end(out, start);
}

enum header_fault header_add_plain(struct buf *out, const char *name, struct slice value)
{
	size_t start = out->n;
	enum header_fault fault = field_start(out, name, value, true);

	if (fault != HEADER_OK) {
		return fault;
	}
	add_folded(out, out->n - start, value);
	return field_end(out, start);
}

enum header_fault header_add_line(struct buf *out, const char *name, struct slice value)
{
	size_t start = out->n;
	enum header_fault fault = field_start(out, name, value, true);

	if (fault != HEADER_OK) {
		return fault;
	}
	buf_add(out, value);
	return field_end(out, start);
}

static bool is_atoms(struct slice phrase)
{
	for (size_t i = 0; i < phrase.n; i++) {
		char c = phrase.p[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
			    c == ' ' || strchr("!#$%&'*+-/^_`{|}~", c) != NULL)) {
			return false;
		}
	}
	return true;
}

static void add_quoted(struct buf *out, struct slice text)
{
	buf_add_byte(out, '"');
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] == '"' || text.p[i] == '\\') {
			buf_add_byte(out, '\\');
		}
		buf_add_byte(out, text.p[i]);
	}
	buf_add_byte(out, '"');
}

/* A phrase of RFC 5322 section 3.2.5; returns the column behind it. */
static size_t add_phrase(struct buf *out, size_t column, struct slice phrase)
{
	size_t before = out->n;

	if (phrase.n > WORD_LONG || !is_plain_text(phrase)) {
		return encoded_word_add(out, column, phrase);
	}
	if (is_atoms(phrase)) {
		buf_add(out, phrase);
	} else {
		add_quoted(out, phrase);
	}
	return column + out->n - before;
}

/* `phrase <inner>`, the bracket on a line of its own where both do not fit. */
static void add_bracketed(struct buf *out, size_t column, struct slice phrase, struct slice inner)
{
	if (phrase.n > 0) {
		column = add_phrase(out, column, phrase);
		buf_add_text(out, column + inner.n + 3 > FOLD_ENCODED ? "\r\n " : " ");
	}
	buf_add_byte(out, '<');
	buf_add(out, inner);
	buf_add_byte(out, '>');
}

enum header_fault header_add_mailbox(
	struct buf *out, const char *name, struct slice display, const struct address *address)
{
	size_t start = out->n;
	enum header_fault fault = field_start(out, name, display, false);

	if (fault != HEADER_OK) {
		return fault;
	}
	if (display.n == 0) {
		buf_add(out, address_text(address));
	} else {
		add_bracketed(out, out->n - start, display, address_text(address));
	}
	return field_end(out, start);
}

enum header_fault header_add_phrase_id(
	struct buf *out, const char *name, struct slice phrase, struct slice id)
{
	size_t start = out->n;
	enum header_fault fault = check_value(id, true);

	if (fault == HEADER_OK &&
		(id.n == 0 || slice_find(id, '>') < id.n || slice_find(id, ' ') < id.n)) {
		fault = HEADER_SYNTAX;
	}
	if (fault == HEADER_OK) {
		fault = field_start(out, name, phrase, false);
	}
	if (fault != HEADER_OK) {
		return fault;
	}
	add_bracketed(out, out->n - start, phrase, id);
	return field_end(out, start);
}

/* attribute-char of RFC 2231 section 7. */
static bool is_attribute_char(unsigned char c)
{
	return c > ' ' && c < 0x7f && strchr("*'%()<>@,;:\\\"/[]?=", c) == NULL;
}

static size_t add_percent(struct buf *out, struct slice text, size_t room)
{
	static const char hex[] = "0123456789ABCDEF";
	size_t i = 0;

	for (size_t used = 0; i < text.n; i++) {
		unsigned char c = (unsigned char)text.p[i];

		used += is_attribute_char(c) ? 1 : 3;
		if (used > room) {
			break;
		}
		if (is_attribute_char(c)) {
			buf_add_byte(out, (char)c);
		} else {
			buf_add_byte(out, '%');
			buf_add_byte(out, hex[c >> 4]);
			buf_add_byte(out, hex[c & 15]);
		}
	}
	return i;
}

/* name*=utf-8''..., or name*0*=utf-8''...; name*1*=... where one line is too short for it. */
static void add_extended(struct buf *out, const char *parameter, struct slice text)
{
	struct buf whole;
	bool fits;

	buf_init(&whole, 0);
	(void)add_percent(&whole, text, SIZE_MAX);
	fits = whole.n <= SEGMENT - 10;
	if (fits) {
		buf_add_format(out, "%s*=utf-8''", parameter);
		buf_add(out, buf_slice(&whole));
	}
	buf_clear(&whole);
	for (size_t i = 0; !fits && text.n > 0; i++) {
		buf_add_format(out, "%s%s*%zu*=%s", i == 0 ? "" : ";\r\n ", parameter, i,
			i == 0 ? "utf-8''" : "");
		text = slice_from(text, add_percent(out, text, SEGMENT - 10));
	}
}

enum header_fault header_add_with_parameter(struct buf *out, const char *name, struct slice value,
	const char *parameter, struct slice text)
{
	size_t start = out->n;
	enum header_fault fault = check_value(text, false);

	if (fault == HEADER_OK) {
		fault = field_start(out, name, value, true);
	}
	if (fault != HEADER_OK) {
		return fault;
	}
	buf_add(out, value);
	buf_add(out, SLICE(";\r\n "));
	/* Some readers decode encoded words in quotes, though section 5 of RFC 2047 forbids them there. */
	if (codec_is_ascii(text) && text.n <= SEGMENT &&
		slice_search(text, SLICE("=?")) == text.n) {
		buf_add_text(out, parameter);
		buf_add_byte(out, '=');
		add_quoted(out, text);
	} else {
		add_extended(out, parameter, text);
	}
	return field_end(out, start);
}
