/*
 * Mail transactions (RFC 5321 section 3.3, RFC 2920): RSET MAIL RCPT DATA, the body
 * and the dot.
 *
 * With PIPELINING all four went out together, so a handler meets replies to
 * commands that have become pointless: the message's outcome is known by then
 * (`envelope` is NULL) and the rest is only followed to its end.  A 354 that nobody
 * wants is answered by a lone dot, and whatever comes back delivers nothing (M8).
 */
#include "dialogue_private.h"

enum {
	BODY_US_PER_BYTE = 2000, /* at least 500 bytes a second */
};

static void settle_by(struct dialogue *d, enum step step, const struct reply *reply)
{
	struct evidence evidence = dialogue_evidence(d, step, reply);

	dialogue_settle(d, &evidence);
}

/* All commands that went out have their answers. */
static bool is_last(const struct dialogue *d)
{
	return d->queued == 0;
}

void dialogue_on_rset(struct dialogue *d, enum step step, const struct reply *reply)
{
	struct evidence evidence;

	if (reply_class(reply) == 2) {
		d->transaction_open = false;
		if (is_last(d)) {
			dialogue_add_mail(d);
		}
	} else if (reply_refuses(reply)) {
		evidence = dialogue_evidence(d, step, reply);
		dialogue_break(d, &evidence);
	} else {
		dialogue_wrong(d, step, reply);
	}
}

void dialogue_on_mail(struct dialogue *d, enum step step, const struct reply *reply)
{
	if (reply_class(reply) == 2) {
		d->transaction_open = true;
		if (is_last(d)) {
			dialogue_add_rcpt(d);
		}
	} else if (reply_refuses(reply)) {
		settle_by(d, step, reply);
		if (is_last(d)) {
			dialogue_ready(d);
		}
	} else {
		dialogue_wrong(d, step, reply);
	}
}

void dialogue_on_rcpt(struct dialogue *d, enum step step, const struct reply *reply)
{
	if (reply_class(reply) == 2) {
		if (is_last(d)) {
			dialogue_command(d, "DATA", STEP_DATA);
		}
	} else if (reply_refuses(reply)) {
		settle_by(d, step, reply);
		if (is_last(d)) {
			dialogue_ready(d);
		}
	} else {
		dialogue_wrong(d, step, reply);
	}
}

void dialogue_on_data(struct dialogue *d, enum step step, const struct reply *reply)
{
	if (reply->code == 354) {
		if (d->envelope != NULL) {
			dialogue_push(d, STEP_GO);
		} else {
			dialogue_command(d, ".", STEP_DISCARD);
		}
	} else if (reply_refuses(reply)) {
		settle_by(d, step, reply);
		dialogue_ready(d);
	} else {
		dialogue_wrong(d, step, reply);
	}
}

/*
 * A reply while the body is on its way (B9).  DATA cannot be called off by the
 * book: the connection ends without the dot, and a refusal is taken at its word.
 */
void dialogue_on_early(struct dialogue *d, enum step step, const struct reply *reply)
{
	struct evidence evidence = dialogue_evidence(d, step, reply);

	if (!reply_refuses(reply)) {
		evidence.failure = FAILURE_UNSOLICITED;
		evidence.enhanced = failure_enhanced(FAILURE_UNSOLICITED);
	}
	dialogue_break(d, &evidence);
}

/*
 * 220 and 221 are 2yz but no answers to a dot: the first greets (a proxy changed
 * its backend under us), the second says goodbye.
 */
static bool is_acceptance(const struct reply *reply)
{
	return reply_class(reply) == 2 && reply->code != 220 && reply->code != 221;
}

void dialogue_on_dot(struct dialogue *d, enum step step, const struct reply *reply)
{
	if (!is_acceptance(reply) && !reply_refuses(reply)) {
		dialogue_wrong(d, step, reply);
		return;
	}
	d->transaction_open = false;
	settle_by(d, step, reply);
	dialogue_ready(d);
}

void dialogue_on_discard(struct dialogue *d, enum step step, const struct reply *reply)
{
	if (reply_class(reply) == 3) {
		dialogue_wrong(d, step, reply);
		return;
	}
	d->transaction_open = false;
	dialogue_ready(d);
}

/* The body and its end. */

/* The one place that writes the final dot. */
static void send_dot(struct dialogue *d)
{
	if (reply_idle(&d->parser)) {
		dialogue_command(d, ".", STEP_DOT);
	} else {
		dialogue_break_off(d, FAILURE_UNSOLICITED);
	}
}

void dialogue_take_back(struct dialogue *dialogue)
{
	if (dialogue_head(dialogue) == STEP_DOT) {
		dialogue_expect(dialogue, STEP_BODY);
	}
}

void dialogue_body(struct dialogue *dialogue, int64_t now_us)
{
	if (dialogue_head(dialogue) == STEP_GO) {
		dialogue_expect(dialogue, STEP_BODY);
		dialogue_time(dialogue, now_us);
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
		dialogue_expect(dialogue, STEP_GATE);
	}
	dialogue_time(dialogue, now_us);
}

void dialogue_release(struct dialogue *dialogue, int64_t now_us)
{
	dialogue->gate_open = true;
	if (dialogue_head(dialogue) == STEP_GATE) {
		send_dot(dialogue);
		dialogue_time(dialogue, now_us);
	}
}
