/*
 * The choke point.  lane_ask() walks the limits from the widest to the narrowest
 * and answers with the one that makes the caller wait longest, so that "why is
 * this not going faster" has one true answer.  A limit of counted connections ends
 * by an event: who was told to wait for room stands in a line and is woken in
 * that order, one for each connection that ends.
 *
 * Back-off after failures doubles from 10 s; it is the site's, seen from one
 * source, and no job's attempt is used by waiting for it.
 */
#include "shape/lane.h"

#include <string.h>

#include "parts.h"
#include "shape/place.h"

#define AWAY_FIRST_US (10 * INT64_C(1000000))
#define AWAY_DOUBLINGS 16

static const char *const words[] = {
	[LIMIT_NONE] = "none",
	[LIMIT_HELD_SOURCE] = "held_source",
	[LIMIT_HELD_PROVIDER] = "held_provider",
	[LIMIT_SUSPENDED] = "suspended",
	[LIMIT_SOURCE_CONNECTIONS] = "source_connections",
	[LIMIT_SOURCE_STRANGERS] = "source_strangers",
	[LIMIT_SOURCE_RATE] = "source_rate",
	[LIMIT_SITE_CONNECTIONS] = "site_connections",
	[LIMIT_PROVIDER_CONNECTIONS] = "provider_connections",
	[LIMIT_PROVIDER_TOTAL] = "provider_total",
	[LIMIT_PROVIDER_RATE] = "provider_rate",
	[LIMIT_CONNECT_RATE] = "connect_rate",
};
_Static_assert(sizeof(words) / sizeof(words[0]) == LIMIT_COUNT, "a word for every limit");

const char *lane_limit_word(enum lane_limit limit)
{
	return words[limit];
}

const struct shape_limits *lane_limits(const struct lane *lane)
{
	return lane->usage->provider != NULL ? &lane->usage->provider->limits
					     : &lane->shape->others;
}

/* The longest wait wins. */
static void offer(struct lane_answer *answer, enum lane_limit limit, int64_t wait_us, int64_t level,
	int64_t usage)
{
	if (wait_us > answer->wait_us) {
		*answer = (struct lane_answer){
			.wait_us = wait_us, .limit = limit, .level = level, .usage = usage};
	}
}

/*
 * Sites that take a connection and give no sign of life would have all of a source's within
 * minutes: a quarter is for those that are known to work.
 */
static unsigned strangers_most(const struct source *source)
{
	return source->limits.connections - source->limits.connections / 4;
}

static bool strangers_are_full(const struct source *source)
{
	return source->limits.connections > 0 && source->strangers >= strangers_most(source);
}

static void ask_connections(
	const struct lane *lane, const struct shape_limits *limits, struct lane_answer *answer)
{
	const struct provider *provider = lane->usage->provider;
	const struct source *source = lane->source;

	if (provider != NULL && limits->connections_total > 0 &&
		provider->connections >= limits->connections_total) {
		offer(answer, LIMIT_PROVIDER_TOTAL, LANE_WAIT_EVENT, limits->connections_total,
			provider->connections);
	}
	if (source->limits.connections > 0 && source->connections >= source->limits.connections) {
		offer(answer, LIMIT_SOURCE_CONNECTIONS, LANE_WAIT_EVENT, source->limits.connections,
			source->connections);
	}
	if (!lane->worked && strangers_are_full(source)) {
		offer(answer, LIMIT_SOURCE_STRANGERS, LANE_WAIT_EVENT, strangers_most(source),
			source->strangers);
	}
	if (limits->connections > 0 && lane->usage->connections >= limits->connections) {
		offer(answer, LIMIT_PROVIDER_CONNECTIONS, LANE_WAIT_EVENT, limits->connections,
			lane->usage->connections);
	}
	if (limits->connections_per_site > 0 && lane->connections >= limits->connections_per_site) {
		offer(answer, LIMIT_SITE_CONNECTIONS, LANE_WAIT_EVENT, limits->connections_per_site,
			lane->connections);
	}
}

static void ask_held(const struct lane *lane, struct lane_answer *answer)
{
	const struct provider *provider = lane->usage->provider;

	if (lane->source->held != NULL) {
		offer(answer, LIMIT_HELD_SOURCE, LANE_WAIT_EVENT, 0, 0);
		answer->text = slice_of(lane->source->held);
	} else if (provider != NULL && provider->held != NULL) {
		offer(answer, LIMIT_HELD_PROVIDER, LANE_WAIT_EVENT, 0, 0);
		answer->text = slice_of(provider->held);
	}
}

void lane_ask(const struct lane *lane, enum lane_step step, int64_t now_us,
	struct lane_answer *ret_answer)
{
	const struct shape_limits *limits = lane_limits(lane);

	*ret_answer = (struct lane_answer){.limit = LIMIT_NONE};
	ask_held(lane, ret_answer);
	if (step == LANE_CONNECT) {
		offer(ret_answer, LIMIT_CONNECT_RATE, rate_wait_us(&lane->usage->connects, now_us),
			limits->connects, 0);
		ask_connections(lane, limits, ret_answer);
	}
	/* No use in a connection that may not send yet. */
	offer(ret_answer, LIMIT_SOURCE_RATE, rate_wait_us(&lane->source->messages, now_us),
		lane->source->limits.messages, 0);
	offer(ret_answer, LIMIT_PROVIDER_RATE, rate_wait_us(&lane->usage->messages, now_us),
		limits->messages, 0);
	if (lane->away_until_us > now_us && step == LANE_CONNECT) {
		offer(ret_answer, LIMIT_SUSPENDED, lane->away_until_us - now_us, 0, lane->failures);
		if (ret_answer->limit == LIMIT_SUSPENDED) {
			ret_answer->text = slice_of(lane->why);
		}
	}
}

void lane_connecting(struct lane *lane, int64_t now_us)
{
	struct provider *provider = lane->usage->provider;

	lane->connections++;
	lane->usage->connections++;
	lane->source->connections++;
	lane->source->strangers += !lane->worked;
	if (provider != NULL) {
		provider->connections++;
	}
	rate_take(&lane->usage->connects, now_us);
	if (lane->opening_us == 0) {
		lane->opening_us = now_us;
	}
	if (provider != NULL && provider->opening_us == 0) {
		provider->opening_us = now_us;
	}
	if (list_linked(&lane->link)) {
		list_remove(lane->waits_in, &lane->link);
	}
}

static struct list *line_for(struct lane *lane, enum lane_limit limit)
{
	switch (limit) {
	case LIMIT_SOURCE_CONNECTIONS:
	case LIMIT_SOURCE_STRANGERS:
		return &lane->source->waiting;
	case LIMIT_PROVIDER_TOTAL:
		return &lane->usage->provider->waiting;
	default:
		return &lane->usage->waiting;
	}
}

void lane_wait_for_room(struct lane *lane, enum lane_limit limit)
{
	if (list_linked(&lane->link)) {
		list_remove(lane->waits_in, &lane->link);
	}
	lane->waits_in = line_for(lane, limit);
	list_push(lane->waits_in, &lane->link);
}

static void wake(struct lane *lane)
{
	list_remove(lane->waits_in, &lane->link);
	if (lane->shape->on_room != NULL) {
		lane->shape->on_room(lane->shape->room_owner, lane);
	}
}

static void wake_first(struct list *waiting)
{
	struct list_link *link = list_first(waiting);

	if (link != NULL) {
		wake(LIST_OWNER(link, struct lane, link));
	}
}

/* Who may not use the room would leave it to nobody. */
static void wake_first_at(struct source *source)
{
	bool full = strangers_are_full(source);

	for (struct list_link *link = list_first(&source->waiting); link != NULL;
		link = list_next(&source->waiting, link)) {
		struct lane *lane = LIST_OWNER(link, struct lane, link);

		if (lane->worked || !full) {
			wake(lane);
			return;
		}
	}
}

void lane_disconnected(struct lane *lane)
{
	struct provider *provider = lane->usage->provider;

	lane->connections--;
	lane->usage->connections--;
	lane->source->connections--;
	lane->source->strangers -= !lane->worked;
	wake_first(&lane->usage->waiting);
	wake_first_at(lane->source);
	if (provider != NULL) {
		provider->connections--;
		wake_first(&provider->waiting);
	}
}

void lane_sending(struct lane *lane, int64_t now_us)
{
	rate_take(&lane->usage->messages, now_us);
	rate_take(&lane->source->messages, now_us);
}

unsigned lane_connections(const struct lane *lane)
{
	return lane->connections;
}

unsigned lane_messages_per_connection(const struct lane *lane)
{
	return lane_limits(lane)->messages_per_connection;
}

static void remember_why(struct lane *lane, struct slice text)
{
	text = slice_first(text, sizeof(lane->why) - 1);
	memcpy(lane->why, text.n > 0 ? text.p : "", text.n);
	lane->why[text.n] = '\0';
}

void lane_failed(
	struct lane *lane, int64_t now_us, int64_t most_us, uint8_t spread, struct slice text)
{
	unsigned doublings = lane->failures < AWAY_DOUBLINGS ? lane->failures : AWAY_DOUBLINGS;
	int64_t away_us = AWAY_FIRST_US << doublings;

	if (lane->away_until_us > now_us) {
		return; /* connections opened before the first failure are not news */
	}
	away_us = away_us < most_us ? away_us : most_us;
	lane->failures++;
	lane->source->strangers += lane->worked ? lane->connections : 0;
	lane->worked = false;
	lane->away_until_us = now_us + away_us + away_us / 1024 * spread;
	remember_why(lane, text);
	place_failed(lane->place, now_us);
}

void lane_worked(struct lane *lane)
{
	lane->failures = 0;
	lane->opening_us = 0;
	if (!lane->worked) {
		lane->worked = true;
		lane->source->strangers -= lane->connections;
		wake_first_at(lane->source);
	}
	if (lane->usage->provider != NULL) {
		lane->usage->provider->opening_us = 0;
	}
	place_worked(lane->place);
}

bool lane_is_proven(const struct lane *lane)
{
	return lane->worked;
}

bool lane_is_silent(const struct lane *lane, int64_t now_us, int64_t patience_us)
{
	const struct provider *provider = lane->usage->provider;

	return (lane->connections > 0 && lane->opening_us != 0 &&
		       now_us - lane->opening_us > patience_us) ||
		(provider != NULL && provider_is_silent(provider, now_us, patience_us));
}

bool lane_is_away(const struct lane *lane, int64_t now_us)
{
	return lane->away_until_us > now_us || lane->failures > 0;
}

void lane_suspend(struct lane *lane, int64_t until_us, struct slice text)
{
	if (until_us > lane->away_until_us) {
		lane->away_until_us = until_us;
		remember_why(lane, text);
	}
}

void *lane_owner(const struct lane *lane)
{
	return lane->owner;
}

void lane_set_owner(struct lane *lane, void *owner)
{
	lane->owner = owner;
}

void lane_use(struct lane *lane)
{
	lane->users++;
}

bool lane_unuse(struct lane *lane)
{
	return --lane->users == 0;
}

struct source *lane_source(const struct lane *lane)
{
	return lane->source;
}

struct provider *lane_provider(const struct lane *lane)
{
	return lane->usage->provider;
}

struct slice lane_site(const struct lane *lane)
{
	return lane->place->site;
}
