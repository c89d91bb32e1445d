/* A configuration while it is being made: the struct that everybody sees, and what stands behind it. */
#ifndef CONFIG_LOADED_H
#define CONFIG_LOADED_H

#include "base/arena.h"
#include "base/map.h"
#include "config/config.h"
#include "config/schema.h"
#include "config/yaml.h"

struct loaded {
	struct config config; /* first: a pointer to it is a pointer to us */
	unsigned references;
	struct arena *arena;
	struct config_tree **trees; /* main file last; places point into them */
	size_t tree_count;
	struct config_settings settings;
	struct map *providers; /* by name */
	struct map *mx;        /* suffix to provider */
	struct map *domains;   /* to provider */
	struct map *routes;    /* pattern to route */
	struct map *pools;     /* by name */
	struct map *sources;   /* by name */
};

static inline struct loaded *loaded_of(const struct config *config)
{
	return (struct loaded *)config;
}

/* Fills the maps, and notes what two entries both claim. */
void loaded_index(struct loaded *loaded, struct config_problems *problems);
void loaded_index_clear(struct loaded *loaded);

/* Gives values that were left out what they imply, and joins names with what they name. */
void loaded_derive(struct loaded *loaded);

/* Notes what is wrong between values that are right each for itself. */
void loaded_check(struct loaded *loaded, struct config_problems *problems);

/* A problem at the place of the value or entry at this address. */
void loaded_complain(struct loaded *loaded, struct config_problems *problems, const void *at,
	const char *format, ...) PRINTF_LIKE(4, 5);

#endif
