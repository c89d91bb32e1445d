/*
 * A job: one message to one recipient, as a worker holds it from claim to report.
 * Its slices live in the arena of the claim that brought it (see intake/intake.h);
 * a few hundred bytes, never a body.
 */
#ifndef MODEL_JOB_H
#define MODEL_JOB_H

#include <stdbool.h>
#include <stdint.h>

#include "base/id.h"
#include "base/slice.h"

enum on_in_doubt {
	ON_IN_DOUBT_RETRY,
	ON_IN_DOUBT_ASSUME_SENT,
	ON_IN_DOUBT_HOLD,
};

/* What all jobs of a campaign share, as it was when they were claimed. */
struct campaign {
	struct id tenant;
	struct id id;
	struct id content;
	struct slice name;
	struct slice pool;
	struct slice stream; /* which suppressions hold: the stream's and '*' */
	int priority;        /* 0 = transactional */
	int64_t expires_us;  /* lifetime from the first lease on */
	enum on_in_doubt on_in_doubt;
};

struct job {
	struct id id;
	struct id batch;
	const struct campaign *campaign;
	struct slice recipient; /* as enqueued */
	struct slice vars;      /* JSON object, or empty */
	struct slice source;    /* a retry's: where the last attempt came from */
	struct slice keys;      /* DKIM keys pinned at the first attempt, or empty */
	int content_version;
	int attempts;        /* made before this one */
	int64_t first_us;    /* first lease, wall clock: Date and t= */
	int64_t enqueued_us; /* wall clock, from the id */
	float engagement;    /* NaN where the app gave none */
};

const char *on_in_doubt_word(enum on_in_doubt policy);
bool on_in_doubt_parse(struct slice word, enum on_in_doubt *ret_policy);

#endif
