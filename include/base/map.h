/*
 * A hash map from bytes to a pointer.  Keys are copied; values are borrowed.  The
 * hash is seeded per process, because keys come from strangers.
 */
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

struct map;

struct map *map_new(void);
void map_free(struct map **map); /* the values are the caller's */

size_t map_count(const struct map *map);

/* NULL when it is not there. */
void *map_get(const struct map *map, struct slice key);

/* Returns the value that was there before, or NULL.  value may not be NULL. */
void *map_put(struct map *map, struct slice key, void *value);

/* Takes it out and returns its value, or NULL. */
void *map_remove(struct map *map, struct slice key);

/*
 * Walks in no order: start with *at == 0, until false.  The map may lose the
 * entry just seen during the walk, and nothing else may change.  The key is
 * borrowed until the next put, or its removal.
 */
bool map_next(const struct map *map, size_t *at, struct slice *ret_key, void **ret_value);

/* The same seeded hash, for other tables. */
uint64_t map_hash(struct slice key);

#endif
