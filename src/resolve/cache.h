/*
 * A bounded table that drops what was not asked for longest.  Entries are the
 * owner's structs with a struct cache_entry in them; a busy one is never dropped.
 */
#ifndef SRC_RESOLVE_CACHE_H
#define SRC_RESOLVE_CACHE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/list.h"
#include "base/map.h"
#include "base/slice.h"

struct cache_entry {
	struct list_link link;
	char *key;
	size_t key_n;
	bool busy;
};

struct cache {
	struct map *map;
	struct list order; /* the one asked for longest ago is first */
	size_t max;        /* entries, busy ones on top; 0 = none are kept */
	void (*on_drop)(struct cache_entry *entry); /* the entry's memory is the owner's to free */
};

#define CACHE_OWNER(entry, type, member) LIST_OWNER(entry, type, member)

void cache_init(struct cache *cache, size_t max, void (*on_drop)(struct cache_entry *entry));
void cache_clear(struct cache *cache); /* drops all, busy or not */

/* NULL when it is not there; asking makes it young. */
struct cache_entry *cache_get(struct cache *cache, struct slice key);

/* A key that is not there yet.  Others may be dropped. */
void cache_put(struct cache *cache, struct slice key, struct cache_entry *entry);

/* Drops what is too much. */
void cache_trim(struct cache *cache);

static inline struct slice cache_key(const struct cache_entry *entry)
{
	return slice_make(entry->key, entry->key_n);
}

#endif
