/*
 * The client side of an SMTP dialogue: the table of steps, the queue of expected
 * replies, deadlines, and how things end.
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
	NOTE_BYTES = 500,
	BODY_US_PER_BYTE = 2000, /* at least 500 bytes a second */
};

#define WITHIN(member) ((int)offsetof(struct session_timeouts, member))

static void on_idle(struct dialogue *d, enum step step, const struct reply *reply);
static void on_quit(struct dialogue *d, enum step step, const struct reply *reply);

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
	[STEP_READY] = {"ready", PHASE_IDLE, NEED_WORK, NO_DEADLINE, on_idle},
	[STEP_RSET] = {"rset", PHASE_RSET, NEED_REPLY, WITHIN(rset_us), dialogue_on_rset},
	[STEP_MAIL] = {"mail", PHASE_MAIL, NEED_REPLY, WITHIN(mail_us), dialogue_on_mail},
	[STEP_RCPT] = {"rcpt", PHASE_RCPT, NEED_REPLY, WITHIN(rcpt_us), dialogue_on_rcpt},
	[STEP_DATA] = {"data", PHASE_DATA, NEED_REPLY, WITHIN(data_us), dialogue_on_data},
	[STEP_GO] = {"go", PHASE_BODY, NEED_BODY, NO_DEADLINE, dialogue_on_early},
	[STEP_BODY] = {"body", PHASE_BODY, NEED_DRAIN, WITHIN(block_us), dialogue_on_early},
	[STEP_GATE] = {"gate", PHASE_BODY, NEED_GATE, NO_DEADLINE, dialogue_on_early},
	[STEP_DOT] = {"dot", PHASE_DOT, NEED_REPLY, WITHIN(dot_us), dialogue_on_dot},
	[STEP_DISCARD] = {"discard", PHASE_DOT, NEED_REPLY, WITHIN(dot_us), dialogue_on_discard},
	[STEP_QUIT] = {"quit", PHASE_QUIT, NEED_REPLY, WITHIN(quit_us), on_quit},
	[STEP_OVER] = {"over", PHASE_QUIT, NEED_CLOSE, NO_DEADLINE, on_quit},
};
_Static_assert(ARRAY_LEN(table) == STEP_COUNT, "a row for every step");

struct dialogue *dialogue_new(
	const struct dialogue_settings *settings, struct buf *out, int64_t now_us)
{
	struct dialogue *d = MEM_NEW(struct dialogue);

	d->settings = settings;
	d->out = out;
	buf_init(&d->note, NOTE_BYTES);
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

static void pop(struct dialogue *d)
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

/* Whatever was expected: only this now. */
static void expect_only(struct dialogue *d, enum step step)
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

/* The last act of every call: a new head of the queue gets its time. */
static void time_head(struct dialogue *d, int64_t now_us)
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

/* Ends. */

struct evidence dialogue_evidence(struct dialogue *d, enum step step, const struct reply *reply)
{
	return (struct evidence){
		.phase = table[step].phase,
		.code = reply->code,
		.enhanced = reply->enhanced,
		.text = reply_join(&d->parser),
	};
}

void dialogue_settle(struct dialogue *d, const struct evidence *evidence)
{
	if (d->envelope != NULL) {
		d->envelope = NULL;
		d->outcome = *evidence;
		d->outcome_notice = NOTICE_WAITS;
	}
}

static bool is_tls_trouble(const struct dialogue *d, const struct evidence *evidence)
{
	if (evidence->failure == FAILURE_TLS_INJECTION || evidence->failure == FAILURE_LOCAL) {
		return false; /* an attack is no reason to go without TLS */
	}
	return dialogue_head(d) == STEP_TLS || evidence->failure == FAILURE_TLS_FAILED ||
		evidence->failure == FAILURE_TLS_UNVERIFIED;
}

/* A refused login is the same at the relay's next host; a shortage is our own. */
static bool is_hosts_fault(const struct evidence *evidence)
{
	return evidence->failure != FAILURE_LOCAL &&
		(evidence->phase != PHASE_AUTH || evidence->code / 100 != 5);
}

static void end_session(struct dialogue *d, const struct evidence *evidence)
{
	dialogue_settle(d, evidence);
	if (d->end_notice != NOTICE_NONE) {
		return;
	}
	d->end_notice = NOTICE_WAITS;
	d->end.evidence = *evidence;
	if (!d->end.was_ready && (evidence->code != 0 || evidence->failure != FAILURE_NONE)) {
		d->end.try_next_host = is_hosts_fault(evidence);
		d->end.tls_broken =
			d->settings->tls == TLS_POLICY_OPPORTUNISTIC && is_tls_trouble(d, evidence);
	}
}

void dialogue_leave(struct dialogue *d, const struct evidence *evidence)
{
	end_session(d, evidence);
	d->queued = 0;
	dialogue_command(d, "QUIT", STEP_QUIT);
}

void dialogue_break(struct dialogue *d, const struct evidence *evidence)
{
	end_session(d, evidence);
	expect_only(d, STEP_OVER);
}

void dialogue_wrong(struct dialogue *d, enum step step, const struct reply *reply)
{
	struct evidence evidence = dialogue_evidence(d, step, reply);

	evidence.failure = FAILURE_PROTOCOL;
	evidence.enhanced = failure_enhanced(FAILURE_PROTOCOL);
	evidence.dot_sent = step == STEP_DOT;
	dialogue_break(d, &evidence);
}

/* Of our own or the network's making, at the head of the queue. */
static struct evidence failure_here(const struct dialogue *d, enum failure failure)
{
	struct evidence evidence = evidence_of_failure(dialogue_phase(d), failure);

	evidence.dot_sent = dialogue_head(d) == STEP_DOT;
	return evidence;
}

static void break_off(struct dialogue *d, enum failure failure)
{
	struct evidence evidence = failure_here(d, failure);

	dialogue_break(d, &evidence);
}

void dialogue_ready(struct dialogue *d)
{
	static const struct evidence in_order = {0};

	d->end.was_ready = true;
	if (d->parser.bare_lf && d->messages > 0) {
		dialogue_leave(d, &in_order);
	} else {
		expect_only(d, STEP_READY);
	}
}

/* Replies. */

static void on_quit(struct dialogue *d, enum step step, const struct reply *reply)
{
	(void)step;
	(void)reply;
	expect_only(d, STEP_OVER);
}

static void on_idle(struct dialogue *d, enum step step, const struct reply *reply)
{
	(void)step;
	(void)reply;
	break_off(d, FAILURE_UNSOLICITED);
}

/* 421: the server is about to close (RFC 5321 section 3.8), whatever was asked. */
static void on_closing(struct dialogue *d, enum step step, const struct reply *reply)
{
	struct evidence evidence = dialogue_evidence(d, step, reply);

	if (step == STEP_READY && d->messages > 0) {
		evidence = (struct evidence){0};
	}
	dialogue_break(d, &evidence);
}

static void judge(struct dialogue *d, enum step step, const struct reply *reply)
{
	if (reply->code == 421 && step != STEP_QUIT && step != STEP_OVER) {
		on_closing(d, step, reply);
	} else {
		table[step].on_reply(d, step, reply);
	}
}

static bool is_closing(struct slice bytes)
{
	return slice_starts(bytes, SLICE("421")) &&
		(bytes.n == 3 || bytes.p[3] == ' ' || bytes.p[3] == '-' || bytes.p[3] == '\r');
}

/*
 * More bytes lie behind a reply that was the last one expected.  Either a 421 that
 * overtakes our next command, or the server is out of step.
 */
static void on_surplus(struct dialogue *d, struct slice rest)
{
	enum step step = dialogue_head(d);
	struct reply reply;

	if (step == STEP_QUIT || step == STEP_OVER) {
		expect_only(d, STEP_OVER);
	} else if (step == STEP_TLS) {
		break_off(d, FAILURE_TLS_INJECTION);
	} else if (d->outcome_notice == NOTICE_WAITS && is_closing(rest)) {
		/* the outcome's text lies in the parser: leave it there */
		dialogue_break(d, &(struct evidence){0});
	} else if (d->outcome_notice != NOTICE_WAITS &&
		(is_closing(rest) || dialogue_need(d) != NEED_REPLY) &&
		reply_feed(&d->parser, &rest, &reply) == REPLY_DONE) {
		judge(d, step, &reply);
	} else {
		break_off(d, FAILURE_UNSOLICITED);
	}
}

static void take_reply(struct dialogue *d, const struct reply *reply, struct slice rest)
{
	enum step step = dialogue_head(d);
	size_t written = d->out->n;
	bool surplus = rest.n > 0 && d->queued == 1;

	if (surplus && step == STEP_DOT && !is_closing(rest)) {
		/* Which of them answers the dot?  Nobody knows (B7). */
		break_off(d, FAILURE_UNSOLICITED);
		return;
	}
	if (table[step].need == NEED_REPLY) {
		pop(d);
	}
	judge(d, step, reply);
	if (surplus && table[step].need == NEED_REPLY) {
		buf_cut(d->out, written);
		on_surplus(d, rest);
	}
}

size_t dialogue_bytes(struct dialogue *dialogue, struct slice bytes, int64_t now_us)
{
	struct slice rest = bytes;
	struct reply reply;

	if (dialogue_head(dialogue) == STEP_OVER || dialogue_head(dialogue) == STEP_TLS) {
		return bytes.n;
	}
	switch (reply_feed(&dialogue->parser, &rest, &reply)) {
	case REPLY_MORE:
		break;
	case REPLY_DONE:
		take_reply(dialogue, &reply, rest);
		break;
	case REPLY_BROKEN:
		break_off(dialogue, FAILURE_PROTOCOL);
		break;
	}
	time_head(dialogue, now_us);
	return dialogue_head(dialogue) == STEP_OVER ? bytes.n : bytes.n - rest.n;
}

/* What else happens. */

void dialogue_connected(struct dialogue *dialogue, int64_t now_us)
{
	if (dialogue_head(dialogue) == STEP_CONNECT) {
		expect_only(dialogue, STEP_GREETING);
		time_head(dialogue, now_us);
	}
}

void dialogue_secured(struct dialogue *dialogue, int64_t now_us)
{
	if (dialogue_head(dialogue) == STEP_TLS) {
		dialogue->secure = true;
		dialogue->ehlo = (struct ehlo){0}; /* RFC 3207 section 4.2 */
		dialogue->queued = 0;
		dialogue_hello(dialogue);
		time_head(dialogue, now_us);
	}
}

/*
 * A connection that had served before and was closed before any answer to the next
 * MAIL (or RSET): the server had given it up while it was idle (R7).
 */
static bool is_idle_close(const struct dialogue *d)
{
	enum step step = dialogue_head(d);

	return (step == STEP_MAIL || step == STEP_RSET) && d->messages > 1 &&
		reply_idle(&d->parser);
}

void dialogue_failed(
	struct dialogue *dialogue, enum failure failure, struct slice text, int64_t now_us)
{
	struct evidence evidence = failure_here(dialogue, failure);

	if (text.n > 0) {
		buf_reset(&dialogue->note);
		buf_add(&dialogue->note, slice_first(text, NOTE_BYTES));
		evidence.text = buf_slice(&dialogue->note);
	}
	if (failure == FAILURE_LOST && is_idle_close(dialogue)) {
		evidence.phase = PHASE_IDLE;
	} else if (failure == FAILURE_LOST && dialogue_head(dialogue) == STEP_READY) {
		evidence = (struct evidence){0}; /* the server closed an idle connection */
	}
	dialogue_break(dialogue, &evidence);
	time_head(dialogue, now_us);
}

void dialogue_timed_out(struct dialogue *dialogue, int64_t now_us)
{
	break_off(dialogue, FAILURE_TIMED_OUT);
	time_head(dialogue, now_us);
}

void dialogue_abort(struct dialogue *dialogue, enum failure failure, int64_t now_us)
{
	struct evidence evidence = failure_here(dialogue, failure);

	dialogue_settle(dialogue, &evidence);
	dialogue_break(dialogue, &(struct evidence){0});
	time_head(dialogue, now_us);
}

void dialogue_quit(struct dialogue *dialogue, int64_t now_us)
{
	enum step step = dialogue_head(dialogue);

	if (step == STEP_READY) {
		dialogue_leave(dialogue, &(struct evidence){0});
		time_head(dialogue, now_us);
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
	time_head(dialogue, now_us);
}

/* The body and its end. */

/* The one place that writes the final dot. */
static void send_dot(struct dialogue *d)
{
	if (reply_idle(&d->parser)) {
		dialogue_command(d, ".", STEP_DOT);
	} else {
		break_off(d, FAILURE_UNSOLICITED);
	}
}

void dialogue_body(struct dialogue *dialogue, int64_t now_us)
{
	if (dialogue_head(dialogue) == STEP_GO) {
		expect_only(dialogue, STEP_BODY);
		time_head(dialogue, now_us);
		dialogue->body_begun_us = now_us;
		dialogue->body_moved_us = now_us;
		dialogue->body_sent = 0;
	}
}

void dialogue_progress(struct dialogue *dialogue, uint64_t sent_bytes, int64_t now_us)
{
	int64_t block_us = dialogue->settings->timeouts->block_us;
	int64_t rate_us;

	if (dialogue_head(dialogue) != STEP_BODY || sent_bytes <= dialogue->body_sent) {
		return;
	}
	dialogue->body_sent = sent_bytes;
	dialogue->body_moved_us = now_us;
	rate_us = dialogue->body_begun_us + (int64_t)sent_bytes * BODY_US_PER_BYTE;
	dialogue->deadline_us =
		block_us + (rate_us < dialogue->body_moved_us ? rate_us : dialogue->body_moved_us);
}

void dialogue_drained(struct dialogue *dialogue, int64_t now_us)
{
	if (dialogue_head(dialogue) != STEP_BODY) {
		return;
	}
	if (dialogue->gate_open) {
		send_dot(dialogue);
	} else {
		expect_only(dialogue, STEP_GATE);
	}
	time_head(dialogue, now_us);
}

void dialogue_release(struct dialogue *dialogue, int64_t now_us)
{
	dialogue->gate_open = true;
	if (dialogue_head(dialogue) == STEP_GATE) {
		send_dot(dialogue);
		time_head(dialogue, now_us);
	}
}
