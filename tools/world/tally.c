/*
 * Counters by key, made when they are first needed.
 *
 * A key is whatever a rule counts by (a recipient, an address and a sender, or
 * nothing).  The world lives as long as a test, so nothing is ever forgotten: a
 * greylist that forgot would make runs differ.
 */
#include "tally.h"

#include "base/arena.h"
#include "base/map.h"
#include "base/mem.h"

struct tally {
	struct map *counts;
	struct arena *arena;
};

struct tally *tally_new(void)
{
	struct tally *tally = MEM_NEW(struct tally);

	tally->counts = map_new();
	tally->arena = arena_new(0);
	return tally;
}

void tally_free(struct tally **tally)
{
	if (*tally == NULL) {
		return;
	}
	map_free(&(*tally)->counts);
	arena_free(&(*tally)->arena);
	mem_free(*tally);
	*tally = NULL;
}

struct tally_count *tally_add(struct tally *tally, struct slice key, int64_t now_us)
{
	struct tally_count *count = map_get(tally->counts, key);

	if (count == NULL) {
		count = arena_get(tally->arena, sizeof(*count));
		count->first_us = now_us;
		(void)map_put(tally->counts, key, count);
	}
	count->times++;
	return count;
}
