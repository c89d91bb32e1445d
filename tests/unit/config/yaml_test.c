/* The tree: what is refused with which words, where nodes stand, lookups, merging, bounds. */
#include "config/yaml.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "no_leaks.h"

TestSuite(yaml, .fini = no_leaks);

static const struct {
	const char *label;
	const char *text;
	const char *problems;
} faults[] = {
	{"alias", "a: 1\nb: *x\n",
		"t:2:4: aliases are refused: write the value out\n  b: *x\n     ^\n"},
	{"anchor", "a: &x 1\n",
		"t:1:4: anchors are refused: write the value out where it is needed\n"
		"  a: &x 1\n     ^\n"},
	{"tag", "a: !!int 1\n",
		"t:1:4: tags are refused: leave out the '!', or put the text in quotes\n"
		"  a: !!int 1\n     ^\n"},
	{"equal keys", "a: 1\nb: 2\na: 3\n",
		"t:3:1: key 'a' stands here for the second time: remove this one or the one in "
		"line 1\n  a: 3\n  ^\n"},
	{"second document", "a: 1\n---\nb: 2\n",
		"t:2:1: a second document: leave out the '---', a file holds one\n  ---\n  ^\n"},
	{"collection as a key", "[a, b]: 1\n",
		"t:1:1: a key must be a word: put a text that begins with a bracket in quotes\n"
		"  [a, b]: 1\n  ^\n"},
	{"NUL", "a: \"x\\0y\"\n",
		"t:1:4: a text cannot hold a NUL: leave out the '\\0'\n  a: \"x\\0y\"\n     ^\n"},
	{"tab as indentation", "a:\n\tb: 1\n",
		"t:2:1: no valid YAML: found character that cannot start any token (while scanning "
		"for the next token, from line 2): indent with blanks, and put a text that begins "
		"like this in quotes\n  \tb: 1\n  ^\n"},
	{"colon in a value", "a: b: c\n",
		"t:1:5: no valid YAML: mapping values are not allowed in this context: put a text "
		"with ': ' in it in quotes, or mend the indentation\n  a: b: c\n      ^\n"},
	{"open bracket", "a: [1, 2\nb: 3\n",
		"t:2:2: no valid YAML: did not find expected ',' or ']' (while parsing a flow "
		"sequence, from line 1): close the bracket, or put a comma between the items\n"
		"  b: 3\n   ^\n"},
	{"no UTF-8", "a: 1\nb: \xff\n",
		"t:2:4: no valid YAML: invalid leading UTF-8 octet: the file must be UTF-8\n"
		"  b: \\xff\n     ^\n"},
	{"control character", "a: x\x1b[31m\n",
		"t:1:5: no valid YAML: control characters are not allowed: the file must be text: "
		"leave out the control character\n  a: x\\x1b[31m\n      ^\n"},
	{"column counts characters", "\xc3\xa4\xc3\xb6: {x: *y}\n",
		"t:1:9: aliases are refused: write the value out\n"
		"  \xc3\xa4\xc3\xb6: {x: *y}\n          ^\n"},
};

static struct config_tree *parse(const char *text, struct config_problems *problems)
{
	config_problems_init(problems);
	return config_tree_parse("t", slice_of(text), problems);
}

Test(yaml, faults)
{
	for (size_t i = 0; i < ARRAY_LEN(faults); i++) {
		struct config_problems problems;
		struct config_tree *tree = parse(faults[i].text, &problems);

		cr_expect_eq(problems.count, 1, "%s", faults[i].label);
		cr_expect_str_eq(buf_string(&problems.text), faults[i].problems, "%s: got\n%s",
			faults[i].label, buf_string(&problems.text));
		config_tree_free(&tree);
		config_problems_clear(&problems);
	}
}

Test(yaml, places_and_texts)
{
	struct config_problems problems;
	struct config_tree *tree =
		parse("a: 'it''s'\nb:\n  - x\n  - [1, 2]\nc: {d: }\n", &problems);
	const struct config_node *root = config_tree_root(tree);
	const struct config_node *a = config_node_get(root, SLICE("a"));
	const struct config_node *b = config_node_get(root, SLICE("b"));
	const struct config_node *c = config_node_get(root, SLICE("c"));

	cr_assert_eq(problems.count, 0, "%s", buf_string(&problems.text));
	cr_expect_eq(root->count, 3);
	cr_expect(slice_equal(a->text, SLICE("it's")));
	cr_expect(a->quoted);
	cr_expect_eq(a->place.line, 1);
	cr_expect_eq(a->place.column, 4);
	cr_expect_eq(b->kind, CONFIG_NODE_SEQUENCE);
	cr_expect_eq(b->key->place.line, 2);
	cr_expect_eq(b->first->next->kind, CONFIG_NODE_SEQUENCE);
	cr_expect_eq(b->first->next->count, 2);
	cr_expect_eq(b->first->next->place.line, 4);
	cr_expect(config_node_is_null(config_node_get(c, SLICE("d"))));
	cr_expect_null(config_node_get(root, SLICE("d")));
	cr_expect_null(config_node_get(a, SLICE("a")));
	cr_expect_null(config_node_get(NULL, SLICE("a")));
	config_tree_free(&tree);
	cr_expect_null(tree);
	config_problems_clear(&problems);
}

Test(yaml, nulls)
{
	static const struct {
		const char *text;
		bool null;
	} rows[] = {
		{"a:", true},
		{"a: ~", true},
		{"a: null", true},
		{"a: ''", false},
		{"a: 'null'", false},
		{"a: NULL", false},
		{"a: []", false},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct config_problems problems;
		struct config_tree *tree = parse(rows[i].text, &problems);
		const struct config_node *a = config_node_get(config_tree_root(tree), SLICE("a"));

		cr_expect_eq(config_node_is_null(a), rows[i].null, "%s", rows[i].text);
		config_tree_free(&tree);
		config_problems_clear(&problems);
	}
}

Test(yaml, empty_files)
{
	static const char *const texts[] = {"", "\n", "# nothing\n", "---\n", "\xef\xbb\xbf"};

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct config_problems problems;
		struct config_tree *tree = parse(texts[i], &problems);

		cr_assert_not_null(tree, "%zu: %s", i, buf_string(&problems.text));
		cr_expect_eq(problems.count, 0);
		cr_expect_null(config_node_get(config_tree_root(tree), SLICE("a")));
		config_tree_free(&tree);
		config_problems_clear(&problems);
	}
}

/* Nine levels of nine aliases each: 3 GB where they are expanded, 85 lines of refusal here. */
Test(yaml, alias_bomb)
{
	struct config_problems problems;
	struct config_tree *tree;
	struct buf text;

	buf_init(&text, 0);
	buf_add_text(&text, "a: &a [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n");
	for (int level = 'b'; level <= 'i'; level++) {
		buf_add_format(&text, "%c: &%c [", level, level);
		for (int i = 0; i < 9; i++) {
			buf_add_format(&text, "%s*%c", i > 0 ? ", " : "", level - 1);
		}
		buf_add_text(&text, "]\n");
	}
	config_problems_init(&problems);
	tree = config_tree_parse("bomb", buf_slice(&text), &problems);
	cr_expect_eq(problems.count, 9 + 8 * 9);
	cr_expect_lt(problems.text.n, 20000);
	config_tree_free(&tree);
	config_problems_clear(&problems);
	buf_clear(&text);
}

static size_t problems_of_depth(size_t depth, bool *ret_tree)
{
	struct config_problems problems;
	struct config_tree *tree;
	struct buf text;
	size_t count;

	buf_init(&text, 0);
	for (size_t i = 0; i < depth; i++) {
		buf_add_byte(&text, '[');
	}
	for (size_t i = 0; i < depth; i++) {
		buf_add_byte(&text, ']');
	}
	config_problems_init(&problems);
	tree = config_tree_parse("deep", buf_slice(&text), &problems);
	count = problems.count;
	*ret_tree = tree != NULL;
	config_tree_free(&tree);
	config_problems_clear(&problems);
	buf_clear(&text);
	return count;
}

Test(yaml, depth)
{
	bool tree;

	cr_expect_eq(problems_of_depth(CONFIG_DEPTH_MAX, &tree), 0);
	cr_expect(tree);
	cr_expect_eq(problems_of_depth(CONFIG_DEPTH_MAX + 1, &tree), 1);
	cr_expect_not(tree);
	cr_expect_eq(problems_of_depth(500000, &tree), 1);
	cr_expect_not(tree);
}

Test(yaml, size)
{
	struct config_problems problems;
	struct config_tree *tree;
	struct buf text;

	buf_init(&text, 0);
	while (text.n < CONFIG_FILE_BYTES_MAX) {
		buf_add_text(&text, "#23456789012345\n");
	}
	cr_assert_eq(text.n, CONFIG_FILE_BYTES_MAX);
	config_problems_init(&problems);
	tree = config_tree_parse("big", buf_slice(&text), &problems);
	cr_expect_not_null(tree);
	cr_expect_eq(problems.count, 0);
	config_tree_free(&tree);
	buf_add_byte(&text, '\n');
	tree = config_tree_parse("big", buf_slice(&text), &problems);
	cr_expect_null(tree);
	cr_expect_str_eq(buf_string(&problems.text),
		"big: larger than 1048576 bytes: split it by 'include'\n");
	config_problems_clear(&problems);
	buf_clear(&text);
}

/* Many keys stay fast: they are sorted once. */
Test(yaml, many_keys)
{
	struct config_problems problems;
	struct config_tree *tree;
	struct buf text;

	buf_init(&text, 0);
	for (int i = 0; i < 60000; i++) {
		buf_add_format(&text, "key%05d: %d\n", (i * 7919) % 60000, i);
	}
	config_problems_init(&problems);
	tree = config_tree_parse("many", buf_slice(&text), &problems);
	cr_assert_eq(problems.count, 0, "%s", buf_string(&problems.text));
	cr_expect(slice_equal(
		config_node_get(config_tree_root(tree), SLICE("key07919"))->text, SLICE("1")));
	config_tree_free(&tree);
	config_problems_clear(&problems);
	buf_clear(&text);
}

Test(yaml, merge)
{
	struct config_problems problems;
	struct config_tree *base =
		parse("a: 1\nb: {x: 1, y: 2}\nc: [1, 2]\nd: {z: 1}\n", &problems);
	struct config_tree *over = parse("b: {y: 3, w: 4}\nc: [5]\nd: 6\ne: 7\n", &problems);
	const struct config_node *m =
		config_node_merge(over, config_tree_root(base), config_tree_root(over));
	const struct config_node *b = config_node_get(m, SLICE("b"));

	cr_expect_eq(m->count, 5);
	cr_expect(slice_equal(config_node_get(m, SLICE("a"))->text, SLICE("1")));
	cr_expect_eq(b->count, 3);
	cr_expect(slice_equal(config_node_get(b, SLICE("x"))->text, SLICE("1")));
	cr_expect(slice_equal(config_node_get(b, SLICE("y"))->text, SLICE("3")));
	cr_expect(slice_equal(config_node_get(b, SLICE("w"))->text, SLICE("4")));
	cr_expect_eq(config_node_get(m, SLICE("c"))->count, 1);
	cr_expect(slice_equal(config_node_get(m, SLICE("d"))->text, SLICE("6")));
	cr_expect(slice_equal(config_node_get(m, SLICE("e"))->text, SLICE("7")));
	config_tree_free(&over);
	config_tree_free(&base);
	config_problems_clear(&problems);
}

Test(yaml, files)
{
	char path[] = "/tmp/yaml_test_XXXXXX";
	struct config_problems problems;
	struct config_tree *tree;
	int fd = mkstemp(path);

	cr_assert_geq(fd, 0);
	cr_assert_eq(write(fd, "a: 5\n", 5), 5);
	close(fd);
	config_problems_init(&problems);
	tree = config_tree_read(path, &problems);
	cr_assert_not_null(tree);
	cr_expect(
		slice_equal(config_node_get(config_tree_root(tree), SLICE("a"))->text, SLICE("5")));
	config_tree_free(&tree);
	unlink(path);
	cr_expect_null(config_tree_read(path, &problems));
	cr_expect_not_null(strstr(buf_string(&problems.text), "cannot be read: "));
	cr_expect_null(config_tree_read("/", &problems));
	cr_expect_eq(problems.count, 2);
	config_problems_clear(&problems);
}

/* Of a very long line the part around the column is shown; of very many problems a hundred. */
Test(yaml, problems_are_bounded)
{
	struct config_problems problems;
	struct config_tree *tree;
	struct buf text;

	buf_init(&text, 0);
	buf_add_text(&text, "a: [");
	for (int i = 0; i < 5000; i++) {
		buf_add_text(&text, "*x, ");
	}
	buf_add_text(&text, "]\n");
	config_problems_init(&problems);
	tree = config_tree_parse("t", buf_slice(&text), &problems);
	cr_expect_eq(problems.count, 5000);
	cr_expect_lt(problems.text.n, 30000);
	config_tree_free(&tree);
	config_problems_clear(&problems);
	buf_clear(&text);
}
