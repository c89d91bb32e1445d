/*
 * libyaml's events become a tree in one arena.
 *
 * The idea: a stack of the open collections, one handler an event.  libyaml itself
 * expands nothing; what makes other loaders explode are aliases, and those are
 * refused here, with anchors and tags.  Invariant: the work is bounded by the size
 * of the text (<= 1 MiB), because each event adds at most one node, at most
 * CONFIG_DEPTH_MAX are open, and the keys of a mapping are sorted once (which also
 * finds duplicates and makes lookups a binary search).
 *
 * YAML 1.1 (yaml.org/spec/1.1); its guesses about types are not made here.
 */
#include "config/yaml.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <yaml.h>

#include "base/arena.h"
#include "base/mem.h"

struct config_tree {
	struct arena *arena;
	struct config_file file;
	const struct config_node *root;
};

struct level {
	struct config_node *node;
	struct config_node *last;      /* child */
	const struct config_node *key; /* read, and waiting for its value */
};

struct builder {
	yaml_parser_t parser;
	struct config_tree *tree;
	struct config_problems *problems;
	struct level levels[CONFIG_DEPTH_MAX];
	size_t depth;
	unsigned documents;
};

/* What libyaml's commonest complaints mean to somebody who edits the file. */
static const struct {
	const char *problem;
	const char *remedy;
} remedies[] = {
	{"cannot start any token",
		"indent with blanks, and put a text that begins like this in quotes"},
	{"mapping values are not allowed",
		"put a text with ': ' in it in quotes, or mend the indentation"},
	{"could not find expected ':'", "write 'key: value', with a blank behind the colon"},
	{"did not find expected key",
		"check the indentation, and that quotes and brackets are closed"},
	{"unexpected end of stream", "close the quote that was opened here"},
	{"did not find expected ',' or", "close the bracket, or put a comma between the items"},
	{"invalid", "the file must be UTF-8"},
	{"control characters", "the file must be text: leave out the control character"},
};

static struct config_place place_of(const struct builder *b, yaml_mark_t mark)
{
	return (struct config_place){
		&b->tree->file, (unsigned)mark.line + 1, (unsigned)mark.column + 1};
}

static void complain(struct builder *b, yaml_mark_t mark, const char *message)
{
	config_problem_add(b->problems, place_of(b, mark), "%s", message);
}

static void complain_syntax(struct builder *b)
{
	const yaml_parser_t *parser = &b->parser;
	const char *problem = parser->problem != NULL ? parser->problem : "out of memory";
	const char *remedy = "check quotes and indentation";
	struct config_place place = place_of(b, parser->problem_mark);

	if (parser->error == YAML_READER_ERROR) {
		place = config_place_at(&b->tree->file, parser->problem_offset);
	}
	for (size_t i = 0; i < ARRAY_LEN(remedies); i++) {
		if (strcasestr(problem, remedies[i].problem) != NULL) {
			remedy = remedies[i].remedy;
			break;
		}
	}
	if (parser->context != NULL) {
		config_problem_add(b->problems, place, "no valid YAML: %s (%s, from line %zu): %s",
			problem, parser->context, parser->context_mark.line + 1, remedy);
	} else {
		config_problem_add(b->problems, place, "no valid YAML: %s: %s", problem, remedy);
	}
}

static int by_key(const void *a, const void *b)
{
	const struct config_node *const *left = a;
	const struct config_node *const *right = b;

	return slice_compare((*left)->key->text, (*right)->key->text);
}

static void sort_members(struct arena *arena, struct config_node *mapping)
{
	size_t i = 0;

	mapping->sorted = arena_array(arena, mapping->count + 1, sizeof(struct config_node *));
	for (const struct config_node *n = mapping->first; n != NULL; n = n->next) {
		mapping->sorted[i++] = n;
	}
	qsort(mapping->sorted, mapping->count, sizeof(struct config_node *), by_key);
}

static void refuse_duplicates(struct builder *b, const struct config_node *mapping)
{
	for (size_t i = 1; i < mapping->count; i++) {
		const struct config_node *one = mapping->sorted[i - 1]->key;
		const struct config_node *two = mapping->sorted[i]->key;

		if (!slice_equal(one->text, two->text)) {
			continue;
		}
		if (two->place.line < one->place.line) {
			const struct config_node *swap = one;
			one = two;
			two = swap;
		}
		config_problem_add(b->problems, two->place,
			"key '%s' stands here for the second time: remove this one or the one "
			"in line %u",
			two->text.p, one->place.line);
	}
}

/* Puts a node where it belongs: as the root, a key, a value or an item. */
static bool attach(struct builder *b, struct config_node *node)
{
	struct level *level;

	if (b->depth == 0) {
		b->tree->root = node;
		return true;
	}
	level = &b->levels[b->depth - 1];
	if (level->node->kind == CONFIG_NODE_MAPPING) {
		if (level->key == NULL && node->kind != CONFIG_NODE_SCALAR) {
			config_problem_add(b->problems, node->place,
				"a key must be a word: put a text that begins with a bracket in "
				"quotes");
			return false;
		}
		if (level->key == NULL) {
			level->key = node;
			return true;
		}
		node->key = level->key;
		level->key = NULL;
	}
	if (level->last == NULL) {
		level->node->first = node;
	} else {
		level->last->next = node;
	}
	level->last = node;
	level->node->count++;
	return true;
}

static struct config_node *node_new(
	struct builder *b, enum config_node_kind kind, const yaml_event_t *event)
{
	struct config_node *node = arena_get(b->tree->arena, sizeof(*node));

	node->kind = kind;
	node->place = place_of(b, event->start_mark);
	node->text = SLICE("");
	return node;
}

static void refuse_extras(struct builder *b, const yaml_event_t *event, const yaml_char_t *anchor,
	const yaml_char_t *tag)
{
	if (anchor != NULL) {
		complain(b, event->start_mark,
			"anchors are refused: write the value out where it is needed");
	}
	if (tag != NULL) {
		complain(b, event->start_mark,
			"tags are refused: leave out the '!', or put the text in quotes");
	}
}

static bool on_scalar(struct builder *b, const yaml_event_t *event)
{
	struct config_node *node = node_new(b, CONFIG_NODE_SCALAR, event);
	struct slice text = {(const char *)event->data.scalar.value, event->data.scalar.length};

	refuse_extras(b, event, event->data.scalar.anchor, event->data.scalar.tag);
	if (slice_find(text, '\0') < text.n) {
		complain(b, event->start_mark, "a text cannot hold a NUL: leave out the '\\0'");
	}
	node->quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
	node->text = arena_slice(b->tree->arena, text);
	return attach(b, node);
}

static bool on_start(struct builder *b, const yaml_event_t *event, enum config_node_kind kind)
{
	struct config_node *node = node_new(b, kind, event);

	if (kind == CONFIG_NODE_MAPPING) {
		refuse_extras(
			b, event, event->data.mapping_start.anchor, event->data.mapping_start.tag);
	} else {
		refuse_extras(b, event, event->data.sequence_start.anchor,
			event->data.sequence_start.tag);
	}
	if (b->depth == CONFIG_DEPTH_MAX) {
		config_problem_add(b->problems, node->place,
			"more than %u levels: nothing in a configuration is that deep",
			CONFIG_DEPTH_MAX);
		return false;
	}
	if (!attach(b, node)) {
		return false;
	}
	b->levels[b->depth++] = (struct level){node, NULL, NULL};
	return true;
}

static bool on_end(struct builder *b)
{
	struct config_node *node = b->levels[--b->depth].node;

	if (node->kind == CONFIG_NODE_MAPPING) {
		sort_members(b->tree->arena, node);
		refuse_duplicates(b, node);
	}
	return true;
}

/* An alias stands for nothing, so that what follows it can still be checked. */
static bool on_alias(struct builder *b, const yaml_event_t *event)
{
	complain(b, event->start_mark, "aliases are refused: write the value out");
	return attach(b, node_new(b, CONFIG_NODE_SCALAR, event));
}

static bool on_document(struct builder *b, const yaml_event_t *event)
{
	if (b->documents++ > 0) {
		complain(b, event->start_mark,
			"a second document: leave out the '---', a file holds one");
		return false;
	}
	return true;
}

static bool on_event(struct builder *b, const yaml_event_t *event)
{
	switch (event->type) {
	case YAML_DOCUMENT_START_EVENT:
		return on_document(b, event);
	case YAML_ALIAS_EVENT:
		return on_alias(b, event);
	case YAML_SCALAR_EVENT:
		return on_scalar(b, event);
	case YAML_SEQUENCE_START_EVENT:
		return on_start(b, event, CONFIG_NODE_SEQUENCE);
	case YAML_MAPPING_START_EVENT:
		return on_start(b, event, CONFIG_NODE_MAPPING);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		return on_end(b);
	default:
		return true;
	}
}

static bool build(struct builder *b)
{
	bool going = true;
	bool ended = false;

	while (going && !ended) {
		yaml_event_t event;

		if (yaml_parser_parse(&b->parser, &event) == 0) {
			complain_syntax(b);
			return false;
		}
		ended = event.type == YAML_STREAM_END_EVENT;
		going = on_event(b, &event);
		yaml_event_delete(&event);
	}
	return going;
}

static struct config_tree *tree_new(const char *name, struct slice text)
{
	struct config_tree *tree = MEM_NEW(struct config_tree);
	struct config_node *root;

	tree->arena = arena_new(0);
	tree->file.name = arena_string(tree->arena, slice_of(name));
	tree->file.text = arena_slice(tree->arena, text);
	root = arena_get(tree->arena, sizeof(*root));
	root->kind = CONFIG_NODE_MAPPING;
	root->place = (struct config_place){&tree->file, 1, 1};
	root->text = SLICE("");
	tree->root = root;
	return tree;
}

struct config_tree *config_tree_parse(
	const char *name, struct slice text, struct config_problems *problems)
{
	struct builder b = {.problems = problems};
	struct config_file file = {name, text};
	bool whole;

	if (text.n > CONFIG_FILE_BYTES_MAX) {
		config_problem_add(problems, (struct config_place){&file, 0, 0},
			"larger than %zu bytes: split it by 'include'", CONFIG_FILE_BYTES_MAX);
		return NULL;
	}
	if (yaml_parser_initialize(&b.parser) == 0) {
		abort();
	}
	b.tree = tree_new(name, text);
	yaml_parser_set_encoding(&b.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&b.parser, (const unsigned char *)b.tree->file.text.p, text.n);
	whole = build(&b);
	yaml_parser_delete(&b.parser);
	if (!whole) {
		config_tree_free(&b.tree);
	}
	return b.tree;
}

static bool read_all(int fd, struct buf *out)
{
	ssize_t n;

	do {
		char *p = buf_reserve(out, 65536);

		n = read(fd, p, 65536);
		buf_commit(out, n > 0 ? (size_t)n : 0);
	} while ((n > 0 && out->n <= CONFIG_FILE_BYTES_MAX) || (n < 0 && errno == EINTR));
	return n >= 0;
}

struct config_tree *config_tree_read(const char *path, struct config_problems *problems)
{
	struct config_file file = {path, {NULL, 0}};
	struct config_tree *tree = NULL;
	struct buf text;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO must not hang us */

	buf_init(&text, 0);
	if (fd < 0 || !read_all(fd, &text)) {
		config_problem_add(problems, (struct config_place){&file, 0, 0},
			"cannot be read: %s: check path and permissions", err_text(err_system()));
	} else {
		tree = config_tree_parse(path, buf_slice(&text), problems);
	}
	if (fd >= 0) {
		close(fd);
	}
	buf_clear(&text);
	return tree;
}

void config_tree_free(struct config_tree **tree)
{
	if (*tree == NULL) {
		return;
	}
	arena_free(&(*tree)->arena);
	mem_free(*tree);
	*tree = NULL;
}

const struct config_node *config_tree_root(const struct config_tree *tree)
{
	return tree->root;
}

const struct config_node *config_node_get(const struct config_node *node, struct slice key)
{
	size_t low = 0;
	size_t high = node != NULL && node->kind == CONFIG_NODE_MAPPING ? node->count : 0;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = slice_compare(key, node->sorted[middle]->key->text);

		if (order == 0) {
			return node->sorted[middle];
		}
		if (order < 0) {
			high = middle;
		} else {
			low = middle + 1;
		}
	}
	return NULL;
}

bool config_node_is_null(const struct config_node *node)
{
	return node->kind == CONFIG_NODE_SCALAR && !node->quoted &&
		(node->text.n == 0 || slice_equal(node->text, SLICE("~")) ||
			slice_equal(node->text, SLICE("null")));
}

static void add_copy(struct config_tree *tree, struct level *level, const struct config_node *node)
{
	struct config_node *copy = arena_get(tree->arena, sizeof(*copy));

	*copy = *node;
	copy->next = NULL;
	if (level->last == NULL) {
		level->node->first = copy;
	} else {
		level->last->next = copy;
	}
	level->last = copy;
	level->node->count++;
}

/* The recursion is bounded: no tree is deeper than CONFIG_DEPTH_MAX. */
const struct config_node *config_node_merge(
	struct config_tree *tree, const struct config_node *base, const struct config_node *over)
{
	struct config_node *merged = arena_get(tree->arena, sizeof(*merged));
	struct level level = {merged, NULL, NULL};

	*merged = *over;
	merged->first = NULL;
	merged->count = 0;
	for (const struct config_node *n = base->first; n != NULL; n = n->next) {
		const struct config_node *other = config_node_get(over, n->key->text);

		if (other == NULL) {
			add_copy(tree, &level, n);
		} else if (n->kind == CONFIG_NODE_MAPPING && other->kind == CONFIG_NODE_MAPPING) {
			add_copy(tree, &level, config_node_merge(tree, n, other));
		} else {
			add_copy(tree, &level, other);
		}
	}
	for (const struct config_node *n = over->first; n != NULL; n = n->next) {
		if (config_node_get(base, n->key->text) == NULL) {
			add_copy(tree, &level, n);
		}
	}
	sort_members(tree->arena, merged);
	return merged;
}
