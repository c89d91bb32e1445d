/*
 * penguinctl provider: how mail to a provider is paced, and which line of which file said so.
 *
 * A provider's limits come from a file that is shipped, from the operators' own, and from
 * defaults; later files win, key by key.  So the question "why five connections" has an
 * answer with a place.  What a receiver's host or a recipient domain belongs to is asked in
 * the same words, because that is what one has at hand when mail does not go.
 */
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "base/codec.h"
#include "base/nearest.h"
#include "command.h"
#include "config/config.h"
#include "config/schema.h"

#define NAME_COLUMN 26
#define VALUE_COLUMN 34

static void add_place(const struct config_setting *setting, struct buf *out)
{
	if (setting->place.file == NULL) {
		buf_add_text(out, "default");
	} else {
		buf_add_format(out, "%s:%u", setting->place.file->name, setting->place.line);
	}
}

static void show_row(const struct config_setting *setting)
{
	struct buf place;

	buf_init(&place, 0);
	add_place(setting, &place);
	ctl_line("%-*s %-*s %s", NAME_COLUMN, setting->name, VALUE_COLUMN,
		setting->text != NULL ? setting->text : "unset", buf_string(&place));
	buf_clear(&place);
}

static void show_json(const char *provider, const struct config_setting *setting)
{
	struct buf json;
	struct buf place;

	buf_init(&json, 0);
	buf_init(&place, 0);
	add_place(setting, &place);
	buf_add_text(&json, "{\"provider\":");
	codec_json(&json, slice_of(provider));
	buf_add_text(&json, ",\"key\":");
	codec_json(&json, slice_of(setting->name));
	buf_add_text(&json, ",\"value\":");
	if (setting->text != NULL) {
		codec_json(&json, slice_of(setting->text));
	} else {
		buf_add_text(&json, "null");
	}
	buf_add_text(&json, ",\"set_by\":");
	codec_json(&json, buf_slice(&place));
	buf_add_text(&json, "}");
	ctl_json(buf_slice(&json));
	buf_clear(&place);
	buf_clear(&json);
}

/* The keys below this one, each with its value and its place. */
static void show(struct ctl *ctl, const char *name, const struct config_setting *entry)
{
	const struct config_settings *settings = config_settings(ctl->config);
	const struct config_setting *end = settings->items + settings->count;
	bool json = ctl_option(ctl, "json", NULL) != NULL;

	for (const struct config_setting *s = entry + 1; s < end && s->depth > entry->depth; s++) {
		if (json) {
			show_json(name, s);
		} else {
			show_row(s);
		}
	}
}

/* By its name, else as the provider of an MX host or of a recipient domain. */
static const struct config_provider *find(struct ctl *ctl, struct slice what)
{
	const struct config_provider *provider = config_provider(ctl->config, what);

	if (provider == NULL) {
		provider = config_provider_by_domain(ctl->config, what);
	}
	return provider != NULL ? provider : config_provider_by_mx(ctl->config, what);
}

static int unknown(struct ctl *ctl, const char *what)
{
	struct nearest like;

	nearest_init(&like, slice_of(what));
	for (size_t i = 0; i < ctl->config->providers.count; i++) {
		nearest_offer(&like, ctl->config->providers.items[i]->name);
	}
	if (like.best != NULL) {
		return ctl_fail(
			EX_DATAERR, "no provider is '%s'; did you mean '%s'?", what, like.best);
	}
	return ctl_fail(EX_DATAERR,
		"no provider is called '%s', has such MX hosts or such a recipient domain: its mail "
		"is paced by default_site ('penguinctl provider show default_site'); 'penguinctl "
		"provider list' has all",
		what);
}

int provider_show(struct ctl *ctl)
{
	const char *what = ctl->arguments[0];
	const struct config_provider *provider;
	int code = ctl_need_config(ctl);

	if (code != 0) {
		return code;
	}
	provider = find(ctl, slice_of(what));
	if (provider != NULL) {
		if (strcmp(provider->name, what) != 0 && ctl_option(ctl, "json", NULL) == NULL) {
			ctl_line("%s is of the provider %s", what, provider->name);
		}
		show(ctl, provider->name,
			config_settings_find(config_settings(ctl->config), provider));
		return 0;
	}
	if (strcmp(what, "default_site") != 0) {
		return unknown(ctl, what);
	}
	for (size_t i = 0; i < config_settings(ctl->config)->count; i++) {
		const struct config_setting *setting = &config_settings(ctl->config)->items[i];

		if (strcmp(setting->path, what) == 0) {
			show(ctl, what, setting);
		}
	}
	return 0;
}

static void add_texts(struct buf *out, const struct config_texts *texts)
{
	for (size_t i = 0; i < texts->count; i++) {
		buf_add_text(out, out->n > 0 ? " " : "");
		buf_add_text(out, texts->items[i]);
	}
}

int provider_list(struct ctl *ctl)
{
	bool json = ctl_option(ctl, "json", NULL) != NULL;
	int code = ctl_need_config(ctl);
	struct buf matches;

	if (code != 0) {
		return code;
	}
	buf_init(&matches, 0);
	for (size_t i = 0; i < ctl->config->providers.count; i++) {
		const struct config_provider *provider = ctl->config->providers.items[i];

		if (json) {
			show(ctl, provider->name,
				config_settings_find(config_settings(ctl->config), provider));
			continue;
		}
		buf_reset(&matches);
		add_texts(&matches, &provider->mx);
		add_texts(&matches, &provider->domains);
		ctl_line("%-20s %s", provider->name, buf_string(&matches));
	}
	buf_clear(&matches);
	return 0;
}
