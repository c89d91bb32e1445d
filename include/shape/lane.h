/*
 * The choke point: one place decides whether a lane may connect or send now, and
 * can say why not.  Sent <= rate x T + burst for every T.
 */
#ifndef SHAPE_LANE_H
#define SHAPE_LANE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "shape/shape.h"

enum lane_step {
	LANE_CONNECT,
	LANE_SEND,
};

enum lane_limit {
	LIMIT_NONE,
	LIMIT_HELD_SOURCE,
	LIMIT_HELD_PROVIDER,
	LIMIT_SUSPENDED, /* after failures: `text` says which */
	LIMIT_SOURCE_CONNECTIONS,
	LIMIT_SOURCE_STRANGERS, /* its connections to sites that have not answered (yet) */
	LIMIT_SOURCE_RATE,
	LIMIT_SITE_CONNECTIONS,     /* of the lane */
	LIMIT_PROVIDER_CONNECTIONS, /* source x provider */
	LIMIT_PROVIDER_TOTAL,       /* all sources x provider */
	LIMIT_PROVIDER_RATE,
	LIMIT_CONNECT_RATE,
	LIMIT_COUNT
};

/* Wait for an event (a connection that ends, a release by hand), not for a time. */
#define LANE_WAIT_EVENT INT64_MAX

struct lane_answer {
	int64_t wait_us; /* 0 = now; LANE_WAIT_EVENT */
	enum lane_limit limit;
	int64_t level; /* the limit's figure, where it has one */
	int64_t usage;
	struct slice text; /* why suspended or held */
};

void lane_ask(const struct lane *lane, enum lane_step step, int64_t now_us,
	struct lane_answer *ret_answer);

/* What happened.  A connection counts from its first SYN to its end. */
void lane_connecting(struct lane *lane, int64_t now_us);
void lane_disconnected(struct lane *lane);
void lane_sending(struct lane *lane, int64_t now_us);
unsigned lane_connections(const struct lane *lane);
unsigned lane_messages_per_connection(const struct lane *lane); /* 0 = no limit */

/*
 * The site could not be used from this source: away for 10 s at first, then twice
 * as long each time up to `most_us`; `spread` in 0..255 adds up to a quarter, so
 * that lanes do not come back together.  lane_worked() ends the series.
 */
void lane_failed(
	struct lane *lane, int64_t now_us, int64_t most_us, uint8_t spread, struct slice text);
void lane_worked(struct lane *lane);
bool lane_is_away(const struct lane *lane, int64_t now_us); /* failed lately, or suspended */

/* A connection of it was ready since it failed last. */
bool lane_is_proven(const struct lane *lane);

/* It, or its provider, was tried for longer than that, and nothing was ready meanwhile. */
bool lane_is_silent(const struct lane *lane, int64_t now_us, int64_t patience_us);

/* Away until then, whatever its history (a site that asked us to slow down). */
void lane_suspend(struct lane *lane, int64_t until_us, struct slice text);

/*
 * Puts a lane that was told LANE_WAIT_EVENT by this limit in line; on_room is called
 * for who is first in line when a connection that counts there ends.
 */
void lane_wait_for_room(struct lane *lane, enum lane_limit limit);
void shape_on_room(
	struct shape *shape, void (*on_room)(void *owner, struct lane *lane), void *owner);

/* Permits that the sources of a pool have at a provider within so many microseconds. */
unsigned pool_permits(const struct pool *pool, const struct provider *provider, int64_t now_us,
	int64_t within_us, unsigned most);

const char *lane_limit_word(enum lane_limit limit);

#endif
