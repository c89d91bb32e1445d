/*
 * A guess suffices: what is noted too much costs one empty claim, what is missed is
 * found by the next sweep.  The list is an array without holes, as those who choose
 * want it, with an index beside it; a kind is removed by putting the last in its place.
 */
#include "ready.h"

#include <string.h>

#include "base/buf.h"
#include "base/map.h"
#include "base/mem.h"

enum { GUESS_FIRST = 500, GUESS_MAX = 100000 };

struct ready_set {
	struct ready *kinds;
	uint32_t *seen; /* the sweep that saw it last, parallel */
	size_t count;
	size_t cap;
	size_t max;
	uint32_t sweep;
	struct map *index; /* key -> place + 1 */
	struct buf key;
};

struct ready_set *ready_set_new(size_t max)
{
	struct ready_set *set = MEM_NEW(struct ready_set);

	set->max = max;
	set->index = map_new();
	buf_init(&set->key, 0);
	return set;
}

static void drop_texts(struct ready *kind)
{
	mem_free((char *)(uintptr_t)kind->pool.p);
	mem_free((char *)(uintptr_t)kind->tag.p);
}

void ready_set_free(struct ready_set **set)
{
	struct ready_set *s = *set;

	if (s == NULL) {
		return;
	}
	*set = NULL;
	for (size_t i = 0; i < s->count; i++) {
		drop_texts(&s->kinds[i]);
	}
	mem_free(s->kinds);
	mem_free(s->seen);
	map_free(&s->index);
	buf_clear(&s->key);
	mem_free(s);
}

static struct slice key_of(struct ready_set *set, const struct ready *kind)
{
	buf_reset(&set->key);
	buf_add(&set->key, id_slice(&kind->tenant));
	buf_add_number(&set->key, (uint64_t)(unsigned)kind->priority);
	buf_add_byte(&set->key, kind->careful ? '!' : '\0');
	buf_add(&set->key, kind->pool);
	buf_add_byte(&set->key, '\0');
	buf_add(&set->key, kind->tag);
	return buf_slice(&set->key);
}

static void *place(size_t at)
{
	return (void *)(uintptr_t)(at + 1);
}

static bool find(struct ready_set *set, const struct ready *kind, size_t *ret_at)
{
	void *found = map_get(set->index, key_of(set, kind));

	if (found == NULL) {
		return false;
	}
	*ret_at = (uintptr_t)found - 1;
	return true;
}

static void grow(struct ready_set *set)
{
	if (set->count == set->cap) {
		set->cap = set->cap == 0 ? 16 : set->cap * 2;
		set->kinds = mem_grow(set->kinds, set->cap, sizeof(set->kinds[0]));
		set->seen = mem_grow(set->seen, set->cap, sizeof(set->seen[0]));
	}
}

void ready_set_note(struct ready_set *set, const struct ready *kind, unsigned jobs)
{
	size_t at;

	if (find(set, kind, &at)) {
		set->seen[at] = set->sweep;
		if (jobs > set->kinds[at].jobs) {
			set->kinds[at].jobs = jobs;
		}
		return;
	}
	if (set->count >= set->max) {
		return;
	}
	grow(set);
	at = set->count++;
	set->kinds[at] = *kind;
	set->kinds[at].pool = slice_make(mem_copy(kind->pool.p, kind->pool.n), kind->pool.n);
	set->kinds[at].tag = slice_make(mem_copy(kind->tag.p, kind->tag.n), kind->tag.n);
	set->kinds[at].jobs = jobs > 0 ? jobs : GUESS_FIRST;
	set->seen[at] = set->sweep;
	map_put(set->index, key_of(set, kind), place(at));
}

static void drop(struct ready_set *set, size_t at)
{
	size_t last = set->count - 1;

	map_remove(set->index, key_of(set, &set->kinds[at]));
	drop_texts(&set->kinds[at]);
	if (at != last) {
		set->kinds[at] = set->kinds[last];
		set->seen[at] = set->seen[last];
		map_put(set->index, key_of(set, &set->kinds[at]), place(at));
	}
	set->count--;
}

void ready_set_sweep_start(struct ready_set *set)
{
	set->sweep++;
}

void ready_set_sweep_end(struct ready_set *set)
{
	for (size_t at = set->count; at-- > 0;) {
		if (set->seen[at] != set->sweep) {
			drop(set, at);
		}
	}
}

const struct ready *ready_set_list(const struct ready_set *set, size_t *ret_count)
{
	*ret_count = set->count;
	return set->kinds;
}

void ready_set_claimed(
	struct ready_set *set, const struct ready *kind, unsigned asked, unsigned got)
{
	size_t at;

	if (!find(set, kind, &at)) {
		return;
	}
	if (got < asked) {
		drop(set, at);
	} else if (set->kinds[at].jobs < GUESS_MAX / 2) {
		set->kinds[at].jobs *= 2;
	}
}
