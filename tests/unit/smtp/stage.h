/*
 * A dialogue that a good server has led up to the reply in question, for the tests of
 * this folder: what it wrote is looked at and dropped, outcomes and ends are counted.
 */
#ifndef TESTS_SMTP_STAGE_H
#define TESTS_SMTP_STAGE_H

#include <criterion/criterion.h>

#include "base/buf.h"
#include "base/time.h"
#include "no_leaks.h"
#include "smtp/dialogue.h"

enum state { GREETING, EHLO, STARTTLS, MAIL, RCPT, DATA, DOT, RSET, QUIT, STATES };

static const char *const state_names[] = {
	"greeting", "ehlo", "starttls", "mail", "rcpt", "data", "dot", "rset", "quit"};

struct stage {
	struct session_timeouts timeouts;
	struct dialogue_settings settings;
	struct envelope envelope;
	struct dialogue *dialogue;
	struct buf out;
	unsigned outcomes;
	unsigned ends;
	struct evidence outcome;
	bool dot_written;
};

static inline void collect(struct stage *stage)
{
	struct session_end end;

	if (slice_ends(buf_slice(&stage->out), SLICE("\r\n.\r\n")) ||
		slice_equal(buf_slice(&stage->out), SLICE(".\r\n"))) {
		stage->dot_written = true;
	}
	buf_reset(&stage->out);
	stage->outcomes += dialogue_take_outcome(stage->dialogue, &stage->outcome);
	stage->ends += dialogue_take_end(stage->dialogue, &end);
}

static inline void feed(struct stage *stage, struct slice bytes)
{
	while (bytes.n > 0) {
		size_t taken = dialogue_bytes(stage->dialogue, bytes, 0);

		cr_assert_gt(taken, 0);
		bytes = slice_from(bytes, taken);
		collect(stage);
		if (dialogue_need(stage->dialogue) == NEED_TLS) {
			return; /* the session would not hand them over */
		}
	}
}

static inline void send_next(struct stage *stage)
{
	dialogue_send(stage->dialogue, &stage->envelope, 0);
	collect(stage);
}

static inline void reach_dot(struct stage *stage)
{
	feed(stage, SLICE("354 go\r\n"));
	dialogue_body(stage->dialogue, 0);
	dialogue_release(stage->dialogue, 0);
	dialogue_drained(stage->dialogue, 0);
	collect(stage);
	cr_assert(stage->dot_written);
}

/* Plays a good server up to the reply in question. */
static inline void reach(struct stage *stage, enum state state, bool pipelining)
{
	bool tls = state == STARTTLS;

	*stage = (struct stage){
		.envelope = {.mail_from = SLICE("a@s.test"), .rcpt_to = SLICE("b@r.test")}};
	for (size_t i = 0; i < sizeof(stage->timeouts) / sizeof(int64_t); i++) {
		((int64_t *)&stage->timeouts)[i] = TIME_SECOND_US;
	}
	stage->settings = (struct dialogue_settings){
		.ehlo = SLICE("client.test"),
		.tls = tls ? TLS_POLICY_OPPORTUNISTIC : TLS_POLICY_NONE,
		.timeouts = &stage->timeouts,
	};
	stage->dialogue = dialogue_new(&stage->settings, &stage->out, 0);
	dialogue_connected(stage->dialogue, 0);
	collect(stage);
	if (state >= EHLO) {
		feed(stage, SLICE("220 mx\r\n"));
	}
	if (state >= STARTTLS) {
		feed(stage,
			pipelining ? SLICE("250-mx\r\n250-STARTTLS\r\n250 PIPELINING\r\n")
				   : SLICE("250-mx\r\n250 STARTTLS\r\n"));
	}
	if (state == QUIT) {
		dialogue_quit(stage->dialogue, 0);
		collect(stage);
	} else if (state >= MAIL) {
		send_next(stage);
	}
	if (state >= RCPT && state != QUIT) {
		feed(stage, SLICE("250 a\r\n"));
	}
	if (state == RSET) {
		feed(stage, SLICE("450 b\r\n"));
		if (pipelining) {
			feed(stage, SLICE("503 c\r\n"));
		}
		stage->outcomes = 0;
		send_next(stage);
	} else if (state >= DATA && state != QUIT) {
		feed(stage, SLICE("250 b\r\n"));
	}
	if (state == DOT) {
		reach_dot(stage);
	}
}

/* What classify/ calls a delivery. */
static inline bool is_delivered(const struct evidence *evidence)
{
	return evidence->failure == FAILURE_NONE && !evidence->dot_sent &&
		evidence->phase == PHASE_DOT && evidence->code / 100 == 2;
}

/* Lets what is left end by itself: the peer goes silent, then hangs up. */
static inline void finish(struct stage *stage)
{
	for (int i = 0; i < 10 && dialogue_need(stage->dialogue) != NEED_CLOSE; i++) {
		if (dialogue_deadline_us(stage->dialogue) != INT64_MAX) {
			dialogue_timed_out(stage->dialogue, dialogue_deadline_us(stage->dialogue));
		} else {
			dialogue_failed(stage->dialogue, FAILURE_LOST, (struct slice){NULL, 0}, 0);
		}
		collect(stage);
	}
	cr_assert_eq(dialogue_need(stage->dialogue), NEED_CLOSE);
	cr_assert_eq(stage->ends, 1, "%u ends", stage->ends);
}

#endif
