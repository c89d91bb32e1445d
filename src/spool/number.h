/*
 * Little-endian numbers and lengths, as the files of the spool have them.  A reader
 * that runs out of bytes fails once and for all and gives zeros from then on.
 */
#ifndef SPOOL_NUMBER_H
#define SPOOL_NUMBER_H

#include <endian.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/buf.h"
#include "base/id.h"
#include "base/slice.h"

static inline void number_add16(struct buf *out, uint16_t value)
{
	uint16_t little = htole16(value);

	buf_add(out, slice_make((const char *)&little, sizeof(little)));
}

static inline void number_add32(struct buf *out, uint32_t value)
{
	uint32_t little = htole32(value);

	buf_add(out, slice_make((const char *)&little, sizeof(little)));
}

static inline void number_add64(struct buf *out, uint64_t value)
{
	uint64_t little = htole64(value);

	buf_add(out, slice_make((const char *)&little, sizeof(little)));
}

static inline void number_put32(char *at, uint32_t value)
{
	uint32_t little = htole32(value);

	memcpy(at, &little, sizeof(little));
}

struct numbers {
	struct slice rest;
	bool failed;
};

static inline struct slice numbers_bytes(struct numbers *in, size_t n)
{
	struct slice bytes = {in->rest.p, n};

	if (in->failed || n > in->rest.n) {
		in->failed = true;
		return (struct slice){NULL, 0};
	}
	in->rest.p += n;
	in->rest.n -= n;
	return bytes;
}

static inline uint64_t numbers_value(struct numbers *in, size_t n)
{
	struct slice bytes = numbers_bytes(in, n);
	uint64_t value = 0;

	for (size_t i = 0; i < bytes.n; i++) {
		value |= (uint64_t)(unsigned char)bytes.p[i] << (8 * i);
	}
	return value;
}

static inline uint8_t numbers_u8(struct numbers *in)
{
	return (uint8_t)numbers_value(in, 1);
}

static inline uint16_t numbers_u16(struct numbers *in)
{
	return (uint16_t)numbers_value(in, 2);
}

static inline uint32_t numbers_u32(struct numbers *in)
{
	return (uint32_t)numbers_value(in, 4);
}

static inline uint64_t numbers_u64(struct numbers *in)
{
	return numbers_value(in, 8);
}

static inline struct id numbers_id(struct numbers *in)
{
	struct slice bytes = numbers_bytes(in, sizeof(struct id));

	return bytes.n == sizeof(struct id) ? id_from(bytes) : (struct id){{0}};
}

#endif
