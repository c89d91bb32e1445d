/*
 * One SMTP connection: tells the dialogue what the conn and the timer report, and
 * the owner what the dialogue concludes.  It decides nothing itself.
 *
 * All that can follow from an event is done by advance(), which runs only from the
 * loop: what the owner calls here changes the dialogue, queues bytes, and asks for
 * a turn.  So no call of the owner's calls it back.
 *
 * A body is stuffed into a buffer of ours, which the conn borrows.  A small one goes
 * to the kernel in the same write as its dot, when the gate is open by then.  A
 * reply that comes while the dot is still in our hands answers something else, and a
 * connection that ends then has delivered nothing: the dot is taken back.
 */
#include "smtp/session.h"

#include <string.h>

#include "base/codec.h"
#include "base/err.h"
#include "base/id.h"
#include "base/mem.h"
#include "mail/dot.h"

enum {
	ID_BYTES = 8,
	KEEP_BYTES = 16384, /* of the body's buffer, between messages */
	DOT_BYTES = 3,      /* ".", CR, LF: the last that is written of a message */
};

/* What the owner or the conn has been told already. */
enum told { TOLD_NOTHING, TOLD_READY, TOLD_GO, TOLD_GATE, TOLD_TLS };

struct session {
	struct loop *loop;
	const struct session_target *target;
	const struct session_events *events;
	void *owner;
	void *user;

	struct conn *conn;
	struct dialogue_settings settings;
	struct dialogue *dialogue;
	struct timer timer;
	struct later later;
	struct buf out;
	struct buf literal; /* our address, where there is no name for EHLO */
	struct buf body;    /* stuffed; borrowed by the conn until it is drained */

	int64_t opened_us;
	char id[2 * ID_BYTES + 1];
	enum told told;
	bool advancing;
	bool closed; /* the conn is */
};

static int64_t now_us(const struct session *s)
{
	return loop_now_us(s->loop);
}

static void flush(struct session *s)
{
	if (!s->closed && s->out.n > 0) {
		conn_write(s->conn, buf_slice(&s->out));
	}
	buf_reset(&s->out);
}

static void drop_body(struct session *s)
{
	if (s->body.cap > KEEP_BYTES) {
		buf_clear(&s->body);
	} else {
		buf_reset(&s->body);
	}
}

static void close_conn(struct session *s)
{
	if (!s->closed) {
		s->closed = true;
		timer_stop(&s->timer);
		conn_close(s->conn, conn_unsent(s->conn) > 0);
	}
}

static bool tell(struct session *s, enum told told)
{
	bool news = s->told != told;

	s->told = told;
	return news;
}

/* What the dialogue waits for, if that is news to somebody.  True when it was. */
static bool meet_need(struct session *s)
{
	switch (dialogue_need(s->dialogue)) {
	case NEED_WORK:
		if (!tell(s, TOLD_READY)) {
			return false;
		}
		s->events->on_ready(s->owner, s);
		if (dialogue_need(s->dialogue) == NEED_WORK) {
			buf_clear(&s->body); /* an idle session is a small one */
		}
		return true;
	case NEED_BODY:
		if (!tell(s, TOLD_GO)) {
			return false;
		}
		s->events->on_go(s->owner, s);
		return true;
	case NEED_GATE:
		if (s->events->on_gate == NULL || !tell(s, TOLD_GATE)) {
			return false;
		}
		s->events->on_gate(s->owner, s);
		return true;
	case NEED_TLS:
		if (tell(s, TOLD_TLS)) {
			conn_secure(s->conn, s->target->tls_context, s->target->host,
				s->target->tls == TLS_POLICY_VERIFIED);
		}
		return false;
	case NEED_CLOSE:
		close_conn(s);
		return false;
	default:
		return false;
	}
}

/* Passes on one thing that the dialogue has to say; false when there was none. */
static bool pass_on(struct session *s)
{
	struct evidence evidence;
	struct session_end end;

	flush(s);
	if (dialogue_take_outcome(s->dialogue, &evidence)) {
		s->events->on_outcome(s->owner, s, &evidence);
		return true;
	}
	if (dialogue_take_end(s->dialogue, &end)) {
		s->events->on_closed(s->owner, s, &end);
		return true;
	}
	return meet_need(s);
}

/*
 * Before anything that ends the message.  A dot of which a part may be out stays out; a
 * record of TLS of which a part is missing says nothing to anybody.
 */
static void take_back_dot(struct session *s)
{
	if (dialogue_phase(s->dialogue) == PHASE_DOT && conn_unsent(s->conn) >= DOT_BYTES) {
		dialogue_take_back(s->dialogue);
	}
}

static void tell_input(struct session *s, bool over)
{
	if (s->events->on_input != NULL) {
		s->events->on_input(s->owner, s, over);
	}
}

/* Hands bytes that came to the dialogue; false when there are none for it. */
static bool feed(struct session *s)
{
	struct slice bytes;
	size_t taken;

	if (s->closed || dialogue_need(s->dialogue) == NEED_TLS) {
		return false;
	}
	bytes = conn_peek(s->conn);
	if (bytes.n == 0) {
		return false;
	}
	take_back_dot(s);
	if (dialogue_phase(s->dialogue) == PHASE_DOT && conn_unsent(s->conn) > 0) {
		dialogue_failed(
			s->dialogue, FAILURE_UNSOLICITED, (struct slice){NULL, 0}, now_us(s));
		return true;
	}
	tell_input(s, false);
	taken = dialogue_bytes(s->dialogue, bytes, now_us(s));
	tell_input(s, true);
	conn_take(s->conn, taken);
	return taken > 0;
}

static void advance(struct session *s)
{
	int64_t deadline_us;

	s->advancing = true;
	while (pass_on(s) || feed(s)) {
	}
	s->advancing = false;
	deadline_us = dialogue_deadline_us(s->dialogue);
	if (s->closed || deadline_us == INT64_MAX) {
		timer_stop(&s->timer);
	} else {
		timer_set(&s->timer, deadline_us);
	}
}

/* After a call of the owner's. */
static void advance_later(struct session *s)
{
	flush(s);
	if (!s->advancing) {
		loop_later(s->loop, &s->later);
	}
}

static void on_turn(void *owner)
{
	advance(owner);
}

/* Events of the conn. */

/* "[192.0.2.1]", "[IPv6:2001:db8::1]" */
static void say_address(struct session *s)
{
	union endpoint local;

	conn_local(s->conn, &local);
	buf_add_text(&s->literal, local.any.sa_family == AF_INET6 ? "[IPv6:" : "[");
	endpoint_add(&s->literal, &local, false);
	buf_add_byte(&s->literal, ']');
	s->settings.ehlo = buf_slice(&s->literal);
}

static void on_connected(void *owner)
{
	struct session *s = owner;

	if (!ehlo_is_name(s->settings.ehlo)) {
		say_address(s);
	}
	dialogue_connected(s->dialogue, now_us(s));
	advance(s);
}

static void on_data(void *owner)
{
	advance(owner);
}

static void on_secure(void *owner)
{
	struct session *s = owner;

	s->told = TOLD_NOTHING;
	dialogue_secured(s->dialogue, now_us(s));
	advance(s);
}

static void on_drained(void *owner)
{
	struct session *s = owner;

	if (conn_unsent(s->conn) == 0) {
		dialogue_drained(s->dialogue, now_us(s));
		advance(s);
	}
}

static void on_eof(void *owner)
{
	struct session *s = owner;

	advance(s);
	if (!s->closed) {
		take_back_dot(s);
		dialogue_failed(s->dialogue, FAILURE_LOST, (struct slice){NULL, 0}, now_us(s));
		advance(s);
	}
}

static const enum failure conn_failures[] = {
	[CONN_REFUSED] = FAILURE_REFUSED,
	[CONN_UNREACHABLE] = FAILURE_UNREACHABLE,
	[CONN_LOST] = FAILURE_LOST,
	[CONN_TLS] = FAILURE_TLS_FAILED,
	[CONN_INJECTED] = FAILURE_TLS_INJECTION,
	[CONN_UNVERIFIED] = FAILURE_TLS_UNVERIFIED,
	[CONN_LOCAL] = FAILURE_LOCAL,
};

static void on_failed(void *owner, enum conn_failure failure, struct slice text)
{
	struct session *s = owner;

	advance(s); /* bytes that came before it come before it */
	if (!s->closed) {
		take_back_dot(s);
		dialogue_failed(s->dialogue, conn_failures[failure], text, now_us(s));
		advance(s);
	}
}

static void on_gone(void *owner)
{
	struct session *s = owner;

	s->events->on_gone(s->owner, s);
	loop_later_cancel(s->loop, &s->later);
	timer_stop(&s->timer);
	dialogue_free(&s->dialogue);
	buf_clear(&s->out);
	buf_clear(&s->literal);
	buf_clear(&s->body);
	mem_free(s);
}

static const struct conn_events conn_events = {
	.on_connected = on_connected,
	.on_data = on_data,
	.on_secure = on_secure,
	.on_drained = on_drained,
	.on_eof = on_eof,
	.on_failed = on_failed,
	.on_gone = on_gone,
};

static void on_due(void *owner)
{
	struct session *s = owner;
	size_t unsent = conn_unsent(s->conn);

	dialogue_progress(
		s->dialogue, s->body.n - (unsent < s->body.n ? unsent : s->body.n), now_us(s));
	if (dialogue_deadline_us(s->dialogue) <= now_us(s)) {
		take_back_dot(s);
		dialogue_timed_out(s->dialogue, now_us(s));
	}
	advance(s);
}

/* What the owner calls. */

struct session *session_open(struct loop *loop, const struct session_target *target,
	const struct session_events *events, void *owner)
{
	struct session *s = MEM_NEW(struct session);
	bool bound = target->local.any.sa_family != AF_UNSPEC;
	char random[ID_BYTES];
	struct buf id;

	s->loop = loop;
	s->target = target;
	s->events = events;
	s->owner = owner;
	s->opened_us = loop_now_us(loop);
	s->settings = (struct dialogue_settings){
		.ehlo = target->ehlo,
		.tls = target->tls,
		.clear_only = target->clear_only,
		.username = target->username,
		.password = target->password,
		.timeouts = target->timeouts,
	};
	buf_init(&s->out, 0);
	buf_init(&s->literal, 64);
	buf_init(&s->body, 0);
	id_random_bytes(random, sizeof(random));
	buf_init(&id, 2 * ID_BYTES);
	codec_hex(&id, slice_make(random, sizeof(random)));
	memcpy(s->id, id.p, id.n);
	buf_clear(&id);
	timer_init(&s->timer, loop, on_due, s);
	later_init(&s->later, on_turn, s);
	s->dialogue = dialogue_new(&s->settings, &s->out, s->opened_us);
	timer_set(&s->timer, dialogue_deadline_us(s->dialogue));
	s->conn = conn_open(loop, &target->remote, bound ? &target->local : NULL, &conn_events, s);
	return s;
}

void session_send(struct session *session, const struct envelope *envelope)
{
	session->told = TOLD_NOTHING;
	dialogue_send(session->dialogue, envelope, now_us(session));
	advance_later(session);
}

/* Into `body`, or false when it is no text that may go over the wire. */
static bool stuff(struct session *s, struct slice head, struct slice body)
{
	struct dot dot;

	dot_init(&dot);
	drop_body(s);
	if (err_is(dot_add(&dot, &s->body, head)) || err_is(dot_add(&dot, &s->body, body)) ||
		dot.cr) {
		return false;
	}
	if (dot.column > 0) {
		buf_add(&s->body, SLICE("\r\n"));
	}
	return true;
}

void session_body(struct session *session, struct slice head, struct slice body)
{
	if (dialogue_need(session->dialogue) != NEED_BODY) {
		return; /* the connection ended meanwhile; its outcome is on its way */
	}
	if (stuff(session, head, body)) {
		dialogue_body(session->dialogue, now_us(session));
		conn_write_borrow(session->conn, buf_slice(&session->body));
		if (session->body.n <= SESSION_SMALL_BODY_BYTES) {
			dialogue_drained(session->dialogue, now_us(session));
		}
	} else {
		dialogue_abort(session->dialogue, FAILURE_COMPOSE, now_us(session));
	}
	advance_later(session);
}

void session_release(struct session *session)
{
	dialogue_release(session->dialogue, now_us(session));
	advance_later(session);
}

void session_abort(struct session *session)
{
	take_back_dot(session);
	dialogue_abort(session->dialogue, FAILURE_HELD_BACK, now_us(session));
	advance_later(session);
}

void session_close(struct session *session)
{
	take_back_dot(session);
	dialogue_quit(session->dialogue, now_us(session));
	advance_later(session);
}

void session_give_up(struct session *session)
{
	take_back_dot(session);
	dialogue_timed_out(session->dialogue, now_us(session));
	advance_later(session);
}

void session_set_user(struct session *session, void *user)
{
	session->user = user;
}

void *session_user(const struct session *session)
{
	return session->user;
}

uint64_t session_size_limit(const struct session *session)
{
	return dialogue_ehlo(session->dialogue)->size_bytes;
}

unsigned session_messages(const struct session *session)
{
	return dialogue_messages(session->dialogue);
}

int64_t session_opened_us(const struct session *session)
{
	return session->opened_us;
}

const struct session_target *session_target(const struct session *session)
{
	return session->target;
}

const char *session_id(const struct session *session)
{
	return session->id;
}

struct conn *session_conn(const struct session *session)
{
	return session->conn;
}
