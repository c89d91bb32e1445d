/*
 * From the tree of a penguin-world.yaml to its parts; used by config.c alone.
 */
#ifndef WORLD_SCHEMA_H
#define WORLD_SCHEMA_H

#include "config.h"
#include "config/yaml.h"

struct loaded {
	struct world_config config; /* first: what the caller of config.h holds */
	struct config_tree *tree;   /* all texts are borrowed from it */
	struct arena *arena;
	struct reader reader;
	struct profile defaults;
	struct profile *profiles;
	size_t profile_count;
	struct name_entry entry_defaults;
};

/* Fills what the file says; the rest keeps the defaults it had. */
void schema_read(struct loaded *loaded);

bool schema_is_loopback(struct slice address);

#endif
