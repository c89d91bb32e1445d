/*
 * Sessions over a connection, a clock and a loop of our own, which take the places of
 * io/conn and io/loop.  The input is what the server says; `~` and a letter is an event:
 *
 *	~. the server's bytes so far come in one segment
 *	~c connected   ~s TLS is there   ~e end of the stream   ~0 to ~6 enum conn_failure
 *	~d the kernel takes all   ~h half   ~k a byte   ~z all from now on, or no longer
 *	~t the timer is due   ~w some time goes by
 *	~m a message to send   ~n in UTF-8   ~o too large   ~p to nobody
 *	~b its body   ~l a long one   ~i one that is no text   ~r the gate opens
 *	~a abort   ~q close
 *
 * An event is a turn of the loop; in upper case the turn goes on.  The first line has
 * letters: 0 to 3 the TLS policy, u a login, c no TLS, x no name of ours, d the kernel
 * takes all, m b r the owner does these at once.
 *
 * The receiving side reads what the kernel took.  A message is delivered when, and only
 * when, it got the whole of it with its final dot and then said one 2yz, and nothing more
 * but a 421.  Each message has one outcome, before the end; the session has one end; and
 * it never waits for its peer without a timer.
 */
#include "smtp/session.h"

#include <string.h>

#include "base/mem.h"
#include "base/time.h"
#include "fuzz.h"
#include "session_stage.h"

enum { TURNS_MAX = 64, MESSAGES_MAX = 8, LONG_BODY = 40000 };

#define BODY SLICE(".\r\n..\r\nbye") /* no CRLF at its end */

/* ---- the owner ---- */

static void send_message(struct loop *loop, char kind)
{
	if (!loop->ready || loop->sent == MESSAGES_MAX) {
		return;
	}
	loop->sent++;
	loop->ready = false;
	loop->message = (struct message){.pending = true};
	loop->envelope = (struct envelope){
		.mail_from = SLICE("a@s.test"), .rcpt_to = SLICE("b@r.test"), .size_bytes = 1000};
	if (kind == 'n') {
		loop->envelope.utf8 = true;
		loop->envelope.rcpt_to = SLICE("\xc3\xa4@r.test");
	} else if (kind == 'o') {
		loop->envelope.size_bytes = UINT64_C(1) << 40;
	} else if (kind == 'p') {
		loop->envelope.rcpt_to = SLICE("");
	}
	session_send(loop->session, &loop->envelope);
}

static struct slice long_body(void)
{
	static char text[LONG_BODY];

	if (text[0] == 0) {
		memset(text, 'x', sizeof(text));
		for (size_t i = 500; i + 2 < sizeof(text); i += 500) {
			memcpy(text + i, "\r\n.", 3);
		}
		memcpy(text + sizeof(text) - 2, "\r\n", 2);
	}
	return slice_make(text, sizeof(text));
}

static void give_body(struct loop *loop, char kind)
{
	struct message *m = &loop->message;

	if (!m->go || m->given) {
		return;
	}
	m->given = true;
	m->body = kind == 'l' ? long_body() : kind == 'i' ? SLICE("a\nb") : BODY;
	session_body(loop->session, HEAD, m->body);
}

static void release(struct loop *loop)
{
	if (loop->message.go && !loop->message.released) {
		loop->message.released = true;
		session_release(loop->session);
	}
}

/* What is heard from now on changes nothing. */
static void give_up(struct loop *loop)
{
	if (loop->message.heard_until == 0) {
		loop->message.heard_until = loop->heard.n;
	}
}

static void act(struct loop *loop, char what)
{
	if (loop->gone) {
		return;
	}
	loop->calling = true;
	switch (what) {
	case 'm':
	case 'n':
	case 'o':
	case 'p':
		send_message(loop, what);
		break;
	case 'b':
	case 'l':
	case 'i':
		give_body(loop, what);
		break;
	case 'r':
		release(loop);
		break;
	case 'a':
		if (loop->message.go) {
			give_up(loop);
			session_abort(loop->session);
		}
		break;
	default:
		loop->ready = false;
		give_up(loop);
		session_close(loop->session);
		break;
	}
	loop->calling = false;
}

static void on_ready(void *owner, struct session *session)
{
	struct loop *loop = owner;

	must(!loop->calling && !loop->message.pending && !loop->ended && !loop->ready);
	must(loop->conn.secure || loop->target.tls < TLS_POLICY_REQUIRED);
	must(session_messages(session) <= loop->sent && session_user(session) == loop);
	must(session_target(session) == &loop->target && session_conn(session) == &loop->conn);
	must(session_opened_us(session) == 0 && strlen(session_id(session)) == 16);
	loop->size_limit = session_size_limit(session);
	loop->ready = true;
	loop->was_ready = true;
	if (loop->acts['m']) {
		act(loop, 'm');
	}
}

static void on_go(void *owner, struct session *session)
{
	struct loop *loop = owner;

	(void)session;
	must(!loop->calling && loop->message.pending && !loop->message.go);
	loop->message.go = true;
	if (loop->acts['b']) {
		act(loop, 'b');
	}
	if (loop->acts['r']) {
		act(loop, 'r');
	}
}

static void check_outcome(const struct loop *loop, const struct evidence *e)
{
	const struct message *m = &loop->message;
	size_t until = m->heard_until > 0 ? m->heard_until : loop->heard.n;
	struct slice rest =
		slice_from(slice_first(buf_slice(&loop->heard), until), loop->heard_at_dot);
	unsigned code = 0;
	bool replied = m->dot_left && !m->early && stage_reply(&rest, &code) == FOUND_REPLY;
	bool yes = replied && code / 100 == 2 && code != 220 && code != 221;

	if (e->failure != FAILURE_NONE) {
		must(e->dot_sent || !m->dot_left); /* who got it all may have kept it */
		must(!e->dot_sent || m->dot_written);
		must(!yes || rest.n > 0);
	} else if (e->code < 400) {
		must(e->phase == PHASE_DOT && e->code == code && !e->dot_sent && yes);
		must(rest.n == 0 || slice_starts(rest, SLICE("421")));
	} else {
		must(!e->dot_sent && !yes);
		must(!m->dot_left || (replied && e->phase == PHASE_DOT && e->code == code));
	}
}

static void on_outcome(void *owner, struct session *session, const struct evidence *evidence)
{
	struct loop *loop = owner;

	(void)session;
	must(!loop->calling && loop->message.pending && !loop->ended);
	check_outcome(loop, evidence);
	loop->message = (struct message){0};
}

static void on_closed(void *owner, struct session *session, const struct session_end *end)
{
	struct loop *loop = owner;

	(void)session;
	must(!loop->calling && !loop->ended && !loop->message.pending);
	must(end->was_ready || !loop->was_ready);
	must(!end->was_ready || (!end->try_next_host && !end->tls_broken));
	must(!end->tls_broken || loop->target.tls == TLS_POLICY_OPPORTUNISTIC);
	loop->ended = true;
	loop->ready = false;
}

static void on_gone(void *owner, struct session *session)
{
	struct loop *loop = owner;

	(void)session;
	must(!loop->calling && loop->ended && !loop->gone && loop->conn.closed);
	loop->gone = true;
}

static const struct session_events events = {
	.on_ready = on_ready,
	.on_go = on_go,
	.on_outcome = on_outcome,
	.on_closed = on_closed,
	.on_gone = on_gone,
};

/* ---- turns ---- */

static bool go_on(struct loop *loop)
{
	struct conn *conn = &loop->conn;
	struct timer *timer = loop->timer;
	struct list_link *link;

	if (timer != NULL && timer->node.key <= loop->now_us) {
		loop->timer = NULL;
		timer->on_due(timer->owner);
	} else if ((link = list_pop(&loop->laters)) != NULL) {
		struct later *later = LIST_OWNER(link, struct later, link);

		later->on_turn(later->owner);
	} else if (conn->greedy && conn->pieces_n > 0 && !conn->over) {
		stage_take(loop, SIZE_MAX);
	} else if (conn->owed && conn->pieces_n == 0 && !conn->over) {
		conn->owed = false;
		conn->events->on_drained(conn->owner);
	} else if (conn->closed && !loop->gone) {
		conn->events->on_gone(conn->owner);
	} else {
		return false;
	}
	return true;
}

static void turn(struct loop *loop)
{
	const struct message *m = &loop->message;
	unsigned n = 0;

	while (!loop->gone && go_on(loop)) {
		must(++n < TURNS_MAX);
	}
	/* It is the peer's move, with a timer, or the owner's. */
	must(loop->gone || loop->timer != NULL || loop->ready ||
		(m->go && !(m->given && m->released)));
	must(!loop->gone || loop->timer == NULL);
}

static void fail(struct loop *loop, enum conn_failure failure, const char *text)
{
	struct conn *conn = &loop->conn;

	conn->over = true;
	conn->events->on_failed(conn->owner, failure, slice_of(text));
	must(conn->closed && loop->ended);
}

static void hear(struct loop *loop)
{
	struct conn *conn = &loop->conn;
	struct slice bytes = buf_slice(&loop->said);

	if (bytes.n > 0 && conn->connected && !conn->over) {
		if (conn->handshake) {
			fail(loop, CONN_INJECTED, "plain text");
		} else {
			buf_add(&loop->heard, bytes);
			stage_put(conn, conn->in, bytes);
			conn->events->on_data(conn->owner);
			must(conn->closed || conn->in.n == 0);
		}
	}
	buf_reset(&loop->said);
}

static void end_stream(struct loop *loop)
{
	struct conn *conn = &loop->conn;

	if (conn->handshake) {
		fail(loop, CONN_TLS, "the end");
	} else if (conn->connected) {
		conn->over = true;
		conn->events->on_eof(conn->owner);
		must(conn->closed && loop->ended);
	}
}

static void pass_time(struct loop *loop, bool until_due)
{
	int64_t due_us = loop->timer != NULL ? loop->timer->node.key : 0;

	if (!until_due) {
		loop->now_us += TIME_SECOND_US / 3;
	} else if (due_us > loop->now_us) {
		loop->now_us = due_us;
	}
}

/* What the network does; false when it is none of these. */
static bool happen(struct loop *loop, char what)
{
	struct conn *conn = &loop->conn;

	if (what == 'c' && !conn->connected) {
		conn->connected = true;
		conn->events->on_connected(conn->owner);
	} else if (what == 's' && conn->handshake) {
		conn->handshake = false;
		conn->secure = true;
		conn->events->on_secure(conn->owner);
	} else if (what == 'e') {
		end_stream(loop);
	} else if (what >= '0' && what <= '6') {
		fail(loop, (enum conn_failure)(what - '0'), what == '4' ? "" : "broken");
	} else {
		return false;
	}
	return true;
}

static void play(struct loop *loop, char letter)
{
	bool lasts = letter >= 'A' && letter <= 'Z';
	char what = (char)(lasts ? letter - 'A' + 'a' : letter);
	struct conn *conn = &loop->conn;

	hear(loop);
	if (what == 'd' || what == 'h' || what == 'k') {
		stage_take(loop, what == 'd' ? SIZE_MAX : what == 'h' ? conn_unsent(conn) / 2 : 1);
	} else if (what == 'z') {
		conn->greedy = !conn->greedy;
	} else if (what == 't' || what == 'w') {
		pass_time(loop, what == 't');
	} else if (what != 0 && strchr("mnopblirq", what) != NULL) {
		act(loop, what);
	} else if (what == 'a') {
		act(loop, 'a');
	} else if (!conn->over) {
		(void)happen(loop, what);
	}
	if (!lasts) {
		turn(loop);
	}
}

/* The peer falls silent; the owner, when it is on him, closes. */
static void finish(struct loop *loop)
{
	play(loop, '.');
	for (int i = 0; !loop->gone; i++) {
		must(i < 20);
		play(loop, loop->timer != NULL ? 't' : 'q');
	}
	must(!loop->message.pending && loop->timer == NULL && loop->laters.count == 0);
}

static void set_up(struct loop *loop, struct slice letters)
{
	for (size_t i = 0; i < letters.n; i++) {
		loop->acts[letters.p[i] & 127] = true;
	}
	loop->conn.greedy = loop->acts['d'];
	loop->target.host = SLICE("mx.r.test");
	loop->target.ehlo = loop->acts['x'] ? SLICE("localhost") : SLICE("client.s.test");
	loop->target.clear_only = loop->acts['c'];
	for (int i = 0; i < 4; i++) {
		loop->target.tls = loop->acts['0' + i] ? (enum tls_policy)i : loop->target.tls;
	}
	if (loop->acts['u']) {
		loop->target.username = SLICE("bob");
		loop->target.password = SLICE("secret");
	}
	list_init(&loop->laters);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const int64_t s = TIME_SECOND_US;
	const struct session_timeouts timeouts = {s, s, s, s, s, s, s, s, s, s, s, s};
	struct slice input = slice_make((const char *)data, size);
	struct loop loop = {.target = {.timeouts = &timeouts}};
	struct slice letters;

	(void)slice_split(&input, '\n', &letters);
	set_up(&loop, letters);
	loop.session = session_open(&loop, &loop.target, &events, &loop);
	session_set_user(loop.session, &loop);
	for (size_t i = 0; i < input.n && !loop.gone; i++) {
		if (input.p[i] == '~' && i + 1 < input.n) {
			play(&loop, input.p[++i]);
		} else {
			buf_add_byte(&loop.said, input.p[i]);
		}
	}
	finish(&loop);
	mem_free((void *)loop.conn.in.p);
	buf_clear(&loop.said);
	buf_clear(&loop.heard);
	buf_clear(&loop.receiver.line);
	buf_clear(&loop.receiver.content);
	return 0;
}
