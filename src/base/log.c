/*
 * The program's log.  A line is made in memory and written with one write(), so
 * that lines of several processes on one pipe do not mix.  Whatever a caller puts
 * in, it stays one line of text: controls that slipped through become blanks, what
 * else is no text \xNN.  Where standard error is the journal, each line begins with
 * its priority (sd-daemon(3)).
 */
#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/codec.h"

#define LINE_MAX_BYTES 16384
#define SCOPES_MAX 16
#define QUOTED_MAX_BYTES 4000 /* a record to publish, all faults of a file */
#define QUOTED_BUFFERS 8

static const struct {
	const char *name;
	const char *priority;
} levels[] = {
	[LOG_LEVEL_ERROR] = {"error", "<3>"},
	[LOG_LEVEL_WARNING] = {"warning", "<4>"},
	[LOG_LEVEL_INFO] = {"info", "<6>"},
	[LOG_LEVEL_DEBUG] = {"debug", "<7>"},
};

static enum log_level threshold = LOG_LEVEL_INFO;
static const struct log_scope *outermost;

void log_set_level(enum log_level level)
{
	threshold = level;
}

void log_set_outermost(const struct log_scope *scope)
{
	outermost = scope;
}

bool log_parse_level(struct slice text, enum log_level *ret_level)
{
	for (size_t i = 0; i < ARRAY_LEN(levels); i++) {
		if (slice_equal(text, slice_of(levels[i].name))) {
			*ret_level = (enum log_level)i;
			return true;
		}
	}
	return false;
}

static bool is_bare(struct slice text)
{
	for (size_t i = 0; i < text.n; i++) {
		unsigned char c = (unsigned char)text.p[i];

		if (c <= ' ' || c >= 0x7f || c == '"' || c == '\\' || c == '=') {
			return false;
		}
	}
	return text.n > 0;
}

/* What follows the backslash, or 0 for a character that needs none. */
static char escape_of(char c)
{
	switch (c) {
	case '"':
	case '\\':
		return c;
	case '\n':
		return 'n';
	case '\r':
		return 'r';
	case '\t':
		return 't';
	default:
		return 0;
	}
}

/* At most max bytes with both quotes (max >= 8). */
static void add_quoted(struct buf *out, struct slice text, size_t max)
{
	size_t end = out->n + max - 1;

	buf_add_byte(out, '"');
	while (text.n > 0) {
		size_t n = codec_utf8(text);
		size_t before = out->n;
		char escape = escape_of(text.p[0]);

		if (escape != 0) {
			buf_add_byte(out, '\\');
			buf_add_byte(out, escape);
		} else {
			codec_printable(out, slice_first(text, n > 0 ? n : 1), SIZE_MAX);
		}
		if (out->n > end) {
			buf_cut(out, before);
			break;
		}
		text = slice_from(text, n > 0 ? n : 1);
	}
	buf_add_byte(out, '"');
}

static void add_value(struct buf *out, struct slice text, size_t max)
{
	if (is_bare(text) && text.n <= max) {
		buf_add(out, text);
	} else {
		add_quoted(out, text, max);
	}
}

const char *log_quote(struct slice text)
{
	static _Thread_local char buffers[QUOTED_BUFFERS][QUOTED_MAX_BYTES + 1];
	static _Thread_local unsigned turn;
	char *quoted = buffers[turn++ % QUOTED_BUFFERS];
	struct buf out;

	buf_init(&out, 0);
	add_value(&out, text, QUOTED_MAX_BYTES);
	memcpy(quoted, out.p, out.n);
	quoted[out.n] = '\0';
	buf_clear(&out);
	return quoted;
}

/* The outermost first, as they surround the place. */
static void add_scopes(struct buf *line, const struct log_scope *scope)
{
	const struct log_scope *chain[SCOPES_MAX];
	size_t count = 0;

	for (; scope != NULL && count < SCOPES_MAX - 1; scope = scope->parent) {
		chain[count++] = scope;
	}
	if (outermost != NULL) {
		chain[count++] = outermost;
	}
	while (count > 0) {
		scope = chain[--count];
		buf_add_byte(line, ' ');
		buf_add_text(line, scope->key);
		buf_add_byte(line, '=');
		add_value(line, slice_of(scope->value), QUOTED_MAX_BYTES);
	}
}

/* systemd tells device and inode of the journal's socket. */
static bool is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long device;
	unsigned long inode;
	struct stat at;
	char *end;

	if (stream == NULL || fstat(STDERR_FILENO, &at) < 0) {
		return false;
	}
	device = strtoul(stream, &end, 10);
	if (*end != ':') {
		return false;
	}
	inode = strtoul(end + 1, &end, 10);
	return device == at.st_dev && inode == at.st_ino;
}

/* A log that cannot be written stops nobody. */
static void write_line(struct slice line)
{
	while (line.n > 0) {
		ssize_t n = write(STDERR_FILENO, line.p, line.n);

		if (n < 0 && errno != EINTR) {
			return;
		}
		if (n > 0) {
			line = slice_from(line, (size_t)n);
		}
	}
}

static void end_line(struct buf *raw, struct buf *line)
{
	for (size_t i = 0; i < raw->n; i++) {
		if ((unsigned char)raw->p[i] < ' ' || raw->p[i] == 0x7f) {
			raw->p[i] = ' ';
		}
	}
	codec_printable(line, buf_slice(raw), LINE_MAX_BYTES);
	buf_add_byte(line, '\n');
}

PRINTF_LIKE(4, 0)
static void log_line(enum log_level level, const struct log_scope *scope, const char *event,
	const char *format, va_list args)
{
	int saved = errno;
	struct buf raw;
	struct buf line;

	if (level > threshold) {
		return;
	}
	buf_init(&raw, 0);
	buf_init(&line, 0);
	buf_add_text(&raw, is_journal() ? levels[level].priority : "");
	buf_add_text(&raw, event);
	add_scopes(&raw, scope);
	buf_add_byte(&raw, ' ');
	buf_add_format_list(&raw, format, args);
	if (raw.p[raw.n - 1] == ' ') {
		buf_cut(&raw, raw.n - 1); /* nothing but the event to say */
	}
	end_line(&raw, &line);
	write_line(buf_slice(&line));
	buf_clear(&line);
	buf_clear(&raw);
	errno = saved;
}

void log_error(const struct log_scope *scope, const char *event, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	log_line(LOG_LEVEL_ERROR, scope, event, format, args);
	va_end(args);
}

void log_warning(const struct log_scope *scope, const char *event, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	log_line(LOG_LEVEL_WARNING, scope, event, format, args);
	va_end(args);
}

void log_info(const struct log_scope *scope, const char *event, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	log_line(LOG_LEVEL_INFO, scope, event, format, args);
	va_end(args);
}

void log_debug(const struct log_scope *scope, const char *event, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	log_line(LOG_LEVEL_DEBUG, scope, event, format, args);
	va_end(args);
}
