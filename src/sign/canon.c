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

static bool split_one(struct slice text, struct field *ret_field)
{
	size_t colon = slice_find(text, ':');
	size_t name = colon;

	while (name > 0 && is_blank(text.p[name - 1])) {
		name--;
	}
	if (colon == text.n || name == 0 || memchr(text.p, '\0', text.n) != NULL) {
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

void canon_field(const struct field *field, struct buf *out)
{
	struct slice value = slice_from(field->text, slice_find(field->text, ':') + 1);
	bool gap = false;
	bool begun = false;

	for (size_t i = 0; i < field->name.n; i++) {
		char c = field->name.p[i];

		buf_add_byte(out, c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c);
	}
	buf_add_byte(out, ':');
	for (size_t i = 0; i < value.n;) {
		size_t run = i;

		while (run < value.n && !is_blank(value.p[run]) && value.p[run] != '\r' &&
			value.p[run] != '\n') {
			run++;
		}
		if (run > i) {
			if (gap && begun) {
				buf_add_byte(out, ' ');
			}
			buf_add(out, slice_make(value.p + i, run - i));
			begun = true;
			gap = false;
			i = run;
		} else {
			gap = true;
			i++;
		}
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
		if (!is_blank(line.p[i])) {
			continue;
		}
		if (line.p[i] == '\t' || is_blank(line.p[i + 1])) { /* a run, or a tab */
			buf_add(out, slice_make(line.p + from, i - from));
			buf_add_byte(out, ' ');
			while (is_blank(line.p[i + 1])) {
				i++;
			}
			from = i + 1;
		}
	}
	buf_add(out, slice_make(line.p + from, line.n - from));
	buf_add(out, SLICE("\r\n"));
}

bool canon_body(struct slice body, struct buf *out)
{
	size_t from = 0;
	size_t kept = out->n; /* behind the last line that is not empty */

	while (from < body.n) {
		size_t end = line_end(body, from);
		struct slice line;

		if (end == 0) {
			if (memchr(body.p + from, '\r', body.n - from) != NULL ||
				memchr(body.p + from, '\n', body.n - from) != NULL) {
				return false;
			}
			line = slice_make(body.p + from, body.n - from);
			end = body.n;
		} else {
			line = slice_make(body.p + from, end - 2 - from);
		}
		body_line(line, out);
		if (out->n > 2 && (out->n < 4 || memcmp(out->p + out->n - 4, "\r\n\r\n", 4) != 0)) {
			kept = out->n;
		}
		from = end;
	}
	buf_cut(out, kept);
	return !out->spoiled;
}

size_t canon_pick(const struct fields *fields, struct pick ret_picks[CANON_PICKS])
{
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_LEN(signed_names); i++) {
		struct slice name = slice_of(signed_names[i].name);

		for (size_t f = fields->count; f-- > 0;) {
			if (slice_equal_nocase(fields->at[f].name, name)) {
				ret_picks[n++] =
					(struct pick){signed_names[i].name, &fields->at[f]};
			}
		}
		if (signed_names[i].over) {
			ret_picks[n++] = (struct pick){signed_names[i].name, NULL};
		}
	}
	return n;
}
