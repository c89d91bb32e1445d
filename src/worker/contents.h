/*
 * Compiled contents, shared by all jobs of a version: fetched once, kept while
 * there is room.
 */
#ifndef WORKER_CONTENTS_H
#define WORKER_CONTENTS_H

#include "parts.h"

struct contents *contents_new(struct worker *worker, size_t bytes_max);
void contents_free(struct contents **contents);

/* Memory of all that are compiled; those in use stay, whatever bytes_max is. */
void contents_limit(struct contents *contents, size_t bytes_max);
size_t contents_bytes(const struct contents *contents);
void contents_make_room(struct contents *contents);

/* Ends in flow_on_content(), in this call when it is at hand (the way of most jobs). */
void contents_find(struct contents *contents, struct plan *plan);

#endif
