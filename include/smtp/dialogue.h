/*
 * The client side of an SMTP dialogue (RFC 5321, 2920, 3207, 4954), pure: it is told
 * what happened, appends bytes to `out`, and says what it waits for.  No socket, no
 * clock; the time is a parameter (monotonic microseconds).
 *
 * What is expected next stands in a queue of steps; the step at its head has the
 * deadline and judges the next reply.  With PIPELINING several steps wait at once.
 * Nothing is ever pipelined behind the final dot, and a message is delivered by
 * exactly one 2yz after it.
 *
 * After each call the caller sends what is in `out`, passes on the outcome and the
 * end if there is one, and then does what dialogue_need() says.
 */
#ifndef SMTP_DIALOGUE_H
#define SMTP_DIALOGUE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"
#include "mail/ehlo.h"
#include "model/evidence.h"

enum tls_policy {
	TLS_POLICY_NONE,
	TLS_POLICY_OPPORTUNISTIC, /* encrypted where offered, unverified */
	TLS_POLICY_REQUIRED,      /* never in clear */
	TLS_POLICY_VERIFIED,      /* never in clear, and the certificate proves the host's name */
};

/* RFC 5321 section 4.5.3.2; all scaled by one knob before they come here. */
struct session_timeouts {
	int64_t connect_us;
	int64_t greeting_us;
	int64_t ehlo_us;
	int64_t starttls_us; /* reply and handshake together */
	int64_t auth_us;     /* the whole exchange */
	int64_t mail_us;
	int64_t rcpt_us;
	int64_t data_us;
	int64_t block_us; /* no progress of the body for so long */
	int64_t dot_us;   /* 10 minutes: less makes duplicates */
	int64_t rset_us;
	int64_t quit_us;
};

struct envelope {
	struct slice mail_from; /* without <>; empty = null path */
	struct slice rcpt_to;   /* as it goes over the wire: A-label domain unless utf8 */
	struct slice envid;     /* comes back in a DSN; at most 100 octets, empty = none */
	bool utf8;              /* needs SMTPUTF8 */
	uint64_t size_bytes;    /* expected octets, CRLF counted, stuffing not; 0 = unknown */
};

/* Why a session ends. */
struct session_end {
	struct evidence
		evidence; /* failure NONE and code 0: an end in order (idle, ours, 421 after success) */
	bool was_ready;     /* it got past EHLO, STARTTLS and AUTH */
	bool try_next_host; /* the host, not the site, refused or failed */
	bool tls_broken;    /* opportunistic: worth a new connection in clear */
};

/* Borrowed, and the slices too. */
struct dialogue_settings {
	struct slice ehlo;
	enum tls_policy tls;
	bool clear_only;       /* opportunistic goes without TLS */
	struct slice username; /* empty = no AUTH */
	struct slice password;
	const struct session_timeouts *timeouts;
};

enum dialogue_need {
	NEED_CONNECT, /* dialogue_connected() */
	NEED_REPLY,   /* dialogue_bytes() */
	NEED_TLS,     /* start the handshake, then dialogue_secured() */
	NEED_WORK,    /* dialogue_send(), or dialogue_quit() */
	NEED_BODY,    /* 354 came: dialogue_body(), or dialogue_abort() */
	NEED_DRAIN,   /* the body is on its way: dialogue_drained() */
	NEED_GATE,    /* the body is out: dialogue_release() */
	NEED_CLOSE,   /* nothing more: close the connection */
};

struct dialogue;

struct dialogue *dialogue_new(
	const struct dialogue_settings *settings, struct buf *out, int64_t now_us);
void dialogue_free(struct dialogue **dialogue);

enum dialogue_need dialogue_need(const struct dialogue *dialogue);
enum phase dialogue_phase(const struct dialogue *dialogue);
const char *dialogue_step(
	const struct dialogue *dialogue); /* the step's name, for tests and logs */
int64_t dialogue_deadline_us(const struct dialogue *dialogue); /* INT64_MAX = none */

void dialogue_connected(struct dialogue *dialogue, int64_t now_us);
void dialogue_secured(struct dialogue *dialogue, int64_t now_us);

/*
 * All bytes that wait; returns how many it took, at most to the end of one reply.
 * To be called again with the rest after outcome and end were passed on, and again
 * with new bytes.  Not for bytes of a TLS handshake.
 */
size_t dialogue_bytes(struct dialogue *dialogue, struct slice bytes, int64_t now_us);

/* The connection is no more: closed by the peer (LOST, text empty), or what conn says. */
void dialogue_failed(
	struct dialogue *dialogue, enum failure failure, struct slice text, int64_t now_us);

/* The deadline has passed. */
void dialogue_timed_out(struct dialogue *dialogue, int64_t now_us);

/* The envelope is borrowed until the outcome. */
void dialogue_send(struct dialogue *dialogue, const struct envelope *envelope, int64_t now_us);
void dialogue_body(struct dialogue *dialogue, int64_t now_us); /* the body was handed to conn */
/* So many bytes of the body went out since dialogue_body(): moves the deadline. */
void dialogue_progress(struct dialogue *dialogue, uint64_t sent_bytes, int64_t now_us);
void dialogue_drained(struct dialogue *dialogue, int64_t now_us);
void dialogue_release(struct dialogue *dialogue, int64_t now_us); /* any time after NEED_BODY */

/*
 * The final dot was written and has not left: it never will, whatever comes next ends
 * the session.  A refusal that comes then is one of the body (B9).
 */
void dialogue_take_back(struct dialogue *dialogue);

/* Ends without the final dot; `failure` is the message's outcome. */
void dialogue_abort(struct dialogue *dialogue, enum failure failure, int64_t now_us);

/* In order when idle, at once otherwise. */
void dialogue_quit(struct dialogue *dialogue, int64_t now_us);

/* Once for each dialogue_send(); the text lives until the next call. */
bool dialogue_take_outcome(struct dialogue *dialogue, struct evidence *ret_evidence);
/* Once: the session may not be used again, although QUIT may still be under way. */
bool dialogue_take_end(struct dialogue *dialogue, struct session_end *ret_end);

const struct ehlo *dialogue_ehlo(const struct dialogue *dialogue);
unsigned dialogue_messages(const struct dialogue *dialogue); /* transactions begun */

#endif
