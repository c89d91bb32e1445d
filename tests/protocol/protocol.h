/*
 * The protocol of the journal and the leases (design sections 4 and 5) as a model: two
 * workers, each on a node of its own, one Postgres, two messages that were committed in
 * one batch, and bad luck.  Each step below is one statement, one record of the journal
 * or one event on a connection; a worker that stands still (SIGSTOP) is one that takes no
 * steps while the others do.
 */
#ifndef PROTOCOL_PROTOCOL_H
#define PROTOCOL_PROTOCOL_H

#include "explore.h"

/* What can be switched off, to see that the model notices; with where it stands in src/. */
enum rule {
	RULE_INTENT,        /* launch.c: an intent is in the journal before the dot leaves */
	RULE_DURABLE,       /* launch.c: ... and on the disk */
	RULE_LEASE,         /* gate.c: the gate asks for the lease */
	RULE_MARGIN,        /* gate.c: ... and that it outlasts the answer to the dot */
	RULE_GUARD,         /* retry_file.sql, batch_close.sql: only of one's own lease */
	RULE_SUM,           /* batch_close.sql: only when the sum is right */
	RULE_SKIP,          /* jobs_read.sql: a final attempt of a lost owner ends the job */
	RULE_LOST,          /* take_over.sql: whose journal nobody has read is lost */
	RULE_LOST_STAYS,    /* retry_file.sql: ... also when it is filed again */
	RULE_LOST_ENDS,     /* flow.c: ... and is in doubt, where nothing may be sent twice */
	RULE_DEAD_FIRST,    /* mark_dead.sql before take_over.sql: nobody can renew any more */
	RULE_REPLAY_FIRST,  /* replay.c: reported before the old worker is called replayed */
	RULE_REPLAY_LEAVES, /* replay.c: a replay closes no batch */
	RULE_DOUBT_PINNED,  /* flow.c, replay.c: a retry says that it was in doubt */
	RULE_FILED_FIRST,   /* record.c: a retry is confirmed when it is filed */
	RULE_SAID_AGAIN,    /* flow.c: who counts a job by a lost one's word says it too */
	RULE_SWEEP,         /* claim.c, lease_sweep.sql: what a lost answer leased is looked for */
	RULES
};

enum policy { POLICY_RETRY, POLICY_HOLD, POLICY_ASSUME_SENT };

struct protocol_settings {
	enum policy policy;
	unsigned messages; /* 1 or 2 */
	unsigned faults;   /* at most: crashes, pauses, lost answers, cut connections, deferrals */
	unsigned without;  /* a bit for each rule that is off */
};

void protocol_explore(const struct protocol_settings *settings, struct explore_result *ret);

#endif
