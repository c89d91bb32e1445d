/*
 * Least recently used, over a map and a list.  Strangers choose the keys (domains
 * of recipients), so the table is bounded by count and the map's hash is seeded.
 * Invariant: an entry is on the list exactly when it is in the map.
 */
#include "cache.h"

#include "base/mem.h"

void cache_init(struct cache *cache, size_t max, void (*on_drop)(struct cache_entry *entry))
{
	*cache = (struct cache){.map = map_new(), .max = max, .on_drop = on_drop};
	list_init(&cache->order);
}

static void drop(struct cache *cache, struct cache_entry *entry)
{
	(void)map_remove(cache->map, cache_key(entry));
	list_remove(&cache->order, &entry->link);
	mem_free(entry->key);
	entry->key = NULL;
	cache->on_drop(entry);
}

void cache_clear(struct cache *cache)
{
	struct list_link *link;

	while ((link = list_first(&cache->order)) != NULL) {
		drop(cache, LIST_OWNER(link, struct cache_entry, link));
	}
	map_free(&cache->map);
}

struct cache_entry *cache_get(struct cache *cache, struct slice key)
{
	struct cache_entry *entry = map_get(cache->map, key);

	if (entry != NULL) {
		list_remove(&cache->order, &entry->link);
		list_push(&cache->order, &entry->link);
	}
	return entry;
}

void cache_put(struct cache *cache, struct slice key, struct cache_entry *entry)
{
	entry->key = mem_copy(key.p, key.n);
	entry->key_n = key.n;
	(void)map_put(cache->map, key, entry);
	list_push(&cache->order, &entry->link);
	cache_trim(cache);
}

void cache_trim(struct cache *cache)
{
	struct list_link *link = list_first(&cache->order);

	while (cache->order.count > cache->max && link != NULL) {
		struct cache_entry *entry = LIST_OWNER(link, struct cache_entry, link);

		link = list_next(&cache->order, link);
		if (!entry->busy) {
			drop(cache, entry);
		}
	}
}
