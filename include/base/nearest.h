/* Did you mean: which of some words was probably meant. */
#ifndef BASE_NEAREST_H
#define BASE_NEAREST_H

#include <stddef.h>

#include "base/slice.h"

struct nearest {
	struct slice text;
	const char *best; /* NULL while nothing offered was near enough */
	size_t distance;
};

void nearest_init(struct nearest *nearest, struct slice text);
void nearest_offer(struct nearest *nearest, const char *word);

#endif
