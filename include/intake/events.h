/*
 * What intake/ tells whom it works for: jobs that were claimed, what the feeds say, and what
 * becomes of the lease.
 */
#ifndef INTAKE_EVENTS_H
#define INTAKE_EVENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/id.h"
#include "base/slice.h"
#include "intake/addresses.h"
#include "model/job.h"

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
	JOB_HEARSAY,    /* the same, and only workers say so that were declared dead */
	JOB_GONE,       /* its row is gone (erased): nothing to send */
	JOB_LEFT,       /* not now: give it back, for wait_us */
};

struct claimed {
	struct job *job; /* its vars live for the call */
	enum job_fate fate;
	enum outcome state;  /* JOB_DONE */
	struct slice reason; /* JOB_SUPPRESSED; lives for the call */
	size_t vars_bytes;   /* also JOB_LEFT */
	int64_t wait_us; /* JOB_LEFT; 0 = its merge variables would have been beyond the bound */
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
	/* The lease is there, and with it that of those before this worker is over.  May be NULL. */
	void (*on_leased)(void *owner);
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
	void (*on_address)(void *owner, struct slice address, enum address_owner who,
		const struct address_other *other);
	/* A worker that was lost says after all that its attempt has ended the job so. */
	void (*on_evidence)(void *owner, const struct id *tenant, const struct id *job,
		int attempt_no, enum outcome state);
	/*
	 * A transaction of ours is committed, and has this number; 0: Postgres does not know
	 * us.  Each is greater than those before, unless Postgres has forgotten some.
	 */
	void (*on_beat)(void *owner, int64_t beats, bool live);
	/* The greatest of these numbers, whoever brought it. */
	int64_t (*beats)(void *owner);
	/*
	 * An older worker of another machine has our node's name: two would take each other
	 * for themselves.  Nothing may be sent any more.
	 */
	void (*on_rival)(void *owner);
	/*
	 * Somebody declared us dead: nothing may be sent any more, ever.  (A lease that ran
	 * out unrenewed shows as intake_lease_left_us() 0; when Postgres is back and nobody
	 * was faster, it is renewed.)
	 */
	void (*on_fenced)(void *owner);
};

#endif
