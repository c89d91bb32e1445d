/*
 * JSON (RFC 8259) as a tree in an arena: merge variables and content bodies.  Numbers
 * stay as they were written, so that {{price}} shows 1.10 and not 1.1.
 */
#ifndef SRC_COMPOSE_VALUE_H
#define SRC_COMPOSE_VALUE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/slice.h"

enum value_kind {
	VALUE_NULL,
	VALUE_FALSE,
	VALUE_TRUE,
	VALUE_NUMBER,
	VALUE_STRING,
	VALUE_ARRAY,
	VALUE_OBJECT,
};

#define VALUE_DEPTH_MAX 64

struct value {
	enum value_kind kind;
	struct slice text; /* a string's bytes, a number as written */
	struct slice name; /* of an object's member */
	const struct value *first;
	const struct value *next;
	size_t count; /* of members */
};

struct value_fault {
	size_t at; /* offset in the JSON text */
	const char *text;
};

/*
 * Strings without escapes point into `json`, which must outlive the tree.  NULL on a
 * fault.  A lone surrogate becomes U+FFFD; bytes that are not UTF-8 are a fault.
 */
const struct value *value_parse(
	struct arena *arena, struct slice json, struct value_fault *ret_fault);

/* The member of an object, the last of equals; NULL when there is none or it is no object. */
const struct value *value_get(const struct value *object, struct slice name);

#endif
