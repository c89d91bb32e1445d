/*
 * How many jobs at hand belong to a tenant or to a site, and how many more of a
 * kind may be claimed (permits).
 */
#ifndef WORKER_LOAD_H
#define WORKER_LOAD_H

#include "parts.h"

struct load;

struct permits *permits_new(struct worker *worker);
void permits_free(struct permits **permits);

/* A tenant's weight, from a job of its. */
void permits_know(struct permits *permits, const struct tenant *tenant);

struct load *load_tenant(struct permits *permits, const struct id *tenant);
struct load *load_site(struct permits *permits, struct slice site, const struct id *tenant);
void load_add(struct load *load);
void load_drop(struct permits *permits, struct load **load); /* accepts NULL; sets NULL */

/*
 * How many more jobs of this tenant the site may hold of the worker's credit: what is left of
 * the site's share, and an equal part of it even where others have filled it.
 */
unsigned permits_room_at_site(
	const struct permits *permits, struct slice site, const struct id *tenant);

/* May one more job wait for a lane that is away?  All of them together hold a share of the credit. */
bool permits_room_for_suspended(struct permits *permits);

/* A job came that its site has no room for: claim less of that kind for a while. */
void permits_overflow(struct permits *permits, const struct job *job);

/* The choose event of intake/. */
void permits_choose(void *owner, const struct ready *ready, size_t count, unsigned *ret_jobs);

#endif
