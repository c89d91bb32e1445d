/*
 * Messages about a configuration file, each with its place, the line it is about
 * and a caret under the column.
 *
 * Everything that is printed passes codec_printable(): a file that somebody else
 * wrote cannot send escape sequences to the terminal of whoever checks it.  Long
 * lines are shown as the part around the column, and only the first hundred
 * problems are kept, so that the text is bounded by its own rules and not by the file.
 */
#include "config/problem.h"

#include <stdarg.h>
#include <string.h>

#include "base/codec.h"

enum {
	MESSAGE_BYTES = 2000,
	WINDOW_BYTES = 100,
	WINDOW_BEFORE = 70, /* bytes of a long line that are shown before the column */
};

void config_problems_init(struct config_problems *problems)
{
	buf_init(&problems->text, 0);
	problems->count = 0;
}

void config_problems_clear(struct config_problems *problems)
{
	buf_clear(&problems->text);
	problems->count = 0;
}

/* Bytes of the character at s; a broken one counts as one byte. */
static size_t character(struct slice s)
{
	size_t n = codec_utf8(s);

	return n > 0 ? n : 1;
}

/*
 * Octets of the line break at s, 0 when there is none.  YAML 1.1 has more of them
 * than other formats (a lone CR, NEL, LS, PS), and libyaml counts lines by them.
 */
static size_t line_break(struct slice s)
{
	static const struct slice breaks[] = {
		SLICE("\r\n"),
		SLICE("\n"),
		SLICE("\r"),
		SLICE("\xc2\x85"),
		SLICE("\xe2\x80\xa8"),
		SLICE("\xe2\x80\xa9"),
	};

	if (s.n == 0 || strchr("\r\n\xc2\xe2", s.p[0]) == NULL) {
		return 0;
	}
	for (size_t i = 0; i < ARRAY_LEN(breaks); i++) {
		if (slice_starts(s, breaks[i])) {
			return breaks[i].n;
		}
	}
	return 0;
}

/* Takes a line off the front of the text. */
static struct slice take_line(struct slice *text)
{
	size_t n = 0;
	struct slice line;

	while (n < text->n && line_break(slice_from(*text, n)) == 0) {
		n++;
	}
	line = slice_make(text->p, n);
	*text = slice_from(*text, n + line_break(slice_from(*text, n)));
	return line;
}

static struct slice line_of(struct slice text, unsigned line)
{
	for (unsigned i = 1; i < line; i++) {
		(void)take_line(&text);
	}
	return take_line(&text);
}

static size_t column_offset(struct slice line, unsigned column)
{
	size_t at = 0;

	for (unsigned i = 1; i < column && at < line.n; i++) {
		at += character(slice_from(line, at));
	}
	return at;
}

static void add_caret(struct buf *out, struct slice before)
{
	while (before.n > 0) {
		buf_add_byte(out, before.p[0] == '\t' ? '\t' : ' ');
		before = slice_from(before, character(before));
	}
	buf_add_byte(out, '^');
}

static void add_line(struct buf *out, struct config_place place)
{
	struct slice line = line_of(place.file->text, place.line);
	size_t at = column_offset(line, place.column);
	size_t start = 0;

	while (at > start + WINDOW_BEFORE) {
		start += character(slice_from(line, start));
	}
	buf_add_text(out, "  ");
	codec_printable(out, slice_from(line, start), WINDOW_BYTES);
	buf_add_text(out, "\n  ");
	add_caret(out, slice_first(slice_from(line, start), at - start));
	buf_add_byte(out, '\n');
}

void config_problem_add(
	struct config_problems *problems, struct config_place place, const char *format, ...)
{
	struct buf message;
	va_list args;

	if (problems->count++ >= CONFIG_PROBLEMS_SHOWN) {
		return;
	}
	buf_init(&message, 0);
	va_start(args, format);
	buf_add_format_list(&message, format, args);
	va_end(args);

	buf_add_text(&problems->text, place.file->name);
	if (place.line > 0) {
		buf_add_format(&problems->text, ":%u:%u", place.line, place.column);
	}
	buf_add_text(&problems->text, ": ");
	codec_printable(&problems->text, buf_slice(&message), MESSAGE_BYTES);
	buf_add_byte(&problems->text, '\n');
	if (place.line > 0) {
		add_line(&problems->text, place);
	}
	buf_clear(&message);
}

struct config_place config_place_at(const struct config_file *file, size_t offset)
{
	struct config_place place = {file, 1, 1};
	struct slice before = slice_first(file->text, offset);

	while (before.n > 0) {
		size_t end = line_break(before);

		place.line += end > 0;
		place.column = end > 0 ? 1 : place.column + 1;
		before = slice_from(before, end > 0 ? end : character(before));
	}
	return place;
}
