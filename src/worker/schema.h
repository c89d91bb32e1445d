/*
 * Whether the database is what this program is made for: asked before anything else is
 * said to it.
 */
#ifndef WORKER_SCHEMA_H
#define WORKER_SCHEMA_H

#include "parts.h"

struct schema;

/* on_right comes from the loop when the schema is ours: at once, or when somebody has seen to it. */
struct schema *schema_ask(struct worker *worker, void (*on_right)(void *owner), void *owner);
void schema_free(struct schema **schema); /* accepts NULL; on_right does not come any more */

#endif
