/*
 * Memory that dies together: chunks in a list, the newest in front, from which
 * pieces are cut off.  What is large gets a chunk of its own behind the current
 * one, so that the rest of the current one is not lost.  The last chunk in the
 * list is the first that was made: reset keeps it, and zeroes what was used.
 */
#include "base/arena.h"

#include <stdalign.h>
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
	struct chunk *chunks;
	size_t chunk_bytes;
	size_t held_bytes;
};

static struct chunk *chunk_new(struct arena *arena, size_t size)
{
	struct chunk *chunk = mem_new(sizeof(*chunk) + size);

	chunk->size = size;
	arena->held_bytes += sizeof(*chunk) + size;
	return chunk;
}

struct arena *arena_new(size_t chunk_bytes)
{
	struct arena *arena = MEM_NEW(struct arena);

	arena->chunk_bytes = chunk_bytes > 0 ? chunk_bytes : DEFAULT_CHUNK;
	arena->held_bytes = sizeof(*arena);
	arena->chunks = chunk_new(arena, arena->chunk_bytes);
	return arena;
}

/* All but the last of the list, which is returned. */
static struct chunk *free_newer(struct arena *arena)
{
	struct chunk *chunk = arena->chunks;

	while (chunk->next != NULL) {
		struct chunk *next = chunk->next;

		arena->held_bytes -= sizeof(*chunk) + chunk->size;
		mem_free(chunk);
		chunk = next;
	}
	return chunk;
}

void arena_free(struct arena **arena)
{
	if (*arena == NULL) {
		return;
	}
	mem_free(free_newer(*arena));
	mem_free(*arena);
	*arena = NULL;
}

void arena_reset(struct arena *arena)
{
	struct chunk *chunk = free_newer(arena);

	memset(chunk->bytes, 0, chunk->used);
	chunk->used = 0;
	arena->chunks = chunk;
}

static void *get_own_chunk(struct arena *arena, size_t size)
{
	struct chunk *current = arena->chunks;
	struct chunk *chunk = chunk_new(arena, size);
	struct chunk **link = current->next != NULL ? &current->next : &arena->chunks;

	chunk->used = size;
	chunk->next = *link;
	*link = chunk;
	return chunk->bytes;
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
		if (size > arena->chunk_bytes / 4) {
			return get_own_chunk(arena, size);
		}
		chunk = chunk_new(arena, arena->chunk_bytes);
		chunk->next = arena->chunks;
		arena->chunks = chunk;
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
