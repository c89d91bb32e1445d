/*
 * Shaping: may this source talk to that site now, and if not, when, and who says
 * so.  Everything that is limited per IP is decided here, by the one loop that
 * owns the IP; the strictest limit wins.  Pure: time is a parameter, in
 * microseconds of a clock that does not go back.
 *
 *	source     a sending identity (an address with its EHLO name, or a relay)
 *	pool       a named set of sources with weights
 *	provider   what many sites have in common (gmail); counted per source
 *	lane       source x site: where connections are held and messages flow
 *
 * Objects live as long as the shape; names are copied.
 */
#ifndef SHAPE_SHAPE_H
#define SHAPE_SHAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

struct shape;
struct source;
struct pool;
struct provider;
struct lane;

/* 0 in any member = no such limit.  Connections and rates count per source, but for the total. */
struct shape_limits {
	unsigned connections_total;    /* to all sites of the provider, of all sources */
	unsigned connections;          /* to all sites of the provider */
	unsigned connections_per_site; /* of one lane */
	unsigned messages_per_connection;
	int64_t messages; /* per period, all sites of the provider */
	int64_t messages_period_us;
	int64_t messages_burst;
	int64_t connects; /* new connections per period */
	int64_t connects_period_us;
	unsigned sources_per_site; /* sources of a pool that serve one site; 0 = all */
};

struct shape *shape_new(void);
void shape_free(struct shape **shape);

/* Returns the object of that name, new or as it was; owner is the caller's. */
struct source *shape_source(struct shape *shape, struct slice name, void *owner);
struct pool *shape_pool(struct shape *shape, struct slice name);
struct provider *shape_provider(struct shape *shape, struct slice name);

/* NULL when there is none. */
struct pool *shape_find_pool(const struct shape *shape, struct slice name);
struct provider *shape_find_provider(const struct shape *shape, struct slice name);
struct source *shape_find_source(const struct shape *shape, struct slice name);

/* Limits of sites that belong to no provider, each site counted alone. */
void shape_limit_others(struct shape *shape, const struct shape_limits *limits);

/* Of a source, to all destinations together: connections, and messages with their period. */
void source_limit(struct source *source, const struct shape_limits *limits);

/* A reload: new limits for the same provider; what was spent stays spent. */
void provider_limit(struct provider *provider, const struct shape_limits *limits);
struct slice provider_name(const struct provider *provider);

/* A reload empties all pools and adds their members anew; lanes in use go on. */
void shape_clear_pools(struct shape *shape);
void pool_add(struct pool *pool, struct source *source, unsigned weight);
size_t pool_count(const struct pool *pool);
bool pool_is_open(const struct pool *pool); /* a member is in use */
struct slice pool_name(const struct pool *pool);

/* Of a source: out of use (held by an operator, unplumbed) with the reason, or NULL. */
void source_hold(struct source *source, const char *reason);
void provider_hold(struct provider *provider, const char *reason);
struct slice source_name(const struct source *source);
void *source_owner(const struct source *source);

/*
 * The source of the pool that shall serve the site: the one named `sticky` (a
 * retry's, for greylisting) where it is a member in use; else by weight among the
 * sources_per_site that rendezvous hashing gives this site, so that a small server
 * never sees the whole pool.  A member that may not, by the filter (or NULL), is as one
 * out of use.  NULL when no member is in use.
 */
struct pool_filter {
	bool (*may)(const void *context, const struct source *source);
	const void *context;
};
struct source *pool_choose(struct pool *pool, const struct provider *provider, struct slice site,
	struct slice sticky, const struct pool_filter *filter);

/*
 * The lane of that source, site and provider, new or as it was.  `site` also tells
 * apart what may not share connections, such as another TLS policy.
 */
struct lane *shape_lane(
	struct shape *shape, struct source *source, struct provider *provider, struct slice site);
void *lane_owner(const struct lane *lane);
void lane_set_owner(struct lane *lane, void *owner);
struct source *lane_source(const struct lane *lane);
struct provider *lane_provider(const struct lane *lane);
struct slice lane_site(const struct lane *lane);

/* A reload: sources that are configured no more have no owner. */
void shape_forget_owners(struct shape *shape);

/* Whoever keeps a lane says so; lane_unuse() tells whether it was the last. */
void lane_use(struct lane *lane);
bool lane_unuse(struct lane *lane);

/* Forgets a lane without connections and users. */
void shape_drop_lane(struct shape *shape, struct lane **lane);

#endif
