/*
 * Connections that end anywhere (conformance M13, M14): a proper server on a real socket
 * ends each session after its n-th byte, or after it has read n bytes of ours, by FIN and
 * by RST, for every n.  Each message must have exactly one outcome, and it must be true:
 *
 *	delivered    the server had the dot and had sent all of its 250
 *	in doubt     the dot was on its way
 *	deferred     the server never got the dot
 *
 * After a FIN the server reads on, to know what still arrived.
 */
#include <criterion/criterion.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>

#include "../io/tls_peer.h"
#include "base/mem.h"
#include "no_leaks.h"
#include "smtp/session.h"

TestSuite(cut, .fini = no_leaks, .timeout = 300);

enum {
	MESSAGES = 2, /* on one connection, at most */
	LARGE_BYTES = 60000,
	SEGMENT_BYTES = 536, /* with little room, a large body is under way when the end comes */
	ROOM_BYTES = 8192,
};

enum side { SERVER_BYTES, CLIENT_BYTES };
enum end { FIN, RST };

struct plan {
	enum side side;
	enum end end;
	size_t at;
	bool tls;
	bool pipelining;
};

/* The server of one connection after the other; what it saw is of the last. */
struct server {
	int listener;
	union endpoint address;
	pthread_t thread;
	sem_t begin;
	sem_t done;
	bool stop;
	SSL_CTX *tls_context;
	struct identity identity;

	struct plan plan;
	int fd;
	SSL *tls;
	size_t said;
	size_t heard;
	bool cut;
	struct buf in; /* decrypted */
	size_t dots;   /* final dots that were read, before or after the cut */
	bool accepted[MESSAGES];
};

/* ---- the server ---- */

static void cut(struct server *s)
{
	static const struct linger at_once = {.l_onoff = 1, .l_linger = 0};

	s->cut = true;
	if (s->plan.end == FIN) {
		shutdown(s->fd, SHUT_WR);
		return;
	}
	setsockopt(s->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	close(s->fd);
	s->fd = -1;
}

/* True when all of it went out. */
static bool raw_write(struct server *s, const char *p, size_t n)
{
	bool counts = s->plan.side == SERVER_BYTES;
	size_t most = counts && n > s->plan.at - s->said ? s->plan.at - s->said : n;

	for (size_t done = 0; done < most && !s->cut;) {
		ssize_t k = send(s->fd, p + done, most - done, MSG_NOSIGNAL);

		if (k <= 0) {
			return false;
		}
		done += (size_t)k;
		s->said += (size_t)k;
	}
	if (s->cut) {
		return false;
	}
	if (counts && s->said == s->plan.at) {
		cut(s);
	}
	return most == n;
}

/* False at the end of the stream. */
static bool raw_read(struct server *s, char *p, size_t size, size_t *ret_n)
{
	bool counts = s->plan.side == CLIENT_BYTES && !s->cut;
	size_t most = counts && size > s->plan.at - s->heard ? s->plan.at - s->heard : size;
	ssize_t n = s->fd < 0 ? 0 : read(s->fd, p, most);

	if (n <= 0) {
		return false;
	}
	*ret_n = (size_t)n;
	s->heard += (size_t)n;
	if (counts && s->heard == s->plan.at) {
		cut(s);
	}
	return true;
}

static bool tls_flush(struct server *s)
{
	char *p;
	long n = BIO_get_mem_data(SSL_get_wbio(s->tls), &p);
	bool whole = n <= 0 || raw_write(s, p, (size_t)n);

	(void)BIO_reset(SSL_get_wbio(s->tls));
	return whole;
}

static void start_tls(struct server *s)
{
	s->tls = SSL_new(s->tls_context);
	SSL_set_bio(s->tls, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
	SSL_set_accept_state(s->tls);
}

/* More bytes in s->in, or false. */
static bool fill(struct server *s)
{
	char bytes[4096];
	size_t n = 0;

	while (s->tls != NULL) {
		int got = SSL_read(s->tls, bytes, sizeof(bytes));
		bool more = got <= 0 && SSL_get_error(s->tls, got) == SSL_ERROR_WANT_READ;

		(void)tls_flush(s);
		if (got > 0) {
			buf_add(&s->in, slice_make(bytes, (size_t)got));
			return true;
		}
		if (!more || !raw_read(s, bytes, sizeof(bytes), &n)) {
			return false;
		}
		(void)BIO_write(SSL_get_rbio(s->tls), bytes, (int)n);
	}
	if (!raw_read(s, bytes, sizeof(bytes), &n)) {
		return false;
	}
	buf_add(&s->in, slice_make(bytes, n));
	return true;
}

static bool say(struct server *s, const char *text)
{
	if (s->tls == NULL) {
		return raw_write(s, text, strlen(text));
	}
	return SSL_write(s->tls, text, (int)strlen(text)) > 0 && tls_flush(s);
}

/* The next line into *line, with its LF; false at the end. */
static bool read_line(struct server *s, struct buf *line)
{
	size_t at;

	while ((at = slice_find(buf_slice(&s->in), '\n')) == s->in.n) {
		if (!fill(s)) {
			return false;
		}
	}
	buf_reset(line);
	buf_add(line, slice_first(buf_slice(&s->in), at + 1));
	buf_drop(&s->in, at + 1);
	return true;
}

static void hello(struct server *s)
{
	const char *tls = s->plan.tls && s->tls == NULL ? "250-STARTTLS\r\n" : "";
	const char *pipelining = s->plan.pipelining ? "250-PIPELINING\r\n" : "";
	char text[100];

	(void)snprintf(
		text, sizeof(text), "250-mx.test\r\n%s%s250 SIZE 1000000\r\n", tls, pipelining);
	(void)say(s, text);
}

static void take_message(struct server *s, struct buf *line)
{
	(void)say(s, "354 go\r\n");
	while (read_line(s, line)) {
		if (slice_equal(buf_slice(line), SLICE(".\r\n"))) {
			cr_assert_lt(s->dots, MESSAGES);
			s->accepted[s->dots] = say(s, "250 2.0.0 queued\r\n");
			s->dots++;
			return;
		}
	}
}

static void talk(struct server *s)
{
	struct buf line;

	buf_init(&line, 0);
	if (s->plan.at == 0) {
		cut(s);
	}
	(void)say(s, "220 mx.test ESMTP\r\n");
	while (read_line(s, &line)) {
		if (slice_starts(buf_slice(&line), SLICE("EHLO"))) {
			hello(s);
		} else if (slice_starts(buf_slice(&line), SLICE("STARTTLS"))) {
			(void)say(s, "220 2.0.0 go\r\n");
			start_tls(s);
		} else if (slice_starts(buf_slice(&line), SLICE("DATA"))) {
			take_message(s, &line);
		} else if (slice_starts(buf_slice(&line), SLICE("QUIT"))) {
			(void)say(s, "221 2.0.0 bye\r\n");
			break;
		} else {
			(void)say(s, "250 2.0.0 ok\r\n");
		}
	}
	buf_clear(&line);
}

static void *server_run(void *arg)
{
	struct server *s = arg;

	for (;;) {
		sem_wait(&s->begin);
		if (s->stop) {
			return NULL;
		}
		s->fd = accept(s->listener, NULL, NULL);
		talk(s);
		if (s->fd >= 0) {
			close(s->fd);
		}
		SSL_free(s->tls);
		s->tls = NULL;
		buf_reset(&s->in);
		sem_post(&s->done);
	}
}

static void server_open(struct server *s, bool narrow)
{
	static const int yes = 1;
	static const int segment = SEGMENT_BYTES;
	static const int room = ROOM_BYTES;

	*s = (struct server){0};
	s->listener = peer_listen(&s->address);
	setsockopt(s->listener, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
	if (narrow) {
		setsockopt(s->listener, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
		setsockopt(s->listener, IPPROTO_TCP, TCP_MAXSEG, &segment, sizeof(segment));
	}
	s->identity = identity_make("mx.test", "DNS:mx.test", NULL, 0);
	s->tls_context = SSL_CTX_new(TLS_server_method());
	SSL_CTX_set_num_tickets(s->tls_context, 0);
	SSL_CTX_use_certificate(s->tls_context, s->identity.certificate);
	SSL_CTX_use_PrivateKey(s->tls_context, s->identity.key);
	sem_init(&s->begin, 0, 0);
	sem_init(&s->done, 0, 0);
	cr_assert_eq(pthread_create(&s->thread, NULL, server_run, s), 0);
}

static void server_close(struct server *s)
{
	s->stop = true;
	sem_post(&s->begin);
	pthread_join(s->thread, NULL);
	close(s->listener);
	sem_destroy(&s->begin);
	sem_destroy(&s->done);
	SSL_CTX_free(s->tls_context);
	identity_free(&s->identity);
	buf_clear(&s->in);
}

/* ---- the client ---- */

struct client {
	struct loop *loop;
	struct tls_context *tls;
	struct slice head;
	struct slice body;
	unsigned messages; /* to send */
	struct envelope envelope;

	unsigned sent;
	unsigned outcomes;
	struct evidence outcome[MESSAGES]; /* without their texts */
	bool released[MESSAGES];
	unsigned ends;
	struct session_end end;
};

struct score {
	unsigned delivered;
	unsigned doubted;
	unsigned deferred;
	unsigned unsent; /* the session never got so far */
};

static void on_ready(void *owner, struct session *session)
{
	struct client *c = owner;

	if (c->sent == c->messages) {
		session_close(session);
		return;
	}
	c->sent++;
	session_send(session, &c->envelope);
}

static void on_go(void *owner, struct session *session)
{
	struct client *c = owner;

	session_body(session, c->head, c->body);
	c->released[c->sent - 1] = true;
	session_release(session);
}

static void on_outcome(void *owner, struct session *session, const struct evidence *evidence)
{
	struct client *c = owner;

	(void)session;
	cr_assert_lt(c->outcomes, c->sent, "two outcomes for one message");
	c->outcome[c->outcomes++] = *evidence;
}

static void on_closed(void *owner, struct session *session, const struct session_end *end)
{
	struct client *c = owner;

	(void)session;
	c->ends++;
	c->end = *end;
}

static void on_gone(void *owner, struct session *session)
{
	(void)owner;
	(void)session;
}

static const struct session_events events = {
	.on_ready = on_ready,
	.on_go = on_go,
	.on_outcome = on_outcome,
	.on_closed = on_closed,
	.on_gone = on_gone,
};

static void fail(const struct server *s, const struct client *c, const char *what)
{
	const struct evidence *e = &c->outcome[c->outcomes > 0 ? c->outcomes - 1 : 0];

	cr_assert_fail("%s: %s after byte %zu of the %s%s%s; %u sent, %u outcomes, the last: "
		       "phase %s, failure %s, code %u; %zu dots arrived",
		what, s->plan.end == FIN ? "FIN" : "RST", s->plan.at,
		s->plan.side == SERVER_BYTES ? "server" : "client", s->plan.tls ? ", TLS" : "",
		s->plan.pipelining ? ", pipelining" : "", c->sent, c->outcomes,
		phase_word(e->phase), failure_word(e->failure), e->code, s->dots);
}

/* One message's outcome against what the server saw of it. */
static void judge(const struct server *s, const struct client *c, unsigned i, struct score *score)
{
	const struct evidence *e = &c->outcome[i];
	bool delivered = e->failure == FAILURE_NONE && e->code == 250 && !e->dot_sent;

	if (delivered) {
		score->delivered++;
	} else if (e->dot_sent) {
		score->doubted++;
	} else {
		score->deferred++;
	}
	if (delivered && !s->accepted[i]) {
		fail(s, c, "delivered, but never accepted");
	}
	if (!delivered && s->accepted[i] && (s->plan.end == FIN || !e->dot_sent)) {
		fail(s, c, "accepted, but neither delivered nor in doubt");
	}
	if (!delivered && !e->dot_sent && s->dots > i) {
		fail(s, c, "deferred, but the dot arrived");
	}
	if (e->dot_sent && !c->released[i]) {
		fail(s, c, "in doubt, but the gate was closed");
	}
	if (!delivered && e->failure != FAILURE_LOST && e->failure != FAILURE_TLS_FAILED) {
		fail(s, c, "not called a lost connection");
	}
}

static void run(struct server *s, struct client *base, const struct plan *plan, struct score *score)
{
	static const int64_t patience = 30 * TIME_SECOND_US;
	const struct session_timeouts timeouts = {patience, patience, patience, patience, patience,
		patience, patience, patience, patience, patience, patience, patience};
	struct client client = *base;
	struct session_target target = {
		.host = SLICE("mx.test"),
		.remote = s->address,
		.ehlo = SLICE("client.test"),
		.tls = plan->tls ? TLS_POLICY_REQUIRED : TLS_POLICY_NONE,
		.tls_context = client.tls,
		.timeouts = &timeouts,
	};

	s->plan = *plan;
	s->said = s->heard = s->dots = 0;
	s->cut = false;
	memset(s->accepted, 0, sizeof(s->accepted));
	sem_post(&s->begin);
	(void)session_open(client.loop, &target, &events, &client);
	loop_run(client.loop);
	sem_wait(&s->done);
	if (client.ends != 1 || client.outcomes != client.sent) {
		fail(s, &client, "not exactly one outcome and one end");
	}
	if (client.end.evidence.failure == FAILURE_TIMED_OUT) {
		fail(s, &client, "hung until the deadline");
	}
	if (!s->cut && (client.sent < client.messages || s->dots < client.messages)) {
		fail(s, &client, "nothing was cut, but not all was sent");
	}
	score->unsent += client.sent == 0;
	for (unsigned i = 0; i < client.outcomes; i++) {
		judge(s, &client, i, score);
	}
}

/* What a whole session takes: the number of bytes of one side. */
static size_t length(struct server *s, struct client *client, struct plan plan)
{
	struct score score = {0};

	plan.at = SIZE_MAX;
	run(s, client, &plan, &score);
	cr_assert_eq(score.delivered, client->messages);
	return plan.side == SERVER_BYTES ? s->said : s->heard;
}

static void run_all(struct server *s, struct client *client, bool tls, bool pipelining, size_t step,
	struct score *score)
{
	for (int side = SERVER_BYTES; side <= CLIENT_BYTES; side++) {
		struct plan plan = {.side = (enum side)side, .tls = tls, .pipelining = pipelining};
		size_t all = length(s, client, plan);

		for (plan.at = 0; plan.at <= all + 1; plan.at++) {
			if (plan.at > 1000 && plan.at + 300 < all && plan.at % step != 0) {
				continue;
			}
			plan.end = FIN;
			run(s, client, &plan, score);
			plan.end = RST;
			run(s, client, &plan, score);
		}
	}
}

static void client_open(struct client *c, unsigned messages, struct slice body)
{
	struct buf why;

	buf_init(&why, 0);
	*c = (struct client){
		.loop = loop_new(),
		.head = SLICE("From: a@s.test\r\nTo: b@r.test\r\nSubject: cut\r\n\r\n"),
		.body = body,
		.messages = messages,
		.envelope = {.mail_from = SLICE("a@s.test"), .rcpt_to = SLICE("b@r.test")},
	};
	cr_assert(!err_is(tls_context_new(TLS_VERSION_1_2, NULL, &c->tls, &why)));
	buf_clear(&why);
}

static void client_close(struct client *c)
{
	tls_context_free(&c->tls);
	loop_free(&c->loop);
}

static void check(const char *name, const struct score *score)
{
	printf("%s: %u delivered, %u in doubt, %u deferred, %u not begun\n", name, score->delivered,
		score->doubted, score->deferred, score->unsent);
	fflush(stdout);
	cr_assert(score->delivered > 30 && score->doubted > 30 && score->deferred > 150 &&
		score->unsent > 50);
}

static const struct slice small_body = SLICE("Hello,\r\n.\r\n..dots\r\nand an end\r\n");

Test(cut, smtp_M13_smtp_M14_at_every_byte)
{
	struct server server;
	struct client client;
	struct score score = {0};

	server_open(&server, false);
	client_open(&client, MESSAGES, small_body);
	run_all(&server, &client, false, true, 1, &score);
	run_all(&server, &client, false, false, 1, &score);
	check("smtp_M13 plain", &score);
	client_close(&client);
	server_close(&server);
}

/* In the handshake and in the records of TLS, every seventh byte unless all are asked for. */
Test(cut, smtp_M13_smtp_M14_inside_tls)
{
	struct server server;
	struct client client;
	struct score score = {0};

	server_open(&server, false);
	client_open(&client, 1, small_body);
	run_all(&server, &client, true, true, getenv("PENGUIN_FULL") != NULL ? 1 : 7, &score);
	check("smtp_M13 TLS", &score);
	client_close(&client);
	server_close(&server);
}

Test(cut, smtp_M13_smtp_M14_inside_a_large_body)
{
	struct server server;
	struct client client;
	struct score score = {0};
	struct buf body;

	buf_init(&body, 0);
	while (body.n < LARGE_BYTES) {
		buf_add(&body,
			SLICE("A line of a body that no socket buffer takes as a whole.\r\n"));
	}
	server_open(&server, true);
	client_open(&client, 1, buf_slice(&body));
	run_all(&server, &client, false, true, 64, &score);
	check("smtp_M13 large", &score);
	cr_assert_gt(score.deferred, 500, "the body never was under way");
	client_close(&client);
	server_close(&server);
	buf_clear(&body);
}
