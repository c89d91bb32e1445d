/*
 * Chance that comes from the seed: equal on every machine and in every run.
 */
#ifndef WORLD_CHANCE_H
#define WORLD_CHANCE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

/* Of seed, salt and key, evenly spread. */
uint64_t chance_draw(uint64_t seed, uint64_t salt, struct slice key);

/* Whether it falls within so many parts of a million. */
bool chance_hits(uint64_t seed, uint64_t salt, struct slice key, uint32_t share_ppm);

#endif
