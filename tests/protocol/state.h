/*
 * A state of the model.  Everything in it is written out in octets that count, spare ones
 * too, since states are compared as a whole.
 */
#ifndef PROTOCOL_STATE_H
#define PROTOCOL_STATE_H

#include <stdbool.h>
#include <stdint.h>

enum {
	MESSAGES = 2,
	NODES = 2,
	TERMS = 6,   /* worker incarnations that something still knows of */
	BATCHES = 8, /* a filed message has one of its own */
	ITEMS = 4,   /* attempts that a node knows of */
	CLAIMS = 3,
	TOKENS = 15,
};

/* Of Postgres' row in `workers`. */
enum term_state { TERM_NONE, TERM_LIVE, TERM_DEAD, TERM_REPLAYED };

/* Of a lease, as its owner sees it. */
enum left { LEFT_NONE, LEFT_SOME, LEFT_MARGIN };

enum phase { PHASE_DOWN, PHASE_REPLAYING, PHASE_SET_ASIDE, PHASE_RUNNING };

/* How far a message at hand is. */
enum step { STEP_NONE, STEP_HELD, STEP_INTENT, STEP_DOT, STEP_YES, STEP_NO };

enum kind {
	KIND_NONE,
	KIND_INTENT,
	KIND_BACK, /* withdrawn, or never begun */
	KIND_DELIVERED,
	KIND_ASSUMED, /* delivered, says the policy */
	KIND_IN_DOUBT,
	KIND_RETRY,
	KIND_RETRY_DOUBT,
};

/* How much of an attempt is in the journal. */
enum depth { DEPTH_NONE, DEPTH_INTENT, DEPTH_END };

struct batch {
	uint32_t members : 2;
	uint32_t owner : 3; /* term + 1 */
	uint32_t token : 4;
	uint32_t suspect : 1;
	uint32_t lost : 1;
	uint32_t doubt : 1; /* its message was in doubt */
	uint32_t retrying : 1;
	uint32_t spare : 19;
};

/* An attempt as its node knows it: in memory, in the journal, or both. */
struct item {
	uint32_t kind : 3;
	uint32_t message : 1;
	uint32_t attempt : 4; /* its id: of one message they grow */
	uint32_t term : 3;
	uint32_t batch : 3;
	uint32_t token : 4;
	uint32_t retrying : 1;
	uint32_t doubt : 1;
	uint32_t written : 2;
	uint32_t synced : 1;    /* the intent is on the disk for sure */
	uint32_t memory : 1;    /* there is something left to do */
	uint32_t reported : 1;  /* Postgres has said that it has it */
	uint32_t confirmed : 1; /* the journal may forget it */
	uint32_t spare : 6;
};

struct hand {
	uint8_t step : 3;
	uint8_t late : 1; /* the dot left with less than the margin */
	uint8_t token : 4;
};

struct claim {
	uint16_t token : 4; /* 0 = free */
	uint16_t term : 3;
	uint16_t batch : 3;
	uint16_t lost : 1;
	uint16_t doubt : 1;
	uint16_t retrying : 1;
	uint16_t spare : 3;
};

struct node {
	struct item items[ITEMS];
	struct claim claims[CLAIMS];
	struct hand hands[MESSAGES];
	uint8_t phase;
	uint8_t term;
	uint8_t fenced;
	uint8_t known; /* terms that have something in this journal */
};

struct term {
	uint8_t state : 2;
	uint8_t left : 2;
	uint8_t node : 1;
	uint8_t spare : 3;
};

/* `rows` are ids; of the final ones the newest is what counts, evidence behind all others. */
struct message {
	uint32_t rows : 16;
	uint32_t attempts : 4; /* ids given out */
	uint32_t final : 4;    /* id, 0 = none */
	uint32_t final_kind : 3;
	uint32_t evidence : 4;
	uint32_t absent : 1; /* a model of one message */
	uint16_t evidence_kind;
	uint8_t copies;  /* that the receiver has */
	uint8_t excuses; /* a copy more may be for each */
};

struct state {
	struct batch batches[BATCHES];
	struct message messages[MESSAGES];
	struct node nodes[NODES];
	struct term terms[TERMS];
	uint8_t delivered; /* campaign_stats */
	uint8_t in_doubt;
	uint8_t faults;
	uint8_t spare[7];
};

_Static_assert(sizeof(struct state) % 8 == 0, "states are hashed by words");

static inline unsigned bit(unsigned i)
{
	return 1U << i;
}

static inline bool exists(const struct batch *batch)
{
	return batch->owner != 0 || batch->members != 0;
}

/* The node whose process this is, if there is one. */
static inline bool process_of(const struct state *s, unsigned term, unsigned *ret_node)
{
	for (*ret_node = 0; *ret_node < NODES; ++*ret_node) {
		const struct node *node = &s->nodes[*ret_node];

		if (node->phase == PHASE_RUNNING && node->term == term) {
			return true;
		}
	}
	return false;
}

/*
 * So that what differs in nothing but names and places is one state.  Over: no accident can
 * come any more, so what only a crash would ask for goes as well.
 */
void state_tidy(struct state *s, bool over);

#endif
