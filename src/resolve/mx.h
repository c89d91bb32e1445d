/*
 * The rules of RFC 5321 section 5.1 on one domain's mail hosts.  Pure: the records
 * and addresses are brought by the caller.
 */
#ifndef SRC_RESOLVE_MX_H
#define SRC_RESOLVE_MX_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "io/dns.h"
#include "model/evidence.h"
#include "resolve/resolver.h"

enum { MX_HOSTS_MAX = 16, MX_ADDRESSES_MAX = 16 };

struct mx_host {
	struct slice name; /* in the arena */
	unsigned preference;
	union endpoint *addresses; /* in the arena, in the order of the DNS */
	size_t count;
	bool temporary; /* an address lookup got no answer */
};

struct mx {
	struct arena *arena;
	struct mx_host hosts[MX_HOSTS_MAX]; /* best preference first; equals by name */
	size_t count;
};

/*
 * The hosts that the answer names, or the domain itself where it has no MX (D3);
 * FAILURE_NONE: now their addresses are to be found.
 */
enum failure mx_read(struct mx *mx, const struct dns_answer *answer);

/* One host, named by an operator. */
void mx_set_host(struct mx *mx, struct slice name);

void mx_add_addresses(
	struct mx *mx, size_t host, const union endpoint *addresses, size_t count, bool temporary);

/*
 * With all addresses there: drops what must not be tried (ourselves and all worse,
 * guarded addresses, hosts without any) and says why nothing is left, if so.
 * settings NULL: an operator named it, nothing is dropped.
 */
enum failure mx_decide(struct mx *mx, const struct resolver_settings *settings);

#endif
