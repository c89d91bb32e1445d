/*
 * From MX records to hosts that may be tried.
 *
 * An MX list that names no usable host is an error and never a reason to try the
 * domain's own address (D4).  "." means "no mail" (RFC 7505) when it stands alone,
 * and nothing beside others (D6).  If one of the hosts is ourselves, that
 * preference and all worse ones are not ours to deliver to (D10).  What failed for
 * the moment beats what failed for good: the mail waits (D2).
 */
#include "mx.h"

#include <stdlib.h>

#include "guard.h"

static int compare_hosts(const void *a, const void *b)
{
	const struct mx_host *left = a;
	const struct mx_host *right = b;

	if (left->preference != right->preference) {
		return left->preference < right->preference ? -1 : 1;
	}
	return slice_compare(left->name, right->name);
}

static struct mx_host *find_host(struct mx *mx, struct slice name)
{
	for (size_t i = 0; i < mx->count; i++) {
		if (slice_equal(mx->hosts[i].name, name)) {
			return &mx->hosts[i];
		}
	}
	return NULL;
}

/* A host that is named twice counts with its better preference. */
static void add_host(struct mx *mx, struct slice name, unsigned preference)
{
	struct mx_host *host = find_host(mx, name);

	if (host == NULL && mx->count < MX_HOSTS_MAX) {
		host = &mx->hosts[mx->count++];
		*host = (struct mx_host){
			.name = arena_slice(mx->arena, name), .preference = preference};
	} else if (host != NULL && preference < host->preference) {
		host->preference = preference;
	}
}

enum failure mx_read(struct mx *mx, const struct dns_answer *answer)
{
	mx->count = 0;
	switch (answer->status) {
	case DNS_TEMPORARY:
		return FAILURE_DNS_TEMPORARY;
	case DNS_NO_DOMAIN:
		return FAILURE_DNS_NO_DOMAIN;
	case DNS_NO_DATA:
		add_host(mx, answer->name, 0);
		return FAILURE_NONE;
	case DNS_FOUND:
		break;
	}
	for (size_t i = 0; i < answer->count; i++) {
		if (answer->records[i].name.n > 0) {
			add_host(mx, answer->records[i].name, answer->records[i].preference);
		}
	}
	qsort(mx->hosts, mx->count, sizeof(mx->hosts[0]), compare_hosts);
	return mx->count > 0 ? FAILURE_NONE : FAILURE_DNS_NULL_MX;
}

void mx_set_host(struct mx *mx, struct slice name)
{
	mx->count = 0;
	add_host(mx, name, 0);
}

void mx_add_addresses(
	struct mx *mx, size_t host, const union endpoint *addresses, size_t count, bool temporary)
{
	struct mx_host *h = &mx->hosts[host];

	h->count = count < MX_ADDRESSES_MAX ? count : MX_ADDRESSES_MAX;
	h->addresses = arena_array(mx->arena, h->count, sizeof(*h->addresses));
	for (size_t i = 0; i < h->count; i++) {
		h->addresses[i] = addresses[i];
	}
	h->temporary = temporary;
}

static bool is_ourselves(const struct resolver_settings *settings, const struct mx_host *host)
{
	for (size_t i = 0; i < settings->own_name_count; i++) {
		if (slice_equal_nocase(settings->own_names[i], host->name)) {
			return true;
		}
	}
	for (size_t i = 0; i < host->count; i++) {
		if (guard_is_own(settings, &host->addresses[i])) {
			return true;
		}
	}
	return false;
}

/* True when we stand in the list with the best preference. */
static bool cut_at_ourselves(struct mx *mx, const struct resolver_settings *settings)
{
	for (size_t i = 0; i < mx->count; i++) {
		if (!is_ourselves(settings, &mx->hosts[i])) {
			continue;
		}
		while (i > 0 && mx->hosts[i - 1].preference == mx->hosts[i].preference) {
			i--;
		}
		mx->count = i;
		return i == 0;
	}
	return false;
}

/* How many addresses were dropped. */
static size_t drop_guarded(struct mx_host *host, const struct resolver_settings *settings)
{
	size_t kept = 0;
	size_t all = host->count;

	for (size_t i = 0; i < all; i++) {
		if (guard_allows(settings, &host->addresses[i])) {
			host->addresses[kept++] = host->addresses[i];
		}
	}
	host->count = kept;
	return all - kept;
}

/* Hosts without an address left stay in the list: the list is what a site is known by. */
enum failure mx_decide(struct mx *mx, const struct resolver_settings *settings)
{
	size_t guarded = 0;
	size_t usable = 0;
	bool temporary = false;

	if (settings != NULL && cut_at_ourselves(mx, settings)) {
		return FAILURE_DNS_LOOP;
	}
	for (size_t i = 0; i < mx->count; i++) {
		struct mx_host *host = &mx->hosts[i];

		guarded += settings != NULL ? drop_guarded(host, settings) : 0;
		usable += host->count;
		temporary = temporary || host->temporary;
	}
	if (usable > 0) {
		return FAILURE_NONE;
	}
	if (temporary) {
		return FAILURE_DNS_TEMPORARY;
	}
	return guarded > 0 ? FAILURE_GUARDED : FAILURE_DNS_NO_ADDRESS;
}
