/*
 * The structs of the worker, shared by the files of this folder only.
 */
#ifndef WORKER_PARTS_H
#define WORKER_PARTS_H

#include "base/list.h"
#include "base/map.h"
#include "compose/content.h"
#include "compose/message.h"
#include "config/config.h"
#include "intake/intake.h"
#include "io/dns.h"
#include "io/pg.h"
#include "mail/address.h"
#include "mail/token.h"
#include "model/attempt.h"
#include "queue/queue.h"
#include "record/dlog.h"
#include "record/record.h"
#include "resolve/resolver.h"
#include "shape/lane.h"
#include "shape/shape.h"
#include "sign/keyring.h"
#include "sign/signer.h"
#include "smtp/sessions.h"
#include "worker/worker.h"

struct contents;
struct logbook;
struct ticket;
struct keys;
struct holds;
struct sources;
struct permits;
struct away;
struct load;
struct window;
struct shortages;

/* What came with the configuration and goes with it at a reload. */
struct equipment {
	unsigned refs;
	const struct config *config;
	struct tls_context *tls;
	struct session_timeouts timeouts;
	size_t connections;    /* that may be open at a time */
	struct map *passwords; /* of relays, by source name: char * */
	struct map *barren;    /* pools told to have no source: when, in seconds + 1 */
};

/* Deliveries that are on no outlet. */
struct desk {
	struct list spare;      /* without a message, for the next */
	struct list to_sign;    /* that got their 354 */
	struct list to_release; /* signed; the disk has not got their intent yet */
	struct list to_drain;   /* the disk has; their body is on its way */
	struct timer signing;
	size_t bytes;   /* of messages, under way and spare */
	size_t sending; /* deliveries under way */
};

/* What signs. */
struct seal {
	struct keyring *keyring;
	struct signer *signer;
};

struct worker {
	struct loop *loop;
	struct equipment *equipment;
	struct pg *pg;
	struct intake *intake;
	struct record *record;
	struct dlog *dlog;
	struct logbook *logbook;
	struct dns *dns;
	struct resolver *resolver;
	struct sessions *sessions;
	struct shape *shape;
	struct token_ring *tokens;
	struct composer *composer;
	struct seal seal;
	struct contents *contents;
	struct keys *keys;
	struct holds *holds;
	struct sources *sources;
	struct permits *permits;
	struct list outlets;
	struct desk desk;
	struct stop *stop; /* NULL while running */
	size_t at_hand;    /* plans */
	struct away *away; /* Postgres */
	struct worker_events events;
};

/* A job at hand, and what is known of its way so far. */
struct plan {
	struct worker *worker;
	struct equipment *equipment; /* whose configuration its pointers are into */
	struct job *job;
	struct address address;
	struct content *content;
	struct key_set *keys; /* NULL: goes unsigned */
	struct site *site;
	const struct config_source *relay; /* set: the only way it may go */
	struct load *tenant_load;
	struct load *site_load;
	struct window *window; /* of its kind, where those at hand are counted; or NULL */
	unsigned units;        /* of the credit, that it takes up */
	struct slice vars;     /* its own: they may be large, and go before the claim does */
	unsigned again;        /* times it was put back without an attempt */
	unsigned generation;   /* of what was heard when it was claimed (holds.h) */
	struct ticket *intent; /* written down: about to be sent; NULL = not */
	struct id attempt_id;  /* that the intent has; zero = none */
	uint8_t token_key;
	bool unpinned;                /* what an earlier attempt had pinned is not known */
	struct slice key_pins;        /* of the DKIM keys; empty = none pinned yet */
	struct slice tracking_domain; /* pinned */
};

/* A lane at work: its queue, its connections, and when to look again. */
struct outlet {
	struct list_link link; /* in worker->outlets */
	struct worker *worker;
	struct equipment *equipment;
	struct lane *lane;
	struct queue *queue;
	struct sessions_lane *sessions;
	struct sessions_lane_settings settings;
	struct site *site;
	const struct config_source *source;
	const struct config_pace *pace;
	const struct config_provider *provider; /* NULL = none */
	struct list deliveries;                 /* under way */
	struct timer timer;
	size_t counted;          /* connections the lane was told of */
	int64_t paused_until_us; /* a local shortage */
	bool stale;              /* of a configuration that is no more */
	struct later run;
};

/* A message under way on a session. */
struct delivery {
	struct list_link link; /* outlet->deliveries or worker->spare */
	struct list_link sign; /* on `line` */
	struct list *line;     /* of the desk, that it waits in; NULL = in none */
	struct outlet *outlet;
	struct plan *plan;
	struct session *session;
	struct message message;
	struct buf signature;
	size_t bytes; /* of both, as desk.bytes has them */
	struct envelope envelope;
	char envid[ID_TEXT + 1]; /* the job's id */
	int64_t started_us;
	enum failure trouble; /* ours, found after MAIL: overrides what the session says */
	bool out;             /* all of the body is; nothing of a small one before its dot */
};

/* plan.c: the memory of jobs at hand */
struct plan *plan_new(struct worker *worker, struct job *job);
void plan_free(struct plan **plan);
void plan_follow(struct plan *plan); /* the configuration in force is its own from now on */
void plan_give_back(struct plan **take, int64_t wait_us, struct slice tag);
void plan_skip(struct plan **take, enum outcome state, struct slice reason);
void plan_known(struct plan **take); /* GATE_DONE: it ends as Postgres has it already */
int64_t job_deadline_us(const struct worker *worker, const struct job *job); /* wall clock */
bool plan_is_over(const struct plan *plan);
const struct tenant *plan_tenant(const struct plan *plan);
const struct campaign *plan_campaign(const struct plan *plan);

/* flow.c: the steps as others reach them */
void flow_on_jobs(void *owner, const struct claimed *claimed, size_t count);
void flow_on_content(struct plan *plan, struct content *content, struct slice faults);
void flow_on_keys(struct plan *plan, struct key_set *keys, struct slice why);
void flow_on_no_answer(struct plan *plan); /* of the DNS, about its keys: it waits */

/* A job that was on its way over what is no more: given back in a stop, else routed anew. */
void flow_again(struct plan *plan);

/* ending.c: what becomes of a job after an attempt, and at the end of its lifetime */
void ending_finish(struct plan **take, struct attempt *attempt);

/* What is pinned by this attempt stands in the job, for its retry; ended NULL = not yet. */
void ending_pin(struct plan *plan, const struct attempt *ended);

/* Fills in what the plan knows of its attempt. */
void ending_complete(struct plan *plan, struct attempt *attempt);
void ending_decide(const struct worker *worker, struct attempt *attempt);
enum outcome ending_overdue(const struct job *job);

/* gate.c: may anything be sent, as this node, Postgres and what it has not confirmed stand? */
bool gate_flows(const struct worker *worker);

/* outlet.c */
struct outlet *outlet_get(struct plan *plan, struct source *source, struct provider *provider);
void outlet_push(struct outlet *outlet, struct plan *plan);
void outlet_run(struct outlet *outlet);
void outlet_count(struct outlet *outlet);
void outlet_run_all(struct worker *worker);
void outlet_close_all(struct worker *worker);
/* Of one source: it is given up.  Until its connections have ended, outlet_lingers(). */
void outlet_close_source(struct worker *worker, const struct source *source);
bool outlet_lingers(const struct worker *worker, struct slice source);
void outlet_put_back(struct outlet *outlet, struct plan *plan);
void outlet_on_room(void *owner, struct lane *lane);
/* Its site failed, is suspended, or takes its time to answer at all. */
bool outlet_is_away(const struct outlet *outlet);
/* All that waits for it but so much is given back, to come again when it may be served. */
void outlet_shed(struct outlet *outlet, size_t keep);
/* What waits for this source is routed anew: it is out of use. */
void outlet_leave_source(struct worker *worker, const struct source *source);
void outlet_pick_all(
	struct worker *worker, bool (*pick)(void *owner, struct plan *plan), void *owner);

/* delivery.c */
extern const struct sessions_events delivery_events;
struct delivery *delivery_prepare(struct outlet *outlet);
void delivery_send(struct delivery *delivery, struct session *session);
void delivery_forget_spares(struct worker *worker);

/* memory.c */
bool memory_is_full(struct worker *worker); /* when all that is only kept is gone */
bool memory_is_over(const struct worker *worker);

/* gate.c: may the final dot leave? */
enum gate {
	GATE_OPEN,
	GATE_SUPPRESSED,
	GATE_CANCELLED,
	GATE_HELD,  /* campaign paused or held, domain or tenant held */
	GATE_LEASE, /* too little of the lease is left, or it is lost */
	GATE_DONE,  /* a lost worker had sent it, as it says now */
};
enum gate gate_ask(const struct plan *plan, bool final_dot);

#endif
