/*
 * How a mailbox provider takes mail: limits for each source, day quotas while a source
 * is new, greylisting, unknown users, a reputation that falls with what annoys and
 * recovers slowly, and spells of trouble.  Its hosts share what they know of a source.
 *
 * Pure: time is a parameter, and chance is drawn from the seed (chance.h), so the same
 * model serves a socket in the world and a simulation in virtual time.
 */
#ifndef WORLD_ISP_H
#define WORLD_ISP_H

#include <stdbool.h>
#include <stdint.h>

#include "behave.h"
#include "config/problem.h"
#include "config/value.h"
#include "fields.h"

/* Why it did not simply say yes.  In the order of the words of `replies:`. */
enum isp_cause {
	ISP_FINE,
	ISP_STORM,        /* a spell in which everybody gets a 421 */
	ISP_DEAD,         /* a spell of silence */
	ISP_CONNECTIONS,  /* too many open at a time */
	ISP_CONNECT_RATE, /* opened too fast */
	ISP_FULL,         /* of messages in one connection */
	ISP_BLOCKED,      /* reputation below block_below */
	ISP_REPUTATION,   /* reputation below defer_below, for a share of the mail */
	ISP_RATE,
	ISP_QUOTA, /* of the day, of a new source */
	ISP_GREYLIST,
	ISP_UNKNOWN_USER,
	ISP_CAUSES,
};

/* In the order of the words of `refuses_at:`. */
enum isp_moment { ISP_AT_MAIL, ISP_AT_RCPT, ISP_AT_DOT };

/* In the order of the words of `spell:`. */
enum isp_trouble { ISP_SPELL_STORM, ISP_SPELL_DEAD, ISP_SPELL_SLOW };

struct isp_spell {
	unsigned trouble;  /* enum isp_trouble */
	int64_t after_us;  /* from the model's start */
	int64_t length_us; /* 0 = for ever */
	int64_t every_us;  /* 0 = once */
	int64_t delay_us;  /* of each reply of a slow one */
};

struct isp_settings {
	struct config_place place;
	struct slice name;
	struct slice host;    /* pattern of the hosts that are its */
	uint64_t connections; /* of one source at a time, to all its hosts; 0 = no limit */
	struct config_rate connect_rate;
	struct config_rate rate; /* of transactions */
	unsigned refuses_at;     /* enum isp_moment */
	uint64_t messages_max;   /* a connection, which then closes without a word */
	int64_t greylist_us;     /* for a triplet's first try */
	uint32_t unknown_ppm;    /* of recipients, always the same ones */
	uint32_t complaint_ppm;  /* of accepted messages */
	uint64_t *quotas;        /* by sending days of the source; behind them no quota */
	size_t quota_count;
	int64_t day_us;
	uint32_t reputation_ppm;   /* of a source that was never seen; the best is 100 % */
	uint32_t unknown_cost_ppm; /* of what it has, for each */
	uint32_t complaint_cost_ppm;
	uint32_t excess_cost_ppm; /* for each try beyond a limit */
	int64_t recovery_us;      /* until half of what is missing is back; 0 = never */
	uint32_t slow_below_ppm;  /* the rate shrinks in proportion; 0 = not */
	uint32_t defer_below_ppm;
	uint32_t block_below_ppm;
	struct isp_spell *spells;
	size_t spell_count;
	struct texts replies[ISP_CAUSES];
};

/* Limits and costs off, one day of 24 h, plain replies. */
void isp_defaults(struct isp_settings *settings);

struct isp;

/* Borrows the settings. */
struct isp *isp_new(const struct isp_settings *settings, uint64_t seed, int64_t now_us);
void isp_free(struct isp **isp);

/*
 * Adds to deeds what it does at this point (its caller has zeroed them or lets a rule's
 * shape stand).  ISP_FINE at PHASE_CONNECT has counted a connection, which is to be
 * ended by isp_closed().
 */
enum isp_cause isp_decide(struct isp *isp, const struct occasion *occasion, struct rule_do *deeds);
void isp_closed(struct isp *isp, struct slice source);

/* The message went into a mailbox. */
void isp_accepted(struct isp *isp, struct slice source, struct slice recipient, int64_t now_us);

/* What it thinks of a source, for those who look on. */
struct isp_standing {
	double reputation;     /* 0 to 1 */
	uint64_t sending_days; /* before today */
	uint64_t today;        /* accepted */
	uint64_t accepted;
	uint64_t complaints;
	uint64_t refused[ISP_CAUSES];
};

struct isp_standing isp_standing(struct isp *isp, struct slice source, int64_t now_us);

/* Each source that was seen, in no order. */
void isp_each(struct isp *isp, int64_t now_us,
	void (*each)(void *owner, struct slice source, const struct isp_standing *standing),
	void *owner);

const char *isp_cause_word(enum isp_cause cause);

#endif
