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
#include "io/loop.h"
#include "io/pg.h"
#include "model/job.h"

struct intake;

/* Due work of one kind, as the sweep found it; lives for the call. */
struct ready {
	struct id tenant;
	struct slice pool;
	struct slice tag;
	int priority;
	bool careful;  /* of campaigns that want nothing sent twice: on_in_doubt is not retry */
	unsigned jobs; /* how many are thought to wait: a guess, at least 1 */
};

/* What the claim says of a job besides the job itself. */
enum job_fate {
	JOB_SEND,
	JOB_SUPPRESSED, /* reason: why */
	JOB_DONE,       /* a lost owner left evidence of a final state: `state` */
	JOB_GONE,       /* its row is gone (erased): nothing to send */
	JOB_LEFT,       /* its merge variables would have been beyond the bound: give it back */
};

struct claimed {
	struct job *job; /* its vars live for the call */
	enum job_fate fate;
	enum outcome state;  /* JOB_DONE */
	struct slice reason; /* JOB_SUPPRESSED; lives for the call */
	size_t vars_bytes;   /* also JOB_LEFT */
};

enum hold_kind {
	HOLD_SOURCE,
	HOLD_PROVIDER,
	HOLD_DOMAIN,
	HOLD_TENANT,
	HOLD_CAMPAIGN,
};

/* A campaign may be on hold for the fleet and for its tenant: two holds, each with its own end. */
struct hold_key {
	enum hold_kind kind;
	struct id tenant; /* zero: the whole fleet */
	struct slice name;
};

struct intake_events {
	/*
	 * Grants jobs to each of the kinds that are ready: ret_jobs[i] <= what there are permits
	 * for.  ret_bytes: of merge variables that may come with all of them; one job's always do.
	 */
	void (*choose)(void *owner, const struct ready *ready, size_t count, unsigned *ret_jobs,
		size_t *ret_bytes);
	/* The jobs are the owner's until record/ is told what became of each. */
	void (*on_jobs)(void *owner, const struct claimed *claimed, size_t count);
	/* Lower-cased address, or "@domain"; stream '*' = all.  INT64_MAX = for ever; past = lifted. */
	void (*on_suppression)(void *owner, const struct id *tenant, struct slice address,
		struct slice stream, int64_t until_db_us);
	void (*on_campaign)(void *owner, const struct id *tenant, const struct id *campaign,
		struct slice state);
	void (*on_hold)(void *owner, const struct hold_key *key, bool held, int64_t until_db_us,
		struct slice reason); /* until 0 = until released */
	/* A worker that was lost says after all that its attempt has ended the job so. */
	void (*on_evidence)(void *owner, const struct id *tenant, const struct id *job,
		int attempt_no, enum outcome state);
	/*
	 * Somebody declared us dead: nothing may be sent any more, ever.  (A lease that ran
	 * out unrenewed shows as intake_lease_left_us() 0; when Postgres is back and nobody
	 * was faster, it is renewed.)
	 */
	void (*on_fenced)(void *owner);
};

struct intake_settings {
	struct slice node;
	struct slice name;    /* of this worker, the same after a restart; empty = "worker" */
	struct slice version; /* of the program */
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

/* Room came: look now instead of at the next poll. */
void intake_hurry(struct intake *intake);

#endif
