/*
 * A job: one message to one recipient, as a worker holds it from claim to report,
 * and what it shares with others: its batch, its campaign, its tenant.  All four
 * live in the claim that brought them (intake/intake.h), which goes when the last
 * of its batches is closed.  A few hundred bytes a job, never a body.
 */
#ifndef MODEL_JOB_H
#define MODEL_JOB_H

#include <stdbool.h>
#include <stdint.h>

#include "base/id.h"
#include "base/list.h"
#include "base/slice.h"
#include "model/outcome.h"

enum on_in_doubt {
	ON_IN_DOUBT_RETRY,
	ON_IN_DOUBT_ASSUME_SENT,
	ON_IN_DOUBT_HOLD,
};

struct tenant {
	struct id id;
	struct slice name;
	struct slice bounce_domain;   /* of the VERP return path */
	struct slice tracking_domain; /* host of https links; empty = none */
	struct slice sender_id;       /* the last part of Feedback-ID */
	int weight;                   /* its share among tenants, 1..1000 */
};

/* What all jobs of a campaign share, as it was when they were claimed. */
struct campaign {
	struct tenant *tenant;
	struct id id;
	struct id content;
	struct slice name;
	struct slice pool;
	struct slice stream; /* which suppressions hold: the stream's and '*' */
	int priority;        /* 0 = transactional */
	int weight;
	int64_t expires_us; /* lifetime from the first lease on; 0 = it says nothing */
	enum on_in_doubt on_in_doubt;
};

/* A leased row of penguin.batches: closed when no job of it is at hand any more. */
struct batch {
	struct list_link link; /* for who keeps it */
	struct id id;
	struct id token;
	struct campaign *campaign;
	struct slice tag;
	bool suspect;     /* its last owner is gone: evidence of what it sent was looked for */
	bool lost;        /* ... and left no journal: what there is no evidence of may be sent */
	bool refiled;     /* it came under another tag already: once is enough */
	unsigned at_hand; /* jobs of which record/ has not been told yet */
	unsigned counts[OUTCOME_COUNT]; /* jobs by final state: what the close adds up */
	void *claim;                    /* whose memory this is */
	void *ledger;                   /* record/'s */
};

struct job {
	struct list_link link; /* for the stage that holds it */
	struct id id;
	struct batch *batch;
	struct slice recipient; /* as enqueued */
	struct slice vars;      /* JSON object, or empty; for who is given the job to copy */
	struct slice source;    /* a retry's: where the last attempt came from */
	struct slice keys;      /* DKIM keys pinned at the first attempt, or empty */
	int content_version;
	int attempts;            /* made before this one */
	int64_t first_us;        /* first lease, wall clock: Date and t= */
	int64_t due_us;          /* wall clock: when this attempt was due */
	float engagement;        /* NaN where the app gave none */
	bool doubt;              /* an attempt of it was in doubt, as its pins say, or evidence */
	bool possible_duplicate; /* that, or a worker was lost that may have sent it */
	void *plan;              /* the worker's: domain, site, lane */
};

const char *on_in_doubt_word(enum on_in_doubt policy);
bool on_in_doubt_parse(struct slice word, enum on_in_doubt *ret_policy);

#endif
