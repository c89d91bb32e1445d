/*
 * From a recipient's domain to its site, with RFC 5321 section 5.1's rules, a cache
 * and the address guard (conformance 1.1, N3 to N8).  Answers are cached with a
 * floor and a cap; waiting questions for the same domain are asked once; a domain
 * whose DNS fails is served from what was known for up to a day.
 */
#ifndef RESOLVE_RESOLVER_H
#define RESOLVE_RESOLVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"
#include "io/dns.h"
#include "io/loop.h"
#include "resolve/site.h"

struct resolver;

struct network {
	union endpoint address;
	unsigned prefix;
};

struct resolver_settings {
	int64_t min_ttl_us;
	int64_t max_ttl_us;
	int64_t negative_max_ttl_us;
	int64_t deadline_us; /* of one domain, all questions together */
	int64_t stale_us;    /* how long a known site is served beyond its time when DNS fails */
	size_t cache_max;    /* domains */
	uint16_t port;       /* where MX hosts listen: 25 */
	/* Networks that the guard lets through although they are private or the like. */
	const struct network *allow;
	size_t allow_count;
	/* Ourselves: addresses and names that must not stand in an MX list (D10). */
	const union endpoint *own_addresses;
	size_t own_address_count;
	const struct slice *own_names;
	size_t own_name_count;
};

/* Settings are copied. */
struct resolver *resolver_new(
	struct loop *loop, struct dns *dns, const struct resolver_settings *settings);

/*
 * What waits is never answered.  May be called from on_site.  The memory of a
 * resolver that still has questions under way goes with their last answer: close
 * the dns after it, and let the loop run.
 */
void resolver_free(struct resolver **resolver);

/* A reload: new settings for what is resolved from now on; the cache is kept. */
void resolver_change(struct resolver *resolver, const struct resolver_settings *settings);

/*
 * The site of a domain (A-labels, lower case).  Exactly one on_site, never from
 * within this call, although a cached answer comes in the same turn; the site is
 * borrowed for the call.
 */
void resolver_find(struct resolver *resolver, struct slice domain,
	void (*on_site)(void *owner, struct site *site), void *owner);

/* The cached answer if it is fresh, else NULL: the fast path.  Borrowed until the next turn. */
struct site *resolver_cached(struct resolver *resolver, struct slice domain);

/*
 * The guard's last word, right before a connection is made: a site may be older than
 * the settings that are in force now.
 */
bool resolver_allows(
	const struct resolver *resolver, const struct site *site, const union endpoint *endpoint);

/*
 * An outage: more than half of what was asked in ten seconds failed, and a question that
 * must have an answer has none.  Then nothing new should be begun, and behind it work
 * comes back slowly: _room is how many jobs may be at hand, at most `most`.
 */
bool resolver_is_out(const struct resolver *resolver);
size_t resolver_room(const struct resolver *resolver, size_t most);
void resolver_watch(
	struct resolver *resolver, void (*on_outage)(void *owner, bool out), void *owner);

/*
 * A host that was set by hand (a route, a relay, delivery.redirect): only its
 * addresses are looked up; a numeric address needs no DNS.  The guard does not
 * apply to what an operator wrote down.
 */
void resolver_find_host(struct resolver *resolver, struct slice host, uint16_t port,
	void (*on_site)(void *owner, struct site *site), void *owner);

#endif
