/*
 * What a tenant needs before its first campaign: itself, a content, a DKIM key.  A content
 * is compiled before it is stored, by the code that will send it, so that a fault is seen
 * by who wrote it and not by a worker at night.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/codec.h"
#include "base/mem.h"
#include "base/time.h"
#include "command.h"
#include "compose/message.h"
#include "mail/address.h"
#include "sign/keyring.h"

static void add_setting(struct buf *json, const char *key, const char *value)
{
	if (value != NULL) {
		buf_add_format(json, "%s\"%s\":", json->n > 1 ? "," : "", key);
		codec_json(json, slice_of(value));
	}
}

/* A domain as it will stand in addresses and links: nobody would see the fault later. */
static int add_domain(struct ctl *ctl, struct buf *json, const char *option, const char *key)
{
	const char *given = ctl_option(ctl, option, NULL);
	char domain[ADDRESS_DOMAIN_MAX + 1];
	enum address_fault fault;

	if (given == NULL) {
		return 0;
	}
	fault = address_parse_domain(slice_of(given), domain);
	if (fault != ADDRESS_OK) {
		return ctl_fail(
			EX_USAGE, "--%s '%s': %s", option, given, address_fault_text(fault));
	}
	add_setting(json, key, domain);
	return 0;
}

int tenant_add(struct ctl *ctl)
{
	const char *name = ctl->arguments[0];
	char id[ID_TEXT + 1];
	struct buf settings;
	uint64_t weight = 100;
	const char *sender = ctl_option(ctl, "sender-id", NULL);
	const char *fault = compose_setting_fault(COMPOSE_SENDER_ID, slice_of(sender));
	int code = ctl_run(ctl, SQL_TENANT_LIST, (const char *const[]){NULL, name});

	if (code != 0) {
		return code;
	}
	if (pg_sync_rows(ctl->pg) > 0) {
		return ctl_fail(EX_DATAERR, "there is a tenant '%s' already: %s", name,
			pg_sync_text(ctl->pg, 0, 0));
	}
	if (!ctl_number(ctl, "weight", &weight) || weight < 1 || weight > 1000) {
		return ctl_fail(EX_USAGE, "--weight is a number from 1 to 1000");
	}
	if (fault != NULL) {
		return ctl_fail(EX_USAGE, "--sender-id '%s' %s", sender, fault);
	}
	id_text(id_random(), id);
	buf_init(&settings, 0);
	buf_add_byte(&settings, '{');
	code = add_domain(ctl, &settings, "bounce-domain", "bounce_domain");
	code = code != 0 ? code : add_domain(ctl, &settings, "tracking-domain", "tracking_domain");
	add_setting(&settings, "sender_id", sender);
	buf_add_byte(&settings, '}');
	code = code != 0 ? code
			 : ctl_run(ctl, SQL_TENANT_ADD,
				   (const char *const[]){id, name, ctl_option(ctl, "weight", "100"),
					   buf_string(&settings)});
	if (code == 0) {
		ctl_print("%s\n", id);
	}
	buf_clear(&settings);
	return code;
}

int tenant_list(struct ctl *ctl)
{
	int code = ctl_run(ctl, SQL_TENANT_LIST, (const char *const[]){NULL, NULL});

	if (code == 0) {
		ctl_rows(ctl);
	}
	return code;
}

static int check_content(struct ctl *ctl, const char *tenant, struct slice body, bool raw)
{
	struct content *content = NULL;
	struct buf faults;
	int code;

	buf_init(&faults, 0);
	code = ctl_compile(
		ctl, tenant, &(struct ctl_content){body, raw, time_wall_us()}, &content, &faults);
	if (code == 0 && content == NULL) {
		code = ctl_fail(EX_DATAERR, "%s is not stored:\n%s", ctl->arguments[0],
			buf_string(&faults));
	}
	content_unref(&content);
	buf_clear(&faults);
	return code;
}

static int store_content(
	struct ctl *ctl, const char *tenant, const char *name, struct buf *body, bool raw)
{
	char id[ID_TEXT + 1];
	char version[24];
	struct buf bytes;
	int64_t newest = 0;
	int code = ctl_run(ctl, SQL_CONTENT_LIST, (const char *const[]){tenant, name});

	if (code != 0) {
		return code;
	}
	id_text(id_random(), id);
	if (pg_sync_rows(ctl->pg) > 0) {
		memcpy(id, pg_sync_text(ctl->pg, 0, 0), sizeof(id));
		newest = strtoll(pg_sync_text(ctl->pg, 0, 1), NULL, 10);
	}
	(void)snprintf(version, sizeof(version), "%lld", (long long)newest + 1);
	buf_init(&bytes, 0);
	buf_add_text(&bytes, "\\x");
	codec_hex(&bytes, buf_slice(body));
	code = ctl_run(ctl, SQL_CONTENT_ADD,
		(const char *const[]){tenant, id, version, name, raw ? "raw" : "template",
			raw ? NULL : buf_string(body), raw ? buf_string(&bytes) : NULL});
	if (code == 0 && pg_sync_rows(ctl->pg) == 0) {
		code = ctl_fail(
			EX_TEMPFAIL, "somebody else has just added this version: try again");
	} else if (code == 0) {
		ctl_print("%s version %s of '%s'\n", id, version, name);
	}
	buf_clear(&bytes);
	return code;
}

int content_add(struct ctl *ctl)
{
	const char *path = ctl->arguments[0];
	bool raw = slice_ends_nocase(slice_of(path), SLICE(".eml"));
	struct slice base = slice_of(path);
	char tenant[ID_TEXT + 1];
	struct buf body;
	char *name;
	int code;

	if (slice_find_last(base, '/') < base.n) {
		base = slice_from(base, slice_find_last(base, '/') + 1);
	}
	base = slice_first(base, slice_find_last(base, '.'));
	name = slice_string(slice_of(ctl_option(ctl, "name", "")).n > 0
			? slice_of(ctl_option(ctl, "name", ""))
			: base);
	buf_init(&body, 0);
	code = ctl_read_file(path, CONTENT_BYTES_MAX, &body);
	code = code != 0 ? code : ctl_tenant(ctl, ctl_option(ctl, "tenant", NULL), tenant);
	code = code != 0 ? code : check_content(ctl, tenant, buf_slice(&body), raw);
	code = code != 0 ? code : store_content(ctl, tenant, name, &body, raw);
	buf_clear(&body);
	mem_free(name);
	return code;
}

int content_list(struct ctl *ctl)
{
	char tenant[ID_TEXT + 1];
	int code = ctl_tenant(ctl, ctl_option(ctl, "tenant", NULL), tenant);

	code = code != 0 ? code
			 : ctl_run(ctl, SQL_CONTENT_LIST, (const char *const[]){tenant, NULL});
	if (code == 0) {
		ctl_rows(ctl);
	}
	return code;
}

static void print_record(const struct key *key)
{
	struct buf line;

	buf_init(&line, 0);
	key_add_remedy(key, &line);
	ctl_print("%s\n", buf_string(&line));
	buf_clear(&line);
}

static int show_key(const char *directory, const struct id *tenant, const char *domain,
	const char *selector, struct buf *why)
{
	const struct keyring_settings settings = {
		.directory = slice_of(directory), .sets_max = 1, .ed25519 = true};
	struct keyring *keyring;
	struct key_set *set;
	struct buf pins;
	int code = 0;

	if (err_is(keyring_open(&settings, &keyring, why))) {
		return ctl_fail(EX_CONFIG, "%s", buf_string(why));
	}
	buf_init(&pins, 0);
	buf_add_format(&pins, "d=%s;s=%s", domain, selector);
	set = keyring_find(keyring, tenant, slice_of(domain), buf_slice(&pins), why);
	if (set == NULL) {
		code = ctl_fail(EX_CONFIG, "%s", buf_string(why));
	}
	for (size_t i = 0; set != NULL && i < key_set_count(set); i++) {
		print_record(key_set_key(set, i));
	}
	key_set_unref(&set);
	keyring_close(&keyring);
	buf_clear(&pins);
	return code;
}

int key_add(struct ctl *ctl)
{
	const char *directory = ctl_option(ctl, "directory", "/etc/penguin-mta/keys");
	const char *selector = ctl->arguments[2];
	char domain[ADDRESS_DOMAIN_MAX + 1];
	char text[ID_TEXT + 1];
	struct id tenant;
	struct err err;
	struct buf why;
	int code;

	if (address_parse_domain(slice_of(ctl->arguments[1]), domain) != ADDRESS_OK) {
		return ctl_fail(EX_USAGE, "'%s' is not a domain", ctl->arguments[1]);
	}
	if (access(directory, F_OK) != 0) {
		return ctl_fail(EX_CANTCREAT,
			"%s: %s: make it, for the user of penguin-mta, or give --directory",
			directory, err_text(err_system()));
	}
	if (!id_parse(slice_of(ctl->arguments[0]), &tenant)) {
		code = ctl_tenant(ctl, ctl->arguments[0], text);
		if (code != 0) {
			return code;
		}
		(void)id_parse(slice_of(text), &tenant);
	}
	buf_init(&why, 0);
	err = key_generate(slice_of(directory), &tenant, slice_of(domain), slice_of(selector),
		ctl_option(ctl, "ed25519", NULL) != NULL ? KEY_ED25519 : KEY_RSA_2048, &why);
	if (err_is(err)) {
		code = ctl_fail(
			err.kind == ERR_INPUT ? EX_USAGE : EX_CANTCREAT, "%s", buf_string(&why));
	} else {
		code = show_key(directory, &tenant, domain, selector, &why);
	}
	buf_clear(&why);
	return code;
}
