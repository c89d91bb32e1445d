/*
 * What comes from Postgres: the lease that entitles this worker to hold anything,
 * the jobs it claims under it, and the feeds that change what it may do with them
 * (suppressions, campaign states, holds).
 *
 * Events come only from the loop.  While Postgres is away nothing is claimed and
 * the feeds stand still; what is at hand goes on under the lease.
 */
#ifndef INTAKE_INTAKE_H
#define INTAKE_INTAKE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/id.h"
#include "base/slice.h"
#include "intake/events.h"
#include "io/loop.h"
#include "io/pg.h"
#include "model/job.h"

struct intake;

struct intake_settings {
	struct slice node;
	struct slice name;    /* of this worker, the same after a restart; empty = "worker" */
	struct slice version; /* of the program */
	struct slice machine; /* what tells it from other machines; empty = not known */
	struct slice config;  /* a hash of the settings that all nodes should have alike */
	int64_t lease_us;     /* how long a lease holds without renewal */
	int64_t renew_us;     /* how often it is renewed */
	int64_t poll_busy_us; /* between looks while there was work */
	int64_t poll_idle_us; /* ... while there was none */
	int64_t sweep_us;     /* between full sweeps: the truth, where polls are hints */
	int64_t feed_us;      /* between looks at the feeds */
	bool distributed;     /* one tenant a transaction; feeds by overlap */
};

struct intake *intake_open(struct loop *loop, struct pg *pg, const struct intake_settings *settings,
	const struct intake_events *events, void *owner);

/*
 * Asks for the lease, and begins.  `replayed` are incarnations before this one of which
 * Postgres has all that their journals had.
 */
void intake_start(struct intake *intake, const struct id *replayed, size_t count);

/* A reload: the lease is renewed at once, and so from here on. */
void intake_change_lease(struct intake *intake, int64_t lease_us, int64_t renew_us);

/* Says at once that we are there, and hears what is: the connection is a new one. */
void intake_renew(struct intake *intake);

/* Other settings, for other nodes to see; told with the next renewal. */
void intake_change_config(struct intake *intake, struct slice config);

/* Declared dead, as the answer to something else says: what on_fenced says follows. */
void intake_fence(struct intake *intake);

/* The lease is given up at once, for ever: nothing more is claimed, no dot leaves. */
void intake_give_up(struct intake *intake);

/* The sources this worker owns, for others to see; told with the next renewal. */
void intake_set_sources(struct intake *intake, const struct slice *sources, size_t count);

/* For a drain: no new claim.  One under way may still bring jobs, then on_quiet comes. */
void intake_stop(struct intake *intake, void (*on_quiet)(void *owner), void *owner);

/* Gives back what nobody knows of, and the lease (all batches must be closed); calls on_done. */
void intake_close(struct intake *intake, void (*on_done)(void *owner), void *owner);
void intake_free(struct intake **intake);

/* This worker incarnation: what leased rows carry as owner. */
const struct id *intake_worker(const struct intake *intake);
bool intake_live(const struct intake *intake);         /* has a lease */
int64_t intake_db_now_us(const struct intake *intake); /* by the database's clock */

/* How long the lease still holds, by CLOCK_BOOTTIME from before it was asked for; 0 = lost. */
int64_t intake_lease_left_us(const struct intake *intake);

/*
 * A batch is over (record/ says so): the memory of its claim goes with the last one.
 * The batch and its jobs may not be touched any more.
 */
void intake_batch_over(struct intake *intake, struct batch *batch);

/* A copy that lives as long as the batch's claim; the same text again costs nothing. */
struct slice intake_keep(struct batch *batch, struct slice text);

/*
 * The connection to Postgres is gone, or there again: maybe to another server, which knows
 * less.  The lease is renewed, and nothing is claimed until the others have found out what
 * it knows.
 */
void intake_on_away(struct intake *intake);
void intake_on_back(struct intake *intake);

/* Room came: look now instead of at the next poll. */
void intake_hurry(struct intake *intake);

#endif
