/*
 * UUIDs (RFC 9562).  Ids of jobs, batches and attempts are version 7: they carry
 * the millisecond they were made, and tables are partitioned on them.
 */
#ifndef BASE_ID_H
#define BASE_ID_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/buf.h"
#include "base/slice.h"

struct id {
	uint8_t bytes[16];
};

#define ID_TEXT 36 /* characters of the usual form, without a NUL */

/* Version 7 of this wall-clock millisecond; the rest is random. */
struct id id_make(int64_t wall_ms);

/* Version 7 whose 74 free bits are given (the first 10 bytes of a digest). */
struct id id_derive(int64_t wall_ms, const uint8_t bits[10]);

/* Version 4: tokens. */
struct id id_random(void);

/* Only the usual 8-4-4-4-12 form, in either case. */
bool id_parse(struct slice text, struct id *ret_id);
void id_add(struct buf *out, struct id id);
void id_text(struct id id, char ret_text[ID_TEXT + 1]);

bool id_equal(struct id a, struct id b);
bool id_is_zero(struct id id);
int id_version(struct id id);
int64_t id_wall_ms(struct id id); /* of a version 7 */

/* From the kernel; aborts when it has none. */
void id_random_bytes(void *p, size_t n);

static inline struct slice id_slice(const struct id *id)
{
	return (struct slice){(const char *)id->bytes, sizeof(id->bytes)};
}

/* Of the first 16 octets, which are there: keys of maps begin with ids. */
static inline struct id id_from(struct slice bytes)
{
	struct id id;

	memcpy(id.bytes, bytes.p, sizeof(id.bytes));
	return id;
}

#endif
