/*
 * Open addressing with linear probing.  Keys of up to 16 bytes (ids, most of all)
 * live in the slot itself.  A slot is free when it has no value; a free slot with
 * hash GRAVE lost its entry and the probe goes on behind it.  Entries never move
 * but when the table is rebuilt by a put, so that a walk may remove what it sees.
 * At most three quarters of the slots are entries or graves.
 */
#include "base/map.h"

#include <stdint.h>
#include <string.h>
#include <sys/auxv.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/mem.h"

#define FIRST_SLOTS 16
#define NEAR_BYTES 16
#define GRAVE 1

struct slot {
	uint64_t hash;
	void *value;
	size_t key_bytes;
	union {
		char near[NEAR_BYTES];
		char *far;
	} key;
};

struct map {
	struct slot *slots;
	size_t mask; /* their number - 1: a power of 2 */
	size_t count;
	size_t graves;
	uint64_t seed;
};

/*
 * The kernel gives every process 16 random bytes at exec.  They are hashed, since
 * libc makes its own secrets of them as they are.
 */
static uint64_t process_seed(void)
{
	const void *random = (const void *)getauxval(AT_RANDOM);

	return random != NULL ? XXH3_64bits(random, 16) : 0;
}

static uint64_t hash_seeded(struct slice key, uint64_t seed)
{
	return XXH3_64bits_withSeed(key.n > 0 ? key.p : "", key.n, seed);
}

uint64_t map_hash(struct slice key)
{
	return hash_seeded(key, process_seed());
}

struct map *map_new(void)
{
	struct map *map = MEM_NEW(struct map);

	map->slots = mem_array(FIRST_SLOTS, sizeof(*map->slots));
	map->mask = FIRST_SLOTS - 1;
	map->seed = process_seed();
	return map;
}

static const char *slot_key(const struct slot *slot)
{
	return slot->key_bytes <= NEAR_BYTES ? slot->key.near : slot->key.far;
}

static void free_key(struct slot *slot)
{
	if (slot->key_bytes > NEAR_BYTES) {
		mem_free(slot->key.far);
	}
}

void map_free(struct map **map)
{
	if (*map == NULL) {
		return;
	}
	for (size_t i = 0; i <= (*map)->mask; i++) {
		if ((*map)->slots[i].value != NULL) {
			free_key(&(*map)->slots[i]);
		}
	}
	mem_free((*map)->slots);
	mem_free(*map);
	*map = NULL;
}

size_t map_count(const struct map *map)
{
	return map->count;
}

static bool slot_is(const struct slot *slot, uint64_t hash, struct slice key)
{
	return slot->hash == hash && slot->value != NULL && slot->key_bytes == key.n &&
		(key.n == 0 || memcmp(slot_key(slot), key.p, key.n) == 0);
}

static bool is_end(const struct slot *slot)
{
	return slot->value == NULL && slot->hash != GRAVE;
}

/* The slot of the key, or NULL. */
static struct slot *find(const struct map *map, uint64_t hash, struct slice key)
{
	for (size_t i = hash & map->mask;; i = (i + 1) & map->mask) {
		struct slot *slot = &map->slots[i];

		if (slot_is(slot, hash, key)) {
			return slot;
		}
		if (is_end(slot)) {
			return NULL;
		}
	}
}

/* The first free slot (or grave) for a key that is not there. */
static struct slot *find_free(const struct map *map, uint64_t hash)
{
	size_t i = hash & map->mask;

	while (map->slots[i].value != NULL) {
		i = (i + 1) & map->mask;
	}
	return &map->slots[i];
}

/* Without the graves, and larger when more than half is in use. */
static void rebuild(struct map *map)
{
	struct slot *old = map->slots;
	size_t old_count = map->mask + 1;
	size_t new_count = map->count > old_count / 2 ? old_count * 2 : old_count;

	map->slots = mem_array(new_count, sizeof(*map->slots));
	map->mask = new_count - 1;
	map->graves = 0;
	for (size_t i = 0; i < old_count; i++) {
		if (old[i].value != NULL) {
			*find_free(map, old[i].hash) = old[i];
		}
	}
	mem_free(old);
}

void *map_get(const struct map *map, struct slice key)
{
	struct slot *slot = find(map, hash_seeded(key, map->seed), key);

	return slot != NULL ? slot->value : NULL;
}

static void fill(struct slot *slot, uint64_t hash, struct slice key, void *value)
{
	slot->hash = hash;
	slot->value = value;
	slot->key_bytes = key.n;
	if (key.n > NEAR_BYTES) {
		slot->key.far = mem_copy(key.p, key.n);
	} else if (key.n > 0) {
		memcpy(slot->key.near, key.p, key.n);
	}
}

void *map_put(struct map *map, struct slice key, void *value)
{
	uint64_t hash = hash_seeded(key, map->seed);
	struct slot *slot = find(map, hash, key);

	if (slot != NULL) {
		void *before = slot->value;

		slot->value = value;
		return before;
	}
	if ((map->count + map->graves + 1) * 4 > (map->mask + 1) * 3) {
		rebuild(map);
	}
	slot = find_free(map, hash);
	if (slot->hash == GRAVE) {
		map->graves--;
	}
	fill(slot, hash, key, value);
	map->count++;
	return NULL;
}

/* Graves right before a free slot hold up no probe: they become free too. */
static void close_graves(struct map *map, size_t i)
{
	while (map->slots[i].value == NULL && map->slots[i].hash == GRAVE &&
		is_end(&map->slots[(i + 1) & map->mask])) {
		map->slots[i].hash = 0;
		map->graves--;
		i = (i - 1) & map->mask;
	}
}

void *map_remove(struct map *map, struct slice key)
{
	struct slot *slot = find(map, hash_seeded(key, map->seed), key);
	void *value;

	if (slot == NULL) {
		return NULL;
	}
	value = slot->value;
	free_key(slot);
	*slot = (struct slot){.hash = GRAVE};
	map->count--;
	map->graves++;
	close_graves(map, (size_t)(slot - map->slots));
	return value;
}

bool map_next(const struct map *map, size_t *at, struct slice *ret_key, void **ret_value)
{
	while (*at <= map->mask) {
		const struct slot *slot = &map->slots[(*at)++];

		if (slot->value != NULL) {
			*ret_key = slice_make(slot_key(slot), slot->key_bytes);
			*ret_value = slot->value;
			return true;
		}
	}
	return false;
}
