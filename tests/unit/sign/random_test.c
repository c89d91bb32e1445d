/*
 * Random messages, signed by both signers with RSA and Ed25519, each judged by
 * libopendkim's verifier; and each once more after a change that must be seen.
 * PENGUIN_FULL=1 takes twenty times as many.  Seeds are the messages' numbers.
 */
#include "base/time.h"
#include "bench.h"
#include "sign/signer.h"

/* libopendkim leaks with Ed25519, when it signs and when it verifies. */
TestSuite(random, .timeout = 900);

struct dice {
	uint64_t state;
};

/* splitmix64 */
static uint64_t roll(struct dice *dice, uint64_t sides)
{
	uint64_t z = dice->state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return (z ^ (z >> 31)) % sides;
}

static const char *const names[] = {"To", "Cc", "Subject", "subject", "SUBJECT", "Date", "Reply-To",
	"Message-ID", "MIME-Version", "Content-Type", "Content-Transfer-Encoding", "List-Id",
	"List-Unsubscribe", "List-Unsubscribe-Post", "Feedback-ID", "X-Other", "Received",
	"References", "Sender", "DKIM-Signature-Not", "X_1.2!"};
static const char *const blanks[] = {" ", "  ", "\t", " \t ", "", "\r\n ", "\r\n\t", " \r\n  "};
static const char *const words[] = {"a", "word", "=?utf-8?q?caf=C3=A9?=", "x=y;z", ":", ";",
	"\"q\"", "<a@example.org>", "\xc3\xa9", "b=", "v=1;", ",",
	"longer-than-the-others-by-some-letters"};
static const char *const pieces[] = {" ", "  ", "\t", "\r\n", "\r\n\r\n", "\r\n \r\n", "x", "word",
	".", "=3D", "\xc3\xa9", "a line of some words that go on for a while", " \r\n", "\t\r\n",
	"From "};

static void add_field(struct dice *dice, const char *name, struct buf *out)
{
	uint64_t count = roll(dice, 8);

	buf_add_format(out, "%s:", name);
	for (uint64_t i = 0; i < count; i++) {
		buf_add_text(out, blanks[roll(dice, ARRAY_LEN(blanks))]);
		buf_add_text(out, words[roll(dice, ARRAY_LEN(words))]);
	}
	buf_add_text(out, roll(dice, 3) == 0 ? " \t\r\n" : "\r\n");
}

static void make_headers(struct dice *dice, struct buf *out)
{
	uint64_t before = roll(dice, 8);
	uint64_t after = roll(dice, 12);

	for (uint64_t i = 0; i < before; i++) {
		add_field(dice, names[roll(dice, ARRAY_LEN(names))], out);
	}
	buf_add_text(out, "From: \"A  B\" <ann@mail.example.org>\r\n");
	if (roll(dice, 8) == 0) { /* the judge wants an address to be in it */
		buf_add_text(out, "FROM : <bob@example.org> \r\n\t(a second one)\r\n");
	}
	for (uint64_t i = 0; i < after; i++) {
		add_field(dice, names[roll(dice, ARRAY_LEN(names))], out);
	}
}

static void make_body(struct dice *dice, struct buf *out)
{
	uint64_t count = roll(dice, 4) == 0 ? roll(dice, 3) : roll(dice, 200);

	for (uint64_t i = 0; i < count; i++) {
		buf_add_text(out, pieces[roll(dice, ARRAY_LEN(pieces))]);
	}
}

struct trial {
	struct bench bench;
	struct signer *signers[2];
	int64_t first_us;
	struct dice dice;
	struct buf headers;
	struct buf body;
	struct buf out;
	struct buf why;
};

/* What must be seen: another From, one more line, one more Subject, another body. */
static void change(struct trial *trial)
{
	switch (roll(&trial->dice, 3)) {
	case 0:
		buf_add_text(&trial->out, "\r\nmore");
		break;
	case 1: {
		size_t at = slice_search(buf_slice(&trial->out), SLICE("ann@mail"));

		trial->out.p[at] = 'e';
		break;
	}
	default: {
		struct buf longer;

		buf_init(&longer, 0);
		buf_add_text(&longer, "Subject: another\r\n");
		buf_add(&longer, buf_slice(&trial->out));
		buf_clear(&trial->out);
		trial->out = longer;
	}
	}
}

static void sign_and_judge(struct trial *trial, int kind, uint64_t number)
{
	struct slice headers = buf_slice(&trial->headers);
	struct slice body = buf_slice(&trial->body);
	struct signer *signer = trial->signers[kind];
	size_t size = signer_size(signer, trial->bench.set, headers, trial->first_us);
	unsigned passed;

	buf_reset(&trial->out);
	buf_reset(&trial->why);
	cr_assert(!err_is(signer_sign(
			  signer, trial->bench.set, headers, body, trial->first_us, &trial->out)),
		"signer %d, message %lu", kind, (unsigned long)number);
	cr_assert_eq(trial->out.n, size, "signer %d, message %lu: %zu octets, not %zu", kind,
		(unsigned long)number, trial->out.n, size);
	buf_add(&trial->out, headers);
	buf_add_text(&trial->out, "\r\n");
	buf_add(&trial->out, body);
	passed = judge_message(trial->bench.judge, buf_slice(&trial->out), &trial->why);
	cr_assert_eq(passed, 2, "signer %d, message %lu: %s", kind, (unsigned long)number,
		buf_string(&trial->why));
	change(trial);
	cr_assert_eq(judge_message(trial->bench.judge, buf_slice(&trial->out), &trial->why), 0,
		"signer %d, message %lu: a change was not seen", kind, (unsigned long)number);
}

Test(random, what_is_signed_passes_and_what_is_changed_does_not)
{
	uint64_t count = getenv("PENGUIN_FULL") != NULL ? 20000 : 1000;
	struct trial trial = {.first_us = time_wall_us() - 60 * TIME_SECOND_US};

	bench_init(&trial.bench, true, true);
	trial.signers[0] = signer_new(SIGNER_NATIVE, INT64_C(7) * 86400 * TIME_SECOND_US);
	trial.signers[1] = signer_new(SIGNER_LIBOPENDKIM, INT64_C(7) * 86400 * TIME_SECOND_US);
	buf_init(&trial.headers, 0);
	buf_init(&trial.body, 0);
	buf_init(&trial.out, 0);
	buf_init(&trial.why, 0);
	for (uint64_t i = 0; i < count; i++) {
		trial.dice.state = i;
		buf_reset(&trial.headers);
		buf_reset(&trial.body);
		make_headers(&trial.dice, &trial.headers);
		make_body(&trial.dice, &trial.body);
		sign_and_judge(&trial, 0, i);
		if (i % 4 == 0) { /* it costs four times as much, and is not ours */
			sign_and_judge(&trial, 1, i);
		}
	}
	buf_clear(&trial.headers);
	buf_clear(&trial.body);
	buf_clear(&trial.out);
	buf_clear(&trial.why);
	signer_free(&trial.signers[0]);
	signer_free(&trial.signers[1]);
	bench_clear(&trial.bench);
}
