/* Reading the JSON objects that content is made of. */
#ifndef SRC_COMPOSE_MEMBERS_H
#define SRC_COMPOSE_MEMBERS_H

#include "builder.h"

/* A null is as good as no such key: NULL, as where there is no object. */
const struct value *member_get(const struct value *object, const char *name);

/* The member's text; empty where there is none, or no text. */
struct slice member_text(const struct value *object, const char *name);

/* A fault for each member that has none of the names. */
void members_check(struct builder *b, const struct value *object, const char *where,
	const struct slice *names, size_t count);

/* A fault for each member that is neither a text nor null; false when there was one. */
bool members_are_texts(struct builder *b, const char *field, const struct value *object);

#endif
