/*
 * Sites as objects.  Two domains are on the same site when their mail hosts are the
 * same in the same order of preference (numbers may differ: 10, 20 or 1, 5); equal
 * preferences are put in the order of their names.  The key is a digest of that
 * text, so all nodes of a fleet agree on it without talking.
 *
 * An address that changes makes a new object under the same key; who holds the old
 * one finishes with it.
 */
#include <arpa/inet.h>
#include <string.h>

#include "base/codec.h"
#include "base/mem.h"
#include "io/digest.h"

#include "site_private.h"

struct site *site_ref(struct site *site)
{
	site->refs++;
	return site;
}

void site_unref(struct site **site)
{
	struct site *s = *site;

	*site = NULL;
	if (s == NULL || --s->refs > 0) {
		return;
	}
	if (s->sites != NULL && map_get(s->sites, site_key(s)) == s) {
		(void)map_remove(s->sites, site_key(s));
	}
	mem_free(s->hosts);
	mem_free(s->addresses);
	mem_free(s->names);
	mem_free(s);
}

struct site *site_new_failed(enum failure failure)
{
	struct site *site = MEM_NEW(struct site);

	site->refs = 1;
	site->failure = failure;
	return site;
}

/* "mx1.test\nmx2.test\n\nbackup.test\n": an empty line where the preference gets worse. */
static void make_key(
	const struct mx *mx, uint16_t port, bool by_hand, char ret_key[SITE_KEY_DIGITS + 1])
{
	uint8_t digest[DIGEST_BYTES];
	struct buf text, hex;

	buf_init(&text, 0);
	buf_init(&hex, 0);
	for (size_t i = 0; i < mx->count; i++) {
		if (i > 0 && mx->hosts[i].preference != mx->hosts[i - 1].preference) {
			buf_add_byte(&text, '\n');
		}
		buf_add(&text, mx->hosts[i].name);
		buf_add_byte(&text, '\n');
	}
	if (port != 25) {
		buf_add_number(&text, port);
	}
	if (by_hand) {
		buf_add_byte(&text, '!');
	}
	digest_sha256(buf_slice(&text), digest);
	codec_hex(&hex, slice_make((const char *)digest, SITE_KEY_DIGITS / 2));
	memcpy(ret_key, hex.p, SITE_KEY_DIGITS);
	ret_key[SITE_KEY_DIGITS] = '\0';
	buf_clear(&text);
	buf_clear(&hex);
}

static void set_port(union endpoint *endpoint, uint16_t port)
{
	if (endpoint->any.sa_family == AF_INET6) {
		endpoint->v6.sin6_port = htons(port);
	} else {
		endpoint->v4.sin_port = htons(port);
	}
}

static void copy_hosts(struct site *site, const struct mx *mx, uint16_t port)
{
	size_t bytes = 0;

	for (size_t i = 0; i < mx->count; i++) {
		bytes += mx->hosts[i].name.n;
		site->address_count += mx->hosts[i].count;
	}
	site->host_count = mx->count;
	site->hosts = mem_array(mx->count, sizeof(*site->hosts));
	site->addresses = mem_array(site->address_count, sizeof(*site->addresses));
	site->names = mem_new(bytes + 1);
	size_t at = 0;
	size_t name_at = 0;

	for (size_t i = 0; i < mx->count; i++) {
		const struct mx_host *from = &mx->hosts[i];

		memcpy(site->names + name_at, from->name.p, from->name.n);
		site->hosts[i] = (struct site_host){slice_make(site->names + name_at, from->name.n),
			from->preference, at, from->count};
		name_at += from->name.n;
		for (size_t k = 0; k < from->count; k++, at++) {
			site->addresses[at] = from->addresses[k];
			set_port(&site->addresses[at], port);
		}
	}
}

static bool same_addresses(const struct site *a, const struct site *b)
{
	if (a->address_count != b->address_count || a->host_count != b->host_count) {
		return false;
	}
	for (size_t i = 0; i < a->host_count; i++) {
		if (a->hosts[i].count != b->hosts[i].count) {
			return false;
		}
	}
	for (size_t i = 0; i < a->address_count; i++) {
		if (!endpoint_equal(&a->addresses[i], &b->addresses[i])) {
			return false;
		}
	}
	return true;
}

struct site *site_new(const struct mx *mx, uint16_t port, bool by_hand, struct map *sites)
{
	struct site *site = site_new_failed(FAILURE_NONE);

	site->by_hand = by_hand;
	make_key(mx, port, by_hand, site->key);
	copy_hosts(site, mx, port);
	struct site *known = map_get(sites, site_key(site));

	if (known != NULL && same_addresses(known, site)) {
		site_unref(&site);
		return site_ref(known);
	}
	site->sites = sites;
	(void)map_put(sites, site_key(site), site);
	return site;
}

void site_forget_map(struct map *sites)
{
	size_t at = 0;
	struct slice key;
	void *site;

	while (map_next(sites, &at, &key, &site)) {
		((struct site *)site)->sites = NULL;
	}
}

enum failure site_failure(const struct site *site)
{
	return site->failure;
}

struct slice site_key(const struct site *site)
{
	return slice_of(site->key);
}

struct slice site_name(const struct site *site)
{
	return site->host_count > 0 ? site->hosts[0].name : (struct slice){0};
}

size_t site_best_count(const struct site *site)
{
	size_t n = 0;

	while (n < site->host_count && site->hosts[n].preference == site->hosts[0].preference) {
		n++;
	}
	return n;
}

struct slice site_best(const struct site *site, size_t at)
{
	return site->hosts[at].name;
}
