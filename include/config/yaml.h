/*
 * A YAML file as a tree in which every node knows its line and column.
 *
 * Only what a configuration needs: one document; scalars, sequences, mappings with
 * scalar keys.  Aliases, anchors and tags are refused, so nothing can expand, and
 * so are duplicate keys.  At most 1 MiB and 16 levels.  Scalars stay text ("no" is
 * two letters): the schema that reads them knows what they have to be.
 */
#ifndef CONFIG_YAML_H
#define CONFIG_YAML_H

#include <stdbool.h>
#include <stddef.h>

#include "base/slice.h"
#include "config/problem.h"

#define CONFIG_FILE_BYTES_MAX ((size_t)1 << 20)
#define CONFIG_DEPTH_MAX 16u

enum config_node_kind {
	CONFIG_NODE_SCALAR,
	CONFIG_NODE_SEQUENCE,
	CONFIG_NODE_MAPPING,
};

/* Lives as long as its tree. */
struct config_node {
	enum config_node_kind kind;
	bool quoted; /* a scalar in quotes or a block: "" and "null" are then texts */
	struct config_place place;
	struct slice text; /* of a scalar; UTF-8 without NUL, and a NUL stands behind it */
	const struct config_node *key;   /* of a member of a mapping, else NULL */
	const struct config_node *first; /* child, in the order of the file */
	const struct config_node *next;
	const struct config_node **sorted; /* the members of a mapping by key */
	size_t count;                      /* of children */
};

struct config_tree;

/*
 * Pure.  NULL when it is no YAML of that kind, and a problem says why.  A tree
 * may come together with problems (two equal keys, an alias): that lets the
 * schema's be told along with them, but whoever sees problems->count > 0 must
 * not use its values.  The text is copied; `name` stands in messages.
 */
struct config_tree *config_tree_parse(
	const char *name, struct slice text, struct config_problems *problems);

/* The same from a file.  One that cannot be read is a problem too. */
struct config_tree *config_tree_read(const char *path, struct config_problems *problems);

void config_tree_free(struct config_tree **tree);

/* Never NULL: an empty file has an empty mapping. */
const struct config_node *config_tree_root(const struct config_tree *tree);

/* The member of a mapping; NULL when there is none, or node is NULL or no mapping. */
const struct config_node *config_node_get(const struct config_node *node, struct slice key);

/* A scalar that says nothing: empty, ~ or null, without quotes. */
bool config_node_is_null(const struct config_node *node);

/*
 * A mapping with the members of both; where both have a key, mappings are merged
 * again and otherwise `over` wins.  It lives in `tree`, and borrows from both.
 */
const struct config_node *config_node_merge(
	struct config_tree *tree, const struct config_node *base, const struct config_node *over);

#endif
