/*
 * Bytes in, bytes out, and every way a connection can go wrong on purpose.
 *
 * Input is read into one large buffer that all sessions share, and handled there;
 * only an incomplete line is kept.  Output gathers until the end of the turn (after
 * the ledger was written).  Ends are pieces of the output, so that "reply, then
 * reset" happens in that order also when the reply is delayed.
 *
 * A closed session stays in memory until the end of the turn: its event may still
 * be in the batch that epoll gave us.
 */
#include "session.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"

#define LINE_MAX_BYTES 65536
#define LINGER_US (2 * INT64_C(1000000))

static int64_t now_us(const struct session *session)
{
	return loop_now_us(session->server->loop);
}

struct buf *session_event(struct session *session, const char *event)
{
	struct buf *line = ledger_begin_event(session->server->ledger, event);

	if (line != NULL) {
		json_number(line, "session", session->number);
		json_text(line, "source", slice_of(session->source));
		json_text(line, "local", session->site->host->address);
		json_text(line, "mx", session->site->host->name);
	}
	return line;
}

static void log_event(struct session *session, const char *event)
{
	struct buf *line = session_event(session, event);

	if (line != NULL) {
		ledger_end(line);
	}
}

void session_note(struct session *session, enum violation violation)
{
	struct buf *line = session_event(session, "violation");

	session->talk.violations |= UINT32_C(1) << violation;
	if (line != NULL) {
		json_text(line, "text", slice_of(violation_word(violation)));
		ledger_end(line);
	}
}

static void make_dirty(struct session *session)
{
	if (session->state != SESSION_DEAD && !list_linked(&session->dirty)) {
		list_push(&session->server->dirty, &session->dirty);
	}
}

static void die(struct session *session, const char *event)
{
	struct server *server = session->server;

	if (session->state == SESSION_DEAD) {
		return;
	}
	if (!session->talk.orderly && strcmp(event, "lost") == 0) {
		session_note(session, VIOLATION_LOST);
	}
	log_event(session, event);
	session->state = SESSION_DEAD;
	session->count->open--;
	if (session->known) {
		isp_closed(session->site->isp, slice_of(session->source));
	}
	loop_cancel(server->loop, &session->alarm);
	loop_unwatch(server->loop, &session->watch);
	SSL_free(session->ssl);
	session->ssl = NULL;
	if (list_linked(&session->dirty)) {
		list_remove(&server->dirty, &session->dirty);
	}
	list_remove(&server->sessions, &session->link);
	list_push(&server->dead, &session->link);
}

void session_free(struct session *session)
{
	die(session, "stop");
	list_remove(&session->server->dead, &session->link);
	close(session->watch.fd);
	smtp_clear(session);
	message_clear(&session->run.message);
	buf_clear(&session->in);
	output_clear(&session->out);
	mem_free(session);
}

void session_send(struct session *session, struct slice bytes, uint64_t times)
{
	output_add(&session->out, bytes, times, now_us(session));
	make_dirty(session);
}

void session_end(struct session *session, enum then then)
{
	if (then == THEN_GO_ON || session->state == SESSION_DEAD) {
		return;
	}
	session->state = SESSION_ENDING;
	output_add_event(&session->out, OUTPUT_END, then);
	make_dirty(session);
}

void session_start_tls(struct session *session)
{
	session->state = SESSION_HANDSHAKE;
	output_add_event(&session->out, OUTPUT_TLS, THEN_GO_ON);
	make_dirty(session);
}

void session_shape(struct session *session, const struct rule_do *deeds)
{
	output_wait(&session->out, deeds->delay_us);
	session->out.split_bytes = deeds->split_bytes;
	session->out.pause_us = deeds->pause_us;
	if (deeds->cut_received.high > 0) {
		session->cut.received = (int64_t)deeds->cut_received.low;
		session->cut.then = (enum then)deeds->then;
	}
	if (deeds->cut_sent.high > 0) {
		session->cut.sent = (int64_t)deeds->cut_sent.low;
		session->cut.then = (enum then)deeds->then;
	}
}

/* Graceful: our FIN, then what the peer still sends is read, so that no RST overtakes a reply. */
static void close_gently(struct session *session)
{
	if (session->ssl != NULL && SSL_is_init_finished(session->ssl)) {
		(void)SSL_shutdown(session->ssl);
	}
	log_event(session, "close");
	(void)shutdown(session->watch.fd, SHUT_WR);
	session->state = SESSION_ENDING;
	session->talk.orderly = true;
	loop_change(session->server->loop, &session->watch, EPOLLIN);
	loop_alarm(session->server->loop, &session->alarm, now_us(session) + LINGER_US);
}

static void end_now(struct session *session, enum then then)
{
	static const struct linger linger = {1, 0};

	switch (then) {
	case THEN_RESET:
		(void)setsockopt(session->watch.fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
		die(session, "reset");
		break;
	case THEN_CLOSE:
		close_gently(session);
		break;
	case THEN_STALL:
		log_event(session, "stall");
		session->state = SESSION_STALLED;
		loop_change(session->server->loop, &session->watch, 0);
		break;
	default:
		log_event(session, "silence");
		session->state = SESSION_ENDING;
		break;
	}
}

/* For the modes that break the handshake nothing is made: break_handshake() waits. */
static void begin_handshake(struct session *session)
{
	unsigned mode = session->site->host->profile->tls;
	SSL_CTX *context;

	if (mode == TLS_GARBAGE || mode == TLS_CLOSE) {
		return;
	}
	context = site_tls(session->site);
	session->ssl = context != NULL ? SSL_new(context) : NULL;
	if (session->ssl == NULL || SSL_set_fd(session->ssl, session->watch.fd) != 1) {
		end_now(session, THEN_CLOSE);
		return;
	}
	SSL_set_accept_state(session->ssl);
}

static ssize_t write_some(struct session *session, const char *p, size_t n)
{
	int written;

	if (session->ssl == NULL) {
		return send(session->watch.fd, p, n, MSG_NOSIGNAL | MSG_DONTWAIT);
	}
	ERR_clear_error();
	written = SSL_write(session->ssl, p, (int)n);
	if (written > 0) {
		return written;
	}
	errno = SSL_get_error(session->ssl, written) == SSL_ERROR_WANT_WRITE ? EAGAIN : EPIPE;
	return -1;
}

/* False when the socket takes no more just now, or the session ended. */
static bool write_ready(struct session *session)
{
	struct output *out = &session->out;

	while (out->ready_sent < out->ready.n) {
		size_t n = out->ready.n - out->ready_sent;
		ssize_t written;

		if (session->cut.sent >= 0 && (uint64_t)session->cut.sent < n) {
			n = (size_t)session->cut.sent;
		}
		if (n == 0) {
			end_now(session, session->cut.then);
			return false;
		}
		written = write_some(session, out->ready.p + out->ready_sent, n);
		if (written < 0 && (errno == EAGAIN || errno == EINTR)) {
			loop_change(session->server->loop, &session->watch,
				session->watch.events | EPOLLOUT);
			return false;
		}
		if (written < 0) {
			die(session, "lost");
			return false;
		}
		out->ready_sent += (size_t)written;
		session->cut.sent -= session->cut.sent >= 0 ? written : 0;
		if (session->cut.sent == 0) {
			end_now(session, session->cut.then);
			return false;
		}
	}
	buf_reset(&out->ready);
	out->ready_sent = 0;
	return true;
}

static void set_alarm(struct session *session)
{
	int64_t due_us = output_due_us(&session->out);
	int64_t idle_us = session->active_us + session->site->host->profile->timeout_us;

	if (due_us >= 0) {
		loop_alarm(session->server->loop, &session->alarm, due_us);
	} else if (!heap_holds(&session->alarm.node)) {
		loop_alarm(session->server->loop, &session->alarm, idle_us);
	}
}

/* Nothing is due: the alarm is for what comes later, or for a silent peer. */
static void rest(struct session *session)
{
	loop_change(session->server->loop, &session->watch,
		session->watch.events & ~(uint32_t)EPOLLOUT);
	set_alarm(session);
}

/* One step of what is due; false when there is no more to do now. */
static bool flush_next(struct session *session)
{
	enum then then = THEN_GO_ON;

	switch (output_next(&session->out, now_us(session), &then)) {
	case OUTPUT_BYTES:
		return write_ready(session);
	case OUTPUT_TLS:
		begin_handshake(session);
		return true;
	case OUTPUT_END:
		end_now(session, then);
		return false;
	case OUTPUT_NOTHING:
		rest(session);
		return false;
	}
	return false;
}

void session_flush(struct session *session)
{
	if (list_linked(&session->dirty)) {
		list_remove(&session->server->dirty, &session->dirty);
	}
	while (session->state != SESSION_DEAD && flush_next(session)) {
	}
}

static void on_alarm(struct alarm *alarm)
{
	struct session *session = HEAP_OWNER(alarm, struct session, alarm);
	int64_t idle_us = session->active_us + session->site->host->profile->timeout_us;

	if (output_due_us(&session->out) >= 0) {
		make_dirty(session);
	} else if (session->state == SESSION_ENDING && session->talk.orderly) {
		die(session, "end");
	} else if (now_us(session) >= idle_us) {
		die(session, "timeout");
	} else {
		loop_alarm(session->server->loop, alarm, idle_us);
	}
}

/* A line with its end; whether that end is right is noted. */
static size_t take_line(struct session *session, struct slice bytes)
{
	size_t end = slice_find(bytes, '\n');
	struct slice line = slice_first(bytes, end);

	if (end == bytes.n) {
		return 0;
	}
	if (line.n > 0 && line.p[line.n - 1] == '\r') {
		line.n--;
	} else {
		session_note(session, VIOLATION_COMMAND_LINE_END);
	}
	if (end + 1 > 512 && session->state == SESSION_COMMAND) {
		session_note(session, VIOLATION_COMMAND_LONG);
	}
	session->server->stats.commands++;
	if (smtp_line(session, line) && end + 1 < bytes.n) {
		session_note(session, VIOLATION_NOT_LAST);
	}
	return end + 1;
}

static size_t take_message(struct session *session, struct slice bytes)
{
	size_t taken;

	if (message_feed(&session->talk.message, bytes, &taken)) {
		session->state = SESSION_COMMAND;
		smtp_dot(session);
	}
	return taken;
}

static size_t handle(struct session *session, struct slice bytes)
{
	size_t done = 0;

	while (done < bytes.n) {
		struct slice rest = slice_from(bytes, done);
		size_t taken;

		switch (session->state) {
		case SESSION_COMMAND:
		case SESSION_AUTH:
			taken = take_line(session, rest);
			break;
		case SESSION_MESSAGE:
			taken = take_message(session, rest);
			break;
		case SESSION_SCRIPT:
			taken = script_feed(session, rest);
			break;
		default: /* ending: whatever comes is thrown away */
			return bytes.n;
		}
		if (taken == 0) {
			break;
		}
		done += taken;
	}
	return done;
}

static void receive(struct session *session, struct slice bytes)
{
	bool cut = session->cut.received >= 0 && (uint64_t)session->cut.received <= bytes.n;
	size_t taken;

	if (cut) {
		bytes = slice_first(bytes, (size_t)session->cut.received);
	}
	session->cut.received -= session->cut.received >= 0 ? (int64_t)bytes.n : 0;
	output_not_before(
		&session->out, now_us(session) + session->site->host->profile->latency_us);
	if (session->in.n == 0) {
		taken = handle(session, bytes);
		buf_add(&session->in, slice_from(bytes, taken));
	} else {
		buf_add(&session->in, bytes);
		taken = handle(session, buf_slice(&session->in));
		buf_drop(&session->in, taken);
	}
	if (session->in.n > LINE_MAX_BYTES && session->state != SESSION_DEAD) {
		buf_reset(&session->in);
		session_send(session, SLICE("500 5.5.2 line too long\r\n"), 1);
		session_end(session, THEN_CLOSE);
	}
	if (cut) {
		end_now(session, session->cut.then);
	}
}

/* The ClientHello is here, and gets no TLS for an answer. */
static void break_handshake(struct session *session)
{
	static const char garbage[] = "this is not the TLS that you are looking for\r\n";
	char *p = session->server->read_bytes;

	if (!output_is_empty(&session->out) || recv(session->watch.fd, p, 4096, MSG_DONTWAIT) < 0) {
		return;
	}
	if (session->site->host->profile->tls == TLS_GARBAGE) {
		(void)!send(session->watch.fd, garbage, sizeof(garbage) - 1, MSG_NOSIGNAL);
	}
	end_now(session, THEN_CLOSE);
}

/* What came in the same flight as STARTTLS must not be taken for what comes under TLS. */
static void handshake(struct session *session)
{
	int done;

	if (session->ssl == NULL) {
		break_handshake(session);
		return;
	}
	ERR_clear_error();
	done = SSL_do_handshake(session->ssl);
	switch (done == 1 ? SSL_ERROR_NONE : SSL_get_error(session->ssl, done)) {
	case SSL_ERROR_NONE:
		session->state = SESSION_COMMAND;
		buf_reset(&session->in);
		log_event(session, "tls");
		break;
	case SSL_ERROR_WANT_READ:
		break;
	case SSL_ERROR_WANT_WRITE:
		loop_change(session->server->loop, &session->watch, EPOLLIN | EPOLLOUT);
		break;
	default:
		die(session, "tls_failed");
		break;
	}
}

/* Returns bytes read, 0 = nothing now; -1 = the end. */
static ssize_t read_some(struct session *session, char *p, size_t n)
{
	int got;

	if (session->ssl == NULL) {
		ssize_t bytes = recv(session->watch.fd, p, n, MSG_DONTWAIT);

		if (bytes < 0 && (errno == EAGAIN || errno == EINTR)) {
			return 0;
		}
		return bytes == 0 ? -1 : bytes;
	}
	ERR_clear_error();
	got = SSL_read(session->ssl, p, (int)n);
	if (got > 0) {
		return got;
	}
	return SSL_get_error(session->ssl, got) == SSL_ERROR_WANT_READ ? 0 : -1;
}

static void on_ready(struct watch *watch, uint32_t events)
{
	struct session *session = HEAP_OWNER(watch, struct session, watch);
	struct server *server = session->server;

	session->active_us = now_us(session);
	if ((events & EPOLLOUT) != 0) {
		make_dirty(session);
	}
	if (session->state == SESSION_STALLED) {
		if ((events & (EPOLLHUP | EPOLLERR)) != 0) {
			die(session, "lost");
		}
		return;
	}
	if (session->state == SESSION_HANDSHAKE) {
		handshake(session);
	}
	while (session->state != SESSION_DEAD && session->state != SESSION_HANDSHAKE &&
		session->state != SESSION_STALLED) {
		ssize_t n = read_some(session, server->read_bytes, SERVER_READ_BYTES);

		if (n < 0) {
			die(session, session->talk.orderly ? "end" : "lost");
			return;
		}
		if (n == 0) {
			return;
		}
		receive(session, slice_make(server->read_bytes, (size_t)n));
		if (session->ssl == NULL) {
			return;
		}
	}
}

static struct source_count *count_source(struct session *session)
{
	struct map *sources = session->site->sources;
	struct slice source = slice_of(session->source);
	struct source_count *count = map_get(sources, source);

	if (count == NULL) {
		count = MEM_NEW(struct source_count);
		(void)map_put(sources, source, count);
	}
	count->open++;
	return count;
}

void session_open(struct site *site, int fd, const struct sockaddr_in *peer)
{
	struct session *session = MEM_NEW(struct session);
	struct server *server = site->server;
	char peek;
	int on = 1;

	session->watch = (struct watch){.fd = fd, .on_ready = on_ready};
	session->alarm.on_due = on_alarm;
	session->server = server;
	session->site = site;
	session->number = ++server->last_session;
	session->cut = (struct cut){-1, -1, THEN_GO_ON};
	session->active_us = now_us(session);
	(void)inet_ntop(AF_INET, &peer->sin_addr, session->source, sizeof(session->source));
	session->count = count_source(session);
	buf_init(&session->in, LINE_MAX_BYTES + SERVER_READ_BYTES);
	output_init(&session->out);
	list_push(&server->sessions, &session->link);
	server->stats.connections++;
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	log_event(session, "connect");
	if (recv(fd, &peek, 1, MSG_PEEK | MSG_DONTWAIT) > 0) {
		session_note(session, VIOLATION_EARLY_TALK);
	}
	if (err_is(loop_watch(server->loop, &session->watch, EPOLLIN))) {
		die(session, "lost");
		return;
	}
	output_not_before(&session->out, now_us(session) + site->host->profile->latency_us);
	smtp_connect(session);
	make_dirty(session);
}
