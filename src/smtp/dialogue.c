/*
 * The client side of an SMTP dialogue: the table of steps, the queue of what is
 * expected, deadlines, and what the caller starts.
 *
 * Invariants.  One reply is judged by exactly one step, in the order in which the
 * commands went out.  A command is written only when nothing lies unread behind
 * the reply that led to it: what a server says before it was asked is never taken
 * for an answer (conformance S13, C8).  A deadline starts when a step comes to the
 * head of the queue and no byte extends it (1.6).  Outcome and end are told once.
 */
#include "smtp/dialogue.h"

#include <stddef.h>

#include "base/err.h"
#include "base/mem.h"
#include "dialogue_private.h"

enum {
	NO_DEADLINE = -1,   /* we are the ones who take the time */
	SAME_DEADLINE = -2, /* goes on with that of the step before */
};

#define WITHIN(member) ((int)offsetof(struct session_timeouts, member))

static const struct {
	const char *name;
	enum phase phase;
	enum dialogue_need need;
	int timeout; /* where it stands in struct session_timeouts */
	void (*on_reply)(struct dialogue *d, enum step step, const struct reply *reply);
} table[] = {
	[STEP_CONNECT] = {"connect", PHASE_CONNECT, NEED_CONNECT, WITHIN(connect_us),
		dialogue_wrong},
	[STEP_GREETING] = {"greeting", PHASE_GREETING, NEED_REPLY, WITHIN(greeting_us),
		dialogue_on_greeting},
	[STEP_EHLO] = {"ehlo", PHASE_EHLO, NEED_REPLY, WITHIN(ehlo_us), dialogue_on_ehlo},
	[STEP_HELO] = {"helo", PHASE_EHLO, NEED_REPLY, WITHIN(ehlo_us), dialogue_on_helo},
	[STEP_STARTTLS] = {"starttls", PHASE_STARTTLS, NEED_REPLY, WITHIN(starttls_us),
		dialogue_on_starttls},
	[STEP_TLS] = {"tls", PHASE_TLS, NEED_TLS, SAME_DEADLINE, dialogue_wrong},
	[STEP_AUTH_PLAIN] = {"auth", PHASE_AUTH, NEED_REPLY, WITHIN(auth_us), dialogue_on_auth},
	[STEP_AUTH_LOGIN] = {"auth-login", PHASE_AUTH, NEED_REPLY, WITHIN(auth_us),
		dialogue_on_auth},
	[STEP_AUTH_USER] = {"auth-user", PHASE_AUTH, NEED_REPLY, SAME_DEADLINE, dialogue_on_auth},
	[STEP_AUTH_PASSWORD] = {"auth-password", PHASE_AUTH, NEED_REPLY, SAME_DEADLINE,
		dialogue_on_auth},
	[STEP_READY] = {"ready", PHASE_IDLE, NEED_WORK, NO_DEADLINE, dialogue_on_idle},
	[STEP_RSET] = {"rset", PHASE_RSET, NEED_REPLY, WITHIN(rset_us), dialogue_on_rset},
	[STEP_MAIL] = {"mail", PHASE_MAIL, NEED_REPLY, WITHIN(mail_us), dialogue_on_mail},
	[STEP_RCPT] = {"rcpt", PHASE_RCPT, NEED_REPLY, WITHIN(rcpt_us), dialogue_on_rcpt},
	[STEP_DATA] = {"data", PHASE_DATA, NEED_REPLY, WITHIN(data_us), dialogue_on_data},
	[STEP_GO] = {"go", PHASE_BODY, NEED_BODY, NO_DEADLINE, dialogue_on_early},
	[STEP_BODY] = {"body", PHASE_BODY, NEED_DRAIN, WITHIN(block_us), dialogue_on_early},
	[STEP_GATE] = {"gate", PHASE_BODY, NEED_GATE, NO_DEADLINE, dialogue_on_early},
	[STEP_DOT] = {"dot", PHASE_DOT, NEED_REPLY, WITHIN(dot_us), dialogue_on_dot},
	[STEP_DISCARD] = {"discard", PHASE_DOT, NEED_REPLY, WITHIN(dot_us), dialogue_on_discard},
	[STEP_QUIT] = {"quit", PHASE_QUIT, NEED_REPLY, WITHIN(quit_us), dialogue_on_quit},
	[STEP_OVER] = {"over", PHASE_QUIT, NEED_CLOSE, NO_DEADLINE, dialogue_on_quit},
};
_Static_assert(ARRAY_LEN(table) == STEP_COUNT, "a row for every step");

struct dialogue *dialogue_new(
	const struct dialogue_settings *settings, struct buf *out, int64_t now_us)
{
	struct dialogue *d = MEM_NEW(struct dialogue);

	d->settings = settings;
	d->out = out;
	buf_init(&d->note, DIALOGUE_NOTE_BYTES);
	reply_init(&d->parser);
	d->queue[d->queued++] = STEP_CONNECT;
	d->deadline_us = now_us + settings->timeouts->connect_us;
	return d;
}

void dialogue_free(struct dialogue **dialogue)
{
	struct dialogue *d = *dialogue;

	if (d == NULL) {
		return;
	}
	reply_clear(&d->parser);
	buf_clear(&d->note);
	mem_free(d);
	*dialogue = NULL;
}

/* The queue. */

enum step dialogue_head(const struct dialogue *d)
{
	return d->queue[0];
}

void dialogue_pop(struct dialogue *d)
{
	d->queued--;
	for (size_t i = 0; i < d->queued; i++) {
		d->queue[i] = d->queue[i + 1];
	}
	d->moves++;
}

void dialogue_push(struct dialogue *d, enum step step)
{
	if (d->queued == 0 || table[d->queue[0]].need != NEED_REPLY) {
		d->queued = 0; /* a step of ours ends by what follows it */
		d->moves++;
	}
	d->queue[d->queued++] = step;
}

void dialogue_expect(struct dialogue *d, enum step step)
{
	d->queued = 0;
	dialogue_push(d, step);
}

void dialogue_command(struct dialogue *d, const char *line, enum step step)
{
	buf_add_text(d->out, line);
	buf_add(d->out, SLICE("\r\n"));
	dialogue_push(d, step);
}

void dialogue_time(struct dialogue *d, int64_t now_us)
{
	int timeout = table[dialogue_head(d)].timeout;

	if (d->moves_timed == d->moves) {
		return;
	}
	d->moves_timed = d->moves;
	if (timeout == NO_DEADLINE) {
		d->deadline_us = INT64_MAX;
	} else if (timeout != SAME_DEADLINE) {
		const char *at = (const char *)d->settings->timeouts + timeout;

		d->deadline_us = now_us + *(const int64_t *)(const void *)at;
	}
}

/* What the caller asks. */

enum dialogue_need dialogue_need(const struct dialogue *dialogue)
{
	return table[dialogue_head(dialogue)].need;
}

enum phase dialogue_phase(const struct dialogue *dialogue)
{
	return table[dialogue_head(dialogue)].phase;
}

enum phase dialogue_step_phase(enum step step)
{
	return table[step].phase;
}

enum dialogue_need dialogue_step_need(enum step step)
{
	return table[step].need;
}

void dialogue_judge(struct dialogue *d, enum step step, const struct reply *reply)
{
	table[step].on_reply(d, step, reply);
}

const char *dialogue_step(const struct dialogue *dialogue)
{
	return table[dialogue_head(dialogue)].name;
}

int64_t dialogue_deadline_us(const struct dialogue *dialogue)
{
	return dialogue->deadline_us;
}

const struct ehlo *dialogue_ehlo(const struct dialogue *dialogue)
{
	return &dialogue->ehlo;
}

unsigned dialogue_messages(const struct dialogue *dialogue)
{
	return dialogue->messages;
}

bool dialogue_take_outcome(struct dialogue *dialogue, struct evidence *ret_evidence)
{
	if (dialogue->outcome_notice != NOTICE_WAITS) {
		return false;
	}
	dialogue->outcome_notice = NOTICE_TAKEN;
	*ret_evidence = dialogue->outcome;
	return true;
}

bool dialogue_take_end(struct dialogue *dialogue, struct session_end *ret_end)
{
	if (dialogue->end_notice != NOTICE_WAITS) {
		return false;
	}
	dialogue->end_notice = NOTICE_TAKEN;
	*ret_end = dialogue->end;
	return true;
}

/* What else happens. */

void dialogue_connected(struct dialogue *dialogue, int64_t now_us)
{
	if (dialogue_head(dialogue) == STEP_CONNECT) {
		dialogue_expect(dialogue, STEP_GREETING);
		dialogue_time(dialogue, now_us);
	}
}

void dialogue_secured(struct dialogue *dialogue, int64_t now_us)
{
	if (dialogue_head(dialogue) == STEP_TLS) {
		dialogue->secure = true;
		dialogue->ehlo = (struct ehlo){0}; /* RFC 3207 section 4.2 */
		dialogue->queued = 0;
		dialogue_hello(dialogue);
		dialogue_time(dialogue, now_us);
	}
}

void dialogue_quit(struct dialogue *dialogue, int64_t now_us)
{
	enum step step = dialogue_head(dialogue);

	if (step == STEP_READY) {
		dialogue_leave(dialogue, &(struct evidence){0});
		dialogue_time(dialogue, now_us);
	} else if (step != STEP_QUIT) {
		dialogue_abort(dialogue, FAILURE_HELD_BACK, now_us);
	}
}

void dialogue_send(struct dialogue *dialogue, const struct envelope *envelope, int64_t now_us)
{
	struct evidence refusal = {0};

	dialogue->envelope = envelope;
	dialogue->gate_open = false;
	if (dialogue_head(dialogue) != STEP_READY) {
		refusal = evidence_of_failure(PHASE_IDLE, FAILURE_LOST);
	} else if (!reply_idle(&dialogue->parser)) {
		/* half a line that nobody asked for waits there */
		refusal = evidence_of_failure(
			dialogue->messages > 0 ? PHASE_IDLE : PHASE_MAIL, FAILURE_UNSOLICITED);
		dialogue_break(dialogue, &refusal);
	} else {
		refusal = evidence_of_failure(PHASE_MAIL, dialogue_check(dialogue, envelope));
	}
	if (refusal.failure != FAILURE_NONE) {
		dialogue_settle(dialogue, &refusal);
	} else {
		dialogue->messages++;
		dialogue_add_mail(dialogue);
	}
	dialogue_time(dialogue, now_us);
}
