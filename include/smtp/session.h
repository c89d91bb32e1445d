/*
 * One SMTP connection to one mail host, used for message after message (RFC 5321):
 * joins the pure dialogue (smtp/dialogue.h) with a conn and the phase's timer.
 *
 * The life of a session, as its owner sees it:
 *
 *	session_open
 *	on_ready                 greeting, EHLO, STARTTLS, AUTH are done: it may be given work
 *	session_send             MAIL RCPT DATA, pipelined where the host offers it
 *	on_go                    354 came: sign, ask the gate, session_body()
 *	on_gate                  the body is out, and the dot waits for the gate
 *	session_release          the gate is open: the final dot may leave
 *	on_outcome               exactly one for each session_send()
 *	on_ready | on_closed     may be used again, or not
 *	...
 *	on_gone                  last of all; then its memory is gone
 *
 * Events come only from the loop.  At a loss of the connection on_outcome comes
 * first (if a message was under way), then on_closed.
 */
#ifndef SMTP_SESSION_H
#define SMTP_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"
#include "io/conn.h"
#include "io/loop.h"
#include "io/tls.h"
#include "model/evidence.h"
#include "smtp/dialogue.h" /* envelope, timeouts, session_end, tls_policy */

struct session;

/* The least a socket's buffer takes in one go: up to here a body leaves with its dot. */
enum { SESSION_SMALL_BODY_BYTES = 32768 };

/* Borrowed for the life of the session; all slices too. */
struct session_target {
	struct slice host; /* MX name: SNI, log */
	union endpoint remote;
	union endpoint local; /* any.sa_family AF_UNSPEC: the kernel chooses */
	struct slice ehlo;    /* no full name: the local address is said */
	enum tls_policy tls;
	bool clear_only; /* a handshake failed lately: opportunistic goes without TLS */
	struct tls_context *tls_context;
	struct slice username; /* relays only; empty = no AUTH */
	struct slice password;
	const struct session_timeouts *timeouts;
};

struct session_events {
	/* What the host said is about to be looked at, and was; may be NULL. */
	void (*on_input)(void *owner, struct session *session, bool over);
	void (*on_ready)(void *owner, struct session *session);
	void (*on_go)(void *owner, struct session *session);
	void (*on_outcome)(void *owner, struct session *session, const struct evidence *evidence);
	void (*on_closed)(void *owner, struct session *session, const struct session_end *end);
	void (*on_gone)(void *owner, struct session *session);
	/* Only where the gate was not open before; may be NULL. */
	void (*on_gate)(void *owner, struct session *session);
};

struct session *session_open(struct loop *loop, const struct session_target *target,
	const struct session_events *events, void *owner);

/* Only when ready.  The envelope is borrowed until on_outcome. */
void session_send(struct session *session, const struct envelope *envelope);

/*
 * Between on_go and on_outcome: the message in canonical form (CRLF lines, 7-bit);
 * head and body are borrowed until on_outcome.  Dot-stuffed on the way.  The final
 * dot waits for session_release(), which may come before or after the body is out.
 */
void session_body(struct session *session, struct slice head, struct slice body);
void session_release(struct session *session);

/* Instead of body or release: ends the connection without the dot; outcome HELD_BACK. */
void session_abort(struct session *session);

/* In order (QUIT) when idle, at once otherwise; twice is once. */
void session_close(struct session *session);

/* Waits no longer for what the host should say: as if its time were over. */
void session_give_up(struct session *session);

/* The owner's own, NULL at birth: what is under way on it. */
void session_set_user(struct session *session, void *user);
void *session_user(const struct session *session);

/* What EHLO offered: 0 = no limit known. */
uint64_t session_size_limit(const struct session *session);
unsigned session_messages(const struct session *session); /* transactions so far */
int64_t session_opened_us(const struct session *session);
const struct session_target *session_target(const struct session *session);
const char *session_id(const struct session *session);    /* 16 hex digits, for logs */
struct conn *session_conn(const struct session *session); /* for TLS and address texts */

#endif
