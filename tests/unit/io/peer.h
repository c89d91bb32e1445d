/*
 * The other end of a connection under test: a thread that accepts one connection
 * on 127.0.0.1 and runs a script in blocking calls; and a recorder of the events
 * that a conn tells its owner.
 */
#ifndef TESTS_IO_PEER_H
#define TESTS_IO_PEER_H

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/time.h"
#include "io/conn.h"
#include "io/loop.h"
#include "io/tls.h"

struct peer {
	int listener;
	union endpoint address;
	pthread_t thread;
	void (*script)(int fd, void *arg);
	void *arg;
	union endpoint client; /* who connected */
};

static inline int peer_listen(union endpoint *ret_address)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t size = sizeof(ret_address->v4);

	memset(ret_address, 0, sizeof(*ret_address));
	cr_assert(endpoint_parse(SLICE("127.0.0.1"), 0, ret_address));
	cr_assert(bind(fd, &ret_address->any, size) == 0 && listen(fd, 16) == 0);
	cr_assert_eq(getsockname(fd, &ret_address->any, &size), 0);
	return fd;
}

static inline void *peer_run(void *arg)
{
	struct peer *peer = arg;
	socklen_t size = sizeof(peer->client);
	int fd = accept(peer->listener, &peer->client.any, &size);

	if (fd >= 0) {
		peer->script(fd, peer->arg);
		close(fd);
	}
	return NULL;
}

static inline void peer_start(struct peer *peer, void (*script)(int fd, void *arg), void *arg)
{
	memset(peer, 0, sizeof(*peer));
	peer->script = script;
	peer->arg = arg;
	peer->listener = peer_listen(&peer->address);
	cr_assert_eq(pthread_create(&peer->thread, NULL, peer_run, peer), 0);
}

static inline void peer_join(struct peer *peer)
{
	pthread_join(peer->thread, NULL);
	close(peer->listener);
}

static inline void peer_say(int fd, const char *text)
{
	size_t n = strlen(text);

	while (n > 0) {
		ssize_t done = write(fd, text, n);

		if (done <= 0) {
			return;
		}
		text += done;
		n -= (size_t)done;
	}
}

/* What the owner of a conn sees, one word an event: "connected data eof gone". */
struct witness {
	struct loop *loop;
	struct conn *conn;
	struct timer guard;
	struct buf words;
	struct buf data; /* what it took */
	struct buf failure_text;
	bool in_call; /* events are forbidden */
	bool lazy;    /* takes nothing */
	size_t most;  /* waited at once */
	void (*then)(struct witness *witness, const char *word);
	struct tls_context *tls;
	const char *name;
	bool verify;
};

static const char *const failure_names[] = {
	[CONN_REFUSED] = "refused",
	[CONN_UNREACHABLE] = "unreachable",
	[CONN_LOST] = "lost",
	[CONN_TLS] = "tls",
	[CONN_INJECTED] = "injected",
	[CONN_UNVERIFIED] = "unverified",
	[CONN_LOCAL] = "local",
};

static inline void witness_note(struct witness *w, const char *word)
{
	cr_assert(!w->in_call, "%s from within a call", word);
	if (w->words.n > 0) {
		buf_add_byte(&w->words, ' ');
	}
	buf_add_text(&w->words, word);
	if (w->then != NULL) {
		w->then(w, word);
	}
}

static inline void witness_connected(void *owner)
{
	witness_note(owner, "connected");
}

static inline void witness_data(void *owner)
{
	struct witness *w = owner;
	struct slice bytes = conn_peek(w->conn);
	bool first = w->data.n == 0 && w->most == 0;

	w->most = bytes.n > w->most ? bytes.n : w->most;
	if (!w->lazy) {
		buf_add(&w->data, bytes);
		conn_take(w->conn, bytes.n);
	}
	if (first) {
		witness_note(w, "data");
	} else if (w->then != NULL) {
		w->then(w, "more");
	}
}

static inline void witness_secure(void *owner)
{
	witness_note(owner, "secure");
}

static inline void witness_drained(void *owner)
{
	witness_note(owner, "drained");
}

static inline void witness_eof(void *owner)
{
	struct witness *w = owner;

	witness_note(owner, "eof");
	conn_close(w->conn, false);
}

static inline void witness_failed(void *owner, enum conn_failure failure, struct slice text)
{
	struct witness *w = owner;

	buf_add(&w->failure_text, text);
	witness_note(owner, failure_names[failure]);
	conn_close(w->conn, false);
	conn_close(w->conn, true); /* twice is once */
}

static inline void witness_gone(void *owner)
{
	struct witness *w = owner;

	witness_note(owner, "gone");
	w->conn = NULL;
	timer_stop(&w->guard);
}

static inline void witness_guard(void *owner)
{
	struct witness *w = owner;

	cr_assert_fail("nothing happened for 8 s after: %s", buf_string(&w->words));
}

static const struct conn_events witness_events = {
	.on_connected = witness_connected,
	.on_data = witness_data,
	.on_secure = witness_secure,
	.on_drained = witness_drained,
	.on_eof = witness_eof,
	.on_failed = witness_failed,
	.on_gone = witness_gone,
};

static inline void witness_open(struct witness *w, struct loop *loop, const union endpoint *remote,
	const union endpoint *local)
{
	w->loop = loop;
	timer_init(&w->guard, loop, witness_guard, w);
	timer_set(&w->guard, loop_now_us(loop) + 8 * TIME_SECOND_US);
	w->in_call = true;
	w->conn = conn_open(loop, remote, local, &witness_events, w);
	w->in_call = false;
}

static inline void witness_clear(struct witness *w)
{
	buf_clear(&w->words);
	buf_clear(&w->data);
	buf_clear(&w->failure_text);
}

static inline bool is(const char *word, const char *other)
{
	return strcmp(word, other) == 0;
}

#endif
