/*
 * A tree becomes a struct, by the rows of a schema.
 *
 * The idea: walk the rows, not the file, so that every key gets its value or its
 * default, and a setting that says which; then look over the file's keys for those
 * that no row knows.  Nothing stops at the first problem.  Memory is the reader's
 * arena; only the list of settings is on the heap, because it grows.
 */
#include <string.h>

#include "base/mem.h"
#include "base/nearest.h"
#include "config/schema.h"
#include "type.h"

/* What every step needs: where we are in the schema and in the file. */
struct walk {
	struct config_reader *reader;
	struct buf path;
	unsigned depth;
	struct config_place place; /* of the section, for what is missing in it */
};

static void complain(const struct walk *walk, struct config_place place, const char *format, ...)
	PRINTF_LIKE(3, 4);

static void complain(const struct walk *walk, struct config_place place, const char *format, ...)
{
	struct buf text;
	va_list args;

	buf_init(&text, 0);
	va_start(args, format);
	buf_add_format_list(&text, format, args);
	va_end(args);
	config_problem_add(walk->reader->problems, place, "%s", buf_string(&text));
	buf_clear(&text);
}

static bool is_plain(struct slice name)
{
	for (size_t i = 0; i < name.n; i++) {
		char c = name.p[i];

		if (c == '.' || c == '*') {
			return false;
		}
	}
	return name.n > 0;
}

/* Lengthens the path by a name; the caller cuts it back to the length that is returned. */
static size_t enter(struct walk *walk, struct slice name)
{
	size_t before = walk->path.n;

	if (before > 0) {
		buf_add_byte(&walk->path, '.');
	}
	if (is_plain(name)) {
		buf_add(&walk->path, name);
	} else {
		buf_add_byte(&walk->path, '"');
		buf_add(&walk->path, name);
		buf_add_byte(&walk->path, '"');
	}
	walk->depth++;
	return before;
}

static void leave(struct walk *walk, size_t before)
{
	buf_cut(&walk->path, before);
	walk->depth--;
}

/* Notes what the key at the walk's path came to.  `text` may be NULL. */
static void note(struct walk *walk, const struct config_key *key, struct slice name,
	const struct buf *text, const struct config_place *place, const void *at)
{
	struct config_settings *settings = walk->reader->settings;
	struct arena *arena = walk->reader->arena;

	if (settings->count == settings->cap) {
		settings->cap = settings->cap > 0 ? 2 * settings->cap : 128;
		settings->items =
			mem_grow(settings->items, settings->cap, sizeof(*settings->items));
	}
	settings->items[settings->count++] = (struct config_setting){
		.key = key,
		.path = arena_string(arena, buf_slice(&walk->path)),
		.name = arena_string(arena, name),
		.text = text != NULL ? arena_string(arena, buf_slice(text)) : NULL,
		.place = *place,
		.at = at,
		.depth = walk->depth,
	};
}

static bool read_one(struct walk *walk, const struct config_key *key, struct slice text,
	const struct config_place *place, void *at)
{
	struct value_input in = {
		.key = key,
		.text = text,
		.file = place->file != NULL ? place->file->name : NULL,
		.arena = walk->reader->arena,
	};
	struct buf problem;
	bool good;

	buf_init(&problem, 0);
	good = value_read(&in, at, &problem);
	if (!good) {
		complain(walk, *place, "%s", buf_string(&problem));
	}
	buf_clear(&problem);
	return good;
}

/* The items of a list, each by the type's reader, in one block of the arena. */
static void read_list(
	struct walk *walk, const struct config_key *key, const struct config_node *node, void *at)
{
	size_t size = value_type(key->type)->size;
	bool single = node->kind == CONFIG_NODE_SCALAR;
	struct config_list list = {NULL, single ? 1 : node->count};
	const struct config_node *item = single ? node : node->first;
	size_t good = 0;

	list.items = arena_array(walk->reader->arena, list.count + 1, size);
	for (size_t i = 0; i < list.count; i++, item = item->next) {
		char *p = (char *)list.items + good * size;

		if (item->kind != CONFIG_NODE_SCALAR) {
			complain(walk, item->place, "an item of '%s' must be one %s", key->name,
				value_type(key->type)->word);
		} else if (read_one(walk, key, item->text, &item->place, p)) {
			good++;
		}
	}
	list.count = good;
	memcpy(at, &list, sizeof(list));
}

static void write_list(const struct config_key *key, struct buf *out, const void *at)
{
	const struct value_type *type = value_type(key->type);
	struct config_list list;
	struct buf item;

	buf_init(&item, 0);
	memcpy(&list, at, sizeof(list));
	buf_add_byte(out, '[');
	for (size_t i = 0; i < list.count; i++) {
		buf_reset(&item);
		type->write(key, &item, (const char *)list.items + i * type->size);
		buf_add_text(out, i > 0 ? ", " : "");
		value_quote(out, buf_slice(&item));
	}
	buf_add_byte(out, ']');
	buf_clear(&item);
}

/* A default is a value like any other; of a list it may only be the empty one. */
static void set_default(struct walk *walk, const struct config_key *key, void *at)
{
	static const struct config_place nowhere = {NULL, 0, 0};

	if ((key->flags & CONFIG_REQUIRED) != 0) {
		complain(walk, walk->place, "'%s' is missing: %s", key->name, key->doc);
	} else if (key->fallback != NULL) {
		(void)read_one(walk, key, slice_of(key->fallback), &nowhere, at);
	}
}

static bool is_set(const struct config_key *key, const struct config_node *node)
{
	return node != NULL || key->fallback != NULL || (key->flags & CONFIG_LIST) != 0;
}

static void read_value(
	struct walk *walk, const struct config_key *key, const struct config_node *node, void *at)
{
	size_t before = enter(walk, slice_of(key->name));
	struct config_place place = {NULL, 0, 0};
	bool list = (key->flags & CONFIG_LIST) != 0;
	size_t problems = walk->reader->problems->count;
	struct buf text;

	buf_init(&text, 0);
	if (node == NULL) {
		set_default(walk, key, at);
	} else if (node->kind == CONFIG_NODE_SCALAR && !list) {
		place = node->place;
		(void)read_one(walk, key, node->text, &place, at);
	} else if (node->kind != CONFIG_NODE_MAPPING && list) {
		place = node->place;
		read_list(walk, key, node, at);
	} else {
		complain(walk, node->place, "'%s' takes one %s, not %s", key->name,
			value_type(key->type)->word,
			node->kind == CONFIG_NODE_MAPPING ? "a section" : "a list");
	}
	if (walk->reader->problems->count == problems && is_set(key, node)) {
		if (list) {
			write_list(key, &text, at);
		} else {
			value_type(key->type)->write(key, &text, at);
		}
		note(walk, key, slice_of(key->name), &text, &place, at);
	} else {
		note(walk, key, slice_of(key->name), NULL, &place, at);
	}
	buf_clear(&text);
	leave(walk, before);
}

static void read_keys(struct walk *walk, const struct config_schema *schema,
	const struct config_node *node, void *object);

static const struct config_node *mapping_or_nothing(
	struct walk *walk, const struct config_key *key, const struct config_node *node)
{
	if (node == NULL || node->kind == CONFIG_NODE_MAPPING) {
		return node;
	}
	complain(walk, node->place, "'%s' is a %s", key->name, value_type(key->type)->expects);
	return NULL;
}

static void read_section(
	struct walk *walk, const struct config_key *key, const struct config_node *node, void *at)
{
	size_t before = enter(walk, slice_of(key->name));
	struct config_place outer = walk->place;
	struct config_place place = {NULL, 0, 0};

	node = mapping_or_nothing(walk, key, node);
	if (node != NULL) {
		place = node->key->place;
		walk->place = place;
	}
	note(walk, key, slice_of(key->name), NULL, &place, NULL);
	read_keys(walk, key->schema, node, at);
	walk->place = outer;
	leave(walk, before);
}

static bool check_name(struct walk *walk, const struct config_node *name)
{
	static const struct config_key row = {.name = "name", .type = CONFIG_NAME};
	const char *ignored;

	return read_one(walk, &row, name->text, &name->place, &ignored);
}

/* `name: value` stands for `name: {FIRST-KEY: value}`. */
static void read_shorthand(struct walk *walk, const struct config_schema *schema,
	const struct config_node *node, void *object)
{
	for (size_t i = 0; i < schema->count; i++) {
		const struct config_key *key = &schema->keys[i];
		char *at = (char *)object + key->offset;

		if (key->type == CONFIG_SECTION) {
			read_section(walk, key, NULL, at);
		} else {
			read_value(walk, key, i == 0 ? node : NULL, at);
		}
	}
}

/* One entry of a table; in `a: [x, y]` the name is the item itself and node is NULL. */
static void *read_entry(struct walk *walk, const struct config_key *key,
	const struct config_node *name, const struct config_node *node)
{
	void *object = arena_get(walk->reader->arena, key->schema->size);
	size_t before = enter(walk, name->text);
	struct config_place outer = walk->place;
	const char *copy = arena_string(walk->reader->arena, name->text);

	memcpy(object, &copy, sizeof(copy));
	walk->place = name->place;
	note(walk, key, name->text, NULL, &name->place, object);
	if (node != NULL && node->kind != CONFIG_NODE_MAPPING && !config_node_is_null(node) &&
		(key->flags & CONFIG_SHORTHAND) != 0) {
		read_shorthand(walk, key->schema, node, object);
	} else {
		if (node != NULL && config_node_is_null(node)) {
			node = NULL;
		}
		read_keys(walk, key->schema, mapping_or_nothing(walk, key, node), object);
	}
	walk->place = outer;
	leave(walk, before);
	return object;
}

static void read_table(
	struct walk *walk, const struct config_key *key, const struct config_node *node, void *at)
{
	size_t before = enter(walk, slice_of(key->name));
	struct config_place place = {NULL, 0, 0};
	struct config_table table = {NULL, 0};

	if (node != NULL && node->kind == CONFIG_NODE_SCALAR) {
		complain(walk, node->place, "'%s' is a %s", key->name,
			value_type(key->type)->expects);
		node = NULL;
	}
	if (node != NULL) {
		place = node->key->place;
		table.items = arena_array(walk->reader->arena, node->count + 1, sizeof(void *));
	} else if ((key->flags & CONFIG_REQUIRED) != 0) {
		complain(walk, walk->place, "'%s' is missing: %s", key->name, key->doc);
	}
	note(walk, key, slice_of(key->name), NULL, &place, NULL);
	for (const struct config_node *n = node != NULL ? node->first : NULL; n != NULL;
		n = n->next) {
		const struct config_node *name = n->key != NULL ? n->key : n;

		if (name->kind == CONFIG_NODE_SCALAR && check_name(walk, name)) {
			table.items[table.count++] =
				read_entry(walk, key, name, n->key != NULL ? n : NULL);
		} else if (name->kind != CONFIG_NODE_SCALAR) {
			complain(walk, name->place, "an item of '%s' must be a name", key->name);
		}
	}
	memcpy(at, &table, sizeof(table));
	leave(walk, before);
}

static bool knows(const struct config_schema *schema, struct slice name)
{
	for (size_t i = 0; i < schema->count; i++) {
		if (slice_equal(slice_of(schema->keys[i].name), name)) {
			return true;
		}
	}
	return false;
}

/* The section that has such a key, for somebody who got the indentation wrong. */
static const char *section_with(const struct config_schema *schema, struct slice name)
{
	for (size_t i = 0; i < schema->count; i++) {
		const struct config_key *key = &schema->keys[i];

		if (key->schema != NULL && knows(key->schema, name)) {
			return key->name;
		}
	}
	return NULL;
}

static void complain_unknown(
	struct walk *walk, const struct config_schema *schema, const struct config_node *name)
{
	int width = name->text.n > 60 ? 60 : (int)name->text.n;
	const char *section = section_with(schema, name->text);
	struct nearest nearest;
	struct buf known;

	buf_init(&known, 0);
	nearest_init(&nearest, name->text);
	for (size_t i = 0; i < schema->count; i++) {
		nearest_offer(&nearest, schema->keys[i].name);
		buf_add_format(&known, "%s%s", i > 0 ? ", " : "", schema->keys[i].name);
	}
	if (nearest.best != NULL) {
		complain(walk, name->place, "unknown key '%.*s', did you mean '%s'?", width,
			name->text.p, nearest.best);
	} else if (section != NULL) {
		complain(walk, name->place, "unknown key '%.*s', it belongs below '%s'", width,
			name->text.p, section);
	} else {
		complain(walk, name->place, "unknown key '%.*s', known here are: %s", width,
			name->text.p, buf_string(&known));
	}
	buf_clear(&known);
}

static void find_unknown(
	struct walk *walk, const struct config_schema *schema, const struct config_node *node)
{
	for (const struct config_node *n = node->first; n != NULL; n = n->next) {
		if (!knows(schema, n->key->text)) {
			complain_unknown(walk, schema, n->key);
		}
	}
}

/* The recursion follows the schema, which has four levels. */
static void read_keys(struct walk *walk, const struct config_schema *schema,
	const struct config_node *node, void *object)
{
	if (node != NULL) {
		find_unknown(walk, schema, node);
	}
	for (size_t i = 0; i < schema->count; i++) {
		const struct config_key *key = &schema->keys[i];
		const struct config_node *value = config_node_get(node, slice_of(key->name));
		char *at = (char *)object + key->offset;

		if (value != NULL && config_node_is_null(value)) {
			value = NULL;
		}
		if (key->type == CONFIG_SECTION) {
			read_section(walk, key, value, at);
		} else if (key->type == CONFIG_TABLE) {
			read_table(walk, key, value, at);
		} else {
			read_value(walk, key, value, at);
		}
	}
}

void config_read(struct config_reader *reader, const struct config_schema *schema,
	const struct config_node *node, void *object)
{
	struct walk walk = {.reader = reader};

	if (node != NULL && node->kind != CONFIG_NODE_MAPPING) {
		config_problem_add(
			reader->problems, node->place, "the file must hold 'key: value' lines");
		return;
	}
	if (node != NULL) {
		walk.place = (struct config_place){node->place.file, 0, 0};
	}
	buf_init(&walk.path, 0);
	read_keys(&walk, schema, node, object);
	buf_clear(&walk.path);
}
