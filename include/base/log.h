/*
 * The program's own log: one line an event on standard error, for the journal:
 *
 *	delivered source=192.0.2.7 session=8f31 code=250
 *
 * A line is `event key=value...`; the scope chain supplies the keys that a place
 * shares with what surrounds it.  A value with blanks, quotes or controls is
 * quoted and escaped.  The threshold is the program's one mutable global.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/err.h"
#include "base/slice.h"

enum log_level {
	LOG_LEVEL_ERROR,
	LOG_LEVEL_WARNING,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG,
};

/* On the stack or in the object it speaks for; `value` must outlive it. */
struct log_scope {
	const struct log_scope *parent;
	const char *key;
	const char *value;
};

void log_set_level(enum log_level level);

/* Surrounds every line from here on: one of several processes of a program says which it is. */
void log_set_outermost(const struct log_scope *scope);
bool log_parse_level(struct slice text, enum log_level *ret_level);

/*
 * `format` makes the rest of the line, already as key=value; pass texts of others
 * through log_quote() so that they cannot forge a key: log_info(s, "x", "text=%s", log_quote(t)).
 */
void log_error(const struct log_scope *scope, const char *event, const char *format, ...)
	PRINTF_LIKE(3, 4);
void log_warning(const struct log_scope *scope, const char *event, const char *format, ...)
	PRINTF_LIKE(3, 4);
void log_info(const struct log_scope *scope, const char *event, const char *format, ...)
	PRINTF_LIKE(3, 4);
void log_debug(const struct log_scope *scope, const char *event, const char *format, ...)
	PRINTF_LIKE(3, 4);

/* Quoted where needed, at most 4000 bytes; one of eight buffers used in turn. */
const char *log_quote(struct slice text);

#endif
