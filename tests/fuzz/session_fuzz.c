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
 * takes all, m b r the owner acts at once (r also: releases).
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
#include "mail/dot.h"

enum { PIECES_MAX = 64, TURNS_MAX = 64, MESSAGES_MAX = 8, LONG_BODY = 40000 };

#define HEAD SLICE("From: a@s.test\r\n.Dot: 1\r\n\r\n")
#define BODY SLICE(".\r\n..\r\nbye") /* no CRLF at its end */

struct piece {
	struct buf own;
	struct slice borrowed;
	bool is_body;
};

struct conn {
	const struct conn_events *events;
	void *owner;
	struct piece pieces[PIECES_MAX]; /* not yet given to the kernel */
	size_t pieces_n;
	struct slice in; /* in memory of exactly its size, which each call replaces */
	bool connected;
	bool handshake;
	bool secure;
	bool over; /* ended or failed: nothing comes any more */
	bool closed;
	bool owed; /* on_drained */
	bool greedy;
};

struct receiver {
	struct buf line;
	struct buf content;
	bool data;
};

/* The one under way. */
struct message {
	struct slice body;
	bool pending;
	bool go; /* it is on the owner to do something */
	bool given;
	bool released;
	bool dot_written;
	bool dot_left;
	bool early;         /* something was heard between the two */
	size_t heard_until; /* the owner gave it up there; 0 = he did not */
};

struct loop {
	int64_t now_us;
	struct timer *timer;
	struct list laters;
	struct conn conn;
	struct receiver receiver;
	struct session *session;
	struct session_target target;
	struct message message;
	struct envelope envelope;
	struct buf said;  /* by the server, not yet on its way */
	struct buf heard; /* by the session */
	size_t heard_at_dot;
	uint64_t size_limit; /* that the server told; 0 = none */
	size_t sent;
	bool acts[128]; /* the letters of the first line */
	bool calling;   /* the session, which then may not call back */
	bool ready;
	bool was_ready;
	bool ended;
	bool gone;
};

/* ---- the loop and its timers ---- */

int64_t loop_now_us(const struct loop *loop)
{
	return loop->now_us;
}

void timer_init(struct timer *timer, struct loop *loop, void (*on_due)(void *owner), void *owner)
{
	*timer = (struct timer){.loop = loop, .on_due = on_due, .owner = owner};
}

void timer_set(struct timer *timer, int64_t due_us)
{
	must(timer->loop->timer == NULL || timer->loop->timer == timer);
	timer->loop->timer = timer;
	timer->node.key = due_us;
}

void timer_stop(struct timer *timer)
{
	timer->loop->timer = NULL;
}

void later_init(struct later *later, void (*on_turn)(void *owner), void *owner)
{
	*later = (struct later){.on_turn = on_turn, .owner = owner};
}

void loop_later(struct loop *loop, struct later *later)
{
	if (!list_linked(&later->link)) {
		list_push(&loop->laters, &later->link);
	}
}

void loop_later_cancel(struct loop *loop, struct later *later)
{
	if (list_linked(&later->link)) {
		list_remove(&loop->laters, &later->link);
	}
}

/* ---- a second reader of replies: RFC 5321 section 4.2, and mail/reply.h ---- */

enum found { FOUND_MORE, FOUND_REPLY, FOUND_JUNK };

static enum found find_reply(struct slice *rest, unsigned *ret_code)
{
	struct slice line;

	for (unsigned first = 0; slice_find(*rest, '\n') < rest->n;) {
		uint64_t code;

		(void)slice_split(rest, '\n', &line);
		line.n -= slice_ends(line, SLICE("\r"));
		if (line.n < 3 || !slice_number(slice_first(line, 3), 559, &code) || code < 200 ||
			code / 10 % 10 > 5 || (first != 0 && code != first) ||
			(line.n > 3 && line.p[3] != ' ' && line.p[3] != '-')) {
			return FOUND_JUNK;
		}
		first = (unsigned)code;
		*ret_code = first;
		if (line.n == 3 || line.p[3] == ' ') {
			return FOUND_REPLY;
		}
	}
	return FOUND_MORE;
}

static void must_be_replies(struct slice rest)
{
	unsigned code;

	while (rest.n > 0) {
		must(find_reply(&rest, &code) == FOUND_REPLY);
	}
}

/* ---- the receiving side ---- */

static void take_content(struct loop *loop)
{
	struct message *m = &loop->message;
	struct slice got = buf_slice(&loop->receiver.content);
	struct slice body = slice_from(got, HEAD.n);

	must(m->pending && m->given && m->released && m->dot_written && !m->dot_left);
	must(slice_starts(got, HEAD) && slice_starts(body, m->body));
	body = slice_from(body, m->body.n);
	must(slice_equal(body, slice_ends(m->body, SLICE("\r\n")) ? SLICE("") : SLICE("\r\n")));
	m->dot_left = true;
	m->early = loop->heard.n > loop->heard_at_dot;
}

static void take_line(struct loop *loop, struct slice line)
{
	struct receiver *r = &loop->receiver;
	bool dot = slice_equal(line, SLICE(".\r\n"));

	must(slice_ends(line, SLICE("\r\n")) && slice_find(line, '\r') == line.n - 2);
	if (r->data && dot) {
		r->data = false;
		take_content(loop);
	} else if (r->data) {
		must(line.n <= DOT_LINE_MAX + 3);
		buf_add(&r->content, slice_from(line, slice_starts(line, SLICE("."))));
	} else {
		must(line.n <= 512);
		must(!dot || !loop->message.pending);
		must(loop->conn.secure || !slice_starts(line, SLICE("AUTH")));
		must(loop->conn.secure || !slice_starts(line, SLICE("MAIL")) ||
			loop->target.tls < TLS_POLICY_REQUIRED);
	}
}

static void receive(struct loop *loop, struct slice bytes)
{
	struct buf *line = &loop->receiver.line;

	while (bytes.n > 0) {
		size_t n = slice_find(bytes, '\n');
		bool whole = n < bytes.n;

		n += whole;
		buf_add(line, slice_first(bytes, n));
		bytes = slice_from(bytes, n);
		if (whole) {
			take_line(loop, buf_slice(line));
			buf_reset(line);
		}
	}
}

/* ---- the connection ---- */

static struct slice piece_bytes(const struct piece *piece)
{
	return piece->own.n > 0 ? buf_slice(&piece->own) : piece->borrowed;
}

size_t conn_unsent(const struct conn *conn)
{
	size_t n = 0;

	for (size_t i = 0; i < conn->pieces_n; i++) {
		n += piece_bytes(&conn->pieces[i]).n;
	}
	return n;
}

static void drop_piece(struct conn *conn)
{
	buf_clear(&conn->pieces[0].own);
	conn->pieces_n--;
	memmove(conn->pieces, conn->pieces + 1, conn->pieces_n * sizeof(conn->pieces[0]));
}

/* The kernel takes up to n bytes. */
static void take(struct loop *loop, size_t n)
{
	struct conn *conn = &loop->conn;

	while (n > 0 && conn->pieces_n > 0 && !conn->over) {
		struct piece *piece = &conn->pieces[0];
		struct slice bytes = slice_first(piece_bytes(piece), n);

		if (piece->is_body) {
			must(!loop->receiver.data && loop->receiver.line.n == 0);
			loop->receiver.data = true;
			buf_reset(&loop->receiver.content);
			piece->is_body = false;
		}
		n -= bytes.n;
		receive(loop, bytes);
		if (piece->own.n > bytes.n) {
			buf_drop(&piece->own, bytes.n);
		} else if (piece->own.n > 0 || piece->borrowed.n == bytes.n) {
			drop_piece(conn);
		} else {
			piece->borrowed = slice_from(piece->borrowed, bytes.n);
		}
	}
}

static struct piece *add_piece(struct conn *conn)
{
	must(conn->connected && !conn->closed && !conn->handshake && conn->pieces_n < PIECES_MAX);
	conn->owed = true;
	conn->pieces[conn->pieces_n] = (struct piece){0};
	return &conn->pieces[conn->pieces_n++];
}

struct conn *conn_open(struct loop *loop, const union endpoint *remote, const union endpoint *local,
	const struct conn_events *events, void *owner)
{
	must(remote == &loop->target.remote && local == NULL);
	loop->conn.events = events;
	loop->conn.owner = owner;
	return &loop->conn;
}

void conn_local(const struct conn *conn, union endpoint *ret_local)
{
	must(conn->connected);
	must(endpoint_parse(SLICE("2001:db8::1"), 0, ret_local));
}

struct slice conn_peek(const struct conn *conn)
{
	return conn->in;
}

/* What is left lies elsewhere now: a view of it is no longer valid. */
static void replace_in(struct conn *conn, struct slice bytes, struct slice more)
{
	char *memory = mem_new(bytes.n + more.n);

	memcpy(memory, bytes.n > 0 ? bytes.p : "", bytes.n);
	memcpy(memory + bytes.n, more.n > 0 ? more.p : "", more.n);
	mem_free((void *)conn->in.p);
	conn->in = slice_make(memory, bytes.n + more.n);
}

void conn_take(struct conn *conn, size_t n)
{
	must(n <= conn->in.n);
	replace_in(conn, slice_from(conn->in, n), SLICE(""));
}

void conn_write(struct conn *conn, struct slice bytes)
{
	struct loop *loop = LIST_OWNER(conn, struct loop, conn);
	struct message *m = &loop->message;

	if (m->given && !m->dot_written && slice_equal(bytes, SLICE(".\r\n"))) {
		must(m->pending && m->released && conn->in.n == 0);
		must_be_replies(buf_slice(&loop->heard));
		m->dot_written = true;
		loop->heard_at_dot = loop->heard.n;
	}
	if (slice_search(bytes, SLICE("MAIL FROM:")) < bytes.n) {
		must(m->pending && loop->envelope.rcpt_to.n > 0);
		must(loop->size_limit == 0 || loop->envelope.size_bytes <= loop->size_limit);
	}
	buf_add(&add_piece(conn)->own, bytes);
}

void conn_write_borrow(struct conn *conn, struct slice bytes)
{
	struct piece *piece = add_piece(conn);

	piece->borrowed = bytes;
	piece->is_body = true;
}

void conn_secure(struct conn *conn, struct tls_context *context, struct slice name, bool verify)
{
	const struct loop *loop = LIST_OWNER(conn, struct loop, conn);

	(void)context;
	must(conn->in.n == 0 && !conn->secure && !conn->handshake);
	must(slice_equal(name, loop->target.host));
	must(verify == (loop->target.tls == TLS_POLICY_VERIFIED));
	must(loop->target.tls != TLS_POLICY_NONE);
	must(loop->target.tls != TLS_POLICY_OPPORTUNISTIC || !loop->target.clear_only);
	conn->handshake = true;
}

void conn_close(struct conn *conn, bool reset)
{
	must(!conn->closed && reset == (conn_unsent(conn) > 0));
	conn->closed = true;
	conn->over = true;
	while (conn->pieces_n > 0) {
		drop_piece(conn);
	}
}

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
	bool replied = m->dot_left && !m->early && find_reply(&rest, &code) == FOUND_REPLY;
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
		take(loop, SIZE_MAX);
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
			replace_in(conn, conn->in, bytes);
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
		take(loop, what == 'd' ? SIZE_MAX : what == 'h' ? conn_unsent(conn) / 2 : 1);
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
