/*
 * What the files of intake/ share.  Each part has a struct of its own and touches
 * the others only through the functions below.
 */
#ifndef INTAKE_PRIVATE_H
#define INTAKE_PRIVATE_H

#include "base/arena.h"
#include "base/list.h"
#include "base/map.h"
#include "intake/intake.h"
#include "line.h"
#include "ready.h"
#include "sql/statements.h"

/* The right to hold anything (lease.c). */
struct lease {
	struct id worker;
	bool started;
	bool lost;
	int64_t asked_us;     /* CLOCK_BOOTTIME, before the renewal in flight was asked for */
	int64_t asked_for_us; /* how long that renewal is to hold */
	int64_t until_us;     /* CLOCK_BOOTTIME; 0 = none yet */
	int64_t since_us;     /* CLOCK_BOOTTIME: renewed without a gap since then */
	int64_t db_us;        /* the database's clock less CLOCK_BOOTTIME */
	bool asking;
	struct timer renew;
	char **sources;
	size_t sources_count;
	bool sources_news; /* others than the renewal under way tells */
	struct id *replayed;
	size_t replayed_count;
	uint64_t differing; /* whose settings differ, as told last: a hash; 0 = nobody's */
};

/* Whether what waits may have been sent by others (caution.c). */
enum caution_state {
	CAUTION_NONE,
	CAUTION_AWAY,  /* there is no connection */
	CAUTION_START, /* it has just begun: who has something to tell is waited for */
	CAUTION_BACK,  /* ... and who is not known to be there again */
};

struct caution {
	enum caution_state state;
	int64_t since_us; /* CLOCK_BOOTTIME: of CAUTION_BACK */
	bool told;        /* that it waits */
	char server[64];  /* the one that was known last, by when it was started; "" = none */
	struct timer ask;
};

/* What came with one claim: one memory for all of it (claim.c). */
struct claim {
	struct list_link link;
	struct arena *arena;
	struct id token;
	struct claim_row *rows; /* as claimed, parallel to batches */
	struct batch *batches;
	size_t count;
	size_t open;       /* batches that are not over */
	size_t bytes_max;  /* of the merge variables that are read with it */
	struct slice kept; /* the last text of intake_keep() */
	bool respelt;      /* its jobs were read with the other spellings of their recipients */
};

struct claimer {
	struct ready_set *ready;
	struct list claims;
	struct id asked_token; /* of the claim in flight, or zero */
	struct ready *asked;   /* what it asks for; the texts are its own */
	unsigned *takes;
	size_t asked_count;
	size_t turn;        /* where in the list of kinds the next claim begins */
	size_t asked_bytes; /* of merge variables that may come */
	struct claim *reading;
	struct timer poll;
	struct later look;
	bool polling;
	bool claiming; /* from its question until its jobs are handed over */
	bool stopped;
	void (*on_quiet)(void *owner); /* NULL: nobody waits for the end of claiming */
	void *quiet_owner;
	int64_t pause_us; /* between polls, as it is now */
	int64_t polled_us;
	struct id inbox_at; /* the last tenant whose inbox was looked at; zero = begin anew */
};

/* What changes elsewhere (feed.c). */
struct feeds {
	struct timer timer;
	int64_t pass_us; /* the first page was asked for, by the database's clock; 0 = none yet */
	struct buf suppression_at; /* a transaction, or an instant: as the statement has it */
	struct id suppression_tenant;
	struct buf suppression_address;
	struct buf suppression_stream;
	struct buf campaign_at;
	struct id campaign_tenant;
	struct id campaign;
	struct buf evidence_at;
	struct id evidence_tenant;
	struct id evidence_attempt;
	struct map *holds;
	uint32_t round;
};

/* Housekeeping, one thing at a time (chores.c). */
enum { CHORES_MAX = 8 };

/* What a sweep has asked for, one request a campaign. */
struct chore_steps {
	size_t flying;
	bool moved; /* one of them did something */
};

struct chores {
	struct timer timer;
	int64_t due_us[CHORES_MAX]; /* monotonic; INT64_MAX = when there is reason to */
	struct chore_steps steps[CHORES_MAX];
	size_t running;
	bool started;
	bool busy;
	unsigned doubts;        /* looks for lost claims that are left to do */
	struct id sweep_tenant; /* where the sweep goes on */
	struct id sweep_campaign;
	struct line inboxes; /* tenants that have something in it */
	struct map *learnt;  /* domain -> what was told of it */
	struct map *to_tell;
};

/* What is sent from (addresses.c). */
struct addresses {
	struct map *all; /* by text */
	struct timer ask;
	bool asking;
	bool more; /* something came meanwhile */
};

struct intake {
	struct loop *loop;
	struct pg *pg;
	struct intake_settings settings; /* the texts are ours */
	struct intake_events events;
	void *owner;
	struct lease lease;
	struct caution caution;
	struct addresses addresses;
	struct claimer claimer;
	struct feeds feeds;
	struct chores chores;
	size_t flying; /* requests without an answer */
	bool gone;     /* intake_free() was called: only the memory is left */
	void (*on_closed)(void *owner);
	void *closed_owner;
};

/*
 * Sends a request.  on_answer returns true to have it sent once more, after a pause;
 * take_context (or NULL) is freed behind the last answer.  When intake is gone,
 * on_answer is not called any more.
 */
void intake_ask(struct intake *intake, struct pg_request **take, int64_t wait_us,
	bool (*on_answer)(struct intake *intake, const struct pg_answer *answer, void *context),
	void *take_context);

/* A new request with this statement begun. */
struct pg_request *intake_request(enum sql_id statement);
void intake_statement(struct pg_request *request, enum sql_id statement);

/* Whether an answer is worth asking again; what is not is logged. */
bool intake_try_again(const struct pg_answer *answer, const char *what);

int intake_stripe(const struct intake *intake); /* of the counters */

/* SQL_WORKER_BEAT as the next statement of a request. */
void lease_add_beat(const struct intake *intake, struct pg_request *request);

/* Tells the owner the number that SQL_WORKER_BEAT gave; of one that knows us no more too. */
void lease_beat(struct intake *intake, const struct pg_answer *answer, size_t statement);

/* Looks at the other workers that are live (peers.c).  False: one of them is in our place. */
bool peers_look(struct intake *intake, const struct pg_answer *answer, size_t statement);

void lease_open(struct intake *intake);
void lease_clear(struct intake *intake);

void caution_open(struct intake *intake);
void caution_start(struct intake *intake); /* the lease is there */
bool caution_waits(const struct intake *intake);

void addresses_open(struct intake *intake);
void addresses_start(struct intake *intake); /* the lease is there */
void addresses_clear(struct intake *intake);

void claimer_open(struct intake *intake);
void claimer_start(struct intake *intake); /* the lease is there */
void claimer_clear(struct intake *intake);
void claimer_poll_now(struct intake *intake);
void claimer_stop(struct intake *intake, void (*on_quiet)(void *owner), void *owner);

/* The claim that was read is over: it brought jobs, or is dropped as if never made. */
void claim_settled(struct intake *intake);
void claim_forget(struct intake *intake, struct claim *claim);

/* Asks for a claim's jobs; again with what the first answer has to be spelt (claim.c). */
void claim_ask_jobs(struct intake *intake, struct claim *claim, const struct pg_answer *first);

/* How jobs_read is told of other spellings; `first` is NULL at first (claim_read.c). */
void claim_add_spellings(struct pg_request *request, const struct pg_answer *first);

/* From a claim's two answers to jobs (claim_read.c). */
bool claim_read(struct intake *intake, const struct pg_answer *answer, void *context);

/* One leased row, as the claim's answer has it. */
struct claim_row {
	struct id tenant;
	struct id campaign;
	struct slice pool;
	struct slice keys;
	struct id content;
	int content_version;
	int priority;
	int leases;
	int64_t first_us;
	int size;
};

void feeds_open(struct intake *intake);
void feeds_start(struct intake *intake, struct slice txid);
void feeds_clear(struct intake *intake);

void chores_open(struct intake *intake);
void chores_start(struct intake *intake);
void chores_clear(struct intake *intake);
void chores_doubt(struct intake *intake);
struct pg_request *chores_lease_sweep(const struct intake *intake);
void chores_inbox(struct intake *intake, const struct id *tenant);

/* The request that tells what was learnt (learn.c); NULL when there is nothing to tell. */
struct pg_request *learn_request(struct intake *intake);
void learn_open(struct intake *intake);
void learn_clear(struct intake *intake);

#endif
