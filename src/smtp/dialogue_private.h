/*
 * What the files of the dialogue share: the steps, the queue of what is expected,
 * and the ways in which a message or the session ends.  Pure.
 *
 * A handler in the table judges the reply to its step, which has been taken off the
 * queue already, and puts on the queue what comes next.
 */
#ifndef SMTP_DIALOGUE_PRIVATE_H
#define SMTP_DIALOGUE_PRIVATE_H

#include <stdbool.h>
#include <stdint.h>

#include "mail/reply.h"
#include "smtp/dialogue.h"

enum step {
	STEP_CONNECT,
	STEP_GREETING,
	STEP_EHLO,
	STEP_HELO,
	STEP_STARTTLS,
	STEP_TLS,
	STEP_AUTH_PLAIN,
	STEP_AUTH_LOGIN,
	STEP_AUTH_USER,
	STEP_AUTH_PASSWORD,
	STEP_READY,
	STEP_RSET,
	STEP_MAIL,
	STEP_RCPT,
	STEP_DATA,
	STEP_GO, /* 354 came, and the body is being made */
	STEP_BODY,
	STEP_GATE,
	STEP_DOT,
	STEP_DISCARD, /* a lone dot: nobody was accepted, whatever the answer */
	STEP_QUIT,
	STEP_OVER,
	STEP_COUNT
};

enum {
	QUEUE_STEPS = 4,           /* RSET MAIL RCPT DATA */
	DIALOGUE_NOTE_BYTES = 500, /* of a failure's text */
};

/* Something to pass on once. */
enum notice { NOTICE_NONE, NOTICE_WAITS, NOTICE_TAKEN };

struct dialogue {
	const struct dialogue_settings *settings;
	struct buf *out;
	struct buf note; /* the text of a failure */
	struct reply_parser parser;
	struct ehlo ehlo;

	enum step queue[QUEUE_STEPS]; /* never empty between calls */
	size_t queued;
	unsigned moves; /* changes at the queue's head, and how many have a deadline */
	unsigned moves_timed;
	int64_t deadline_us;

	const struct envelope *envelope; /* NULL = none, or its outcome is known */
	unsigned messages;
	struct evidence outcome;
	enum notice outcome_notice;
	struct session_end end;
	enum notice end_notice;

	int64_t body_begun_us;
	int64_t body_moved_us;
	uint64_t body_sent;

	bool secure;           /* inside TLS */
	bool transaction_open; /* MAIL was accepted and nothing has ended it: RSET first */
	bool gate_open;
};

/*
 * dialogue.c: the queue.  _expect drops whatever was expected; _time is the last act of
 * every call: a new head of the queue gets its deadline.
 */
enum step dialogue_head(const struct dialogue *d);
void dialogue_pop(struct dialogue *d);
void dialogue_push(struct dialogue *d, enum step step);
void dialogue_expect(struct dialogue *d, enum step step);
void dialogue_time(struct dialogue *d, int64_t now_us);

/* The table's columns. */
enum phase dialogue_step_phase(enum step step);
enum dialogue_need dialogue_step_need(enum step step);
void dialogue_judge(struct dialogue *d, enum step step, const struct reply *reply);

/* `line` without CRLF, and the step that its reply belongs to. */
void dialogue_command(struct dialogue *d, const char *line, enum step step);

static inline unsigned reply_class(const struct reply *reply)
{
	return reply->code / 100;
}

/* A refusal: 4yz or 5yz. */
static inline bool reply_refuses(const struct reply *reply)
{
	return reply->code >= 400;
}

/* dialogue_end.c: evidence of a reply; of our own or the network's making, at the head */
struct evidence dialogue_evidence(struct dialogue *d, enum step step, const struct reply *reply);
struct evidence dialogue_failure(const struct dialogue *d, enum failure failure);

/* The outcome of the message under way; no-op when it is known. */
void dialogue_settle(struct dialogue *d, const struct evidence *evidence);

/* Ready for a message, or for QUIT when the stream is not fit for another one. */
void dialogue_ready(struct dialogue *d);

/*
 * Ends the session: _leave with QUIT, _break at once.  The evidence is also the
 * outcome of a message under way.
 */
void dialogue_leave(struct dialogue *d, const struct evidence *evidence);
void dialogue_break(struct dialogue *d, const struct evidence *evidence);
void dialogue_break_off(struct dialogue *d, enum failure failure);

/* A reply that has no place there. */
void dialogue_wrong(struct dialogue *d, enum step step, const struct reply *reply);

/* dialogue_reply.c: with nothing or nobody left to judge */
void dialogue_on_idle(struct dialogue *d, enum step step, const struct reply *reply);
void dialogue_on_quit(struct dialogue *d, enum step step, const struct reply *reply);

/* dialogue_open.c: up to STEP_READY */
void dialogue_on_greeting(struct dialogue *d, enum step step, const struct reply *reply);
void dialogue_on_ehlo(struct dialogue *d, enum step step, const struct reply *reply);
void dialogue_on_helo(struct dialogue *d, enum step step, const struct reply *reply);
void dialogue_on_starttls(struct dialogue *d, enum step step, const struct reply *reply);
void dialogue_on_auth(struct dialogue *d, enum step step, const struct reply *reply);
void dialogue_hello(struct dialogue *d);

/* dialogue_mail.c: transactions */
void dialogue_on_rset(struct dialogue *d, enum step step, const struct reply *reply);
void dialogue_on_mail(struct dialogue *d, enum step step, const struct reply *reply);
void dialogue_on_rcpt(struct dialogue *d, enum step step, const struct reply *reply);
void dialogue_on_data(struct dialogue *d, enum step step, const struct reply *reply);
void dialogue_on_early(struct dialogue *d, enum step step, const struct reply *reply);
void dialogue_on_dot(struct dialogue *d, enum step step, const struct reply *reply);
void dialogue_on_discard(struct dialogue *d, enum step step, const struct reply *reply);

/* dialogue_command.c */
enum failure dialogue_check(const struct dialogue *d, const struct envelope *envelope);
void dialogue_add_mail(struct dialogue *d);
void dialogue_add_rcpt(struct dialogue *d);

#endif
