/*
 * The inside of a site, for those who make one (site.c) and plan with it (plan.c).
 */
#ifndef SRC_RESOLVE_SITE_PRIVATE_H
#define SRC_RESOLVE_SITE_PRIVATE_H

#include "base/map.h"
#include "resolve/site.h"

#include "mx.h"

enum { SITE_KEY_DIGITS = 16 };

struct site_host {
	struct slice name;
	unsigned preference;
	size_t first; /* of its addresses */
	size_t count;
};

struct site {
	unsigned refs;
	enum failure failure;
	bool by_hand; /* an operator wrote the host down: the guard has no say */
	char key[SITE_KEY_DIGITS + 1];
	struct map *sites; /* where it can be found by its key; NULL = nowhere */
	struct site_host *hosts;
	size_t host_count;
	union endpoint *addresses; /* with the port */
	size_t address_count;
	char *names; /* all of them, one after the other */
};

/* Without hosts. */
struct site *site_new_failed(enum failure failure);

/*
 * Of the hosts of mx.  `sites` finds sites by key without counting as a reference:
 * the same set with the same addresses gives the same site again.
 */
struct site *site_new(const struct mx *mx, uint16_t port, bool by_hand, struct map *sites);

/* The map goes: the sites that others still hold must not go back to it. */
void site_forget_map(struct map *sites);

#endif
