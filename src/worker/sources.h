/*
 * Which of the configured sources are this worker's: the supervisor has given it them, and
 * Postgres their addresses.  The others are out of use here (holds.h), and what can go over
 * them alone is left to the worker that has them.
 */
#ifndef WORKER_SOURCES_H
#define WORKER_SOURCES_H

#include "parts.h"
#include "reach.h"

struct sources;

/* owns_all: every source of the configuration is given. */
struct sources *sources_new(struct worker *worker, unsigned workers, bool owns_all);
void sources_free(struct sources **sources); /* accepts NULL */

/* Of this node, this one among them. */
unsigned sources_workers(const struct sources *sources);

/* A configuration came into force: at the start, after a reload. */
void sources_follow(struct sources *sources);

/* An outlet is gone: perhaps the last of a source that is given up. */
void sources_look(struct sources *sources); /* accepts NULL */

/* A socket was refused: perhaps the address is gone. */
void sources_check(struct sources *sources);

/* Why it may not be used, or NULL.  Lives for ever. */
const char *sources_fault(const struct sources *sources, struct slice source);

/* It is configured, and another worker's of this node. */
bool sources_elsewhere(const struct sources *sources, struct slice source);

/* One of the pool that is, and that reaches where a job goes to (NULL: anywhere); or NULL. */
const struct config_source *sources_any_elsewhere(
	const struct sources *sources, struct slice pool, const struct reach *reach);

/* The event of intake/. */
void sources_on_address(void *owner, struct slice address, enum address_owner who,
	const struct address_other *other);

#endif
