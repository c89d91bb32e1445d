/*
 * Relaxed canonical form.  Messages come from our own composer and are nearly
 * canonical already, so both functions copy runs and touch single bytes only at
 * blanks and line ends.
 *
 * Which fields are signed is one table: every field that a reader or a provider
 * acts on.  Those marked `over` are named once more than they occur, so that a
 * second From or Subject added on the way breaks the signature (RFC 6376 8.15).
 */
#include "canon.h"

#include <string.h>

#include "base/err.h"

static const struct {
	const char *name;
	bool over;
} signed_names[] = {
	{"from", true},
	{"to", true},
	{"cc", true},
	{"subject", true},
	{"date", true},
	{"reply-to", true},
	{"message-id", true},
	{"sender", false},
	{"in-reply-to", false},
	{"references", false},
	{"mime-version", true},
	{"content-type", true},
	{"content-transfer-encoding", true},
	{"list-id", false},
	{"list-help", false},
	{"list-unsubscribe", true},
	{"list-unsubscribe-post", true},
	{"list-subscribe", false},
	{"list-post", false},
	{"list-owner", false},
	{"list-archive", false},
	{"feedback-id", true},
	{"auto-submitted", false},
};

_Static_assert(ARRAY_LEN(signed_names) < CANON_NAMES, "room for the names and the end");

void canon_names(bool only_over, const char *ret_names[CANON_NAMES])
{
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_LEN(signed_names); i++) {
		if (signed_names[i].over || !only_over) {
			ret_names[n++] = signed_names[i].name;
		}
	}
	ret_names[n] = NULL;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* Offset behind the CRLF that ends the line at `from`; 0 when it does not end so. */
static size_t line_end(struct slice text, size_t from)
{
	const char *cr = memchr(text.p + from, '\r', text.n - from);
	size_t at;

	if (cr == NULL) {
		return 0;
	}
	at = (size_t)(cr - text.p);
	if (at + 1 >= text.n || text.p[at + 1] != '\n' ||
		memchr(text.p + from, '\n', at - from) != NULL) {
		return 0;
	}
	return at + 2;
}

/* Offset behind the field that begins at `from`, with its folded lines; 0 = malformed. */
static size_t field_end(struct slice headers, size_t from)
{
	size_t end = line_end(headers, from);

	while (end != 0 && end < headers.n && is_blank(headers.p[end])) {
		end = line_end(headers, end);
	}
	return end;
}

/*
 * Printing ASCII without the colon (RFC 5322 section 3.6.8), and without the semicolon,
 * which no h= could name.  libopendkim, so many a receiver, refuses a whole message for
 * such a field, and for a tab before the colon.
 */
static bool is_field_name(struct slice text)
{
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] < '!' || text.p[i] > '~' || text.p[i] == ';') {
			return false;
		}
	}
	return text.n > 0;
}

/* NUL; and VT and FF, which are blanks to libopendkim and to RFC 6376 are not. */
static bool has_disputed(struct slice text)
{
	return memchr(text.p, '\0', text.n) != NULL || memchr(text.p, '\v', text.n) != NULL ||
		memchr(text.p, '\f', text.n) != NULL;
}

static bool split_one(struct slice text, struct field *ret_field)
{
	size_t colon = slice_find(text, ':');
	size_t name = colon;

	while (name > 0 && text.p[name - 1] == ' ') { /* a tab: see is_field_name() */
		name--;
	}
	if (colon == text.n || !is_field_name(slice_first(text, name)) || has_disputed(text)) {
		return false;
	}
	*ret_field = (struct field){slice_first(text, name), text};
	return true;
}

bool canon_split(struct slice headers, struct fields *ret_fields)
{
	size_t from = 0;

	ret_fields->count = 0;
	while (from < headers.n) {
		size_t end = field_end(headers, from);

		if (end == 0 || ret_fields->count == CANON_FIELDS ||
			!split_one(slice_make(headers.p + from, end - from),
				&ret_fields->at[ret_fields->count])) {
			return false;
		}
		ret_fields->count++;
		from = end;
	}
	return true;
}

/* Behind the characters at i that are no blanks and no line ends; i where there is none. */
static size_t run_end(struct slice value, size_t i)
{
	while (i < value.n && !is_blank(value.p[i]) && value.p[i] != '\r' && value.p[i] != '\n') {
		i++;
	}
	return i;
}

void canon_field(const struct field *field, struct buf *out)
{
	struct slice value = slice_from(field->text, slice_find(field->text, ':') + 1);
	bool begun = false;

	for (size_t i = 0; i < field->name.n; i++) {
		char c = field->name.p[i];

		buf_add_byte(out, c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c);
	}
	buf_add_byte(out, ':');
	for (size_t i = 0; i < value.n;) {
		size_t end = run_end(value, i);

		if (end == i) {
			i++;
			continue;
		}
		if (begun) {
			buf_add_byte(out, ' ');
		}
		buf_add(out, slice_make(value.p + i, end - i));
		begun = true;
		i = end;
	}
	buf_add(out, SLICE("\r\n"));
}

/* One line without its CRLF: blanks reduced to one, none at the end. */
static void body_line(struct slice line, struct buf *out)
{
	size_t from = 0;

	while (line.n > 0 && is_blank(line.p[line.n - 1])) {
		line.n--;
	}
	for (size_t i = 0; i < line.n; i++) {
		if (!is_blank(line.p[i]) || (line.p[i] == ' ' && !is_blank(line.p[i + 1]))) {
			continue; /* neither a run nor a tab */
		}
		buf_add(out, slice_make(line.p + from, i - from));
		buf_add_byte(out, ' ');
		while (is_blank(line.p[i + 1])) {
			i++;
		}
		from = i + 1;
	}
	buf_add(out, slice_make(line.p + from, line.n - from));
	buf_add(out, SLICE("\r\n"));
}

/* The line at *from, which moves behind it.  False when the last one has a CR or LF of its own. */
static bool next_line(struct slice body, size_t *from, struct slice *ret_line)
{
	const char *p = body.p + *from;
	size_t rest = body.n - *from;
	size_t end = line_end(body, *from);

	if (end > 0) {
		*ret_line = slice_make(p, end - 2 - *from);
		*from = end;
		return true;
	}
	*ret_line = slice_make(p, rest);
	*from = body.n;
	return memchr(p, '\r', rest) == NULL && memchr(p, '\n', rest) == NULL;
}

bool canon_body(struct slice body, struct buf *out)
{
	size_t from = 0;
	size_t kept = out->n; /* behind the last line that is not empty */

	while (from < body.n) {
		struct slice line;

		if (!next_line(body, &from, &line)) {
			return false;
		}
		body_line(line, out);
		if (out->n > 2 && (out->n < 4 || memcmp(out->p + out->n - 4, "\r\n\r\n", 4) != 0)) {
			kept = out->n;
		}
	}
	buf_cut(out, kept);
	return !out->spoiled;
}

/* Fields of one name, the last first (RFC 6376 section 5.4.2); their number. */
static size_t pick_name(const struct fields *fields, const char *name, struct pick *ret_picks)
{
	size_t n = 0;

	for (size_t f = fields->count; f-- > 0;) {
		if (slice_equal_nocase(fields->at[f].name, slice_of(name))) {
			ret_picks[n++] = (struct pick){name, &fields->at[f]};
		}
	}
	return n;
}

size_t canon_pick(const struct fields *fields, struct pick ret_picks[CANON_PICKS])
{
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_LEN(signed_names); i++) {
		n += pick_name(fields, signed_names[i].name, ret_picks + n);
		if (signed_names[i].over) {
			ret_picks[n++] = (struct pick){signed_names[i].name, NULL};
		}
	}
	return n;
}
