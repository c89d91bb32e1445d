/*
 * Memory that dies together: chunks in a list, the newest in front, from which
 * pieces are cut off.  What is large gets a block of its own in a second list, so
 * that the rest of the current chunk is not lost.  The last chunk of the list is
 * the first that was made: reset keeps it, and zeroes what was used of it.
 */
#include "base/arena.h"

#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define DEFAULT_CHUNK 4096
#define ALIGN alignof(max_align_t)

struct chunk {
	struct chunk *next;
	size_t size;
	size_t used;
	alignas(max_align_t) char bytes[];
};

struct arena {
	struct chunk *chunks; /* never empty */
	struct chunk *large;
	size_t chunk_bytes;
	size_t held_bytes;
};

/* In front of the list. */
static struct chunk *chunk_push(struct arena *arena, struct chunk **list, size_t size)
{
	struct chunk *chunk = mem_new(sizeof(*chunk) + size);

	chunk->size = size;
	chunk->next = *list;
	*list = chunk;
	arena->held_bytes += sizeof(*chunk) + size;
	return chunk;
}

struct arena *arena_new(size_t chunk_bytes)
{
	struct arena *arena = MEM_NEW(struct arena);

	arena->chunk_bytes = chunk_bytes > 0 ? chunk_bytes : DEFAULT_CHUNK;
	arena->held_bytes = sizeof(*arena);
	chunk_push(arena, &arena->chunks, arena->chunk_bytes);
	return arena;
}

/* Frees chunks from the front until `end`. */
static void free_until(struct arena *arena, struct chunk **list, const struct chunk *end)
{
	while (*list != end) {
		struct chunk *chunk = *list;

		*list = chunk->next;
		arena->held_bytes -= sizeof(*chunk) + chunk->size;
		mem_free(chunk);
	}
}

void arena_free(struct arena **arena)
{
	if (*arena == NULL) {
		return;
	}
	free_until(*arena, &(*arena)->large, NULL);
	free_until(*arena, &(*arena)->chunks, NULL);
	mem_free(*arena);
	*arena = NULL;
}

void arena_reset(struct arena *arena)
{
	struct chunk *first = arena->chunks;

	while (first->next != NULL) {
		first = first->next;
	}
	free_until(arena, &arena->large, NULL);
	free_until(arena, &arena->chunks, first);
	memset(first->bytes, 0, first->used);
	first->used = 0;
}

void *arena_get(struct arena *arena, size_t size)
{
	struct chunk *chunk = arena->chunks;
	void *p;

	if (size > SIZE_MAX / 2) {
		abort();
	}
	size = size > 0 ? (size + ALIGN - 1) / ALIGN * ALIGN : ALIGN;
	if (size > chunk->size - chunk->used) {
		bool large = size > arena->chunk_bytes / 4;

		chunk = chunk_push(arena, large ? &arena->large : &arena->chunks,
			large ? size : arena->chunk_bytes);
	}
	p = chunk->bytes + chunk->used;
	chunk->used += size;
	return p;
}

void *arena_array(struct arena *arena, size_t count, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(count, size, &bytes)) {
		abort();
	}
	return arena_get(arena, bytes);
}

char *arena_string(struct arena *arena, struct slice s)
{
	char *copy;

	if (s.n == SIZE_MAX) {
		abort();
	}
	copy = arena_get(arena, s.n + 1);
	if (s.n > 0) {
		memcpy(copy, s.p, s.n);
	}
	return copy; /* the NUL is there: it was zeroed at birth */
}

struct slice arena_slice(struct arena *arena, struct slice s)
{
	return (struct slice){arena_string(arena, s), s.n};
}

size_t arena_bytes(const struct arena *arena)
{
	return arena->held_bytes;
}
