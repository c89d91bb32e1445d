/*
 * Gathering for preflight.  What is missing or wrong in what it finds is not told here
 * but becomes a finding with its remedy; only what keeps it from looking (no Postgres,
 * no such campaign) ends the command.  The message itself is sample.c's.
 */
#include "subject.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/codec.h"
#include "config/config.h"
#include "mail/address.h"

#define COLUMN_POOL 5
#define COLUMN_CONTENT 8
#define COLUMN_VERSION 9

void subject_init(struct subject *subject)
{
	*subject = (struct subject){.arena = arena_new(0)};
	message_init(&subject->message);
}

void subject_clear(struct subject *subject)
{
	message_clear(&subject->message);
	key_set_unref(&subject->keys);
	keyring_close(&subject->keyring);
	arena_free(&subject->arena);
}

/* ---- the tenant ---- */

static bool is_fine(
	struct subject *subject, enum compose_setting setting, const char *key, struct slice value)
{
	const char *fault = compose_setting_fault(setting, value);

	if (fault != NULL && value.n > 0) {
		subject->settings[subject->about.setting_count++] =
			(struct preflight_setting){key, arena_slice(subject->arena, value), fault};
	}
	return fault == NULL;
}

/* As lower-case A-labels; empty where it is no domain. */
static struct slice read_domain(
	struct subject *subject, enum compose_setting setting, const char *key, const char *value)
{
	char domain[ADDRESS_DOMAIN_MAX + 1];
	bool named = is_fine(subject, setting, key, slice_of(value)) &&
		address_parse_domain(slice_of(value), domain) == ADDRESS_OK;

	return arena_slice(subject->arena, slice_of(named ? domain : ""));
}

static int read_tenant(struct ctl *ctl, const char *tenant, struct subject *subject)
{
	int code = ctl_run(ctl, SQL_TENANT_SETTINGS, (const char *const[]){tenant});

	if (code != 0) {
		return code;
	}
	subject->about.tenant = arena_slice(subject->arena, slice_of(tenant));
	subject->about.hostname = slice_of(ctl->config->hostname);
	subject->about.settings = subject->settings;
	subject->about.bounce_domain = read_domain(
		subject, COMPOSE_BOUNCE_DOMAIN, "bounce_domain", pg_sync_text(ctl->pg, 0, 0));
	subject->about.tracking_domain = read_domain(
		subject, COMPOSE_TRACKING_DOMAIN, "tracking_domain", pg_sync_text(ctl->pg, 0, 1));
	subject->sender_id = arena_slice(subject->arena, slice_of(pg_sync_text(ctl->pg, 0, 2)));
	(void)is_fine(subject, COMPOSE_SENDER_ID, "sender_id", subject->sender_id);
	return 0;
}

/* ---- the pool ---- */

static void no_pool(const struct config *config, struct subject *subject)
{
	struct buf text;

	buf_init(&text, 0);
	buf_add_format(&text, "the configuration has no pool '%.*s'", (int)subject->about.pool.n,
		subject->about.pool.p);
	subject->about.pool_fault = arena_slice(subject->arena, buf_slice(&text));
	buf_reset(&text);
	buf_add_format(&text, "penguin-mta.yaml: pools: {%.*s: {sources: [",
		(int)subject->about.pool.n, subject->about.pool.p);
	for (size_t i = 0; i < config->sources.count; i++) {
		buf_add_format(&text, "%s%s", i > 0 ? ", " : "", config->sources.items[i]->name);
	}
	buf_add_text(&text, "]}}\n");
	subject->about.pool_remedy = arena_slice(subject->arena, buf_slice(&text));
	buf_clear(&text);
}

static void read_pool(const struct config *config, const char *name, struct subject *subject)
{
	const struct config_pool *pool = config_pool(config, slice_of(name));
	struct preflight_source *sources;

	subject->about.pool = arena_slice(subject->arena, slice_of(name));
	if (pool == NULL) {
		no_pool(config, subject);
		return;
	}
	sources = arena_array(subject->arena, 2 * pool->sources.count + 1, sizeof(*sources));
	subject->about.sources = sources;
	for (size_t i = 0; i < pool->sources.count; i++) {
		const struct config_source *source = pool->sources.items[i]->source;

		subject->about.relay_count += source->relay.host.host != NULL ? 1 : 0;
		subject->about.source_count +=
			preflight_sources(config, source, sources + subject->about.source_count);
	}
}

/* ---- the keys ---- */

static const char *published(const void *key, const struct dns_answer *answer)
{
	struct slice record;

	return key_published(key, answer, &record);
}

static struct slice selector_of(const struct preflight_key *key)
{
	return slice_first(key->name, slice_search(key->name, SLICE("._domainkey.")));
}

static void add_key(struct subject *subject, struct preflight_key *out, const struct key *key)
{
	struct buf text;

	buf_init(&text, 0);
	*out = (struct preflight_key){
		.domain = key_set_domain(subject->keys),
		.bits = key_bits(key),
		.ed25519 = !key_is_rsa(key),
		.key = key,
	};
	key_record_name(key, &text);
	out->name = arena_slice(subject->arena, buf_slice(&text));
	buf_reset(&text);
	key_add_remedy(key, &text);
	out->remedy = arena_slice(subject->arena, buf_slice(&text));
	if (subject->dkim_bits == 0 || out->bits < subject->dkim_bits) {
		subject->dkim_bits = out->bits;
	}
	buf_clear(&text);
}

static void add_keys(struct subject *subject)
{
	size_t count = key_set_count(subject->keys);
	struct preflight_key *keys = arena_array(subject->arena, count + 1, sizeof(*keys));
	struct buf selectors;

	buf_init(&selectors, 0);
	for (size_t i = 0; i < count; i++) {
		add_key(subject, &keys[i], key_set_key(subject->keys, i));
		buf_add_text(&selectors, i > 0 ? "," : "");
		buf_add(&selectors, selector_of(&keys[i]));
	}
	subject->about.keys = keys;
	subject->about.key_count = count;
	subject->about.published = published;
	subject->selectors = arena_slice(subject->arena, buf_slice(&selectors));
	buf_clear(&selectors);
}

static void read_keys(const struct config *config, struct subject *subject)
{
	const struct keyring_settings settings = {
		.directory = slice_of(config->keys.directory), .sets_max = 1, .ed25519 = true};
	struct id tenant;
	struct buf why;

	buf_init(&why, 0);
	if (id_parse(subject->about.tenant, &tenant) &&
		!err_is(keyring_open(&settings, &subject->keyring, &why))) {
		subject->keys = keyring_find(
			subject->keyring, &tenant, subject->about.from_domain, SLICE(""), &why);
	}
	if (subject->keys != NULL) {
		add_keys(subject);
	} else {
		subject->about.key_fault = arena_slice(subject->arena, buf_slice(&why));
	}
	buf_clear(&why);
}

/* ---- the content ---- */

/* The version that is pinned, or the newest as a first claim would pin it. */
static int find_version(struct ctl *ctl, const char *tenant, const char *content, char version[16])
{
	int code = ctl_run(ctl, SQL_CONTENT_LIST, (const char *const[]){tenant, NULL});

	for (size_t i = 0; code == 0 && i < pg_sync_rows(ctl->pg); i++) {
		if (strcmp(pg_sync_text(ctl->pg, i, 0), content) == 0) {
			(void)snprintf(version, 16, "%s", pg_sync_text(ctl->pg, i, 1));
			return 0;
		}
	}
	return code != 0 ? code : ctl_fail(EX_DATAERR, "its content is not there");
}

static void read_body(struct ctl *ctl, bool raw, struct buf *body)
{
	if (raw) {
		(void)codec_hex_decode(body, slice_from(slice_of(pg_sync_text(ctl->pg, 0, 3)), 2));
	} else {
		buf_add_text(body, pg_sync_text(ctl->pg, 0, 2));
	}
}

static int read_content(struct ctl *ctl, const char *tenant, const char *id, const char *version,
	struct content **ret_content, struct buf *faults)
{
	char newest[16] = "";
	struct ctl_content content;
	struct buf body;
	int code = version[0] != '\0' ? 0 : find_version(ctl, tenant, id, newest);

	code = code != 0
		? code
		: ctl_run(ctl, SQL_CONTENT_READ,
			  (const char *const[]){tenant, id, version[0] != '\0' ? version : newest});
	if (code == 0 && pg_sync_rows(ctl->pg) == 0) {
		code = ctl_fail(EX_DATAERR, "its content has no version %s", version);
	}
	if (code != 0) {
		return code;
	}
	buf_init(&body, 0);
	content.raw = strcmp(pg_sync_text(ctl->pg, 0, 1), "raw") == 0;
	content.as_of_us = strtoll(pg_sync_text(ctl->pg, 0, 4), NULL, 10);
	read_body(ctl, content.raw, &body);
	content.body = buf_slice(&body);
	code = ctl_compile(ctl, tenant, &content, ret_content, faults);
	buf_clear(&body);
	return code;
}

/* ---- all of it ---- */

static int gather(struct ctl *ctl, const char *tenant, const char *pool, struct slice from_domain,
	struct subject *subject)
{
	int code = read_tenant(ctl, tenant, subject);

	if (code == 0) {
		subject->about.from_domain = arena_slice(subject->arena, from_domain);
		read_pool(ctl->config, pool, subject);
		read_keys(ctl->config, subject);
	}
	return code;
}

int subject_of_domain(struct ctl *ctl, const char *tenant, const char *domain, const char *pool,
	struct subject *subject)
{
	char from[ADDRESS_DOMAIN_MAX + 1];
	enum address_fault fault = address_parse_domain(slice_of(domain), from);

	return fault != ADDRESS_OK
		? ctl_fail(EX_USAGE, "'%s': %s", domain, address_fault_text(fault))
		: gather(ctl, tenant, pool, slice_of(from), subject);
}

int subject_of_campaign(
	struct ctl *ctl, const char *tenant, const char *campaign, struct subject *subject)
{
	struct content *content = NULL;
	char *columns[3] = {NULL};
	struct buf faults;
	int code = ctl_run(ctl, SQL_CAMPAIGN_SHOW, (const char *const[]){tenant, campaign});

	if (code != 0) {
		return code;
	}
	buf_init(&faults, 0);
	columns[0] = arena_string(subject->arena, slice_of(pg_sync_text(ctl->pg, 0, COLUMN_POOL)));
	columns[1] =
		arena_string(subject->arena, slice_of(pg_sync_text(ctl->pg, 0, COLUMN_CONTENT)));
	columns[2] =
		arena_string(subject->arena, slice_of(pg_sync_text(ctl->pg, 0, COLUMN_VERSION)));
	code = read_content(ctl, tenant, columns[1], columns[2], &content, &faults);
	if (code == 0 && content == NULL) {
		code = ctl_fail(EX_DATAERR, "its content has faults:\n%s", buf_string(&faults));
	}
	code = code != 0
		? code
		: gather(ctl, tenant, columns[0], slice_of(content_from_domain(content)), subject);
	/* With such settings nothing can be composed; that is told by itself. */
	if (code == 0 && subject->about.bounce_domain.n > 0 && subject->about.setting_count == 0) {
		code = subject_compose(ctl, tenant, campaign, content, subject);
	}
	content_unref(&content);
	buf_clear(&faults);
	return code;
}
