/*
 * Hosts that something is remembered of for a while, by a text.  Pure.
 */
#ifndef SMTP_MEMORY_H
#define SMTP_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

struct memory;

struct memory *memory_new(void);
void memory_free(struct memory **memory);

void memory_add(struct memory *memory, struct slice key, int64_t until_us, int64_t now_us);
bool memory_has(const struct memory *memory, struct slice key, int64_t now_us);

#endif
