/*
 * Bytes that grow up to `max` and are then spoiled: later appends do nothing, and
 * one test of `spoiled` at the end stands for all of them.  A spoiled buf keeps
 * what it had before the append that did not fit.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/err.h"
#include "base/slice.h"

struct buf {
	char *p;
	size_t n;
	size_t cap;
	size_t max; /* 0 = no bound but memory */
	bool spoiled;
};

void buf_init(struct buf *buf, size_t max);
void buf_clear(struct buf *buf); /* frees; may be used again with the same max */
void buf_reset(struct buf *buf); /* empties and unspoils; keeps the memory */

/*
 * The slice may not lie in the buf itself.  Inline, since composing a message is
 * little else: a literal becomes a move or two.
 */
void buf_add_slow(struct buf *buf, struct slice s);

static inline void buf_add(struct buf *buf, struct slice s)
{
	if (s.n == 0 || s.n > buf->cap - buf->n || buf->spoiled) {
		buf_add_slow(buf, s);
		return;
	}
	memcpy(buf->p + buf->n, s.p, s.n);
	buf->n += s.n;
}

static inline void buf_add_byte(struct buf *buf, char c)
{
	buf_add(buf, slice_make(&c, 1));
}

void buf_add_text(struct buf *buf, const char *text);
void buf_add_format(struct buf *buf, const char *format, ...) PRINTF_LIKE(2, 3);
void buf_add_format_list(struct buf *buf, const char *format, va_list args) PRINTF_LIKE(2, 0);
void buf_add_number(struct buf *buf, uint64_t value);

/*
 * Room for n more bytes to be written in place, then made part of the buf by
 * buf_commit(); NULL when they would not fit (the buf is then spoiled).
 */
char *buf_reserve(struct buf *buf, size_t n);
void buf_commit(struct buf *buf, size_t n);

/* Takes n bytes off the front (the rest moves up), or all behind the first n. */
void buf_drop(struct buf *buf, size_t n);
void buf_cut(struct buf *buf, size_t n);

static inline struct slice buf_slice(const struct buf *buf)
{
	return (struct slice){buf->p, buf->n};
}

/* NUL-ended (the NUL is not counted); "" while empty.  Valid until the next append. */
const char *buf_string(struct buf *buf);

#endif
