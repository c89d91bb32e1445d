/*
 * Domains to sites: cache, coalescing, and the walk MX -> addresses -> site, of
 * which mx.c knows the rules and hosts.c the addresses.
 *
 * An entry of the cache is a domain, or a host with a port that an operator wrote
 * down ("host:port"; a domain has no colon).  It keeps its last answer, and beside
 * it the last site that could be used: when the DNS fails, that one goes on being
 * served for a day (conformance N7).  Few domains are looked up at a time, so that
 * a campaign to a million of them does not drown the name server.
 *
 * A lookup has a deadline of its own, whatever number of aliases and hosts it leads
 * to (N4): then what is known decides, and who has not answered counts as no answer.
 *
 * What is found is told at the end of the turn from one queue, so nobody is called
 * back from within his question.  Resolver and lookup live until the last question
 * that the DNS still holds for them has come back.
 */
#include "resolve/resolver.h"

#include <string.h>

#include "base/buf.h"
#include "base/list.h"
#include "base/mem.h"

#include "cache.h"
#include "guard.h"
#include "hosts.h"
#include "life.h"
#include "mx.h"
#include "outage.h"
#include "settings.h"
#include "site_private.h"

enum { LOOKUPS_MAX = 500 };

struct resolver {
	struct loop *loop;
	struct dns *dns;
	struct resolver_settings settings;
	struct hosts *hosts;
	struct outage *outage;
	struct cache cache;
	struct map *sites; /* by key; no references */
	struct site *failed[FAILURE_COUNT];
	struct list queue; /* domains that wait for their lookup */
	struct list done;  /* requests that have their site */
	struct later turn;
	size_t lookups;
	size_t questions; /* held by dns or hosts */
	bool telling;     /* in on_turn() */
	bool closing;
};

struct request {
	struct list_link link;
	void (*on_site)(void *owner, struct site *site);
	void *owner;
	struct site *site;
};

struct lookup;

struct domain {
	struct cache_entry entry; /* busy while a lookup is wanted or under way */
	struct list_link queue;
	struct resolver *resolver;
	struct list requests;
	struct lookup *lookup;
	uint16_t port; /* a host of an operator; 0 = a domain */
	struct site *site;
	int64_t expires_us;
	struct site *known; /* the last one that could be used */
	int64_t known_until_us;
};

struct lookup {
	struct resolver *resolver;
	struct domain *domain; /* NULL: concluded, and only waits for its answers */
	struct mx mx;
	int64_t expires_us;
	struct timer deadline;
	unsigned pending; /* questions without an answer */
	bool unsure;      /* a host has got none */
	struct leg {
		struct lookup *lookup;
		size_t host;
		bool answered;
	} legs[MX_HOSTS_MAX];
};

/* ---- telling ---- */

static void end_when_quiet(struct resolver *resolver);
static void start_lookups(struct resolver *resolver);

static void on_turn(void *owner)
{
	struct resolver *resolver = owner;
	struct list_link *link;

	resolver->telling = true;
	while (!resolver->closing && (link = list_pop(&resolver->done)) != NULL) {
		struct request *request = LIST_OWNER(link, struct request, link);

		request->on_site(request->owner, request->site);
		site_unref(&request->site);
		mem_free(request);
	}
	resolver->telling = false;
	if (resolver->closing) {
		end_when_quiet(resolver);
		return;
	}
	start_lookups(resolver);
	cache_trim(&resolver->cache);
}

static void make_due(struct resolver *resolver, struct request *request, struct site *site)
{
	request->site = site_ref(site);
	list_push(&resolver->done, &request->link);
	loop_later(resolver->loop, &resolver->turn);
}

/* ---- one domain's answer ---- */

static struct site *failed_site(struct resolver *resolver, enum failure failure)
{
	if (resolver->failed[failure] == NULL) {
		resolver->failed[failure] = site_new_failed(failure);
	}
	return site_ref(resolver->failed[failure]);
}

static void keep_site(struct domain *domain, struct site *take, int64_t expires_us)
{
	int64_t now_us = loop_now_us(domain->resolver->loop);
	enum failure failure = site_failure(take);

	if (failure == FAILURE_NONE) {
		site_unref(&domain->known);
		domain->known = site_ref(take);
		domain->known_until_us = expires_us + domain->resolver->settings.stale_us;
	} else if (failure == FAILURE_DNS_TEMPORARY && domain->known != NULL &&
		now_us < domain->known_until_us) {
		site_unref(&take);
		take = site_ref(domain->known);
		expires_us =
			expires_us < domain->known_until_us ? expires_us : domain->known_until_us;
	} else if (failure != FAILURE_DNS_TEMPORARY) {
		site_unref(&domain->known);
	}
	site_unref(&domain->site);
	domain->site = take;
	domain->expires_us = expires_us;
}

static void lookup_free(struct lookup *lookup)
{
	timer_stop(&lookup->deadline);
	arena_free(&lookup->mx.arena);
	mem_free(lookup);
}

/* Ends the lookup with that site, which is taken. */
static void conclude(struct lookup *lookup, struct site *take, int64_t expires_us)
{
	struct domain *domain = lookup->domain;
	struct resolver *resolver = domain->resolver;
	struct list_link *link;

	keep_site(domain, take, expires_us);
	while ((link = list_pop(&domain->requests)) != NULL) {
		make_due(resolver, LIST_OWNER(link, struct request, link), domain->site);
	}
	domain->lookup = NULL;
	domain->entry.busy = false;
	resolver->lookups--;
	loop_later(resolver->loop, &resolver->turn); /* others may start */
	lookup->domain = NULL;
	if (lookup->pending == 0) {
		lookup_free(lookup);
	} else {
		timer_stop(&lookup->deadline);
	}
}

static void conclude_failed(struct lookup *lookup, enum failure failure, int64_t life_us)
{
	struct resolver *resolver = lookup->resolver;

	if (failure == FAILURE_DNS_TEMPORARY) {
		life_us = LIFE_TEMPORARY_US;
	}
	conclude(lookup, failed_site(resolver, failure), loop_now_us(resolver->loop) + life_us);
}

static void decide(struct lookup *lookup)
{
	const struct domain *domain = lookup->domain;
	struct resolver *resolver = lookup->resolver;
	bool by_hand = domain->port != 0;
	enum failure failure = mx_decide(&lookup->mx, by_hand ? NULL : &resolver->settings);
	uint16_t port = by_hand ? domain->port : resolver->settings.port;

	if (failure == FAILURE_NONE) {
		/* The floor holds for the whole walk, though an address was known before. */
		int64_t floor_us = loop_now_us(resolver->loop) + resolver->settings.min_ttl_us;

		if (!lookup->unsure && lookup->expires_us < floor_us) {
			lookup->expires_us = floor_us;
		}
		conclude(lookup, site_new(&lookup->mx, port, by_hand, resolver->sites),
			lookup->expires_us);
		return;
	}
	conclude_failed(lookup, failure,
		life_negative_us(&resolver->settings,
			(uint32_t)((lookup->expires_us - loop_now_us(resolver->loop)) /
				TIME_SECOND_US)));
}

/* ---- the walk ---- */

static void lower_expiry(struct lookup *lookup, int64_t expires_us)
{
	if (expires_us < lookup->expires_us) {
		lookup->expires_us = expires_us;
	}
}

/* One answer less to wait for.  False when the lookup is concluded: nothing is to be done. */
static bool count_answer(struct lookup *lookup)
{
	struct resolver *resolver = lookup->resolver;

	outage_look(resolver->outage);
	resolver->questions--;
	lookup->pending--;
	if (lookup->domain != NULL) {
		return true;
	}
	if (lookup->pending == 0) {
		lookup_free(lookup);
		loop_later(resolver->loop, &resolver->turn); /* it may be the end of all */
	}
	return false;
}

static void on_host(void *owner, const struct host_addresses *found)
{
	struct leg *leg = owner;
	struct lookup *lookup = leg->lookup;

	if (!count_answer(lookup)) {
		return;
	}
	leg->answered = true;
	mx_add_addresses(&lookup->mx, leg->host, found->addresses, found->count, found->temporary);
	lookup->unsure = lookup->unsure || found->temporary;
	lower_expiry(lookup, found->expires_us);
	if (lookup->pending == 0) {
		decide(lookup);
	}
}

static void find_addresses(struct lookup *lookup)
{
	struct resolver *resolver = lookup->resolver;

	lookup->pending = (unsigned)lookup->mx.count;
	for (size_t i = 0; i < lookup->mx.count; i++) {
		lookup->legs[i] = (struct leg){lookup, i, false};
		resolver->questions++;
		hosts_find(resolver->hosts, lookup->mx.hosts[i].name, on_host, &lookup->legs[i]);
	}
}

static void on_mx(void *owner, const struct dns_answer *answer)
{
	struct lookup *lookup = owner;
	struct resolver *resolver = lookup->resolver;
	const struct resolver_settings *settings = &resolver->settings;

	if (!count_answer(lookup)) {
		return;
	}
	enum failure failure = mx_read(&lookup->mx, answer);
	int64_t life_us = answer->status == DNS_FOUND ? life_found_us(settings, answer->ttl_s)
						      : life_negative_us(settings, answer->ttl_s);

	lookup->expires_us = loop_now_us(resolver->loop) + life_us;
	if (answer->status == DNS_FOUND) {
		outage_found(resolver->outage, cache_key(&lookup->domain->entry));
	} else if (answer->status == DNS_TEMPORARY) {
		outage_missed(resolver->outage, cache_key(&lookup->domain->entry));
	}
	if (failure != FAILURE_NONE || resolver->closing) {
		conclude_failed(lookup, failure, life_us);
	} else {
		find_addresses(lookup);
	}
}

static void on_deadline(void *owner)
{
	struct lookup *lookup = owner;

	if (lookup->mx.count == 0) {
		conclude_failed(lookup, FAILURE_DNS_TEMPORARY, 0);
		return;
	}
	for (size_t i = 0; i < lookup->mx.count; i++) {
		if (!lookup->legs[i].answered) {
			lookup->mx.hosts[i].temporary = true;
		}
	}
	lookup->unsure = true;
	lower_expiry(lookup, loop_now_us(lookup->resolver->loop) + LIFE_TEMPORARY_US);
	decide(lookup);
}

/* "host:port" without the port. */
static struct slice host_of(const struct domain *domain)
{
	struct slice key = cache_key(&domain->entry);

	return slice_first(key, slice_find_last(key, ':'));
}

static void look_up(struct domain *domain)
{
	struct resolver *resolver = domain->resolver;
	struct lookup *lookup = MEM_NEW(struct lookup);

	domain->lookup = lookup;
	lookup->resolver = resolver;
	lookup->domain = domain;
	lookup->mx.arena = arena_new(1024);
	lookup->expires_us = INT64_MAX;
	resolver->lookups++;
	timer_init(&lookup->deadline, resolver->loop, on_deadline, lookup);
	timer_set(&lookup->deadline, loop_now_us(resolver->loop) + resolver->settings.deadline_us);
	if (domain->port != 0) {
		mx_set_host(&lookup->mx, host_of(domain));
		find_addresses(lookup);
	} else {
		resolver->questions++;
		lookup->pending = 1;
		dns_find(resolver->dns, cache_key(&domain->entry), DNS_MX, on_mx, lookup);
	}
}

static void start_lookups(struct resolver *resolver)
{
	struct list_link *link;

	while (resolver->lookups < LOOKUPS_MAX && (link = list_pop(&resolver->queue)) != NULL) {
		look_up(LIST_OWNER(link, struct domain, queue));
	}
}

/* ---- domains ---- */

static void drop_requests(struct list *requests)
{
	struct list_link *link;

	while ((link = list_pop(requests)) != NULL) {
		struct request *request = LIST_OWNER(link, struct request, link);

		site_unref(&request->site);
		mem_free(request);
	}
}

static void domain_free(struct cache_entry *entry)
{
	struct domain *domain = CACHE_OWNER(entry, struct domain, entry);

	drop_requests(&domain->requests);
	if (domain->lookup != NULL) {
		lookup_free(domain->lookup);
	}
	site_unref(&domain->site);
	site_unref(&domain->known);
	mem_free(domain);
}

static bool is_fresh(const struct domain *domain)
{
	return domain->site != NULL && domain->lookup == NULL &&
		loop_now_us(domain->resolver->loop) < domain->expires_us;
}

static struct domain *find_domain(struct resolver *resolver, struct slice key)
{
	struct cache_entry *entry = cache_get(&resolver->cache, key);

	return entry == NULL ? NULL : CACHE_OWNER(entry, struct domain, entry);
}

static void want(
	struct resolver *resolver, struct slice key, uint16_t port, struct request *request)
{
	struct domain *domain = find_domain(resolver, key);

	if (domain != NULL && is_fresh(domain)) {
		make_due(resolver, request, domain->site);
		return;
	}
	if (domain == NULL) {
		domain = MEM_NEW(struct domain);
		domain->resolver = resolver;
		domain->port = port;
		domain->entry.busy = true;
		list_init(&domain->requests);
		cache_put(&resolver->cache, key, &domain->entry);
	}
	domain->entry.busy = true;
	list_push(&domain->requests, &request->link);
	if (domain->lookup == NULL && !list_linked(&domain->queue)) {
		list_push(&resolver->queue, &domain->queue);
		start_lookups(resolver);
	}
}

static struct request *request_new(void (*on_site)(void *owner, struct site *site), void *owner)
{
	struct request *request = MEM_NEW(struct request);

	request->on_site = on_site;
	request->owner = owner;
	return request;
}

void resolver_find(struct resolver *resolver, struct slice domain,
	void (*on_site)(void *owner, struct site *site), void *owner)
{
	want(resolver, domain, 0, request_new(on_site, owner));
}

struct site *resolver_cached(struct resolver *resolver, struct slice domain)
{
	struct domain *found = find_domain(resolver, domain);

	return found != NULL && is_fresh(found) ? found->site : NULL;
}

/* A numeric address is its own name: there is nothing to ask. */
static struct site *numeric_site(struct resolver *resolver, struct slice host, uint16_t port)
{
	union endpoint endpoint;
	struct mx mx = {.count = 0};
	struct site *site;

	if (!endpoint_parse(host, port, &endpoint)) {
		return NULL;
	}
	mx.arena = arena_new(256);
	mx_set_host(&mx, host);
	mx_add_addresses(&mx, 0, &endpoint, 1, false);
	site = site_new(&mx, port, true, resolver->sites);
	arena_free(&mx.arena);
	return site;
}

void resolver_find_host(struct resolver *resolver, struct slice host, uint16_t port,
	void (*on_site)(void *owner, struct site *site), void *owner)
{
	struct request *request = request_new(on_site, owner);
	struct site *site = numeric_site(resolver, host, port);
	struct buf key;

	if (site != NULL) {
		make_due(resolver, request, site);
		site_unref(&site);
		return;
	}
	buf_init(&key, 0);
	buf_add(&key, host);
	buf_add_format(&key, ":%u", port);
	want(resolver, buf_slice(&key), port, request);
	buf_clear(&key);
}

bool resolver_allows(
	const struct resolver *resolver, const struct site *site, const union endpoint *endpoint)
{
	return site->by_hand ||
		(guard_allows(&resolver->settings, endpoint) &&
			!guard_is_own(&resolver->settings, endpoint));
}

/* ---- the outage ---- */

bool resolver_is_out(const struct resolver *resolver)
{
	return outage_is_on(resolver->outage);
}

size_t resolver_room(const struct resolver *resolver, size_t most)
{
	return outage_room(resolver->outage, most);
}

void resolver_watch(
	struct resolver *resolver, void (*on_outage)(void *owner, bool out), void *owner)
{
	outage_watch(resolver->outage, on_outage, owner);
}

/* ---- beginning and end ---- */

struct resolver *resolver_new(
	struct loop *loop, struct dns *dns, const struct resolver_settings *settings)
{
	struct resolver *resolver = MEM_NEW(struct resolver);

	resolver->loop = loop;
	resolver->dns = dns;
	settings_copy(&resolver->settings, settings);
	resolver->hosts = hosts_new(loop, dns, &resolver->settings);
	resolver->outage = outage_new(loop, dns);
	cache_init(&resolver->cache, settings->cache_max, domain_free);
	resolver->sites = map_new();
	list_init(&resolver->queue);
	list_init(&resolver->done);
	later_init(&resolver->turn, on_turn, resolver);
	return resolver;
}

void resolver_change(struct resolver *resolver, const struct resolver_settings *settings)
{
	struct resolver_settings old = resolver->settings;

	settings_copy(&resolver->settings, settings);
	settings_clear(&old);
	resolver->cache.max = settings->cache_max;
	cache_trim(&resolver->cache);
	hosts_change(resolver->hosts);
}

static void end_when_quiet(struct resolver *resolver)
{
	if (resolver->questions > 0) {
		return;
	}
	loop_later_cancel(resolver->loop, &resolver->turn);
	drop_requests(&resolver->done);
	cache_clear(&resolver->cache);
	hosts_free(&resolver->hosts);
	outage_free(&resolver->outage);
	for (size_t i = 0; i < ARRAY_LEN(resolver->failed); i++) {
		site_unref(&resolver->failed[i]);
	}
	site_forget_map(resolver->sites);
	map_free(&resolver->sites);
	settings_clear(&resolver->settings);
	mem_free(resolver);
}

void resolver_free(struct resolver **resolver)
{
	struct resolver *r = *resolver;

	if (r == NULL) {
		return;
	}
	*resolver = NULL;
	r->closing = true;
	if (!r->telling) {
		end_when_quiet(r);
	}
}
