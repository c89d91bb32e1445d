/* Both kinds of content, read. */
#ifndef SRC_COMPOSE_READERS_H
#define SRC_COMPOSE_READERS_H

#include "builder.h"

void structured_compile(struct builder *builder);
void raw_compile(struct builder *builder);

#endif
