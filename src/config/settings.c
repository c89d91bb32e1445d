/*
 * What a configuration came to, as text: looked up by path, printed as YAML that
 * could be loaded again, compared with another; and the schema itself as rows.
 *
 * One list serves all of it, the settings that read.c notes.  A value has one
 * written form only, so comparing texts compares values.
 */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "config/diff.h"
#include "config/schema.h"
#include "type.h"

void config_settings_clear(struct config_settings *settings)
{
	mem_free(settings->items);
	*settings = (struct config_settings){NULL, 0, 0};
}

const struct config_setting *config_settings_find(
	const struct config_settings *settings, const void *at)
{
	for (size_t i = 0; i < settings->count; i++) {
		if (settings->items[i].at == at) {
			return &settings->items[i];
		}
	}
	return NULL;
}

/* Can a value that had no text have got one meanwhile? */
static bool has_value(const struct config_setting *setting)
{
	switch (setting->key->type) {
	case CONFIG_STRING:
	case CONFIG_NAME:
	case CONFIG_PATH:
	case CONFIG_HOST:
	case CONFIG_HOST_PORT: /* a host comes first in an endpoint */
		return *(const char *const *)setting->at != NULL;
	case CONFIG_COUNT:
		return *(const uint32_t *)setting->at != 0;
	default:
		return setting->text != NULL;
	}
}

void config_settings_refresh(struct config_settings *settings, struct arena *arena)
{
	struct buf text;

	buf_init(&text, 0);
	for (size_t i = 0; i < settings->count; i++) {
		struct config_setting *setting = &settings->items[i];

		if (setting->key->schema == NULL && (setting->key->flags & CONFIG_LIST) == 0 &&
			has_value(setting)) {
			buf_reset(&text);
			value_type(setting->key->type)->write(setting->key, &text, setting->at);
			setting->text = arena_string(arena, buf_slice(&text));
		}
	}
	buf_clear(&text);
}

static void add_origin(struct buf *out, size_t line_start, struct config_place place)
{
	while (out->n - line_start < 44) {
		buf_add_byte(out, ' ');
	}
	if (place.file == NULL) {
		buf_add_text(out, " # default\n");
	} else {
		buf_add_format(out, " # %s:%u\n", place.file->name, place.line);
	}
}

static void add_value(struct buf *out, const struct config_setting *setting)
{
	if ((setting->key->flags & CONFIG_LIST) != 0) {
		buf_add_text(out, setting->text); /* its items are quoted already */
	} else {
		value_quote(out, slice_of(setting->text));
	}
}

void config_settings_dump(const struct config_settings *settings, struct buf *out)
{
	for (size_t i = 0; i < settings->count; i++) {
		const struct config_setting *setting = &settings->items[i];
		bool collection = setting->key->schema != NULL;
		bool empty = collection &&
			(i + 1 == settings->count ||
				settings->items[i + 1].depth <= setting->depth);
		size_t start = out->n;

		for (unsigned d = 1; d < setting->depth; d++) {
			buf_add_text(out, "  ");
		}
		value_quote(out, slice_of(setting->name));
		buf_add_byte(out, ':');
		if (collection && !empty) {
			buf_add_byte(out, '\n');
			continue;
		}
		if (empty) {
			buf_add_text(out, " {}");
		} else if (setting->text != NULL) {
			buf_add_byte(out, ' ');
			add_value(out, setting);
		}
		add_origin(out, start, setting->place);
	}
}

static int by_path(const void *a, const void *b)
{
	const struct config_setting *const *left = a;
	const struct config_setting *const *right = b;

	return strcmp((*left)->path, (*right)->path);
}

static const struct config_setting **sorted(const struct config_settings *settings)
{
	const struct config_setting **list =
		mem_array(settings->count + 1, sizeof(struct config_setting *));

	for (size_t i = 0; i < settings->count; i++) {
		list[i] = &settings->items[i];
	}
	qsort(list, settings->count, sizeof(struct config_setting *), by_path);
	return list;
}

/* A change; a side that does not have the path is NULL. */
static void add_change(
	struct buf *out, const struct config_setting *before, const struct config_setting *after)
{
	const char *one = before != NULL ? before->text : NULL;
	const char *two = after != NULL ? after->text : NULL;

	buf_add_format(out, "%s: %s -> %s\n", (before != NULL ? before : after)->path,
		one != NULL ? one : "unset", two != NULL ? two : "unset");
}

static void add_restart(
	struct buf *out, const struct config_setting *before, const struct config_setting *after)
{
	const struct config_setting *setting = before != NULL ? before : after;

	if ((setting->key->flags & CONFIG_RESTART) != 0) {
		buf_add_format(out, "%s%s", out->n > 0 ? " " : "", setting->path);
	}
}

/* Headings, and keys that are unset on both sides, say nothing. */
static bool is_change(const struct config_setting *before, const struct config_setting *after)
{
	const char *one = before != NULL ? before->text : NULL;
	const char *two = after != NULL ? after->text : NULL;

	if (one == NULL || two == NULL) {
		return one != two;
	}
	return strcmp(one, two) != 0;
}

static void each_change(const struct config_settings *before, const struct config_settings *after,
	void (*add)(struct buf *out, const struct config_setting *before,
		const struct config_setting *after),
	struct buf *out)
{
	const struct config_setting **old = sorted(before);
	const struct config_setting **new = sorted(after);
	size_t i = 0;
	size_t j = 0;

	while (i < before->count || j < after->count) {
		const struct config_setting *one;
		const struct config_setting *two;
		int order;

		if (i == before->count || j == after->count) {
			order = i == before->count ? 1 : -1;
		} else {
			order = strcmp(old[i]->path, new[j]->path);
		}
		one = order <= 0 ? old[i++] : NULL;
		two = order >= 0 ? new[j++] : NULL;
		if (is_change(one, two)) {
			add(out, one, two);
		}
	}
	mem_free(old);
	mem_free(new);
}

void config_settings_diff(
	const struct config_settings *before, const struct config_settings *after, struct buf *out)
{
	each_change(before, after, add_change, out);
}

void config_settings_restart(
	const struct config_settings *started, const struct config_settings *now, struct buf *out)
{
	each_change(started, now, add_restart, out);
}

/* The settings without those of the machine and all below them; how many are left. */
static size_t drop_local(
	const struct config_settings *settings, const struct config_setting **ret_list)
{
	size_t count = 0;

	for (size_t i = 0; i < settings->count; i++) {
		const struct config_setting *setting = &settings->items[i];

		if ((setting->key->flags & CONFIG_LOCAL) == 0) {
			ret_list[count++] = setting;
			continue;
		}
		while (i + 1 < settings->count && settings->items[i + 1].depth > setting->depth) {
			i++;
		}
	}
	return count;
}

void config_settings_shared(const struct config_settings *settings, struct buf *out)
{
	const struct config_setting **list =
		mem_array(settings->count + 1, sizeof(struct config_setting *));
	size_t count = drop_local(settings, list);

	qsort(list, count, sizeof(struct config_setting *), by_path);
	for (size_t i = 0; i < count; i++) {
		if (list[i]->text != NULL || list[i]->key->schema != NULL) {
			buf_add_format(out, "%s: %s\n", list[i]->path,
				list[i]->text != NULL ? list[i]->text : "");
		}
	}
	mem_free(list);
}

static void add_range(const struct config_key *key, struct buf *out)
{
	if (key->words != NULL) {
		for (size_t i = 0; key->words[i] != NULL; i++) {
			buf_add_format(out, "%s%s", i > 0 ? "|" : "", key->words[i]);
		}
	} else if (key->min != NULL || key->max != NULL) {
		buf_add_format(out, "%s..%s", key->min != NULL ? key->min : "",
			key->max != NULL ? key->max : "");
	}
}

static void dump_row(const struct config_key *key, const struct buf *path, struct buf *out)
{
	const char *fallback = key->fallback != NULL ? key->fallback : "unset";

	if ((key->flags & CONFIG_REQUIRED) != 0) {
		fallback = "(required)"; /* not the word, which is a value */
	} else if (key->schema != NULL) {
		fallback = "";
	} else if ((key->flags & CONFIG_LIST) != 0) {
		fallback = "[]";
	}
	buf_add(out, buf_slice(path));
	buf_add_format(out, "\t%s%s\t", (key->flags & CONFIG_LIST) != 0 ? "list of " : "",
		value_type(key->type)->word);
	add_range(key, out);
	buf_add_format(out, "\t%s\t%s\t%s\t%s\n", key->unit != NULL ? key->unit : "", fallback,
		key->doc, (key->flags & CONFIG_RESTART) != 0 ? "restart" : "reload");
}

static void dump_schema(const struct config_schema *schema, struct buf *path, struct buf *out)
{
	for (size_t i = 0; i < schema->count; i++) {
		const struct config_key *key = &schema->keys[i];
		size_t before = path->n;

		buf_add_format(path, "%s%s", before > 0 ? "." : "", key->name);
		dump_row(key, path, out);
		if (key->schema != NULL) {
			buf_add_text(path, key->type == CONFIG_TABLE ? ".NAME" : "");
			dump_schema(key->schema, path, out);
		}
		buf_cut(path, before);
	}
}

void config_schema_dump(const struct config_schema *schema, struct buf *out)
{
	struct buf path;

	buf_init(&path, 0);
	dump_schema(schema, &path, out);
	buf_clear(&path);
}

void config_settings_reloaded(const struct config_settings *started,
	const struct config_settings *before, const struct config_settings *now)
{
	struct buf changes;
	struct buf restart;

	buf_init(&changes, 0);
	buf_init(&restart, 0);
	config_settings_diff(before, now, &changes);
	config_settings_restart(started, now, &restart);
	if (restart.n > 0) {
		log_warning(NULL, "reloaded", "changes=%s needs_restart=%s",
			log_quote(buf_slice(&changes)), log_quote(buf_slice(&restart)));
	} else {
		log_info(NULL, "reloaded", "changes=%s", log_quote(buf_slice(&changes)));
	}
	buf_clear(&restart);
	buf_clear(&changes);
}
