/*
 * A loop that turns by hand, a connection whose kernel takes what the input says, and
 * a receiver that demands every message whole and nothing before its time.
 */
#include "session_stage.h"

#include <string.h>

#include "base/mem.h"
#include "fuzz.h"
#include "mail/dot.h"

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

enum found stage_reply(struct slice *rest, unsigned *ret_code)
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
		must(stage_reply(&rest, &code) == FOUND_REPLY);
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

void stage_take(struct loop *loop, size_t n)
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

void stage_put(struct conn *conn, struct slice bytes, struct slice more)
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
	stage_put(conn, slice_from(conn->in, n), SLICE(""));
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
