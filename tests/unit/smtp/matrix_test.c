/*
 * Every kind of answer in every state of a session, and 421 and a lost connection in
 * each of them: what becomes of the message, and of the session.
 */
#include "stage.h"

TestSuite(matrix, .fini = no_leaks);

enum fate {
	GOES_ON,  /* nothing is decided yet */
	REFUSED,  /* this message, by the code; the session serves on */
	LEAVES,   /* the host refused: QUIT, and no message is concerned */
	AT_FAULT, /* the host broke the protocol before the dot: closed, not sent */
	ENDED,    /* by the code, and the session with it */
	DOUBT,    /* the same behind the dot: nobody knows */
	TAKEN,    /* delivered */
};

enum { KINDS = 5 };

static const struct slice kinds[KINDS] = {
	SLICE("250 2.0.0 well\r\n"),
	SLICE("354 3.0.0 go on\r\n"),
	SLICE("451 4.3.0 later\r\n"),
	SLICE("554 5.3.0 never\r\n"),
	SLICE("Internal Server Error\r\n"),
};

/* 2yz, 3yz, 4yz, 5yz, garbage */
static const struct {
	enum state state;
	enum fate fates[KINDS];
} matrix[] = {
	{GREETING, {GOES_ON, AT_FAULT, LEAVES, LEAVES, AT_FAULT}},
	{EHLO, {GOES_ON, AT_FAULT, LEAVES, LEAVES, AT_FAULT}},
	{MAIL, {GOES_ON, AT_FAULT, REFUSED, REFUSED, AT_FAULT}},
	{RCPT, {GOES_ON, AT_FAULT, REFUSED, REFUSED, AT_FAULT}},
	{DATA, {AT_FAULT, GOES_ON, REFUSED, REFUSED, AT_FAULT}},
	{DOT, {TAKEN, DOUBT, REFUSED, REFUSED, DOUBT}},
	{RSET, {GOES_ON, AT_FAULT, ENDED, ENDED, AT_FAULT}},
};

static enum fate fate_of(const struct stage *stage)
{
	bool closing = dialogue_need(stage->dialogue) == NEED_CLOSE;

	if (stage->outcomes == 0) {
		return stage->ends == 0 ? GOES_ON : closing ? AT_FAULT : LEAVES;
	}
	if (is_delivered(&stage->outcome)) {
		return stage->ends == 0 ? TAKEN : AT_FAULT;
	}
	if (stage->outcome.failure == FAILURE_PROTOCOL && closing && stage->ends == 1) {
		return stage->outcome.dot_sent ? DOUBT : AT_FAULT;
	}
	if (stage->outcome.failure != FAILURE_NONE || stage->outcome.dot_sent) {
		return GOES_ON; /* nothing of the kind is expected anywhere */
	}
	return stage->ends == 0 ? REFUSED : ENDED;
}

static void clear(struct stage *stage)
{
	dialogue_free(&stage->dialogue);
	buf_clear(&stage->out);
}

Test(matrix, smtp_M11_every_kind_of_answer_in_every_state)
{
	for (size_t i = 0; i < ARRAY_LEN(matrix); i++) {
		for (size_t k = 0; k < KINDS; k++) {
			for (int pipelining = 0; pipelining < 2; pipelining++) {
				struct stage stage;

				reach(&stage, matrix[i].state, pipelining != 0);
				feed(&stage, kinds[k]);
				cr_expect_eq(fate_of(&stage), matrix[i].fates[k], "%.5s at %s: %d",
					kinds[k].p, state_names[matrix[i].state],
					(int)fate_of(&stage));
				cr_expect(stage.dot_written == (matrix[i].state == DOT));
				clear(&stage);
			}
		}
	}
}

/* The answer to what was asked, for now; the connection ends, and there is no QUIT. */
Test(matrix, smtp_M12_421_in_every_state)
{
	for (int state = GREETING; state < QUIT; state++) {
		for (int pipelining = 0; pipelining < 2; pipelining++) {
			struct stage stage;
			bool message = state >= MAIL;

			reach(&stage, (enum state)state, pipelining != 0);
			feed(&stage, SLICE("421 4.3.2 closing\r\n"));
			cr_expect_eq(dialogue_need(stage.dialogue), NEED_CLOSE);
			cr_expect_eq(stage.ends, 1, "%s", state_names[state]);
			cr_expect_eq(stage.outcomes, message, "%s", state_names[state]);
			if (message) {
				cr_expect_eq(stage.outcome.failure, FAILURE_NONE);
				cr_expect_eq(stage.outcome.code, 421);
				cr_expect_not(stage.outcome.dot_sent, "a 421 is an answer");
			}
			clear(&stage);
		}
	}
}

/* Behind a 250: in the same segment, in the next, or when the session waits for work. */
Test(matrix, smtp_M12_421_takes_nothing_back)
{
	static const struct slice yes = SLICE("250 2.0.0 queued\r\n");
	static const struct slice bye = SLICE("421 4.7.0 too many messages\r\n");

	for (size_t cut = 0; cut <= bye.n; cut++) {
		struct stage stage;
		struct buf first;

		buf_init(&first, 0);
		buf_add(&first, yes);
		buf_add(&first, slice_first(bye, cut));
		reach(&stage, DOT, true);
		feed(&stage, buf_slice(&first));
		if (dialogue_need(stage.dialogue) != NEED_CLOSE) {
			feed(&stage, slice_from(bye, cut));
		}
		/* a piece that is no 421 yet may be anything: then it is no answer at all */
		if (cut == 0 || cut >= 3) {
			cr_expect_eq(stage.outcomes, 1, "cut at %zu", cut);
			cr_expect(is_delivered(&stage.outcome), "cut at %zu", cut);
			cr_expect_eq(stage.ends, 1, "cut at %zu", cut);
			cr_expect_eq(dialogue_need(stage.dialogue), NEED_CLOSE);
		} else {
			cr_expect_eq(stage.outcomes, 1, "cut at %zu", cut);
		}
		buf_clear(&first);
		clear(&stage);
	}
}

/* Lost at each byte of each answer: like a 451, but behind the dot a doubt. */
Test(matrix, smtp_M13_lost_at_every_byte_of_every_answer)
{
	static const struct slice answer = SLICE("250-2.0.0 one\r\n250 2.0.0 two\r\n");

	for (int state = MAIL; state < QUIT; state++) {
		for (size_t n = 0; n < answer.n; n++) {
			for (int pipelining = 0; pipelining < 2; pipelining++) {
				struct stage stage;

				reach(&stage, (enum state)state, pipelining != 0);
				feed(&stage, slice_first(answer, n));
				dialogue_failed(
					stage.dialogue, FAILURE_LOST, (struct slice){NULL, 0}, 0);
				collect(&stage);
				cr_assert_eq(stage.outcomes, 1);
				cr_expect_eq(stage.outcome.failure, FAILURE_LOST, "%s",
					state_names[state]);
				cr_expect_eq(stage.outcome.enhanced.class, 4);
				cr_expect_eq(stage.outcome.dot_sent, state == DOT, "%s",
					state_names[state]);
				cr_expect_eq(dialogue_need(stage.dialogue), NEED_CLOSE);
				clear(&stage);
			}
		}
	}
}
