/*
 * Addresses by host name.  A and AAAA are asked side by side; the entry is ready
 * when both are answered.  Whoever asks meanwhile joins.  Answers are told at the
 * end of the turn, all from one place, be they fresh or kept.
 *
 * An entry that somebody waits for, or that is about to be told, is busy and thus
 * never dropped.
 */
#include "hosts.h"

#include "base/list.h"
#include "base/mem.h"

#include "cache.h"
#include "life.h"
#include "mx.h"

enum { FAMILY_MAX = MX_ADDRESSES_MAX / 2 };

struct hosts {
	struct loop *loop;
	struct dns *dns;
	const struct resolver_settings *settings;
	struct cache cache;
	struct list done; /* waiters whose host is ready */
	struct later turn;
};

struct host {
	struct cache_entry entry; /* busy while asked > 0 or told_due > 0 */
	struct hosts *hosts;
	struct list waiters;
	size_t told_due; /* waiters on hosts->done */
	unsigned asked;  /* questions without an answer */
	int64_t life_us; /* of what was found, and of what was not */
	int64_t missing_life_us;
	struct host_addresses found;
	union endpoint *addresses;
};

struct waiter {
	struct list_link link;
	struct host *host;
	void (*on_host)(void *owner, const struct host_addresses *found);
	void *owner;
};

static void host_free(struct cache_entry *entry)
{
	struct host *host = CACHE_OWNER(entry, struct host, entry);

	mem_free(host->addresses);
	mem_free(host);
}

static void on_turn(void *owner)
{
	struct hosts *hosts = owner;
	struct list_link *link;

	while ((link = list_pop(&hosts->done)) != NULL) {
		struct waiter *waiter = LIST_OWNER(link, struct waiter, link);
		struct host *host = waiter->host;

		waiter->on_host(waiter->owner, &host->found);
		mem_free(waiter);
		host->told_due--;
		host->entry.busy = host->asked > 0 || host->told_due > 0;
	}
	cache_trim(&hosts->cache);
}

static void make_due(struct host *host, struct waiter *waiter)
{
	list_push(&host->hosts->done, &waiter->link);
	host->told_due++;
	loop_later(host->hosts->loop, &host->hosts->turn);
}

static void finish(struct host *host)
{
	struct list_link *link;
	int64_t life_us = host->found.count > 0 ? host->life_us : host->missing_life_us;

	if (host->found.temporary && life_us > LIFE_TEMPORARY_US) {
		life_us = LIFE_TEMPORARY_US;
	}
	host->found.addresses = host->addresses;
	host->found.expires_us = loop_now_us(host->hosts->loop) + life_us;
	while ((link = list_pop(&host->waiters)) != NULL) {
		make_due(host, LIST_OWNER(link, struct waiter, link));
	}
}

static void add_addresses(struct host *host, const struct dns_answer *answer)
{
	size_t n = answer->count < FAMILY_MAX ? answer->count : FAMILY_MAX;

	host->addresses =
		mem_grow(host->addresses, host->found.count + n, sizeof(*host->addresses));
	for (size_t i = 0; i < n; i++) {
		host->addresses[host->found.count++] = answer->records[i].endpoint;
	}
	host->found.status = DNS_FOUND;
}

static int64_t lesser(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static void on_answer(void *owner, const struct dns_answer *answer)
{
	struct host *host = owner;
	const struct resolver_settings *settings = host->hosts->settings;

	switch (answer->status) {
	case DNS_FOUND:
		add_addresses(host, answer);
		host->life_us = lesser(host->life_us, life_found_us(settings, answer->ttl_s));
		break;
	case DNS_NO_DATA:
	case DNS_NO_DOMAIN:
		host->missing_life_us =
			lesser(host->missing_life_us, life_negative_us(settings, answer->ttl_s));
		break;
	case DNS_TEMPORARY:
		host->found.temporary = true;
		break;
	}
	if (--host->asked == 0) {
		finish(host);
	}
}

static void ask(struct host *host)
{
	struct slice name = cache_key(&host->entry);

	host->found = (struct host_addresses){.status = DNS_NO_DATA};
	host->life_us = INT64_MAX;
	host->missing_life_us = host->hosts->settings->negative_max_ttl_us;
	host->asked = 2;
	dns_find(host->hosts->dns, name, DNS_A, on_answer, host);
	dns_find(host->hosts->dns, name, DNS_AAAA, on_answer, host);
}

void hosts_find(struct hosts *hosts, struct slice name,
	void (*on_host)(void *owner, const struct host_addresses *found), void *owner)
{
	struct cache_entry *entry = cache_get(&hosts->cache, name);
	struct host *host = entry == NULL ? NULL : CACHE_OWNER(entry, struct host, entry);
	struct waiter *waiter = MEM_NEW(struct waiter);

	if (host == NULL) {
		host = MEM_NEW(struct host);
		host->hosts = hosts;
		host->entry.busy = true;
		list_init(&host->waiters);
		cache_put(&hosts->cache, name, &host->entry);
	}
	*waiter = (struct waiter){.host = host, .on_host = on_host, .owner = owner};
	host->entry.busy = true;
	if (host->asked == 0 && host->told_due == 0 &&
		host->found.expires_us <= loop_now_us(hosts->loop)) {
		ask(host);
	}
	if (host->asked > 0) {
		list_push(&host->waiters, &waiter->link);
	} else {
		make_due(host, waiter);
	}
}

struct hosts *hosts_new(
	struct loop *loop, struct dns *dns, const struct resolver_settings *settings)
{
	struct hosts *hosts = MEM_NEW(struct hosts);

	hosts->loop = loop;
	hosts->dns = dns;
	hosts->settings = settings;
	cache_init(&hosts->cache, settings->cache_max, host_free);
	list_init(&hosts->done);
	later_init(&hosts->turn, on_turn, hosts);
	return hosts;
}

void hosts_change(struct hosts *hosts)
{
	hosts->cache.max = hosts->settings->cache_max;
	cache_trim(&hosts->cache);
}

void hosts_free(struct hosts **hosts)
{
	struct hosts *h = *hosts;

	if (h == NULL) {
		return;
	}
	*hosts = NULL;
	loop_later_cancel(h->loop, &h->turn);
	cache_clear(&h->cache);
	mem_free(h);
}
