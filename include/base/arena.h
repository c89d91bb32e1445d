/*
 * Memory that lives and dies together: one arena a message, a query, a file.
 * Nothing in it is freed alone.  Zeroed at birth like all our memory.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stddef.h>

#include "base/slice.h"

struct arena;

struct arena *arena_new(size_t chunk_bytes); /* 0 = 4096 */
void arena_free(struct arena **arena);

/* Empties it but keeps one chunk, for the next message. */
void arena_reset(struct arena *arena);

void *arena_get(struct arena *arena, size_t size); /* aligned for any type */
void *arena_array(struct arena *arena, size_t count, size_t size);

/* Copies with a NUL behind them. */
struct slice arena_slice(struct arena *arena, struct slice s);
char *arena_string(struct arena *arena, struct slice s);

/* What it holds from the heap, for accounts of memory. */
size_t arena_bytes(const struct arena *arena);

#endif
