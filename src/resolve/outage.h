/*
 * Is the DNS away?  The resolver's breaker (conformance N7): told of what was found,
 * it asks questions of its own while it is open.
 */
#ifndef SRC_RESOLVE_OUTAGE_H
#define SRC_RESOLVE_OUTAGE_H

#include "resolve/resolver.h"

struct outage;

struct outage *outage_new(struct loop *loop, struct dns *dns);
void outage_free(struct outage **outage);

/* A domain was found, or had no answer: what is asked about in an outage. */
void outage_found(struct outage *outage, struct slice domain);
void outage_missed(struct outage *outage, struct slice domain);

/* Questions were answered or failed since the last look: an outage may begin. */
void outage_look(struct outage *outage);

bool outage_is_on(const struct outage *outage);
size_t outage_room(const struct outage *outage, size_t most);
void outage_watch(struct outage *outage, void (*on_outage)(void *owner, bool out), void *owner);

#endif
