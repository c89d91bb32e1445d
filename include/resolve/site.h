/*
 * A site: the set of mail hosts that serves a domain, shared by all domains with
 * the same set (conformance D16).  Immutable, counted; made by the resolver.
 */
#ifndef RESOLVE_SITE_H
#define RESOLVE_SITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"
#include "io/conn.h"
#include "model/evidence.h"

struct site;

struct site *site_ref(struct site *site);
void site_unref(struct site **site); /* accepts NULL; sets NULL */

/* FAILURE_NONE: there are hosts to try.  Else why the domain has none. */
enum failure site_failure(const struct site *site);

/*
 * 16 hex digits, the same on every node for the same host names in the same order
 * of preference.  "" where site_failure() says that there are none.
 */
struct slice site_key(const struct site *site);

/* For people: the best host's name, or "". */
struct slice site_name(const struct site *site);

/* Host names of the best preference, lower case: what a provider is told by. */
size_t site_best_count(const struct site *site);
struct slice site_best(const struct site *site, size_t at);

/* One address to try. */
struct site_choice {
	struct slice host;       /* lives as long as the site */
	union endpoint endpoint; /* with the port */
};

#define SITE_CHOICES 5 /* addresses tried for one connection */

/*
 * The order of trying: better preference first, equals shuffled by `random`, the
 * two families balanced so that a dead one cannot use up the tries (D8, D9, D11).
 * ipv4, ipv6: which families the source can use.  Returns how many, at most
 * SITE_CHOICES.
 */
size_t site_plan(const struct site *site, bool ipv4, bool ipv6, uint64_t random,
	struct site_choice ret_choices[SITE_CHOICES]);

/* Whether site_plan() would find any. */
bool site_reachable(const struct site *site, bool ipv4, bool ipv6);

#endif
