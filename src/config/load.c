/*
 * From files to a struct config: read the trees, merge them, let the schema fill
 * the struct, index, derive, check.  Every step notes problems and goes on where it
 * can; only a configuration without any is handed out, so a reload is refused whole.
 *
 * What a config consists of lives in its arena and its trees, and goes with the
 * last reference.
 */
#include <errno.h>
#include <string.h>
#include <sysexits.h>

#include "base/mem.h"
#include "config/diff.h"
#include "loaded.h"
#include "schema_rows.h"
#include "type.h"

enum { INCLUDES_MAX = 64 };

static struct loaded *loaded_new(void)
{
	struct loaded *loaded = MEM_NEW(struct loaded);

	loaded->references = 1;
	loaded->arena = arena_new(16384);
	loaded->trees = arena_array(loaded->arena, INCLUDES_MAX + 1, sizeof(struct config_tree *));
	return loaded;
}

static void loaded_free(struct loaded **loaded)
{
	if (*loaded == NULL) {
		return;
	}
	loaded_index_clear(*loaded);
	config_settings_clear(&(*loaded)->settings);
	for (size_t i = 0; i < (*loaded)->tree_count; i++) {
		config_tree_free(&(*loaded)->trees[i]);
	}
	arena_free(&(*loaded)->arena);
	mem_free(*loaded);
	*loaded = NULL;
}

/* Reads one included file in behind those before it; false when it has to be left out. */
static bool include(
	struct loaded *loaded, const struct config_node *item, struct config_problems *problems)
{
	static const struct config_key row = {.name = "include", .type = CONFIG_PATH};
	struct value_input in = {&row, item->text, item->place.file->name, loaded->arena};
	const struct config_node *nested;
	struct config_tree *tree;
	const char *path;

	if (item->kind != CONFIG_NODE_SCALAR || !value_type(CONFIG_PATH)->read(&in, &path)) {
		return false; /* the schema will say what is wrong with it */
	}
	if (loaded->tree_count == INCLUDES_MAX) {
		config_problem_add(problems, item->place,
			"more than %d files are included: put some together", INCLUDES_MAX);
		return false;
	}
	tree = config_tree_read(path, problems);
	if (tree == NULL) {
		return false;
	}
	loaded->trees[loaded->tree_count++] = tree;
	nested = config_node_get(config_tree_root(tree), SLICE("include"));
	if (nested != NULL) {
		config_problem_add(problems, nested->key->place,
			"an included file cannot include others: include them in '%s'",
			item->place.file->name);
	}
	if (config_tree_root(tree)->kind != CONFIG_NODE_MAPPING) {
		config_problem_add(problems, config_tree_root(tree)->place,
			"the file must hold 'key: value' lines");
		return false;
	}
	return true;
}

/* The main tree with what it includes below it. */
static const struct config_node *with_includes(
	struct loaded *loaded, struct config_tree *main, struct config_problems *problems)
{
	const struct config_node *root = config_tree_root(main);
	const struct config_node *list = config_node_get(root, SLICE("include"));
	const struct config_node *merged = NULL;
	const struct config_node *item;

	if (list == NULL || config_node_is_null(list)) {
		return root;
	}
	item = list->kind == CONFIG_NODE_SCALAR ? list : list->first;
	for (; item != NULL; item = item == list ? NULL : item->next) {
		const struct config_node *other;

		if (!include(loaded, item, problems)) {
			continue;
		}
		other = config_tree_root(loaded->trees[loaded->tree_count - 1]);
		merged = merged == NULL ? other : config_node_merge(main, merged, other);
	}
	return merged == NULL ? root : config_node_merge(main, merged, root);
}

static void fill(
	struct loaded *loaded, const struct config_node *root, struct config_problems *problems)
{
	struct config_reader reader = {loaded->arena, problems, &loaded->settings};

	config_read(&reader, &config_schema_root, root, &loaded->config);
	if (problems->count > 0) {
		return; /* what follows relies on values that are right each for itself */
	}
	loaded_index(loaded, problems);
	loaded_derive(loaded);
	config_settings_refresh(&loaded->settings, loaded->arena);
	loaded_check(loaded, problems);
}

/* Hands out a configuration that has no problems, and the text of the problems otherwise. */
static bool finish(struct loaded **take, struct config_problems *problems,
	const struct config **ret_config, struct buf *ret_problems)
{
	bool good = problems->count == 0;

	if (good) {
		*ret_config = &(*take)->config;
		*take = NULL;
	}
	buf_add(ret_problems, buf_slice(&problems->text));
	if (problems->count > CONFIG_PROBLEMS_SHOWN) {
		buf_add_format(
			ret_problems, "and %zu more\n", problems->count - CONFIG_PROBLEMS_SHOWN);
	}
	config_problems_clear(problems);
	loaded_free(take);
	return good;
}

bool config_load(const char *path, const struct config **ret_config, struct buf *problems)
{
	struct loaded *loaded = loaded_new();
	struct config_problems found;
	struct config_tree *tree;

	config_problems_init(&found);
	tree = config_tree_read(path, &found);
	if (tree != NULL) {
		const struct config_node *root = with_includes(loaded, tree, &found);

		loaded->trees[loaded->tree_count++] = tree;
		fill(loaded, root, &found);
	}
	return finish(&loaded, &found, ret_config, problems);
}

bool config_parse(
	const char *name, struct slice text, const struct config **ret_config, struct buf *problems)
{
	struct loaded *loaded = loaded_new();
	struct config_problems found;
	struct config_tree *tree;

	config_problems_init(&found);
	tree = config_tree_parse(name, text, &found);
	if (tree != NULL) {
		const struct config_node *root = config_tree_root(tree);
		const struct config_node *list = config_node_get(root, SLICE("include"));

		loaded->trees[loaded->tree_count++] = tree;
		if (list != NULL && (list->kind == CONFIG_NODE_SCALAR || list->count > 0)) {
			config_problem_add(&found, list->key->place,
				"'include' works in a file only: leave it out");
		}
		fill(loaded, root, &found);
	}
	return finish(&loaded, &found, ret_config, problems);
}

const struct config *config_ref(const struct config *config)
{
	loaded_of(config)->references++;
	return config;
}

void config_unref(const struct config **config)
{
	struct loaded *loaded = *config != NULL ? loaded_of(*config) : NULL;

	*config = NULL;
	if (loaded != NULL && --loaded->references == 0) {
		loaded_free(&loaded);
	}
}

const struct config_settings *config_settings(const struct config *config)
{
	return &loaded_of(config)->settings;
}

int config_check_file(const char *path, struct buf *out, struct buf *problems)
{
	const struct config *config = NULL;

	if (!config_load(path, &config, problems)) {
		return EX_CONFIG;
	}
	buf_add_format(out, "%s: good: %zu sources, %zu pools, %zu routes, %zu providers\n", path,
		config->sources.count, config->pools.count, config->routes.count,
		config->providers.count);
	config_unref(&config);
	return EX_OK;
}

int config_dump_file(const char *path, struct buf *out, struct buf *problems)
{
	const struct config *config = NULL;

	if (!config_load(path, &config, problems)) {
		return EX_CONFIG;
	}
	config_settings_dump(config_settings(config), out);
	config_unref(&config);
	return EX_OK;
}

int config_dump_schema(struct buf *out)
{
	config_schema_dump(&config_schema_root, out);
	return EX_OK;
}
