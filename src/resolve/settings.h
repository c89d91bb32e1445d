/*
 * Resolver settings as a copy of one's own.
 */
#ifndef SRC_RESOLVE_SETTINGS_H
#define SRC_RESOLVE_SETTINGS_H

#include "resolve/resolver.h"

void settings_copy(struct resolver_settings *to, const struct resolver_settings *from);
void settings_clear(struct resolver_settings *settings);

#endif
