/*
 * How often something happened, by key: the memory behind "the first three times".
 */
#ifndef WORLD_TALLY_H
#define WORLD_TALLY_H

#include <stdint.h>

#include "base/slice.h"

struct tally;

struct tally_count {
	uint64_t times;
	int64_t first_us; /* when it was seen first */
};

struct tally *tally_new(void);
void tally_free(struct tally **tally);

/* Counts one more; the result lives as long as the tally. */
struct tally_count *tally_add(struct tally *tally, struct slice key, int64_t now_us);

#endif
