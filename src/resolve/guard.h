/*
 * Which addresses mail may go to (conformance D14, N5).  Pure.
 */
#ifndef SRC_RESOLVE_GUARD_H
#define SRC_RESOLVE_GUARD_H

#include <stdbool.h>

#include "resolve/resolver.h"

/* Not private, local, multicast or a disguise of such; or allowed by the operator. */
bool guard_allows(const struct resolver_settings *settings, const union endpoint *endpoint);

/* One of our own addresses? */
bool guard_is_own(const struct resolver_settings *settings, const union endpoint *endpoint);

bool network_has(const struct network *network, const union endpoint *endpoint);

#endif
