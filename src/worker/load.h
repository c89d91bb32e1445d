/*
 * Permits: how many more jobs of a kind may be claimed, and wait for a site, as the worker's
 * credit stands (loads.h).
 */
#ifndef WORKER_LOAD_H
#define WORKER_LOAD_H

#include "loads.h"
#include "parts.h"

struct window;

struct permits *permits_new(struct worker *worker);
void permits_free(struct permits **permits);
void permits_start(struct permits *permits); /* when all parts of the worker are there */
struct shortages *permits_shortages(const struct permits *permits); /* shortage.h */
struct loads *permits_loads(const struct permits *permits);

/* A tenant's weight, from a job of its. */
void permits_know(struct permits *permits, const struct tenant *tenant);

/*
 * A job with so many bytes of merge variables came, to be held or not: what a kind's jobs
 * weigh decides how many of it are claimed.
 */
void permits_learn(struct permits *permits, const struct job *job, size_t bytes);

/*
 * A job is at hand from here on: where its campaign wants nothing sent twice, it counts in its
 * kind (else NULL); it was sent; it is no longer at hand.
 */
struct window *permits_count(struct permits *permits, const struct job *job);
void permits_sent(struct window *window);
void permits_uncount(struct permits *permits, struct window **window);

/* A job with so many bytes is held from here on: the units that it takes up. */
unsigned permits_hold(struct permits *permits, size_t bytes);
void permits_let_go(struct permits *permits, unsigned units, size_t bytes);

/* Memory of the jobs at hand. */
size_t permits_bytes(const struct permits *permits);

/*
 * How many more units of this tenant the site may hold of the worker's credit: what is left of
 * the site's share, and an equal part of it even where others have filled it.  A site that
 * takes none has a probe's room, and more with what it takes when it is back (shape/place.h).
 */
unsigned permits_room_at_site(
	const struct permits *permits, struct slice site, const struct id *tenant);

/*
 * May one more job wait for it?  Sites that are away hold a share of the credit together, and
 * those of which nothing is known yet as much again.
 */
bool permits_room_to_wait(
	struct permits *permits, const struct outlet *outlet, const struct id *tenant);

/* Who has been tried for longer than that without a sign of life is silent. */
int64_t permits_patience_us(const struct permits *permits);

/* Each second: what waits for sites that are away is given back where it is more than that share. */
void permits_shed(struct permits *permits);

/* A job came that its site has no room for: claim less of that kind for a while. */
void permits_overflow(struct permits *permits, const struct job *job);

/* The choose event of intake/. */
void permits_choose(void *owner, const struct ready *ready, size_t count, unsigned *ret_jobs,
	size_t *ret_bytes);

#endif
