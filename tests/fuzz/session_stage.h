/*
 * The stage of the session target: a loop with its timers and a connection, in the
 * places of io/loop and io/conn, and the receiving side, which reads what the kernel
 * took.
 */
#ifndef TESTS_FUZZ_SESSION_STAGE_H
#define TESTS_FUZZ_SESSION_STAGE_H

#include "base/buf.h"
#include "base/list.h"
#include "smtp/session.h"

enum { PIECES_MAX = 64 };

#define HEAD SLICE("From: a@s.test\r\n.Dot: 1\r\n\r\n")

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

/*
 * A second reader of replies, by RFC 5321 section 4.2 and mail/reply.h; short ones, so
 * that no limit counts.
 */
enum found { FOUND_MORE, FOUND_REPLY, FOUND_JUNK };
enum found stage_reply(struct slice *rest, unsigned *ret_code);

/* The kernel takes up to n bytes, and the receiver has them. */
void stage_take(struct loop *loop, size_t n);

/* What waits becomes bytes and more, elsewhere: a view of it is no longer valid. */
void stage_put(struct conn *conn, struct slice bytes, struct slice more);

#endif
