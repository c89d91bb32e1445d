/*
 * What may not be sent although it is at hand: campaigns that do not run any more,
 * holds by operators, recipients suppressed since they were claimed, jobs that a lost
 * worker has brought to an end, as it says now.  Fed by
 * intake/; asked before MAIL and once more before the final dot.
 */
#ifndef WORKER_HOLDS_H
#define WORKER_HOLDS_H

#include "parts.h"

struct holds *holds_new(struct worker *worker);
void holds_free(struct holds **holds);

/* A job is at hand, and is no more: what was heard meanwhile is known as long. */
void holds_enter(struct holds *holds, struct plan *plan);
void holds_leave(struct holds *holds, const struct plan *plan);

/* The feed events of intake/. */
void holds_on_suppression(void *owner, const struct id *tenant, struct slice address,
	struct slice stream, int64_t until_db_us);
void holds_on_campaign(
	void *owner, const struct id *tenant, const struct id *campaign, struct slice state);
void holds_on_hold(void *owner, const struct hold_key *key, bool held, int64_t until_db_us,
	struct slice reason);
void holds_on_evidence(void *owner, const struct id *tenant, const struct id *job, int attempt_no,
	enum outcome state);

/* A reload made sources and providers anew: holds them again. */
void holds_apply(struct holds *holds);

/* Looks at the names of all sources, at the start and after a reload (identities.h). */
void holds_check_sources(struct holds *holds);

/* What identities.h or sources.h says of this source has changed. */
void holds_apply_source(struct holds *holds, struct slice source);

/* How a job ended of which holds_ask() says GATE_DONE. */
enum outcome holds_end_of(const struct holds *holds, const struct plan *plan);

/* An operator holds this source. */
bool holds_source(const struct holds *holds, struct slice source);

enum gate holds_ask(struct holds *holds, const struct plan *plan);

#endif
