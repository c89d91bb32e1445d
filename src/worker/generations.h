/*
 * A map that forgets by age: what is put in is found at least until the next rotation but
 * one.  Values are the caller's; `drop` gets each one that is forgotten.
 */
#ifndef WORKER_GENERATIONS_H
#define WORKER_GENERATIONS_H

#include "base/map.h"

enum generation { NEWER, OLDER, GENERATIONS };

struct generations {
	struct map *maps[GENERATIONS]; /* by generation; new entries go to NEWER */
};

void generations_open(struct generations *generations);
void generations_free(struct generations *generations, void (*drop)(void *value));

/* The older generation is forgotten, the newer becomes the older. */
void generations_rotate(struct generations *generations, void (*drop)(void *value));

/* NULL when neither has it. */
const void *generations_get(const struct generations *generations, struct slice key);

#endif
