/*
 * Memory that is always there.  There is nothing sensible to do without it: a
 * worker that aborts is started again and finds in its journal what it was at.
 * Sizes of 0 get a byte, so that NULL never means anything; products that would
 * overflow abort before libc sees them.
 */
#include "base/mem.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/slice.h"

static void *must(void *p)
{
	if (p == NULL) {
		abort();
	}
	return p;
}

static size_t product(size_t count, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(count, size, &bytes)) {
		abort();
	}
	return bytes > 0 ? bytes : 1;
}

void *mem_new(size_t size)
{
	return must(calloc(1, size > 0 ? size : 1));
}

void *mem_array(size_t count, size_t size)
{
	return mem_new(product(count, size));
}

void *mem_grow(void *p, size_t count, size_t size)
{
	return must(realloc(p, product(count, size)));
}

char *mem_copy(const void *p, size_t n)
{
	char *copy;

	if (n == SIZE_MAX) {
		abort();
	}
	copy = must(malloc(n + 1));
	if (n > 0) {
		memcpy(copy, p, n);
	}
	copy[n] = '\0';
	return copy;
}

char *mem_string(const char *text)
{
	return mem_copy(text, strlen(text));
}

void mem_free(void *p)
{
	free(p);
}

/* Of slice.h, but here is where memory is made. */
char *slice_string(struct slice s)
{
	return mem_copy(s.p, s.n);
}
