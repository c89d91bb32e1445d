/*
 * Peers choose what is remembered, so it is bounded: when it is full the entries that
 * are over go, and when none is, all do.  To forget is harmless: what is kept here
 * saves a try that would fail again.
 */
#include "memory.h"

#include "base/map.h"
#include "base/mem.h"

enum { ENTRIES_MAX = 10000 };

struct memory {
	struct map *until; /* int64_t * */
};

struct memory *memory_new(void)
{
	struct memory *memory = MEM_NEW(struct memory);

	memory->until = map_new();
	return memory;
}

static void forget(struct memory *memory, int64_t before_us)
{
	struct slice key;
	void *value;

	for (size_t at = 0; map_next(memory->until, &at, &key, &value);) {
		if (*(const int64_t *)value < before_us) {
			map_remove(memory->until, key);
			mem_free(value);
		}
	}
}

void memory_free(struct memory **memory)
{
	if (*memory == NULL) {
		return;
	}
	forget(*memory, INT64_MAX);
	map_free(&(*memory)->until);
	mem_free(*memory);
	*memory = NULL;
}

void memory_add(struct memory *memory, struct slice key, int64_t until_us, int64_t now_us)
{
	int64_t *until = MEM_NEW(int64_t);

	if (map_count(memory->until) >= ENTRIES_MAX) {
		forget(memory, now_us);
	}
	if (map_count(memory->until) >= ENTRIES_MAX) {
		forget(memory, INT64_MAX);
	}
	*until = until_us;
	mem_free(map_put(memory->until, key, until));
}

bool memory_has(const struct memory *memory, struct slice key, int64_t now_us)
{
	const int64_t *until_us = map_get(memory->until, key);

	return until_us != NULL && *until_us >= now_us;
}
