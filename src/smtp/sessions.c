/*
 * The sessions of a worker, by lane.
 *
 * A seat is what the lane keeps for one connection: its target, which the session
 * borrows, and the walk over the hosts until it is ready.  A host whose TLS broke
 * under the opportunistic policy is asked again in clear, on a new connection, and
 * that is remembered for an hour by host name (conformance T4): never on the same
 * stream.  A seat is counted until its socket is closed, QUIT and all.
 *
 * A host that greets well and fails the message is not met by the walk, and would be
 * the first again at the next attempt.  So who sees it fail says so, and for a while
 * it is the last to be tried (D9: each address gets its turn).
 *
 * Only connections whose last reply left a clean state come back as ready; the
 * dialogue sees to that (R6).
 */
#include "smtp/sessions.h"

#include "base/buf.h"
#include "base/list.h"
#include "base/mem.h"
#include "base/time.h"
#include "memory.h"

#define PATIENCE_PARTS 15                   /* of the time for a greeting, when others wait */
#define CLEAR_US (3600 * TIME_SECOND_US)    /* if unsaid */
#define AVOID_US (20 * 60 * TIME_SECOND_US) /* longer than until the first retry */

struct sessions {
	struct loop *loop;
	struct memory *clear; /* hosts that are asked without TLS, by name */
	struct memory *avoid; /* hosts that failed a message, by address */
	struct list lanes;
	struct list opening; /* seats that are not ready yet, the oldest first */
	struct list idle;    /* seats without work, the longest first */
	int64_t clear_us;    /* how long that is remembered */
	size_t total;
	bool closing;
};

struct sessions_lane {
	struct list_link link; /* sessions.lanes */
	struct sessions *sessions;
	const struct sessions_lane_settings *settings;
	const struct sessions_events *events;
	void *owner;
	struct list seats;
	struct list idle; /* the last used first */
	size_t opening;
	bool closing;
};

/* The hosts that are left to try, until one is ready. */
struct walk {
	struct host_choice hosts[SESSIONS_ADDRESSES];
	size_t count;
	size_t next;
	unsigned handshakes;
};

struct seat {
	struct list_link link; /* lane.seats */
	struct list_link idle_link;
	struct list_link turn_link; /* sessions.opening or sessions.idle */
	struct sessions_lane *lane;
	struct session *session;
	struct session_target target;
	struct walk *walk; /* NULL = it was ready */
	struct timer idle;
};

static void open_next(struct sessions_lane *lane, struct walk *walk, bool clear_only);

struct sessions *sessions_new(struct loop *loop)
{
	struct sessions *sessions = MEM_NEW(struct sessions);

	sessions->loop = loop;
	sessions->clear = memory_new();
	sessions->avoid = memory_new();
	list_init(&sessions->lanes);
	list_init(&sessions->opening);
	list_init(&sessions->idle);
	sessions->clear_us = CLEAR_US;
	return sessions;
}

void sessions_remember(struct sessions *sessions, int64_t clear_us)
{
	sessions->clear_us = clear_us;
}

static int64_t now_us(const struct sessions *sessions)
{
	return loop_now_us(sessions->loop);
}

static void remember_clear(struct sessions *sessions, struct slice host)
{
	memory_add(sessions->clear, host, now_us(sessions) + sessions->clear_us, now_us(sessions));
}

static bool is_clear_host(const struct sessions *sessions, struct slice host)
{
	return memory_has(sessions->clear, host, now_us(sessions));
}

void sessions_avoid(struct sessions *sessions, const struct session *session)
{
	struct buf address;

	buf_init(&address, 0);
	endpoint_add(&address, &session_target(session)->remote, true);
	memory_add(sessions->avoid, buf_slice(&address), now_us(sessions) + AVOID_US,
		now_us(sessions));
	buf_clear(&address);
}

static bool is_avoided(const struct sessions *sessions, const union endpoint *endpoint)
{
	struct buf address;
	bool avoided;

	buf_init(&address, 0);
	endpoint_add(&address, endpoint, true);
	avoided = memory_has(sessions->avoid, buf_slice(&address), now_us(sessions));
	buf_clear(&address);
	return avoided;
}

void sessions_free(struct sessions **sessions)
{
	if (*sessions == NULL) {
		return;
	}
	memory_free(&(*sessions)->clear);
	memory_free(&(*sessions)->avoid);
	mem_free(*sessions);
	*sessions = NULL;
}

/* Walks. */

static void walk_add(struct walk *walk, const struct host_choice *host)
{
	struct host_choice *to = &walk->hosts[walk->count++];

	*to = *host;
	to->name.p = mem_copy(host->name.p, host->name.n);
}

/* Those that failed lately come last. */
static struct walk *walk_new(
	const struct sessions *sessions, const struct host_choice *hosts, size_t n)
{
	struct walk *walk = MEM_NEW(struct walk);
	bool avoided[SESSIONS_ADDRESSES];

	n = n < SESSIONS_ADDRESSES ? n : SESSIONS_ADDRESSES;
	for (size_t i = 0; i < n; i++) {
		avoided[i] = is_avoided(sessions, &hosts[i].address);
		if (!avoided[i]) {
			walk_add(walk, &hosts[i]);
		}
	}
	for (size_t i = 0; i < n; i++) {
		if (avoided[i]) {
			walk_add(walk, &hosts[i]);
		}
	}
	return walk;
}

static void walk_free(struct walk **walk)
{
	for (size_t i = 0; *walk != NULL && i < (*walk)->count; i++) {
		mem_free((void *)(*walk)->hosts[i].name.p);
	}
	mem_free(*walk);
	*walk = NULL;
}

/* Greeting and EHLO went well: such a failure counts towards SESSIONS_HANDSHAKES. */
static bool is_past_handshake(enum phase phase)
{
	return phase != PHASE_CONNECT && phase != PHASE_GREETING && phase != PHASE_EHLO;
}

/*
 * A socket that this machine cannot open (no such address here, no route) says nothing
 * about the host: the other family may work, so what is left of this one is passed over.
 */
static bool skip_family(struct walk *walk, const struct session_end *end)
{
	sa_family_t family = walk->hosts[walk->next - 1].address.any.sa_family;

	if (end->evidence.failure != FAILURE_LOCAL || end->evidence.phase != PHASE_CONNECT) {
		return false;
	}
	while (walk->next < walk->count &&
		walk->hosts[walk->next].address.any.sa_family == family) {
		walk->next++;
	}
	return walk->next < walk->count;
}

/* The same host again in clear, the next one, or none: then the walk is at its end. */
static bool walk_on(struct sessions_lane *lane, struct walk *walk, const struct session_end *end)
{
	const struct host_choice *host = &walk->hosts[walk->next - 1];

	if (lane->closing) {
		return false;
	}
	if (end->tls_broken) { /* which no session in clear says: once for each connection */
		remember_clear(lane->sessions, host->name);
		walk->next--;
		open_next(lane, walk, true);
		return true;
	}
	if (is_past_handshake(end->evidence.phase)) {
		walk->handshakes++;
	}
	if (skip_family(walk, end) ||
		(end->try_next_host && walk->next < walk->count &&
			walk->handshakes < SESSIONS_HANDSHAKES)) {
		open_next(lane, walk, false);
		return true;
	}
	return false;
}

/* Seats. */

/* When it is too old for another message; INT64_MAX = never. */
static int64_t old_us(const struct seat *seat)
{
	int64_t age_us = seat->lane->settings->age_us;

	return age_us > 0 ? session_opened_us(seat->session) + age_us : INT64_MAX;
}

/* Has it served long enough?  A fresh one never has. */
static bool is_worn_out(const struct seat *seat)
{
	unsigned messages_max = seat->lane->settings->messages_max;
	unsigned messages = session_messages(seat->session);

	return messages > 0 &&
		((messages_max > 0 && messages >= messages_max) ||
			old_us(seat) <= now_us(seat->lane->sessions));
}

/* It ends by itself when nobody wants it for too long, or when it gets too old. */
static void enter_idle(struct seat *seat)
{
	struct sessions_lane *lane = seat->lane;
	int64_t due_us = now_us(lane->sessions) + lane->settings->idle_us;

	list_push_front(&lane->idle, &seat->idle_link);
	list_push(&lane->sessions->idle, &seat->turn_link);
	timer_set(&seat->idle, due_us < old_us(seat) ? due_us : old_us(seat));
}

static void leave_idle(struct seat *seat)
{
	if (list_linked(&seat->idle_link)) {
		list_remove(&seat->lane->idle, &seat->idle_link);
		list_remove(&seat->lane->sessions->idle, &seat->turn_link);
		timer_stop(&seat->idle);
	}
}

static void leave_opening(struct seat *seat)
{
	if (seat->walk != NULL && list_linked(&seat->turn_link)) {
		list_remove(&seat->lane->sessions->opening, &seat->turn_link);
	}
}

static void on_idle_due(void *owner)
{
	struct seat *seat = owner;

	leave_idle(seat);
	session_close(seat->session);
}

static void on_input(void *owner, struct session *session, bool over)
{
	struct seat *seat = owner;
	const struct sessions_events *events = seat->lane->events;

	if (events->on_input != NULL) {
		events->on_input(seat->lane->owner, session, over);
	}
}

static struct seat *first_of(const struct list *seats, const void *group)
{
	for (struct list_link *link = list_first(seats); link != NULL;
		link = list_next(seats, link)) {
		struct seat *seat = LIST_OWNER(link, struct seat, turn_link);

		if (group == NULL || seat->lane->settings->group == group) {
			return seat;
		}
	}
	return NULL;
}

/*
 * Connections that are only kept in case of more work would keep others from theirs, and
 * so would hosts that take connections and say nothing: each would hold one for the
 * minutes that a greeting may take, and mail to everybody else would wait for that (C10).
 */
void sessions_make_room(struct sessions *sessions, const void *group, bool idle_too)
{
	struct seat *idle = idle_too ? first_of(&sessions->idle, group) : NULL;
	struct seat *seat = first_of(&sessions->opening, group);

	if (idle != NULL) {
		on_idle_due(idle);
	} else if (seat != NULL &&
		now_us(sessions) - session_opened_us(seat->session) >=
			seat->target.timeouts->greeting_us / PATIENCE_PARTS) {
		leave_opening(seat);
		session_give_up(seat->session);
	}
}

static void on_ready(void *owner, struct session *session)
{
	struct seat *seat = owner;
	struct sessions_lane *lane = seat->lane;

	if (lane->closing) {
		session_close(session);
		return;
	}
	if (seat->walk != NULL) {
		leave_opening(seat);
		walk_free(&seat->walk);
		lane->opening--;
	}
	if (is_worn_out(seat)) {
		session_close(session);
	} else if (!lane->events->on_ready(lane->owner, session)) {
		enter_idle(seat);
	}
}

static void on_go(void *owner, struct session *session)
{
	struct seat *seat = owner;

	seat->lane->events->on_go(seat->lane->owner, session);
}

static void on_gate(void *owner, struct session *session)
{
	struct seat *seat = owner;
	const struct sessions_events *events = seat->lane->events;

	if (events->on_gate != NULL) {
		events->on_gate(seat->lane->owner, session);
	}
}

static void on_outcome(void *owner, struct session *session, const struct evidence *evidence)
{
	struct seat *seat = owner;

	seat->lane->events->on_outcome(seat->lane->owner, session, evidence);
}

static void on_closed(void *owner, struct session *session, const struct session_end *end)
{
	struct seat *seat = owner;
	struct sessions_lane *lane = seat->lane;
	struct walk *walk = seat->walk;
	struct sessions_failure failure = {
		.evidence = end->evidence,
		.host = seat->target.host,
		.address = &seat->target.remote,
		.session = slice_of(session_id(session)),
	};

	leave_idle(seat);
	leave_opening(seat);
	if (walk == NULL) {
		return;
	}
	seat->walk = NULL;
	if (walk_on(lane, walk, end)) {
		return;
	}
	lane->opening--;
	if (!lane->closing) {
		lane->events->on_unreachable(lane->owner, &failure);
	}
	walk_free(&walk);
}

static void on_gone(void *owner, struct session *session)
{
	struct seat *seat = owner;
	struct sessions_lane *lane = seat->lane;

	(void)session;
	leave_opening(seat);
	list_remove(&lane->seats, &seat->link);
	lane->sessions->total--;
	timer_stop(&seat->idle);
	mem_free((void *)seat->target.host.p);
	mem_free(seat);
	lane->events->on_fewer(lane->owner);
}

static const struct session_events session_events = {
	.on_input = on_input,
	.on_ready = on_ready,
	.on_go = on_go,
	.on_gate = on_gate,
	.on_outcome = on_outcome,
	.on_closed = on_closed,
	.on_gone = on_gone,
};

static void open_next(struct sessions_lane *lane, struct walk *walk, bool clear_only)
{
	const struct sessions_lane_settings *settings = lane->settings;
	const struct host_choice *host = &walk->hosts[walk->next++];
	struct seat *seat = MEM_NEW(struct seat);

	seat->lane = lane;
	seat->walk = walk;
	seat->target = (struct session_target){
		.host = slice_make(mem_copy(host->name.p, host->name.n), host->name.n),
		.remote = host->address,
		.local = host->address.any.sa_family == AF_INET6 ? settings->local6
								 : settings->local4,
		.ehlo = settings->ehlo,
		.tls = settings->tls,
		.clear_only = clear_only || is_clear_host(lane->sessions, host->name),
		.tls_context = settings->tls_context,
		.username = settings->username,
		.password = settings->password,
		.timeouts = settings->timeouts,
	};
	timer_init(&seat->idle, lane->sessions->loop, on_idle_due, seat);
	list_push(&lane->seats, &seat->link);
	list_push(&lane->sessions->opening, &seat->turn_link);
	lane->sessions->total++;
	seat->session = session_open(lane->sessions->loop, &seat->target, &session_events, seat);
}

/* Lanes. */

struct sessions_lane *sessions_lane_new(struct sessions *sessions,
	const struct sessions_lane_settings *settings, const struct sessions_events *events,
	void *owner)
{
	struct sessions_lane *lane = MEM_NEW(struct sessions_lane);

	lane->sessions = sessions;
	lane->settings = settings;
	lane->events = events;
	lane->owner = owner;
	lane->closing = sessions->closing;
	list_init(&lane->seats);
	list_init(&lane->idle);
	list_push(&sessions->lanes, &lane->link);
	return lane;
}

void sessions_lane_free(struct sessions_lane **lane)
{
	if (*lane == NULL) {
		return;
	}
	list_remove(&(*lane)->sessions->lanes, &(*lane)->link);
	mem_free(*lane);
	*lane = NULL;
}

struct session *sessions_idle(struct sessions_lane *lane)
{
	struct list_link *link = list_first(&lane->idle);
	struct seat *seat;

	if (link == NULL) {
		return NULL;
	}
	seat = LIST_OWNER(link, struct seat, idle_link);
	leave_idle(seat);
	return seat->session;
}

void sessions_want(struct sessions_lane *lane, const struct host_choice *hosts, size_t n)
{
	lane->opening++;
	open_next(lane, walk_new(lane->sessions, hosts, n), false);
}

size_t sessions_count(const struct sessions_lane *lane)
{
	return lane->seats.count;
}

size_t sessions_opening(const struct sessions_lane *lane)
{
	return lane->opening;
}

size_t sessions_waiting(const struct sessions_lane *lane)
{
	return lane->idle.count;
}

size_t sessions_total(const struct sessions *sessions)
{
	return sessions->total;
}

/* What is neither idle nor busy with a message is still opening. */
void sessions_lane_close(struct sessions_lane *lane)
{
	lane->closing = true;
	for (struct list_link *link = list_first(&lane->seats); link != NULL;
		link = list_next(&lane->seats, link)) {
		struct seat *seat = LIST_OWNER(link, struct seat, link);

		if (seat->walk != NULL || list_linked(&seat->idle_link)) {
			leave_idle(seat);
			session_close(seat->session);
		}
	}
}

void sessions_close(struct sessions *sessions)
{
	sessions->closing = true;
	for (struct list_link *link = list_first(&sessions->lanes); link != NULL;
		link = list_next(&sessions->lanes, link)) {
		sessions_lane_close(LIST_OWNER(link, struct sessions_lane, link));
	}
}

void sessions_abort(struct sessions *sessions)
{
	sessions_close(sessions);
	for (struct list_link *link = list_first(&sessions->lanes); link != NULL;
		link = list_next(&sessions->lanes, link)) {
		struct sessions_lane *lane = LIST_OWNER(link, struct sessions_lane, link);

		for (struct list_link *at = list_first(&lane->seats); at != NULL;
			at = list_next(&lane->seats, at)) {
			session_close(LIST_OWNER(at, struct seat, link)->session);
		}
	}
}
