/*
 * Whatever a configuration holds: it is taken or refused with a text that is
 * printable UTF-8, and one that is taken loads again from its own dump, as the same.
 */
#include "config/config.h"

#include <stdlib.h>

#include "base/codec.h"
#include "config/diff.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
	if (!holds) {
		abort();
	}
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
	if (dump.n <= (size_t)1 << 20) {
		check(config_parse("dump", buf_slice(&dump), &again, &out));
		config_settings_diff(config_settings(config), config_settings(again), &out);
		check(out.n == 0);
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice text = slice_make((const char *)data, size);
	const struct config *config = NULL;
	struct buf problems;

	buf_init(&problems, 0);
	if (config_parse("fuzz", text, &config, &problems)) {
		check(problems.n == 0);
		round_trip(config);
		look_up(config, slice_first(text, 300));
	} else {
		check(problems.n > 0 && config == NULL);
	}
	check(codec_is_utf8(buf_slice(&problems)));
	check(slice_find(buf_slice(&problems), '\x1b') == problems.n);
	config_unref(&config);
	buf_clear(&problems);
	return 0;
}
