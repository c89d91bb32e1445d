/*
 * What a server of the world does that a proper one would not: a table of rules,
 * each with conditions and deeds.  Pure: time is a parameter and chance comes from
 * the seed, so a run can be repeated.
 *
 * Rules are tried in the order of the file.  One that holds and only shapes (delay,
 * split, cut) adds its deeds and the search goes on; the first that decides (reply,
 * raw, then, script) ends it.
 */
#ifndef WORLD_BEHAVE_H
#define WORLD_BEHAVE_H

#include <stdbool.h>
#include <stdint.h>

#include "fields.h"
#include "tally.h"

/* In the order of the words of `at:`. */
enum phase {
	PHASE_CONNECT, /* in place of the greeting */
	PHASE_HELO,
	PHASE_EHLO,
	PHASE_STARTTLS,
	PHASE_AUTH,
	PHASE_MAIL,
	PHASE_RCPT,
	PHASE_DATA,
	PHASE_DOT,
	PHASE_RSET,
	PHASE_NOOP,
	PHASE_QUIT,
	PHASE_VRFY,
	PHASE_UNKNOWN,
	PHASES,
};

/* In the order of the words of `then:`. */
enum then {
	THEN_GO_ON,
	THEN_CLOSE,
	THEN_RESET,   /* RST, what is unsent is lost */
	THEN_SILENCE, /* reads on and never answers again */
	THEN_STALL,   /* does not even read: the peer's window fills */
};

/* In the order of the words of `per:`; a key is made of those that are set. */
enum key_part {
	KEY_SOURCE,
	KEY_SENDER,
	KEY_RECIPIENT,
	KEY_DOMAIN,
	KEY_HOST,
	KEY_SESSION,
};

/* In the order of the words of `do:` of a script. */
enum step_kind {
	STEP_NONE,
	STEP_SEND,
	STEP_WAIT,
	STEP_EXPECT,  /* a line that begins with `text` (any line when empty) */
	STEP_SKIP,    /* so many bytes */
	STEP_MESSAGE, /* up to the line with the lone dot */
	STEP_END,
};

struct step {
	enum step_kind kind;
	struct slice bytes;
	uint64_t count; /* of repetitions or bytes */
	int64_t wait_us;
	enum then then;
};

struct script {
	struct step *steps;
	size_t count;
};

/* Conditions; all that are given must hold. */
struct rule_when {
	uint32_t at;       /* bits of enum phase */
	struct slice host; /* patterns; empty = any */
	struct slice domain;
	struct slice recipient;
	struct slice sender;
	struct slice source;
	struct slice ehlo;
	unsigned tls;            /* 0 = any, 1 = only without, 2 = only with */
	struct span nth;         /* how many times all other conditions held, this one counted */
	struct span messages;    /* accepted in this session before */
	struct span connections; /* open from this source to this host, this one counted */
	struct span recipients;  /* of this transaction, this one counted */
	uint32_t share_ppm;      /* 0 = always */
	uint32_t per;            /* bits of enum key_part: what nth, share and greylist count by */
	int64_t greylist_us;     /* holds until so long after the first time; 0 = no matter */
};

struct rule_do {
	struct texts reply; /* lines with code; the last decides */
	struct slice raw;   /* sent as it is instead of a reply */
	int64_t delay_us;
	unsigned then;            /* enum then */
	uint64_t split_bytes;     /* a write of so many bytes at a time; 0 = whole */
	int64_t pause_us;         /* between those */
	struct span cut_received; /* `low` bytes after this moment the connection ends by `then` */
	struct span cut_sent;
	bool accept;           /* at the dot: in the ledger although the reply never came */
	struct script *script; /* takes the connection over */
};

struct rule {
	struct rule_when when;
	struct rule_do deeds;
	struct tally *seen;
};

/* What is known when a decision is wanted. */
struct occasion {
	enum phase at;
	struct slice host;
	struct slice domain; /* of the recipient */
	struct slice recipient;
	struct slice sender;
	struct slice source;
	struct slice ehlo;
	bool tls;
	uint64_t session;
	uint64_t messages;
	uint64_t connections;
	uint64_t recipients;
	int64_t now_us;
};

struct behaviour;

/* Borrows the rules. */
struct behaviour *behaviour_new(struct rule *rules, size_t count, uint64_t seed);
void behaviour_free(struct behaviour **behaviour);

/* Fills ret_deeds (zeroed when nothing holds); true when a rule decided. */
bool behaviour_decide(
	struct behaviour *behaviour, const struct occasion *occasion, struct rule_do *ret_deeds);

#endif
