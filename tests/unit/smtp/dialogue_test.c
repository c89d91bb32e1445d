/*
 * The dialogue against hostile replies: each of a corpus of odd ones, in each of nine
 * states, whole and cut at each byte.  Whatever comes: the message has at most one
 * outcome, it is delivered only by one exact 2yz behind the dot, and the dialogue
 * never waits for ever.
 */
#include "base/mem.h"
#include "stage.h"

TestSuite(dialogue, .fini = no_leaks);

/* Is it one exact 2yz that may stand for a dot's answer, and nothing else? */
static bool is_acceptance(struct slice bytes)
{
	static const struct slice good[] = {SLICE("250 ok\r\n"), SLICE("250\r\n"),
		SLICE("250 \r\n"), SLICE("250-a\r\n250 b\r\n"), SLICE("250 a\0b\r\n"),
		SLICE("250 ok\n"), SLICE("250 \xff\xfe\r\n"), SLICE("250 o\rk\r\n"),
		SLICE("250 5.1.1 ok\r\n"), SLICE("250 ok\r\n421 bye\r\n"), SLICE("200 ok\r\n"),
		SLICE("252 ok\r\n"), SLICE("235 x\r\n")};

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		if (slice_equal(bytes, good[i])) {
			return true;
		}
	}
	return false;
}

static const struct slice corpus[] = {
	SLICE("250\r\n"),
	SLICE("250 \r\n"),
	SLICE("250-\r\n"),
	SLICE("250-a\r\n250 b\r\n"),
	SLICE("250-a\r\n550 b\r\n"),
	SLICE("25 x\r\n"),
	SLICE("2500 x\r\n"),
	SLICE("600 x\r\n"),
	SLICE("260 x\r\n"),
	SLICE("099 x\r\n"),
	SLICE("abc\r\n"),
	SLICE("\r\n"),
	SLICE("\r\n250 ok\r\n"),
	SLICE("250 ok\n"),
	SLICE("250 ok\r"),
	SLICE("250 o\rk\r\n"),
	SLICE("250\tok\r\n"),
	SLICE("250 a\0b\r\n"),
	SLICE("250 \xff\xfe\r\n"),
	SLICE("250 half"),
	SLICE("250 ok\r\n"),
	SLICE("200 ok\r\n"),
	SLICE("252 ok\r\n"),
	SLICE("220 x\r\n"),
	SLICE("221 x\r\n"),
	SLICE("235 x\r\n"),
	SLICE("250 ok\r\n250 ok\r\n"),
	SLICE("250 ok\r\n550 no\r\n"),
	SLICE("550 no\r\n250 ok\r\n"),
	SLICE("250 ok\r\nx"),
	SLICE("250 ok\r\n421 bye\r\n"),
	SLICE("421 x\r\n"),
	SLICE("421-x\r\n421 y\r\n"),
	SLICE("334 \r\n"),
	SLICE("354 go\r\n"),
	SLICE("354 go\r\n250 ok\r\n"),
	SLICE("450 x\r\n"),
	SLICE("500 x\r\n"),
	SLICE("502 x\r\n"),
	SLICE("503 x\r\n"),
	SLICE("521 x\r\n"),
	SLICE("550 x\r\n"),
	SLICE("552 x\r\n"),
	SLICE("554 x\r\n"),
	SLICE("556 x\r\n"),
	SLICE("550 4.2.2 x\r\n"),
	SLICE("250 5.1.1 ok\r\n"),
	SLICE("550 5.1000.1 x\r\n"),
	SLICE("HTTP/1.1 200 OK\r\nServer: nginx\r\n\r\n"),
	SLICE("SSH-2.0-OpenSSH_9.2\r\n"),
	SLICE("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n"),
	SLICE("* OK IMAP4rev1\r\n"),
	SLICE("+OK POP3\r\n"),
	SLICE("garbage\r\n221 bye\r\n"),
	SLICE("220 go\r\n250-EVIL\r\n250 SIZE 1\r\n"),
};

static void play(enum state state, bool pipelining, struct slice bytes, bool cut)
{
	struct stage stage;
	char *copy = mem_copy(bytes.p, bytes.n); /* exactly so many bytes */
	unsigned wanted = state >= MAIL && state != QUIT ? 1 : 0;
	bool delivered;

	reach(&stage, state, pipelining);
	for (size_t i = 0; i < bytes.n; i += cut ? 1 : bytes.n) {
		if (dialogue_need(stage.dialogue) == NEED_TLS) {
			break;
		}
		feed(&stage, slice_make(copy + i, cut ? 1 : bytes.n));
	}
	finish(&stage);
	delivered = stage.outcomes > 0 && is_delivered(&stage.outcome);
	cr_assert_eq(stage.outcomes, wanted, "%.*s at %s: %u outcomes", (int)bytes.n, bytes.p,
		state_names[state], stage.outcomes);
	if (delivered) {
		cr_assert(state == DOT && stage.dot_written, "%.*s at %s is delivered",
			(int)bytes.n, bytes.p, state_names[state]);
		/* cut at each byte, what follows the first answer is a matter of its own */
		cr_assert(cut || is_acceptance(bytes), "%.*s is delivered", (int)bytes.n, bytes.p);
	} else {
		cr_assert(state != DOT || !is_acceptance(bytes), "%.*s is not delivered",
			(int)bytes.n, bytes.p);
	}
	dialogue_free(&stage.dialogue);
	buf_clear(&stage.out);
	mem_free(copy);
}

Test(dialogue, survives_the_corpus_in_every_state)
{
	for (int state = GREETING; state < STATES; state++) {
		for (size_t i = 0; i < sizeof(corpus) / sizeof(corpus[0]); i++) {
			play((enum state)state, false, corpus[i], false);
			play((enum state)state, true, corpus[i], false);
			play((enum state)state, false, corpus[i], true);
			play((enum state)state, true, corpus[i], true);
		}
	}
}

/* A reply in two pieces, cut at each place, is the same reply. */
Test(dialogue, cares_for_no_cut)
{
	static const struct slice answer = SLICE("250-2.0.0 queued\r\n250 2.0.0 as 17\r\n");

	for (size_t cut = 1; cut < answer.n; cut++) {
		struct stage stage;

		reach(&stage, DOT, true);
		feed(&stage, slice_first(answer, cut));
		feed(&stage, slice_from(answer, cut));
		cr_assert_eq(stage.outcomes, 1);
		cr_assert_eq(stage.outcome.code, 250);
		cr_assert(slice_equal(stage.outcome.text, SLICE("queued as 17")),
			"cut at %zu: %.*s", cut, (int)stage.outcome.text.n, stage.outcome.text.p);
		finish(&stage);
		dialogue_free(&stage.dialogue);
		buf_clear(&stage.out);
	}
}

/* Lost at each byte of the answer to the dot: in doubt until it is whole. */
Test(dialogue, doubts_until_the_answer_is_whole)
{
	static const struct slice answer = SLICE("250 2.0.0 queued\r\n");

	for (size_t n = 0; n <= answer.n; n++) {
		struct stage stage;

		reach(&stage, DOT, true);
		feed(&stage, slice_first(answer, n));
		dialogue_failed(stage.dialogue, FAILURE_LOST, (struct slice){NULL, 0}, 0);
		collect(&stage);
		cr_assert_eq(stage.outcomes, 1);
		cr_assert_eq(is_delivered(&stage.outcome), n == answer.n, "after %zu bytes", n);
		cr_assert_eq(stage.outcome.dot_sent, n < answer.n, "after %zu bytes", n);
		dialogue_free(&stage.dialogue);
		buf_clear(&stage.out);
	}
}

static const struct {
	const char *label;
	struct slice rcpt;
	bool utf8;
	enum failure failure;
} addresses[] = {
	{"plain", SLICE("b@r.test"), false, FAILURE_NONE},
	{"empty", SLICE(""), false, FAILURE_BAD_ADDRESS},
	{"CRLF and a command", SLICE("a@b\r\nRCPT TO:<x@y>"), false, FAILURE_BAD_ADDRESS},
	{"ends the path", SLICE("a@b> SIZE=1"), false, FAILURE_BAD_ADDRESS},
	{"CRLF in quotes", SLICE("\"a\r\nb\"@c"), false, FAILURE_BAD_ADDRESS},
	{"escaped LF in quotes", SLICE("\"a\\\nb\"@c"), false, FAILURE_BAD_ADDRESS},
	{"NUL", SLICE("a@b\0c"), false, FAILURE_BAD_ADDRESS},
	{"blank", SLICE("a b@c"), false, FAILURE_BAD_ADDRESS},
	{"tab", SLICE("a\tb@c"), false, FAILURE_BAD_ADDRESS},
	{"DEL", SLICE("a\x7f@c"), false, FAILURE_BAD_ADDRESS},
	{"opening bracket", SLICE("a<@c"), false, FAILURE_BAD_ADDRESS},
	{"brackets in quotes", SLICE("\"a<>\"@c"), false, FAILURE_NONE},
	{"escaped quote in quotes", SLICE("\"a\\\"b\"@c"), false, FAILURE_NONE},
	{"escaped quote lets nothing out", SLICE("\"a\\\">@c"), false, FAILURE_BAD_ADDRESS},
	{"open quote", SLICE("\"a@c"), false, FAILURE_BAD_ADDRESS},
	{"not ASCII", SLICE("\xce\xb4@c"), false, FAILURE_BAD_ADDRESS},
	{"not ASCII with SMTPUTF8", SLICE("\xce\xb4@c"), true, FAILURE_NONE},
	{"not UTF-8 with SMTPUTF8", SLICE("\xce@c"), true, FAILURE_BAD_ADDRESS},
	{"254 octets",
		SLICE("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa@"
		      "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa."
		      "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa."
		      "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
		false, FAILURE_NONE},
	{"255 octets",
		SLICE("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa@"
		      "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa."
		      "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa."
		      "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
		false, FAILURE_BAD_ADDRESS},
};

Test(dialogue, writes_no_address_that_could_be_more_than_one)
{
	for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
		struct stage stage;

		reach(&stage, EHLO, false);
		feed(&stage, SLICE("250-mx\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n"));
		stage.envelope.rcpt_to = addresses[i].rcpt;
		stage.envelope.utf8 = addresses[i].utf8;
		dialogue_send(stage.dialogue, &stage.envelope, 0);
		cr_assert_eq(stage.out.n == 0, addresses[i].failure != FAILURE_NONE, "%s",
			addresses[i].label);
		collect(&stage);
		cr_assert_eq(stage.outcomes, addresses[i].failure != FAILURE_NONE, "%s",
			addresses[i].label);
		if (stage.outcomes > 0) {
			cr_assert_eq(stage.outcome.failure, addresses[i].failure, "%s",
				addresses[i].label);
		}
		dialogue_free(&stage.dialogue);
		buf_clear(&stage.out);
	}
}

Test(dialogue, smtp_S7_smtp_M5_keeps_command_lines_short)
{
	struct stage stage;
	struct slice rest;
	struct slice line;

	reach(&stage, EHLO, false);
	feed(&stage,
		SLICE("250-mx\r\n250-PIPELINING\r\n250-SIZE\r\n250-8BITMIME\r\n250-DSN\r\n"
		      "250 SMTPUTF8\r\n"));
	stage.envelope.envid = SLICE("0192f3a0-1234-7abc-8def-0123456789ab");
	stage.envelope.rcpt_to = addresses[18].rcpt;
	stage.envelope.mail_from = addresses[18].rcpt;
	stage.envelope.size_bytes = UINT64_MAX;
	stage.envelope.utf8 = true;
	dialogue_send(stage.dialogue, &stage.envelope, 0);
	cr_assert_gt(stage.out.n, 0);
	rest = buf_slice(&stage.out);
	while (slice_split(&rest, '\n', &line)) {
		cr_assert_leq(line.n + 1, 512);
		cr_assert(rest.p == NULL || slice_ends(line, SLICE("\r")));
	}
	dialogue_free(&stage.dialogue);
	buf_clear(&stage.out);
}
