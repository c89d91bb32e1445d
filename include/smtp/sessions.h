/*
 * The sessions of a worker, by lane (source x site): opens them host by host, keeps
 * them between messages, closes them when they have served long enough.
 *
 * The owner of a lane asks for work's sake:
 *
 *	session = sessions_idle(lane)       one that waits: session_send() it now
 *	sessions_want(lane, hosts, n)       none waits: open one; on_ready or on_unreachable
 *
 * How many there may be is not decided here: the owner counts (sessions_count) and
 * asks only when it may.  Events come only from the loop.
 */
#ifndef SMTP_SESSIONS_H
#define SMTP_SESSIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"
#include "io/conn.h"
#include "io/loop.h"
#include "smtp/session.h"

struct sessions;
struct sessions_lane;

enum {
	SESSIONS_ADDRESSES = 5,  /* tried for one sessions_want(); the rest is ignored */
	SESSIONS_HANDSHAKES = 2, /* of these, sessions that got past EHLO and failed then */
};

struct host_choice {
	struct slice name;
	union endpoint address; /* with the port */
};

/* Why sessions_want() came to nothing: what the last host did. */
struct sessions_failure {
	struct evidence evidence;
	struct slice host;
	const union endpoint *address;
	struct slice session; /* its id, for the log */
};

struct sessions_events {
	/* As of a session (smtp/session.h); may be NULL. */
	void (*on_input)(void *owner, struct session *session, bool over);
	/*
	 * Fresh or used, it can take a message now: session_send() it and say true, or
	 * say false and it waits idle.
	 */
	bool (*on_ready)(void *owner, struct session *session);
	void (*on_go)(void *owner, struct session *session);
	void (*on_gate)(void *owner, struct session *session); /* may be NULL */
	void (*on_outcome)(void *owner, struct session *session, const struct evidence *evidence);
	void (*on_unreachable)(void *owner, const struct sessions_failure *failure);
	void (*on_fewer)(void *owner); /* sessions_count() went down */
};

/* Borrowed for the life of the lane, and what it points to. */
struct sessions_lane_settings {
	union endpoint
		local4; /* by the host's family; any.sa_family AF_UNSPEC: the kernel chooses */
	union endpoint local6;
	struct slice ehlo;
	enum tls_policy tls;
	struct tls_context *tls_context;
	struct slice username; /* relays only; empty = no AUTH */
	struct slice password;
	const struct session_timeouts *timeouts;
	const void *group;     /* whose limit of connections it shares: sessions_make_room() */
	unsigned messages_max; /* on one connection; 0 = no limit */
	int64_t idle_us;       /* without work for so long: QUIT */
	int64_t age_us;        /* no new message on a connection so old; 0 = no limit */
};

struct sessions *sessions_new(struct loop *loop);
void sessions_free(struct sessions **sessions); /* all lanes must be freed */

/* A host whose TLS broke is asked in clear for so long (opportunistic only); an hour if unsaid. */
void sessions_remember(struct sessions *sessions, int64_t clear_us);

/*
 * The host of this session failed a message that another host might take: for 20
 * minutes it is the last to be tried.
 */
void sessions_avoid(struct sessions *sessions, const struct session *session);

/* Closes all, in order where nothing is under way; no new ones after this. */
void sessions_close(struct sessions *sessions);
/* Closes all at once, also in the middle of a message: its outcome says so. */
void sessions_abort(struct sessions *sessions);
size_t sessions_total(const struct sessions *sessions);

/*
 * There are as many as there may be of this group (NULL: of all), and somebody wants one more:
 * the one that is idle for the longest time is closed, if idle ones count.  Where none is, of those that are not ready yet the one that is
 * opening for the longest time ends as if its time were over, if that is longer than a
 * fifteenth of what a greeting may take (20 s of 5 min).
 */
void sessions_make_room(struct sessions *sessions, const void *group, bool idle_too);

struct sessions_lane *sessions_lane_new(struct sessions *sessions,
	const struct sessions_lane_settings *settings, const struct sessions_events *events,
	void *owner);
void sessions_lane_free(struct sessions_lane **lane); /* sessions_count() must be 0 */

/*
 * Takes one that waits, the last used first; NULL when sessions_waiting() is 0.
 * session_send() must follow.
 */
struct session *sessions_idle(struct sessions_lane *lane);

/*
 * Opens one: the hosts in this order until one is ready.  Exactly one on_ready or
 * on_unreachable follows, unless the lane is closed first.  The hosts are copied.  n > 0.
 */
void sessions_want(struct sessions_lane *lane, const struct host_choice *hosts, size_t n);

/* Connections of the lane, whatever their state, until their socket is closed. */
size_t sessions_count(const struct sessions_lane *lane);
size_t sessions_opening(const struct sessions_lane *lane); /* asked for and not ready yet */
size_t sessions_waiting(const struct sessions_lane *lane); /* idle */

/* Closes the idle ones now and the others after their message. */
void sessions_lane_close(struct sessions_lane *lane);

#endif
