/*
 * The dialogue up to its first MAIL, by tables: what each greeting means, what each
 * answer to STARTTLS means under each policy; and what its commands look like,
 * whatever addresses it is given.
 */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/time.h"
#include "no_leaks.h"
#include "smtp/dialogue.h"

TestSuite(opening, .fini = no_leaks);

struct stage {
	struct session_timeouts timeouts;
	struct dialogue_settings settings;
	struct dialogue *dialogue;
	struct buf out; /* all that was written */
	struct session_end end;
	unsigned ends;
};

static void stage_init(struct stage *s, enum tls_policy tls)
{
	*s = (struct stage){.settings = {.ehlo = SLICE("client.test"), .tls = tls}};
	for (size_t i = 0; i < sizeof(s->timeouts) / sizeof(int64_t); i++) {
		((int64_t *)&s->timeouts)[i] = TIME_SECOND_US;
	}
	s->settings.timeouts = &s->timeouts;
	buf_init(&s->out, 0);
	s->dialogue = dialogue_new(&s->settings, &s->out, 0);
	dialogue_connected(s->dialogue, 0);
}

static void stage_clear(struct stage *s)
{
	dialogue_free(&s->dialogue);
	buf_clear(&s->out);
}

static void feed(struct stage *s, struct slice bytes)
{
	while (bytes.n > 0 && dialogue_need(s->dialogue) != NEED_TLS) {
		size_t taken = dialogue_bytes(s->dialogue, bytes, 0);

		cr_assert_gt(taken, 0);
		bytes = slice_from(bytes, taken);
		s->ends += dialogue_take_end(s->dialogue, &s->end);
	}
}

static bool has_written(const struct stage *s, struct slice text)
{
	return slice_search(buf_slice(&s->out), text) < s->out.n;
}

/* ---- greetings ---- */

enum then { HELLO, GOODBYE, SILENCE };

static const struct {
	const char *label;
	struct slice greeting;
	enum then then; /* EHLO; QUIT; nothing more */
	unsigned code;
	enum failure failure;
} greetings[] = {
	{"220", SLICE("220 mx.test\r\n"), HELLO, 0, FAILURE_NONE},
	{"220 alone", SLICE("220\r\n"), HELLO, 0, FAILURE_NONE},
	{"220 in lines", SLICE("220-a\r\n220-b\r\n220 c\r\n"), HELLO, 0, FAILURE_NONE},
	{"421", SLICE("421 4.3.2 closing\r\n"), SILENCE, 421, FAILURE_NONE},
	{"450", SLICE("450 4.3.0 later\r\n"), GOODBYE, 450, FAILURE_NONE},
	{"521", SLICE("521 no mail here\r\n"), GOODBYE, 521, FAILURE_NONE},
	{"554", SLICE("554 5.7.1 go away\r\n"), GOODBYE, 554, FAILURE_NONE},
	{"556", SLICE("556 no\r\n"), GOODBYE, 556, FAILURE_NONE},
	{"500", SLICE("500 what\r\n"), GOODBYE, 500, FAILURE_NONE},
	{"354", SLICE("354 go\r\n"), SILENCE, 354, FAILURE_PROTOCOL},
	{"garbage", SLICE("SSH-2.0-OpenSSH\r\n"), SILENCE, 0, FAILURE_PROTOCOL},
	{"HTTP", SLICE("HTTP/1.1 400 Bad\r\n"), SILENCE, 0, FAILURE_PROTOCOL},
};

Test(opening, smtp_S2_smtp_S3_what_each_greeting_means)
{
	for (size_t i = 0; i < ARRAY_LEN(greetings); i++) {
		static const char *const written[] = {"EHLO client.test\r\n", "QUIT\r\n", ""};
		struct stage s;

		stage_init(&s, TLS_POLICY_NONE);
		feed(&s, greetings[i].greeting);
		cr_assert(slice_equal(buf_slice(&s.out), slice_of(written[greetings[i].then])),
			"%s", greetings[i].label);
		cr_assert_eq(s.ends, greetings[i].then != HELLO, "%s", greetings[i].label);
		if (s.ends > 0) {
			cr_assert(s.end.try_next_host, "%s", greetings[i].label);
			cr_assert(!s.end.was_ready, "%s", greetings[i].label);
			cr_assert_eq(
				s.end.evidence.code, greetings[i].code, "%s", greetings[i].label);
			cr_assert_eq(s.end.evidence.failure, greetings[i].failure, "%s",
				greetings[i].label);
		}
		stage_clear(&s);
	}
}

Test(opening, smtp_S2_a_greeting_that_does_not_come_or_does_not_end)
{
	static const struct slice parts[] = {SLICE(""), SLICE("220-"), SLICE("220-a\r\n220-b\r\n")};

	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		struct stage s;

		stage_init(&s, TLS_POLICY_NONE);
		feed(&s, parts[i]);
		cr_assert_eq(s.out.n, 0);
		dialogue_timed_out(s.dialogue, dialogue_deadline_us(s.dialogue));
		cr_assert(dialogue_take_end(s.dialogue, &s.end));
		cr_assert(s.end.try_next_host);
		cr_assert_eq(s.end.evidence.failure, FAILURE_TIMED_OUT);
		cr_assert_eq(s.end.evidence.phase, PHASE_GREETING);
		stage_clear(&s);
	}
}

/* ---- STARTTLS ---- */

enum after { TO_TLS, IN_CLEAR, NEXT_HOST };

static const struct {
	struct slice reply;
	enum after opportunistic;
	enum after strict; /* required, verified */
} answers[] = {
	{SLICE("220 go\r\n"), TO_TLS, TO_TLS},
	{SLICE("454 4.7.0 not now\r\n"), IN_CLEAR, NEXT_HOST},
	{SLICE("450 no\r\n"), IN_CLEAR, NEXT_HOST},
	{SLICE("451 no\r\n"), IN_CLEAR, NEXT_HOST},
	{SLICE("421 closing\r\n"), NEXT_HOST, NEXT_HOST},
	{SLICE("500 no\r\n"), IN_CLEAR, NEXT_HOST},
	{SLICE("501 no\r\n"), IN_CLEAR, NEXT_HOST},
	{SLICE("502 no\r\n"), IN_CLEAR, NEXT_HOST},
	{SLICE("503 no\r\n"), IN_CLEAR, NEXT_HOST},
	{SLICE("554 no\r\n"), IN_CLEAR, NEXT_HOST},
	{SLICE("250 what\r\n"), NEXT_HOST, NEXT_HOST},
	{SLICE("354 what\r\n"), NEXT_HOST, NEXT_HOST},
	{SLICE("garbage\r\n"), NEXT_HOST, NEXT_HOST},
};

static void expect_after(struct stage *s, enum after after, size_t row, enum tls_policy policy)
{
	static const struct envelope envelope = {
		.mail_from = SLICE("a@s.test"), .rcpt_to = SLICE("b@r.test")};
	enum dialogue_need need = dialogue_need(s->dialogue);

	if (after == TO_TLS) {
		cr_assert_eq(need, NEED_TLS, "row %zu, policy %d", row, (int)policy);
	} else if (after == IN_CLEAR) {
		cr_assert_eq(need, NEED_WORK, "row %zu, policy %d", row, (int)policy);
		dialogue_send(s->dialogue, &envelope, 0);
		cr_assert(has_written(s, SLICE("MAIL FROM:<a@s.test>")));
	} else {
		cr_assert_eq(s->ends, 1, "row %zu, policy %d", row, (int)policy);
		cr_assert(s->end.try_next_host, "row %zu, policy %d", row, (int)policy);
		cr_assert_neq(need, NEED_WORK, "row %zu, policy %d", row, (int)policy);
		cr_assert(!has_written(s, SLICE("MAIL")));
	}
}

Test(opening, smtp_T3_each_answer_to_STARTTLS_under_each_policy)
{
	for (int policy = TLS_POLICY_OPPORTUNISTIC; policy <= TLS_POLICY_VERIFIED; policy++) {
		for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
			struct stage s;

			stage_init(&s, (enum tls_policy)policy);
			feed(&s, SLICE("220 mx\r\n"));
			feed(&s, SLICE("250-mx\r\n250 STARTTLS\r\n"));
			cr_assert(has_written(&s, SLICE("STARTTLS\r\n")));
			feed(&s, answers[i].reply);
			expect_after(&s,
				policy == TLS_POLICY_OPPORTUNISTIC ? answers[i].opportunistic
								   : answers[i].strict,
				i, (enum tls_policy)policy);
			stage_clear(&s);
		}
	}
}

Test(opening, smtp_T3_no_STARTTLS_where_none_is_wanted)
{
	struct stage s;

	stage_init(&s, TLS_POLICY_NONE);
	feed(&s, SLICE("220 mx\r\n"));
	feed(&s, SLICE("250-mx\r\n250 STARTTLS\r\n"));
	cr_assert_eq(dialogue_need(s.dialogue), NEED_WORK);
	cr_assert(!has_written(&s, SLICE("STARTTLS")));
	stage_clear(&s);
}

/* ---- commands ---- */

static unsigned next(uint64_t *state)
{
	*state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (unsigned)(*state >> 33);
}

/* Letters, in half of them also any octet at all; up to 260 of them. */
static size_t make_address(uint64_t *state, char text[260])
{
	static const char usual[] = "abcdefghijklmnopqrstuvwxyz0123456789.-+=@";
	size_t n = next(state) % 261;
	unsigned odd = next(state) % 2 == 0 ? 0 : next(state) % 8;

	for (size_t i = 0; i < n; i++) {
		text[i] = next(state) % 50 < odd ? (char)next(state)
						 : usual[next(state) % (sizeof(usual) - 1)];
	}
	return n;
}

static void check_line(struct slice line, bool utf8)
{
	cr_assert_leq(line.n + 2, 512);
	cr_assert_gt(line.n, 0, "no line without a command");
	cr_assert_neq(line.p[line.n - 1], ' ');
	for (size_t i = 0; i < line.n; i++) {
		unsigned char c = (unsigned char)line.p[i];

		cr_assert(c >= 0x20 && c != 0x7f, "octet %02x", c);
		cr_assert(c < 0x80 || utf8, "octet %02x", c);
	}
}

/* Every line ends in CRLF, and there is no other CR or LF. */
static unsigned check_lines(struct slice text, bool utf8)
{
	unsigned lines = 0;

	cr_assert(text.n == 0 || slice_ends(text, SLICE("\r\n")));
	while (text.n > 0) {
		size_t end = slice_search(text, SLICE("\r\n"));

		check_line(slice_first(text, end), utf8);
		text = slice_from(text, end + 2);
		lines++;
	}
	return lines;
}

Test(opening, smtp_S7_commands_have_their_form_whatever_the_addresses)
{
	uint64_t state = 1;
	unsigned sent = 0;

	for (int i = 0; i < 20000; i++) {
		char from[260], to[260];
		struct envelope envelope = {
			.utf8 = next(&state) % 2 == 0, .size_bytes = UINT64_MAX};
		struct evidence evidence;
		struct stage s;
		unsigned lines;

		stage_init(&s, TLS_POLICY_NONE);
		feed(&s, SLICE("220 mx\r\n"));
		feed(&s,
			SLICE("250-mx\r\n250-PIPELINING\r\n250-SIZE\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n"));
		envelope.mail_from = slice_make(from, make_address(&state, from));
		envelope.rcpt_to = slice_make(to, make_address(&state, to));
		dialogue_send(s.dialogue, &envelope, 0);
		lines = check_lines(buf_slice(&s.out), envelope.utf8);
		if (dialogue_take_outcome(s.dialogue, &evidence)) {
			cr_assert_eq(lines, 1, "EHLO and nothing more");
		} else {
			cr_assert_eq(lines, 4, "EHLO, MAIL, RCPT, DATA");
			sent++;
		}
		stage_clear(&s);
	}
	cr_assert_gt(sent, 5000, "the property was hardly tried: %u", sent);
}
