/*
 * The model of a mailbox provider at work.
 *
 * All that it knows of a source is in one struct, whose reputation is brought up to the
 * present whenever it is looked at.  What costs reputation takes a share of what is
 * left, and time gives back a share of what is missing: so nothing reaches 0 or 1, and
 * a good standing is lost faster than it is won.
 *
 * Tries beyond a limit cost too.  A sender who hammers thus makes its own limit
 * smaller, as it is with the real ones.
 */
#include "isp.h"

#include <math.h>

#include "base/arena.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/rate.h"
#include "base/time.h"
#include "chance.h"
#include "tally.h"

#define MILLION 1e6

struct isp_source {
	struct rate connects;
	struct rate messages;
	uint64_t open;
	int64_t known_us; /* the reputation is of this time */
	int64_t day;
	int64_t pace; /* of `messages` just now */
	struct isp_standing standing;
};

struct isp {
	const struct isp_settings *settings;
	uint64_t seed;
	int64_t start_us;
	struct map *sources;
	struct tally *triplets;
	struct arena *arena;
	struct buf key;
};

/* So that draws about different things differ. */
#define SALT_UNKNOWN (UINT64_C(1) << 56)
#define SALT_COMPLAINT (UINT64_C(2) << 56)
#define SALT_REPUTATION (UINT64_C(3) << 56)

static const char *const cause_words[ISP_CAUSES] = {"fine", "storm", "dead", "connections",
	"connect_rate", "full", "blocked", "reputation", "rate", "quota", "greylist",
	"unknown_user"};

const char *isp_cause_word(enum isp_cause cause)
{
	return cause_words[cause];
}

/* What costs reputation by itself: more than was asked for. */
static const bool is_excess[ISP_CAUSES] = {
	[ISP_CONNECTIONS] = true,
	[ISP_CONNECT_RATE] = true,
	[ISP_RATE] = true,
	[ISP_QUOTA] = true,
};

void isp_defaults(struct isp_settings *settings)
{
	static struct slice lines[ISP_CAUSES] = {
		[ISP_STORM] = SLICE("421 4.3.2 service not available, try again later"),
		[ISP_CONNECTIONS] = SLICE("421 4.7.0 too many connections from your address"),
		[ISP_CONNECT_RATE] = SLICE("421 4.7.0 connections from your address come too fast"),
		[ISP_BLOCKED] = SLICE("554 5.7.1 your address is blocked for its reputation"),
		[ISP_REPUTATION] = SLICE("451 4.7.1 deferred for the reputation of your address"),
		[ISP_RATE] = SLICE("451 4.7.0 your address sends too fast, slow down"),
		[ISP_QUOTA] = SLICE("451 4.7.0 too much for one day from an address this new"),
		[ISP_GREYLIST] = SLICE("450 4.7.1 greylisted, try again later"),
		[ISP_UNKNOWN_USER] = SLICE("550 5.1.1 no such user here"),
	};

	*settings = (struct isp_settings){
		.day_us = 24 * 3600 * TIME_SECOND_US, .reputation_ppm = 500000};
	for (unsigned cause = 0; cause < ISP_CAUSES; cause++) {
		if (lines[cause].n > 0) {
			settings->replies[cause] = (struct texts){&lines[cause], 1};
		}
	}
}

struct isp *isp_new(const struct isp_settings *settings, uint64_t seed, int64_t now_us)
{
	struct isp *isp = MEM_NEW(struct isp);

	isp->settings = settings;
	isp->seed = chance_draw(seed, 0, settings->name); /* two providers know different people */
	isp->start_us = now_us;
	isp->sources = map_new();
	isp->triplets = tally_new();
	isp->arena = arena_new(0);
	return isp;
}

void isp_free(struct isp **isp)
{
	if (*isp == NULL) {
		return;
	}
	map_free(&(*isp)->sources);
	tally_free(&(*isp)->triplets);
	arena_free(&(*isp)->arena);
	buf_clear(&(*isp)->key);
	mem_free(*isp);
	*isp = NULL;
}

static void set_rate(struct rate *rate, const struct config_rate *figures)
{
	rate_init(rate, figures->count, figures->period_us, figures->burst);
}

static struct isp_source *source_of(struct isp *isp, struct slice name, int64_t now_us)
{
	struct isp_source *source = map_get(isp->sources, name);

	if (source != NULL) {
		return source;
	}
	source = arena_get(isp->arena, sizeof(*source));
	source->known_us = now_us;
	source->standing.reputation = isp->settings->reputation_ppm / MILLION;
	source->pace = isp->settings->rate.count;
	set_rate(&source->connects, &isp->settings->connect_rate);
	set_rate(&source->messages, &isp->settings->rate);
	(void)map_put(isp->sources, name, source);
	return source;
}

/* A day without mail does not count among the sending days. */
static void turn_day(struct isp *isp, struct isp_source *source, int64_t now_us)
{
	int64_t day = (now_us - isp->start_us) / isp->settings->day_us;

	if (day == source->day) {
		return;
	}
	source->standing.sending_days += source->standing.today > 0 ? 1 : 0;
	source->standing.today = 0;
	source->day = day;
}

static void recover(struct isp *isp, struct isp_source *source, int64_t now_us)
{
	double missing = 1 - source->standing.reputation;
	double passed = (double)(now_us - source->known_us);

	if (isp->settings->recovery_us > 0) {
		source->standing.reputation =
			1 - missing * exp2(-passed / (double)isp->settings->recovery_us);
	}
	source->known_us = now_us;
}

/* What stands beside a poor reputation: the rate in proportion, one transaction at least. */
static void set_pace(struct isp *isp, struct isp_source *source)
{
	const struct isp_settings *settings = isp->settings;
	double share = source->standing.reputation * MILLION / settings->slow_below_ppm;
	int64_t pace = settings->rate.count;

	if (pace == 0 || settings->slow_below_ppm == 0) {
		return;
	}
	if (share < 1) {
		pace = (int64_t)((double)pace * share);
		pace = pace < 1 ? 1 : pace;
	}
	if (pace != source->pace) {
		rate_change(
			&source->messages, pace, settings->rate.period_us, settings->rate.burst);
		source->pace = pace;
	}
}

static void bring_up(struct isp *isp, struct isp_source *source, int64_t now_us)
{
	turn_day(isp, source, now_us);
	recover(isp, source, now_us);
	set_pace(isp, source);
}

static void charge(struct isp_source *source, uint32_t cost_ppm)
{
	source->standing.reputation *= 1 - cost_ppm / MILLION;
}

static bool in_spell(const struct isp *isp, const struct isp_spell *spell, int64_t now_us)
{
	int64_t since_us = now_us - isp->start_us - spell->after_us;

	if (since_us < 0) {
		return false;
	}
	if (spell->every_us > 0) {
		since_us %= spell->every_us;
	}
	return spell->length_us == 0 || since_us < spell->length_us;
}

static enum isp_cause trouble(struct isp *isp, const struct occasion *o, struct rule_do *deeds)
{
	static const enum isp_cause causes[] = {
		[ISP_SPELL_STORM] = ISP_STORM,
		[ISP_SPELL_DEAD] = ISP_DEAD,
		[ISP_SPELL_SLOW] = ISP_FINE,
	};
	enum isp_cause worst = ISP_FINE;

	for (size_t i = 0; i < isp->settings->spell_count; i++) {
		const struct isp_spell *spell = &isp->settings->spells[i];

		if (in_spell(isp, spell, o->now_us)) {
			deeds->delay_us += spell->delay_us;
			worst = causes[spell->trouble] > worst ? causes[spell->trouble] : worst;
		}
	}
	/* A storm sends away who comes or wants to begin; who is just handing over may end. */
	if (worst == ISP_STORM && o->at != PHASE_CONNECT && o->at != PHASE_MAIL) {
		return ISP_FINE;
	}
	return worst;
}

static enum isp_cause at_connect(
	struct isp *isp, struct isp_source *source, const struct occasion *o)
{
	if (isp->settings->connections > 0 && source->open >= isp->settings->connections) {
		return ISP_CONNECTIONS;
	}
	if (rate_wait_us(&source->connects, o->now_us) > 0) {
		return ISP_CONNECT_RATE;
	}
	rate_take(&source->connects, o->now_us);
	source->open++;
	return ISP_FINE;
}

static bool is_over_quota(const struct isp *isp, const struct isp_source *source)
{
	uint64_t day = source->standing.sending_days;

	return day < isp->settings->quota_count &&
		source->standing.today >= isp->settings->quotas[day];
}

/* Which tries are deferred changes from one to the next, and with the seed. */
static bool is_disliked(const struct isp *isp, const struct isp_source *source, struct slice name)
{
	const struct isp_settings *settings = isp->settings;
	double below = settings->defer_below_ppm / MILLION;
	uint64_t tries = source->standing.accepted;

	if (source->standing.reputation >= below) {
		return false;
	}
	for (unsigned cause = 0; cause < ISP_CAUSES; cause++) {
		tries += source->standing.refused[cause];
	}
	return chance_hits(isp->seed, SALT_REPUTATION | tries, name,
		(uint32_t)((below - source->standing.reputation) / below * MILLION));
}

static enum isp_cause at_limits(
	struct isp *isp, struct isp_source *source, const struct occasion *o)
{
	if (source->standing.reputation < isp->settings->block_below_ppm / MILLION) {
		return ISP_BLOCKED;
	}
	if (is_disliked(isp, source, o->source)) {
		return ISP_REPUTATION;
	}
	if (rate_wait_us(&source->messages, o->now_us) > 0) {
		return ISP_RATE;
	}
	if (is_over_quota(isp, source)) {
		return ISP_QUOTA;
	}
	rate_take(&source->messages, o->now_us);
	return ISP_FINE;
}

static void key_add(struct buf *key, struct slice text)
{
	buf_add(key, text);
	buf_add_byte(key, '\n');
}

static enum isp_cause at_recipient(
	struct isp *isp, struct isp_source *source, const struct occasion *o)
{
	const struct isp_settings *settings = isp->settings;

	if (chance_hits(isp->seed, SALT_UNKNOWN, o->recipient, settings->unknown_ppm)) {
		charge(source, settings->unknown_cost_ppm);
		return ISP_UNKNOWN_USER;
	}
	if (settings->greylist_us == 0) {
		return ISP_FINE;
	}
	buf_reset(&isp->key);
	key_add(&isp->key, o->source);
	key_add(&isp->key, o->sender);
	key_add(&isp->key, o->recipient);
	return o->now_us - tally_add(isp->triplets, buf_slice(&isp->key), o->now_us)->first_us <
			settings->greylist_us
		? ISP_GREYLIST
		: ISP_FINE;
}

static enum isp_cause judge(struct isp *isp, struct isp_source *source, const struct occasion *o)
{
	static const enum phase moments[] = {
		[ISP_AT_MAIL] = PHASE_MAIL,
		[ISP_AT_RCPT] = PHASE_RCPT,
		[ISP_AT_DOT] = PHASE_DOT,
	};
	enum isp_cause cause = ISP_FINE;

	if (o->at == PHASE_CONNECT) {
		return at_connect(isp, source, o);
	}
	if (o->at == PHASE_MAIL && isp->settings->messages_max > 0 &&
		o->messages >= isp->settings->messages_max) {
		return ISP_FULL;
	}
	if (o->at == moments[isp->settings->refuses_at]) {
		cause = at_limits(isp, source, o);
	}
	if (cause == ISP_FINE && o->at == PHASE_RCPT) {
		cause = at_recipient(isp, source, o);
	}
	return cause;
}

enum isp_cause isp_decide(struct isp *isp, const struct occasion *o, struct rule_do *deeds)
{
	struct isp_source *source = source_of(isp, o->source, o->now_us);
	enum isp_cause cause;

	bring_up(isp, source, o->now_us);
	cause = trouble(isp, o, deeds);
	if (cause == ISP_FINE) {
		cause = judge(isp, source, o);
	}
	if (cause == ISP_FINE) {
		return cause;
	}
	source->standing.refused[cause]++;
	if (is_excess[cause]) {
		charge(source, isp->settings->excess_cost_ppm);
	}
	deeds->reply = isp->settings->replies[cause];
	if (cause == ISP_DEAD) {
		deeds->then = THEN_SILENCE;
	} else if (cause == ISP_FULL) {
		deeds->then = THEN_CLOSE;
	}
	return cause;
}

void isp_closed(struct isp *isp, struct slice source)
{
	struct isp_source *known = map_get(isp->sources, source);

	if (known != NULL && known->open > 0) {
		known->open--;
	}
}

void isp_accepted(struct isp *isp, struct slice source, struct slice recipient, int64_t now_us)
{
	struct isp_source *known = source_of(isp, source, now_us);

	bring_up(isp, known, now_us);
	known->standing.accepted++;
	known->standing.today++;
	if (chance_hits(isp->seed, SALT_COMPLAINT | known->standing.accepted, recipient,
		    isp->settings->complaint_ppm)) {
		known->standing.complaints++;
		charge(known, isp->settings->complaint_cost_ppm);
	}
}

struct isp_standing isp_standing(struct isp *isp, struct slice source, int64_t now_us)
{
	struct isp_source *known = source_of(isp, source, now_us);

	bring_up(isp, known, now_us);
	return known->standing;
}

void isp_each(struct isp *isp, int64_t now_us,
	void (*each)(void *owner, struct slice source, const struct isp_standing *standing),
	void *owner)
{
	struct slice source;
	void *found;
	size_t at = 0;

	while (map_next(isp->sources, &at, &source, &found)) {
		struct isp_source *known = found;

		bring_up(isp, known, now_us);
		each(owner, source, &known->standing);
	}
}
