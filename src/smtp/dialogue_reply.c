/*
 * Replies as they come in: which step each belongs to, and what lies behind it.
 *
 * The dangerous server is the one that is out of step: with an answer too many its
 * yes to one thing is taken for a yes to another (conformance C8; Postfix lost mail
 * that way).  So whatever lies behind the last reply that was expected ends the
 * session, but for a 421, and two answers to one dot are a doubt, not a delivery.
 */
#include "dialogue_private.h"

enum {
	SHOWN_BYTES = 200, /* of a line that is no reply */
};

void dialogue_on_quit(struct dialogue *d, enum step step, const struct reply *reply)
{
	(void)step;
	(void)reply;
	dialogue_expect(d, STEP_OVER);
}

void dialogue_on_idle(struct dialogue *d, enum step step, const struct reply *reply)
{
	(void)step;
	(void)reply;
	dialogue_break_off(d, FAILURE_UNSOLICITED);
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
		dialogue_judge(d, step, reply);
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
		dialogue_expect(d, STEP_OVER);
	} else if (step == STEP_TLS) {
		dialogue_break_off(d, FAILURE_TLS_INJECTION);
	} else if (d->outcome_notice == NOTICE_WAITS && is_closing(rest)) {
		/* the outcome's text lies in the parser: leave it there */
		dialogue_break(d, &(struct evidence){0});
	} else if (d->outcome_notice != NOTICE_WAITS &&
		(is_closing(rest) || dialogue_need(d) != NEED_REPLY) &&
		reply_feed(&d->parser, &rest, &reply) == REPLY_DONE) {
		judge(d, step, &reply);
	} else {
		dialogue_break_off(d, FAILURE_UNSOLICITED);
	}
}

static void take_reply(struct dialogue *d, const struct reply *reply, struct slice rest)
{
	enum step step = dialogue_head(d);
	size_t written = d->out->n;
	bool surplus = rest.n > 0 && d->queued == 1;

	if (surplus && step == STEP_DOT && !is_closing(rest)) {
		/* Which of them answers the dot?  Nobody knows (B7). */
		dialogue_break_off(d, FAILURE_UNSOLICITED);
		return;
	}
	if (dialogue_step_need(step) == NEED_REPLY) {
		dialogue_pop(d);
	}
	judge(d, step, reply);
	if (surplus && dialogue_step_need(step) == NEED_REPLY) {
		buf_cut(d->out, written);
		on_surplus(d, rest);
	}
}

/* No reply by the grammar: the evidence shows what it was. */
static void break_on(struct dialogue *d, struct slice bytes)
{
	struct evidence evidence = dialogue_failure(d, FAILURE_PROTOCOL);

	buf_reset(&d->note);
	buf_add(&d->note, evidence.text);
	buf_add(&d->note, SLICE(": "));
	buf_add(&d->note, slice_first(slice_first(bytes, slice_find(bytes, '\n')), SHOWN_BYTES));
	evidence.text = buf_slice(&d->note);
	dialogue_break(d, &evidence);
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
		break_on(dialogue, bytes);
		break;
	}
	dialogue_time(dialogue, now_us);
	return dialogue_head(dialogue) == STEP_OVER ? bytes.n : bytes.n - rest.n;
}
