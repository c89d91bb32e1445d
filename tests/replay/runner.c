/*
 * Plays a script against the SMTP dialogue in virtual time: no socket, no clock.
 *
 *	settings tls=required user=bob password=secret     before the first act
 *	open PIPELINING SIZE ...            up to the first "ready", with these offers
 *	connected | secured | drained | release | body | abort | quit
 *	send FROM TO [size=N] [envid=X] [utf8]     FROM may be <>
 *	peer 250-mx | 250 PIPELINING        lines in one segment; \r \n \0 \xNN are escapes
 *	raw 25                              the same without line ends
 *	bytewise 250 ok | 250 ok            like peer, a byte at a time
 *	eof | fail FAILURE                  the connection ends
 *	sent N                              bytes of the body that went out so far
 *	at 300s                             time moves; deadlines on the way pass
 *	expect EHLO client.test | ...       all that we wrote since the last expect
 *	outcome PHASE CODE|FAILURE ACTION   of the message, with what classify() says
 *	end in-order | PHASE CODE|FAILURE [next-host] [in-clear]
 *	need WORD                           what the dialogue waits for
 *
 * Everything must be expected: a script fails at the next act when something was
 * written or concluded that it does not mention.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/time.h"
#include "classify/classify.h"
#include "smtp/dialogue.h"

static const char *const needs[] = {
	[NEED_CONNECT] = "connect",
	[NEED_REPLY] = "reply",
	[NEED_TLS] = "tls",
	[NEED_WORK] = "work",
	[NEED_BODY] = "body",
	[NEED_DRAIN] = "drain",
	[NEED_GATE] = "gate",
	[NEED_CLOSE] = "close",
};

struct play {
	const char *path;
	unsigned line;
	int64_t now_us;
	struct session_timeouts timeouts;
	struct dialogue_settings settings;
	struct dialogue *dialogue;
	struct buf out;
	struct buf outcomes; /* as the script writes them, one a line */
	struct buf ends;
	struct envelope envelope;
	char *kept[64]; /* texts that the dialogue borrows */
	size_t kept_count;
};

static void fail(const struct play *play, const char *format, ...) PRINTF_LIKE(2, 3);

static void fail(const struct play *play, const char *format, ...)
{
	va_list args;

	fprintf(stderr, "%s:%u: ", play->path, play->line);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, "\n");
	exit(1);
}

static struct slice keep(struct play *play, struct slice text)
{
	if (play->kept_count == ARRAY_LEN(play->kept)) {
		fail(play, "too many texts");
	}
	play->kept[play->kept_count] = slice_string(text);
	return slice_make(play->kept[play->kept_count++], text.n);
}

static void add_what(struct buf *out, const struct evidence *evidence)
{
	buf_add_text(out, phase_word(evidence->phase));
	buf_add_byte(out, ' ');
	if (evidence->failure != FAILURE_NONE) {
		buf_add_text(out, failure_word(evidence->failure));
	} else {
		buf_add_number(out, evidence->code);
	}
}

static void collect(struct play *play)
{
	struct evidence evidence;
	struct session_end end;

	if (dialogue_take_outcome(play->dialogue, &evidence)) {
		struct verdict verdict = classify(&evidence, (struct slice){NULL, 0});

		add_what(&play->outcomes, &evidence);
		buf_add_byte(&play->outcomes, ' ');
		buf_add_text(&play->outcomes, action_word(verdict.action));
		buf_add_byte(&play->outcomes, '\n');
	}
	if (dialogue_take_end(play->dialogue, &end)) {
		if (end.evidence.failure == FAILURE_NONE && end.evidence.code == 0) {
			buf_add_text(&play->ends, "in-order");
		} else {
			add_what(&play->ends, &end.evidence);
		}
		buf_add_text(&play->ends, end.try_next_host ? " next-host" : "");
		buf_add_text(&play->ends, end.tls_broken ? " in-clear" : "");
		buf_add_byte(&play->ends, '\n');
	}
}

/* Like the session: again and again until all is taken. */
static void feed(struct play *play, struct slice bytes)
{
	while (bytes.n > 0) {
		size_t taken = dialogue_bytes(play->dialogue, bytes, play->now_us);

		if (taken == 0) {
			fail(play, "the dialogue takes nothing");
		}
		bytes = slice_from(bytes, taken);
		collect(play);
	}
}

static int digit(char c)
{
	return c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
}

static void unescape(struct buf *out, struct slice text)
{
	for (size_t i = 0; i < text.n; i++) {
		char c = text.p[i];

		if (c != '\\' || i + 1 == text.n) {
			buf_add_byte(out, c);
			continue;
		}
		c = text.p[++i];
		if (c == 'x' && i + 2 < text.n) {
			c = (char)(digit(text.p[i + 1]) * 16 + digit(text.p[i + 2]));
			i += 2;
		} else {
			c = c == 'r' ? '\r' : c == 'n' ? '\n' : c == '0' ? '\0' : c;
		}
		buf_add_byte(out, c);
	}
}

/* "a | b" as lines. */
static void add_lines(struct buf *out, struct slice text)
{
	size_t at;

	for (;;) {
		at = slice_search(text, SLICE(" | "));
		unescape(out, slice_first(text, at));
		buf_add(out, SLICE("\r\n"));
		if (at == text.n) {
			return;
		}
		text = slice_from(text, at + 3);
	}
}

static struct slice word(struct slice *rest)
{
	struct slice part = {NULL, 0};

	while (slice_split(rest, ' ', &part) && part.n == 0) {
	}
	return part;
}

static void check_quiet(const struct play *play)
{
	if (play->out.n > 0) {
		fail(play, "not expected: it wrote \"%.*s\"", (int)play->out.n, play->out.p);
	}
	if (play->outcomes.n > 0) {
		fail(play, "not expected: outcome %.*s", (int)play->outcomes.n, play->outcomes.p);
	}
	if (play->ends.n > 0) {
		fail(play, "not expected: end %.*s", (int)play->ends.n, play->ends.p);
	}
}

static void check_text(const struct play *play, struct buf *got, struct slice want)
{
	if (!slice_equal(buf_slice(got), want)) {
		fail(play, "want \"%.*s\", got \"%.*s\"", (int)want.n, want.p, (int)got->n,
			got->n > 0 ? got->p : "");
	}
	buf_reset(got);
}

/* Acts: what happens to the dialogue. */

static void act_connected(struct play *play, struct slice rest)
{
	(void)rest;
	dialogue_connected(play->dialogue, play->now_us);
}

static void act_secured(struct play *play, struct slice rest)
{
	(void)rest;
	dialogue_secured(play->dialogue, play->now_us);
}

/* Greeting and EHLO of a good server that offers these keywords; none = HELP alone. */
static void act_open(struct play *play, struct slice rest)
{
	struct buf bytes;
	struct slice keyword;

	dialogue_connected(play->dialogue, play->now_us);
	feed(play, SLICE("220 mx.test ESMTP\r\n"));
	check_text(play, &play->out, SLICE("EHLO client.test\r\n"));
	buf_init(&bytes, 0);
	buf_add_text(&bytes, "250-mx.test\r\n");
	while ((keyword = word(&rest)).n > 0) {
		buf_add_text(&bytes, "250-");
		buf_add(&bytes, keyword);
		buf_add_text(&bytes, "\r\n");
	}
	buf_add_text(&bytes, "250 HELP\r\n");
	feed(play, buf_slice(&bytes));
	buf_clear(&bytes);
}

static void act_peer(struct play *play, struct slice rest)
{
	struct buf bytes;

	buf_init(&bytes, 0);
	add_lines(&bytes, rest);
	feed(play, buf_slice(&bytes));
	buf_clear(&bytes);
}

static void act_bytewise(struct play *play, struct slice rest)
{
	struct buf bytes;

	buf_init(&bytes, 0);
	add_lines(&bytes, rest);
	for (size_t i = 0; i < bytes.n; i++) {
		feed(play, slice_make(bytes.p + i, 1));
	}
	buf_clear(&bytes);
}

static void act_raw(struct play *play, struct slice rest)
{
	struct buf bytes;

	buf_init(&bytes, 0);
	unescape(&bytes, rest);
	feed(play, buf_slice(&bytes));
	buf_clear(&bytes);
}

/* raw, so many times: "times 5000 x" */
static void act_times(struct play *play, struct slice rest)
{
	uint64_t count;
	struct buf bytes;

	if (!slice_number(word(&rest), 10000000, &count)) {
		fail(play, "no number");
	}
	buf_init(&bytes, 0);
	for (uint64_t i = 0; i < count; i++) {
		unescape(&bytes, rest);
	}
	feed(play, buf_slice(&bytes));
	buf_clear(&bytes);
}

static void act_eof(struct play *play, struct slice rest)
{
	dialogue_failed(play->dialogue, FAILURE_LOST, (struct slice){NULL, 0}, play->now_us);
	(void)rest;
}

static void act_fail(struct play *play, struct slice rest)
{
	for (int i = 1; i < FAILURE_COUNT; i++) {
		if (slice_equal(rest, slice_of(failure_word((enum failure)i)))) {
			dialogue_failed(play->dialogue, (enum failure)i,
				SLICE("as the script says"), play->now_us);
			return;
		}
	}
	fail(play, "no such failure");
}

static void act_send(struct play *play, struct slice rest)
{
	struct slice from = word(&rest);
	struct slice option;

	play->envelope = (struct envelope){0};
	if (!slice_equal(from, SLICE("<>"))) {
		play->envelope.mail_from = keep(play, from);
	}
	play->envelope.rcpt_to = keep(play, word(&rest));
	while ((option = word(&rest)).n > 0) {
		if (slice_equal(option, SLICE("utf8"))) {
			play->envelope.utf8 = true;
		} else if (slice_starts(option, SLICE("envid="))) {
			play->envelope.envid = keep(play, slice_from(option, 6));
		} else if (!slice_starts(option, SLICE("size=")) ||
			!slice_number(
				slice_from(option, 5), UINT64_MAX, &play->envelope.size_bytes)) {
			fail(play, "no such option");
		}
	}
	dialogue_send(play->dialogue, &play->envelope, play->now_us);
}

static void act_body(struct play *play, struct slice rest)
{
	(void)rest;
	dialogue_body(play->dialogue, play->now_us);
}

static void act_sent(struct play *play, struct slice rest)
{
	uint64_t count;

	if (!slice_number(rest, UINT64_MAX, &count)) {
		fail(play, "no number");
	}
	dialogue_progress(play->dialogue, count, play->now_us);
}

static void act_drained(struct play *play, struct slice rest)
{
	(void)rest;
	dialogue_drained(play->dialogue, play->now_us);
}

static void act_release(struct play *play, struct slice rest)
{
	(void)rest;
	dialogue_release(play->dialogue, play->now_us);
}

static void act_abort(struct play *play, struct slice rest)
{
	(void)rest;
	dialogue_abort(play->dialogue, FAILURE_HELD_BACK, play->now_us);
}

static void act_quit(struct play *play, struct slice rest)
{
	(void)rest;
	dialogue_quit(play->dialogue, play->now_us);
}

static void act_at(struct play *play, struct slice rest)
{
	int64_t at_us;

	if (!time_parse_duration(rest, &at_us) || at_us < play->now_us) {
		fail(play, "no time, or one that has passed");
	}
	if (dialogue_deadline_us(play->dialogue) <= at_us) {
		dialogue_timed_out(play->dialogue, dialogue_deadline_us(play->dialogue));
	}
	play->now_us = at_us;
}

static const struct act {
	const char *name;
	void (*act)(struct play *play, struct slice rest);
} acts[] = {
	{"open", act_open},
	{"connected", act_connected},
	{"secured", act_secured},
	{"peer", act_peer},
	{"bytewise", act_bytewise},
	{"raw", act_raw},
	{"times", act_times},
	{"eof", act_eof},
	{"fail", act_fail},
	{"send", act_send},
	{"body", act_body},
	{"sent", act_sent},
	{"drained", act_drained},
	{"release", act_release},
	{"abort", act_abort},
	{"quit", act_quit},
	{"at", act_at},
};

static void check_written(struct play *play, struct slice rest)
{
	struct buf want;

	buf_init(&want, 0);
	if (!slice_equal(rest, SLICE("nothing"))) {
		add_lines(&want, rest);
	}
	check_text(play, &play->out, buf_slice(&want));
	buf_clear(&want);
}

/* The line of the script with its LF, as the records have it. */
static void check_record(struct play *play, struct buf *record, struct slice rest)
{
	struct buf want;

	buf_init(&want, 0);
	buf_add(&want, rest);
	buf_add_byte(&want, '\n');
	check_text(play, record, buf_slice(&want));
	buf_clear(&want);
}

static bool check(struct play *play, struct slice verb, struct slice rest)
{
	if (slice_equal(verb, SLICE("expect"))) {
		check_written(play, rest);
	} else if (slice_equal(verb, SLICE("outcome"))) {
		check_record(play, &play->outcomes, rest);
	} else if (slice_equal(verb, SLICE("end"))) {
		check_record(play, &play->ends, rest);
	} else if (slice_equal(verb, SLICE("need"))) {
		if (!slice_equal(rest, slice_of(needs[dialogue_need(play->dialogue)]))) {
			fail(play, "it waits for %s at step %s",
				needs[dialogue_need(play->dialogue)],
				dialogue_step(play->dialogue));
		}
	} else {
		return false;
	}
	return true;
}

static void apply_setting(struct play *play, struct slice setting)
{
	static const char *const policies[] = {"none", "opportunistic", "required", "verified"};
	size_t at = slice_find(setting, '=');
	struct slice name = slice_first(setting, at);
	struct slice value = slice_from(setting, at + 1);

	if (slice_equal(name, SLICE("user"))) {
		play->settings.username = keep(play, value);
	} else if (slice_equal(name, SLICE("password"))) {
		play->settings.password = keep(play, value);
	} else if (slice_equal(name, SLICE("clear-only"))) {
		play->settings.clear_only = true;
	} else if (slice_equal(name, SLICE("tls"))) {
		for (size_t i = 0; i < ARRAY_LEN(policies); i++) {
			if (slice_equal(value, slice_of(policies[i]))) {
				play->settings.tls = (enum tls_policy)i;
				return;
			}
		}
		fail(play, "no such policy");
	} else {
		fail(play, "no such setting");
	}
}

static void act_line(struct play *play, struct slice line)
{
	struct slice rest = line;
	struct slice verb = word(&rest);

	rest = slice_trim(rest);
	if (verb.n == 0 || verb.p[0] == '#') {
		return;
	}
	if (slice_equal(verb, SLICE("settings"))) {
		struct slice setting;

		while ((setting = word(&rest)).n > 0) {
			apply_setting(play, setting);
		}
		return;
	}
	if (play->dialogue == NULL) {
		play->dialogue = dialogue_new(&play->settings, &play->out, 0);
	}
	if (check(play, verb, rest)) {
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(acts); i++) {
		if (slice_equal(verb, slice_of(acts[i].name))) {
			check_quiet(play);
			acts[i].act(play, rest);
			collect(play);
			return;
		}
	}
	fail(play, "no such act");
}

static void read_file(const char *path, struct buf *out)
{
	FILE *file = fopen(path, "rb");
	char *room = buf_reserve(out, 65536);
	size_t n;

	if (file == NULL || (n = fread(room, 1, 65536, file)) == 0) {
		perror(path);
		exit(1);
	}
	buf_commit(out, n);
	fclose(file);
}

int main(int argc, char **argv)
{
	const int64_t s = TIME_SECOND_US;
	struct play play = {
		.timeouts = {30 * s, 300 * s, 300 * s, 60 * s, 300 * s, 300 * s, 300 * s, 120 * s,
			180 * s, 600 * s, 20 * s, 5 * s},
		.settings = {.ehlo = SLICE("client.test")},
	};
	struct buf script;
	struct slice rest;
	struct slice line;

	if (argc != 2) {
		fprintf(stderr, "usage: runner SCRIPT\n");
		return 64;
	}
	play.path = argv[1];
	play.settings.timeouts = &play.timeouts;
	buf_init(&script, 0);
	read_file(argv[1], &script);
	rest = buf_slice(&script);
	while (slice_split(&rest, '\n', &line)) {
		play.line++;
		act_line(&play, line);
	}
	check_quiet(&play);
	dialogue_free(&play.dialogue);
	buf_clear(&play.out);
	buf_clear(&play.outcomes);
	buf_clear(&play.ends);
	buf_clear(&script);
	for (size_t i = 0; i < play.kept_count; i++) {
		free(play.kept[i]);
	}
	return 0;
}
