/* The settings of a configuration as text: shown whole, or what changes between two. */
#ifndef CONFIG_DIFF_H
#define CONFIG_DIFF_H

#include "base/buf.h"

struct config_settings;

/*
 * YAML with every effective value; behind each the file and line that set it, or
 * "default".  It can be loaded again.
 */
void config_settings_dump(const struct config_settings *settings, struct buf *out);

/* One line a key whose value is not the same, sorted: "retry.first: 15m -> 30m". */
void config_settings_diff(
	const struct config_settings *before, const struct config_settings *after, struct buf *out);

/*
 * "key: value" lines of what all nodes should have alike, sorted: without what belongs to
 * the machine (its name, addresses, paths, sizes).
 */
void config_settings_shared(const struct config_settings *settings, struct buf *out);

/*
 * The keys that wait for a restart, by name, with a blank between: whose value is not the
 * one that the program started with, and that a reload does not apply.
 */
void config_settings_restart(
	const struct config_settings *started, const struct config_settings *now, struct buf *out);

/*
 * Logs `reloaded` with what has changed, and what needs a restart: that is named each time
 * until there is one, or it is taken back.
 */
void config_settings_reloaded(const struct config_settings *started,
	const struct config_settings *before, const struct config_settings *now);

#endif
