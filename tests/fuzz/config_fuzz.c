/*
 * Whatever a configuration holds: it is taken or refused with a text that is
 * printable UTF-8, and one that is taken loads again from its own dump, as the same.
 * Two that are merged have the members of both.
 */
#include "config/config.h"

#include "base/codec.h"
#include "config/diff.h"
#include "config/problem.h"
#include "config/yaml.h"
#include "fuzz.h"

/* Most inputs come to the same few configurations; one that passed is not tried again. */
static bool is_known(struct slice dump)
{
	static uint64_t known[4096];
	uint64_t hash = 14695981039346656037U;

	for (size_t i = 0; i < dump.n; i++) {
		hash = (hash ^ (unsigned char)dump.p[i]) * 1099511628211U;
	}
	uint64_t *place = &known[hash % 4096];
	bool is = *place == hash;

	*place = hash;
	return is;
}

static void round_trip(const struct config *config)
{
	const struct config *again = NULL;
	struct buf dump;
	struct buf out;

	buf_init(&dump, 0);
	buf_init(&out, 0);
	config_settings_dump(config_settings(config), &dump);
	/* A dump has every default too, so a large file's may pass the limit of a file. */
	if (dump.n <= (size_t)1 << 20 && !is_known(buf_slice(&dump))) {
		must(config_parse("dump", buf_slice(&dump), &again, &out));
		config_settings_diff(config_settings(config), config_settings(again), &out);
		must(out.n == 0);
		config_unref(&again);
	}
	buf_clear(&dump);
	buf_clear(&out);
}

static void look_up(const struct config *config, struct slice name)
{
	(void)config_provider_by_mx(config, name);
	(void)config_provider_by_domain(config, name);
	(void)config_route(config, name);
	(void)config_pool(config, name);
}

static void check_merged(const struct config_node *merged, const struct config_node *base,
	const struct config_node *over)
{
	size_t both = 0;

	for (const struct config_node *n = merged->first; n != NULL; n = n->next) {
		const struct config_node *below = config_node_get(base, n->key->text);
		const struct config_node *above = config_node_get(over, n->key->text);
		bool sections = below != NULL && above != NULL &&
			below->kind == CONFIG_NODE_MAPPING && above->kind == CONFIG_NODE_MAPPING;

		must(below != NULL || above != NULL);
		both += below != NULL && above != NULL;
		if (sections) {
			check_merged(n, below, above);
		} else {
			const struct config_node *of = above != NULL ? above : below;

			must(of != NULL && n->kind == of->kind && n->count == of->count &&
				slice_equal(n->text, of->text));
		}
	}
	must(merged->count == base->count + over->count - both);
}

/* `base NUL over`: two files of which one includes the other. */
static void merge(struct slice base, struct slice over)
{
	struct config_problems problems;
	struct config_tree *one;
	struct config_tree *two;

	config_problems_init(&problems);
	one = config_tree_parse("base", base, &problems);
	two = config_tree_parse("over", over, &problems);
	must((one != NULL && two != NULL) || problems.count > 0);
	if (problems.count == 0) {
		const struct config_node *a = config_tree_root(one);
		const struct config_node *b = config_tree_root(two);

		if (a->kind == CONFIG_NODE_MAPPING && b->kind == CONFIG_NODE_MAPPING) {
			check_merged(config_node_merge(two, a, b), a, b);
		}
	}
	config_tree_free(&two);
	config_tree_free(&one);
	config_problems_clear(&problems);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice text = slice_make((const char *)data, size);
	const struct config *config = NULL;
	struct buf problems;

	if (slice_find(text, '\0') < text.n) {
		merge(slice_first(text, slice_find(text, '\0')),
			slice_from(text, slice_find(text, '\0') + 1));
		return 0;
	}
	buf_init(&problems, 0);
	if (config_parse("fuzz", text, &config, &problems)) {
		must(problems.n == 0);
		round_trip(config);
		look_up(config, slice_first(text, 300));
	} else {
		must(problems.n > 0 && config == NULL);
	}
	must(codec_is_utf8(buf_slice(&problems)));
	must(slice_find(buf_slice(&problems), '\x1b') == problems.n);
	config_unref(&config);
	buf_clear(&problems);
	return 0;
}
