/*
 * Bytes that grow.  One byte more than `cap` is always allocated, so that a NUL
 * for buf_string() and vsnprintf() finds room; `cap` never exceeds `max`, so that
 * an append that fits the memory needs no other test.
 */
#include "base/buf.h"

#include <stdio.h>

#include "base/mem.h"

#define FIRST_CAP 64

void buf_init(struct buf *buf, size_t max)
{
	*buf = (struct buf){.max = max};
}

void buf_clear(struct buf *buf)
{
	mem_free(buf->p);
	buf_init(buf, buf->max);
}

void buf_reset(struct buf *buf)
{
	buf->n = 0;
	buf->spoiled = false;
}

/* Makes room for n more bytes, or spoils. */
static bool grow(struct buf *buf, size_t n)
{
	size_t limit = buf->max > 0 ? buf->max : SIZE_MAX / 4;
	size_t cap = buf->cap;

	if (buf->spoiled || n > limit - buf->n) {
		buf->spoiled = true;
		return false;
	}
	if (buf->p != NULL && n <= cap - buf->n) {
		return true;
	}
	cap = cap < FIRST_CAP ? FIRST_CAP : cap * 2;
	if (cap - buf->n < n) {
		cap = buf->n + n;
	}
	if (cap > limit) {
		cap = limit;
	}
	buf->p = mem_grow(buf->p, cap + 1, 1);
	buf->cap = cap;
	return true;
}

void buf_add_slow(struct buf *buf, struct slice s)
{
	if (s.n > 0 && grow(buf, s.n)) {
		memcpy(buf->p + buf->n, s.p, s.n);
		buf->n += s.n;
	}
}

void buf_add_text(struct buf *buf, const char *text)
{
	buf_add(buf, slice_of(text));
}

void buf_add_format(struct buf *buf, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	buf_add_format_list(buf, format, args);
	va_end(args);
}

/* Bytes that the text has; up to room of them, with a NUL, are written. */
static PRINTF_LIKE(3, 0) size_t
	print(struct buf *buf, size_t room, const char *format, va_list args)
{
	va_list again;
	int n;

	va_copy(again, args);
	n = vsnprintf(room > 0 ? buf->p + buf->n : NULL, room, format, again);
	va_end(again);
	return n < 0 ? SIZE_MAX : (size_t)n;
}

void buf_add_format_list(struct buf *buf, const char *format, va_list args)
{
	size_t room = buf->p != NULL ? buf->cap - buf->n + 1 : 0;
	size_t n;

	if (buf->spoiled) {
		return;
	}
	n = print(buf, room, format, args);
	if (n >= room) {
		if (!grow(buf, n)) {
			return;
		}
		n = print(buf, n + 1, format, args);
	}
	buf->n += n;
}

void buf_add_number(struct buf *buf, uint64_t value)
{
	char digits[20]; /* of 2^64 - 1 */
	size_t at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + value % 10);
		value /= 10;
	} while (value > 0);
	buf_add(buf, slice_make(digits + at, sizeof(digits) - at));
}

char *buf_reserve(struct buf *buf, size_t n)
{
	return grow(buf, n) ? buf->p + buf->n : NULL;
}

void buf_commit(struct buf *buf, size_t n)
{
	buf->n += n;
}

void buf_drop(struct buf *buf, size_t n)
{
	if (n >= buf->n) {
		buf->n = 0;
	} else if (n > 0) {
		memmove(buf->p, buf->p + n, buf->n - n);
		buf->n -= n;
	}
}

void buf_cut(struct buf *buf, size_t n)
{
	if (n < buf->n) {
		buf->n = n;
	}
}

const char *buf_string(struct buf *buf)
{
	if (buf->p == NULL) {
		return "";
	}
	buf->p[buf->n] = '\0';
	return buf->p;
}
