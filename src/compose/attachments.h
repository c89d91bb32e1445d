/* The files that every message of a content has with it. */
#ifndef SRC_COMPOSE_ATTACHMENTS_H
#define SRC_COMPOSE_ATTACHMENTS_H

#include "builder.h"

/* Of the base object. */
void attachments_compile(struct builder *b, const struct value *base);

#endif
