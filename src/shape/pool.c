/*
 * Which source of a pool serves a site.  A provider with an entry of its own sees
 * all sources of the pool, by weight; any other site sees only a few of them,
 * chosen by rendezvous hashing: every node and every restart chooses the same, and
 * a source that goes out of use moves only its own sites.
 *
 * Weights are kept by smooth weighted round robin over the pool, so that the
 * shares hold over time and no source gets a burst.
 */
#include <string.h>

#include "base/mem.h"
#include "parts.h"

#define CANDIDATES_MAX 16 /* sources_per_site beyond this see the whole pool */

void shape_clear_pools(struct shape *shape)
{
	size_t at = 0;
	struct slice key;
	void *pool;

	while (map_next(shape->pools, &at, &key, &pool)) {
		((struct pool *)pool)->count = 0;
	}
}

void pool_add(struct pool *pool, struct source *source, unsigned weight)
{
	pool->members = mem_grow(pool->members, pool->count + 1, sizeof(*pool->members));
	pool->members[pool->count++] = (struct member){source, weight > 0 ? weight : 1, 0};
}

size_t pool_count(const struct pool *pool)
{
	return pool->count;
}

bool pool_is_open(const struct pool *pool)
{
	for (size_t i = 0; i < pool->count; i++) {
		if (pool->members[i].source->held == NULL) {
			return true;
		}
	}
	return false;
}

struct slice pool_name(const struct pool *pool)
{
	return pool->name;
}

/* splitmix64's finish: spreads what FNV left alike. */
static uint64_t mix(uint64_t x)
{
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
	x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
	return x ^ (x >> 31);
}

static uint64_t site_hash(struct slice site)
{
	uint64_t hash = 0xcbf29ce484222325;

	for (size_t i = 0; i < site.n; i++) {
		hash = (hash ^ (unsigned char)site.p[i]) * 0x100000001b3;
	}
	return hash;
}

static bool is_open(const struct source *source, const struct pool_filter *filter)
{
	return source->held == NULL && (filter == NULL || filter->may(filter->context, source));
}

/* The `most` members in use that rank first for the site. */
static size_t rendezvous(const struct pool *pool, struct slice site, size_t most,
	const struct pool_filter *filter, struct member **ret_members)
{
	uint64_t ranks[CANDIDATES_MAX];
	uint64_t hash = site_hash(site);
	size_t n = 0;

	for (size_t i = 0; i < pool->count; i++) {
		struct member *member = &pool->members[i];
		uint64_t rank = mix(hash ^ mix(member->source->hash));
		size_t at = n;

		if (!is_open(member->source, filter)) {
			continue;
		}
		while (at > 0 && ranks[at - 1] < rank) {
			at--;
		}
		if (at >= most) {
			continue;
		}
		n += n < most;
		memmove(&ranks[at + 1], &ranks[at], (n - 1 - at) * sizeof(ranks[0]));
		memmove(&ret_members[at + 1], &ret_members[at],
			(n - 1 - at) * sizeof(ret_members[0]));
		ranks[at] = rank;
		ret_members[at] = member;
	}
	return n;
}

static struct source *by_weight(struct member **members, size_t count)
{
	struct member *best = NULL;
	int64_t total = 0;

	for (size_t i = 0; i < count; i++) {
		members[i]->turn += members[i]->weight;
		total += members[i]->weight;
		if (best == NULL || members[i]->turn > best->turn) {
			best = members[i];
		}
	}
	if (best == NULL) {
		return NULL;
	}
	best->turn -= total;
	return best->source;
}

static struct source *whole_pool(struct pool *pool, const struct pool_filter *filter)
{
	struct member *best = NULL;
	int64_t total = 0;

	for (size_t i = 0; i < pool->count; i++) {
		struct member *member = &pool->members[i];

		if (!is_open(member->source, filter)) {
			continue;
		}
		member->turn += member->weight;
		total += member->weight;
		if (best == NULL || member->turn > best->turn) {
			best = member;
		}
	}
	if (best == NULL) {
		return NULL;
	}
	best->turn -= total;
	return best->source;
}

static struct source *find_sticky(
	const struct pool *pool, struct slice sticky, const struct pool_filter *filter)
{
	for (size_t i = 0; i < pool->count; i++) {
		struct source *source = pool->members[i].source;

		if (slice_equal(source->name, sticky) && is_open(source, filter)) {
			return source;
		}
	}
	return NULL;
}

struct source *pool_choose(struct pool *pool, const struct provider *provider, struct slice site,
	struct slice sticky, const struct pool_filter *filter)
{
	struct member *members[CANDIDATES_MAX];
	struct source *source = sticky.n > 0 ? find_sticky(pool, sticky, filter) : NULL;
	unsigned few = provider != NULL ? provider->limits.sources_per_site
					: pool->shape->others.sources_per_site;

	if (source != NULL) {
		return source;
	}
	if (few == 0 || few > CANDIDATES_MAX) {
		return whole_pool(pool, filter);
	}
	return by_weight(members, rendezvous(pool, site, few, filter, members));
}

static int64_t source_permits(const struct pool *pool, const struct source *source,
	const struct provider *provider, int64_t now_us, int64_t within_us)
{
	struct usage *usage = shape_find_usage(pool->shape, source, provider);
	struct rate rate;

	if (source->held != NULL) {
		return 0;
	}
	if (usage != NULL) {
		return rate_permits(&usage->messages, now_us, within_us);
	}
	rate_init(&rate, provider->limits.messages, provider->limits.messages_period_us,
		provider->limits.messages_burst > 0 ? provider->limits.messages_burst : 1);
	return rate_permits(&rate, now_us, within_us);
}

unsigned pool_permits(const struct pool *pool, const struct provider *provider, int64_t now_us,
	int64_t within_us, unsigned most)
{
	int64_t permits = 0;
	size_t in_use = 0;

	if (provider != NULL && provider->held != NULL) {
		return 0;
	}
	for (size_t i = 0; i < pool->count && permits < most; i++) {
		const struct source *source = pool->members[i].source;

		in_use += source->held == NULL;
		if (provider != NULL) {
			permits += source_permits(pool, source, provider, now_us, within_us);
		}
	}
	if (provider == NULL) {
		return in_use > 0 ? most : 0;
	}
	return permits < most ? (unsigned)permits : most;
}
