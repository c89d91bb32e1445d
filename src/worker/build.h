/*
 * From a configuration to the objects that follow it: shaping's sources, pools and
 * providers, the resolver's settings, the keys of tokens.
 */
#ifndef WORKER_BUILD_H
#define WORKER_BUILD_H

#include "parts.h"

/* Sources, pools and providers as this configuration has them; keeps what was counted. */
void build_shape(struct worker *worker, const struct config *config);

/* False with a reason in why. */
bool build_tokens(const struct config *config, struct token_ring **ret_ring, struct buf *why);

void build_resolver(struct worker *worker, const struct config *config);

#endif
