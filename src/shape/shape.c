/*
 * The objects of shaping and who owns them: one table for each kind, found by
 * name.  A lane finds its limits through its usage (source x provider), because
 * that is what a provider counts: all its sites together, each of our addresses
 * alone.
 *
 * Invariant: a lane's connections are part of its usage's connections.
 */
#include "shape/shape.h"

#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "parts.h"

static struct slice copy(struct slice s)
{
	return slice_make(mem_copy(s.p, s.n), s.n);
}

static void free_each(struct map **map, void (*free_one)(void *value))
{
	size_t at = 0;
	struct slice key;
	void *value;

	while (map_next(*map, &at, &key, &value)) {
		free_one(value);
	}
	map_free(map);
}

static void source_free(void *value)
{
	struct source *source = value;

	mem_free((void *)source->name.p);
	mem_free(source);
}

static void pool_free(void *value)
{
	struct pool *pool = value;

	mem_free((void *)pool->name.p);
	mem_free(pool->members);
	mem_free(pool);
}

static void provider_free(void *value)
{
	struct provider *provider = value;

	mem_free((void *)provider->name.p);
	mem_free(provider);
}

static void lane_free(void *value)
{
	struct lane *lane = value;

	place_leave(lane->shape, lane);
	mem_free((void *)lane->key.p);
	mem_free(lane);
}

struct shape *shape_new(void)
{
	struct shape *shape = MEM_NEW(struct shape);

	shape->sources = map_new();
	shape->pools = map_new();
	shape->providers = map_new();
	shape->usages = map_new();
	shape->lanes = map_new();
	shape->places = map_new();
	return shape;
}

void shape_free(struct shape **shape)
{
	if (*shape == NULL) {
		return;
	}
	free_each(&(*shape)->lanes, lane_free);
	map_free(&(*shape)->places);
	free_each(&(*shape)->usages, mem_free);
	free_each(&(*shape)->providers, provider_free);
	free_each(&(*shape)->pools, pool_free);
	free_each(&(*shape)->sources, source_free);
	mem_free(*shape);
	*shape = NULL;
}

void shape_on_room(
	struct shape *shape, void (*on_room)(void *owner, struct lane *lane), void *owner)
{
	shape->on_room = on_room;
	shape->room_owner = owner;
}

struct source *shape_source(struct shape *shape, struct slice name, void *owner)
{
	struct source *source = map_get(shape->sources, name);

	if (source == NULL) {
		source = MEM_NEW(struct source);
		source->name = copy(name);
		list_init(&source->waiting);
		for (size_t i = 0; i < name.n; i++) {
			/* FNV-1a: the same on every node, unlike map_hash() */
			source->hash = (source->hash ^ (unsigned char)name.p[i]) * 0x100000001b3;
		}
		map_put(shape->sources, name, source);
	}
	source->owner = owner;
	return source;
}

struct pool *shape_pool(struct shape *shape, struct slice name)
{
	struct pool *pool = map_get(shape->pools, name);

	if (pool == NULL) {
		pool = MEM_NEW(struct pool);
		pool->name = copy(name);
		pool->shape = shape;
		map_put(shape->pools, name, pool);
	}
	return pool;
}

struct provider *shape_provider(struct shape *shape, struct slice name)
{
	struct provider *provider = map_get(shape->providers, name);

	if (provider == NULL) {
		provider = MEM_NEW(struct provider);
		provider->name = copy(name);
		list_init(&provider->waiting);
		map_put(shape->providers, name, provider);
	}
	return provider;
}

struct pool *shape_find_pool(const struct shape *shape, struct slice name)
{
	return map_get(shape->pools, name);
}

struct provider *shape_find_provider(const struct shape *shape, struct slice name)
{
	return map_get(shape->providers, name);
}

struct source *shape_find_source(const struct shape *shape, struct slice name)
{
	return map_get(shape->sources, name);
}

struct slice provider_name(const struct provider *provider)
{
	return provider->name;
}

void provider_hold(struct provider *provider, const char *reason)
{
	provider->held = reason;
}

struct slice source_name(const struct source *source)
{
	return source->name;
}

void *source_owner(const struct source *source)
{
	return source->owner;
}

void shape_forget_owners(struct shape *shape)
{
	size_t at = 0;
	struct slice key;
	void *source;

	while (map_next(shape->sources, &at, &key, &source)) {
		((struct source *)source)->owner = NULL;
	}
}

void source_hold(struct source *source, const char *reason)
{
	source->held = reason;
}

/* Names joined by a NUL, which no name holds. */
static void pair_key(struct buf *out, struct slice a, struct slice b)
{
	buf_add(out, a);
	buf_add_byte(out, 0);
	buf_add(out, b);
}

static void usage_rates(struct usage *usage, const struct shape_limits *limits, bool fresh)
{
	void (*set)(struct rate *, int64_t, int64_t, int64_t) = fresh ? rate_init : rate_change;
	int64_t burst = limits->messages_burst > 0 ? limits->messages_burst : 1;

	set(&usage->messages, limits->messages, limits->messages_period_us, burst);
	set(&usage->connects, limits->connects, limits->connects_period_us, 1);
}

void shape_limit_others(struct shape *shape, const struct shape_limits *limits)
{
	shape->others = *limits;
}

void source_limit(struct source *source, const struct shape_limits *limits)
{
	source->limits = *limits;
	rate_change(&source->messages, limits->messages, limits->messages_period_us,
		limits->messages_burst > 0 ? limits->messages_burst : 1);
}

void provider_limit(struct provider *provider, const struct shape_limits *limits)
{
	provider->limits = *limits;
}

/* A reload changes the limits of usages that exist; what they spent stays spent. */
static void usage_follow(struct usage *usage, const struct shape_limits *limits)
{
	usage_rates(usage, limits, false);
}

struct usage *shape_find_usage(
	const struct shape *shape, const struct source *source, const struct provider *provider)
{
	struct buf key;
	struct usage *usage;

	buf_init(&key, 0);
	pair_key(&key, source->name, provider->name);
	usage = map_get(shape->usages, buf_slice(&key));
	buf_clear(&key);
	return usage;
}

static struct usage *usage_of(
	struct shape *shape, struct slice source, struct slice counted, struct provider *provider)
{
	struct buf key;
	struct usage *usage;

	buf_init(&key, 0);
	pair_key(&key, source, counted);
	usage = map_get(shape->usages, buf_slice(&key));
	if (usage == NULL) {
		usage = MEM_NEW(struct usage);
		usage->provider = provider;
		list_init(&usage->waiting);
		usage_rates(usage, provider != NULL ? &provider->limits : &shape->others, true);
		map_put(shape->usages, buf_slice(&key), usage);
	} else if (provider != NULL) {
		usage_follow(usage, &provider->limits);
	}
	buf_clear(&key);
	return usage;
}

struct lane *shape_lane(
	struct shape *shape, struct source *source, struct provider *provider, struct slice site)
{
	struct buf key;
	struct lane *lane;

	buf_init(&key, 0);
	pair_key(&key, source->name, site);
	buf_add_byte(&key, 0);
	buf_add(&key, provider != NULL ? provider->name : SLICE(""));
	lane = map_get(shape->lanes, buf_slice(&key));
	if (lane == NULL) {
		lane = MEM_NEW(struct lane);
		lane->shape = shape;
		lane->source = source;
		place_join(shape, lane, site);
		lane->key = copy(buf_slice(&key));
		/* A site of no provider shares its count with nobody. */
		lane->usage = usage_of(shape, source->name,
			provider != NULL ? provider->name : lane->key, provider);
		map_put(shape->lanes, lane->key, lane);
	}
	buf_clear(&key);
	return lane;
}

void shape_drop_lane(struct shape *shape, struct lane **lane)
{
	struct lane *gone = *lane;

	if (gone == NULL) {
		return;
	}
	if (list_linked(&gone->link)) {
		list_remove(gone->waits_in, &gone->link);
	}
	map_remove(shape->lanes, gone->key);
	if (gone->usage->provider == NULL) {
		struct buf key;

		buf_init(&key, 0);
		pair_key(&key, gone->source->name, gone->key);
		mem_free(map_remove(shape->usages, buf_slice(&key)));
		buf_clear(&key);
	}
	lane_free(gone);
	*lane = NULL;
}
