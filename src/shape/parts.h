/*
 * The structs of shaping, shared by the files of this folder only.
 */
#ifndef SHAPE_PARTS_H
#define SHAPE_PARTS_H

#include "base/list.h"
#include "base/map.h"
#include "base/rate.h"
#include "shape/lane.h"
#include "shape/shape.h"

struct source {
	struct slice name;
	void *owner;
	const char *held; /* why it is out of use, or NULL */
	uint64_t hash;
	struct shape_limits limits;
	unsigned connections;
	unsigned strangers; /* of these, of lanes that are not proven */
	struct rate messages;
	struct list waiting; /* lanes that wait for room at the source, oldest first */
};

struct member {
	struct source *source;
	unsigned weight;
	int64_t turn; /* smooth weighted round robin */
};

struct pool {
	struct slice name;
	struct shape *shape;
	struct member *members;
	size_t count;
};

struct provider {
	struct slice name;
	const char *held;
	struct shape_limits limits;
	unsigned connections; /* of all sources */
	int64_t opening_us;   /* as of a lane, over all of them */
	struct list waiting;  /* lanes that wait for one of them to end, oldest first */
};

/* A site, as all lanes to it know it. */
struct place {
	struct slice site;
	struct list lanes;
	unsigned room; /* jobs it may hold since it came back; 0 = as many as others */
};

/* One source at one provider: what the provider counts. */
struct usage {
	struct provider *provider; /* NULL: a site of no provider, counted alone */
	unsigned connections;
	struct rate messages;
	struct rate connects;
	struct list waiting; /* lanes that were told to wait for room, oldest first */
};

struct lane {
	struct list_link link;   /* in *waits_in */
	struct list_link beside; /* in place->lanes */
	struct place *place;
	struct list *waits_in;
	struct shape *shape;
	struct source *source;
	struct usage *usage;
	struct slice key;
	void *owner;
	unsigned users; /* who must be gone before it goes */
	unsigned connections;
	unsigned failures; /* in a row */
	int64_t away_until_us;
	bool worked;        /* since it failed last */
	int64_t opening_us; /* when it began to connect, and has not worked since; 0 = not */
	char why[96];       /* of the suspension, cut */
};

struct shape {
	struct map *sources;
	struct map *pools;
	struct map *providers;
	struct map *usages;         /* by source name, 0, provider name */
	struct map *lanes;          /* by source name, 0, site, 0, provider name */
	struct map *places;         /* by site */
	struct shape_limits others; /* of sites without a provider */
	void (*on_room)(void *owner, struct lane *lane);
	void *room_owner;
};

/* The limits that hold for a lane: its provider's, or none. */
const struct shape_limits *lane_limits(const struct lane *lane);

/* The usage of that source at that provider, or NULL while there was none. */
struct usage *shape_find_usage(
	const struct shape *shape, const struct source *source, const struct provider *provider);

/* The lane belongs to the site from here on; the site is forgotten with its last lane. */
void place_join(struct shape *shape, struct lane *lane, struct slice site);
void place_leave(struct shape *shape, struct lane *lane);

/* A lane to it failed, or worked. */
void place_failed(struct place *place, int64_t now_us);
void place_worked(struct place *place);

#endif
