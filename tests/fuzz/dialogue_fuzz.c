/*
 * Whole conversations.  The input is text: lines of the peer, and lines that begin
 * with `!` for what else happens:
 *
 *	!c connected   !s secured   !m a message to send   !b its body   !d drained
 *	!r gate open   !a abort     !q quit   !e connection lost   !t deadline passed
 *	!p some of the body went out          !f the connection failed, with a text
 *	!. what the peer said so far comes as one segment   !n the same without its last LF
 *
 * The first line chooses the settings: t0 to t3 the TLS policy, and behind it letters: u a
 * login, c no TLS, 8 UTF-8, 0 no sender, i an id, q a quoted path, l a long one, b a bad
 * one, s a bad sender.  Whatever happens: one outcome a message, one end, a delivery only
 * after a dot that was written with the gate open and everything sent, and nothing on the
 * wire that this server does not offer or that an address may not hold.
 */
#include "smtp/dialogue.h"

#include <string.h>

#include "base/time.h"
#include "fuzz.h"

struct game {
	struct dialogue *dialogue;
	struct buf out;
	struct buf heard; /* of the peer, not fed yet */
	struct envelope envelope;
	int64_t now_us;
	uint64_t progress;
	unsigned sent;
	bool bad;     /* an address that may not go on the wire */
	bool pending; /* a message without an outcome */
	bool ended;
	bool may_dot; /* gate open and body drained */
	bool dotted;
};

/* What is said depends on what was offered, and no bad address is. */
static void check_line(const struct game *game, struct slice line)
{
	const struct ehlo *ehlo = dialogue_ehlo(game->dialogue);
	const struct envelope *envelope = &game->envelope;
	bool mail = slice_starts(line, SLICE("MAIL FROM:<"));
	bool rcpt = slice_starts(line, SLICE("RCPT TO:<"));

	must(line.n <= 511 && slice_find(line, '\r') + 1 >= line.n);
	if (!mail && !rcpt) {
		return;
	}
	must(!game->bad);
	line = slice_from(line, mail ? 11 : 9);
	must(slice_starts(line, mail ? envelope->mail_from : envelope->rcpt_to));
	line = slice_from(line, mail ? envelope->mail_from.n : envelope->rcpt_to.n);
	must(slice_starts(line, SLICE(">")));
	must(!slice_starts(line, SLICE("> SIZE")) || ehlo_offers(ehlo, EHLO_SIZE));
	must(ehlo->size_bytes == 0 || envelope->size_bytes <= ehlo->size_bytes);
	must((slice_search(line, SLICE(" SMTPUTF8")) < line.n) == (mail && envelope->utf8));
	must(!envelope->utf8 || ehlo_offers(ehlo, EHLO_SMTPUTF8));
	must((slice_search(line, SLICE(" RET=HDRS")) < line.n) ==
		(mail && ehlo_offers(ehlo, EHLO_DSN)));
	must((slice_search(line, SLICE(" NOTIFY=")) < line.n) ==
		(rcpt && ehlo_offers(ehlo, EHLO_DSN)));
	must(slice_search(line, SLICE(" ENVID=")) == line.n || envelope->envid.n > 0);
}

static void check_written(struct game *game)
{
	struct slice rest = buf_slice(&game->out);
	struct slice line;

	must(rest.n == 0 || slice_ends(rest, SLICE("\r\n")));
	while (slice_split(&rest, '\n', &line)) {
		check_line(game, line);
		if (slice_equal(line, SLICE(".\r"))) {
			/* either ours or the lone one of a message that is settled */
			must(game->may_dot || !game->pending);
			game->dotted = true;
		}
	}
	buf_reset(&game->out);
}

static void collect(struct game *game)
{
	struct evidence evidence;
	struct session_end end;

	check_written(game);
	if (dialogue_take_outcome(game->dialogue, &evidence)) {
		must(game->pending);
		game->pending = false;
		if (evidence.failure == FAILURE_NONE && evidence.code < 400) {
			must(evidence.phase == PHASE_DOT && evidence.code / 100 == 2);
			must(game->dotted && game->may_dot && !evidence.dot_sent);
		}
		must(evidence.text.n <= 65536);
	}
	if (dialogue_take_end(game->dialogue, &end)) {
		must(!game->ended);
		game->ended = true;
	}
	must(dialogue_messages(game->dialogue) <= game->sent);
	must(*dialogue_step(game->dialogue) != '\0');
	must(!game->ended || dialogue_need(game->dialogue) == NEED_CLOSE ||
		dialogue_need(game->dialogue) == NEED_REPLY);
}

static void hear(struct game *game)
{
	struct slice rest = buf_slice(&game->heard);

	while (rest.n > 0 && dialogue_need(game->dialogue) != NEED_TLS) {
		size_t taken = dialogue_bytes(game->dialogue, rest, game->now_us);

		must(taken > 0 && taken <= rest.n);
		rest = slice_from(rest, taken);
		collect(game);
	}
	buf_reset(&game->heard);
}

static void begin_message(struct game *game)
{
	if (game->pending) {
		return;
	}
	game->pending = true;
	game->may_dot = false;
	game->dotted = false;
	game->progress = 0;
	game->sent++;
	dialogue_send(game->dialogue, &game->envelope, game->now_us);
}

/* No progress moves the deadline further than one without it would be now. */
static void progress(struct game *game)
{
	game->now_us += TIME_SECOND_US / 3;
	game->progress += 100;
	dialogue_progress(game->dialogue, game->progress, game->now_us);
	must(dialogue_need(game->dialogue) != NEED_DRAIN ||
		dialogue_deadline_us(game->dialogue) <= game->now_us + TIME_SECOND_US);
}

static void happen(struct game *game, char what)
{
	struct dialogue *d = game->dialogue;
	bool drained = dialogue_need(d) == NEED_DRAIN || dialogue_need(d) == NEED_GATE;

	switch (what) {
	case 'c':
		dialogue_connected(d, game->now_us);
		break;
	case 's':
		dialogue_secured(d, game->now_us);
		break;
	case 'm':
		begin_message(game);
		break;
	case 'b':
		dialogue_body(d, game->now_us);
		break;
	case 'd':
		game->may_dot = game->may_dot || drained;
		dialogue_drained(d, game->now_us);
		break;
	case 'r':
		game->may_dot = game->may_dot || drained;
		dialogue_release(d, game->now_us);
		break;
	case 'p':
		progress(game);
		break;
	case 'f':
		dialogue_failed(d, FAILURE_TLS_FAILED, SLICE("broken"), game->now_us);
		break;
	case 'a':
		dialogue_abort(d, FAILURE_HELD_BACK, game->now_us);
		break;
	case 'q':
		dialogue_quit(d, game->now_us);
		break;
	case 'e':
		dialogue_failed(d, FAILURE_LOST, (struct slice){NULL, 0}, game->now_us);
		break;
	case 't':
		if (dialogue_deadline_us(d) != INT64_MAX) {
			game->now_us = dialogue_deadline_us(d);
			dialogue_timed_out(d, game->now_us);
		}
		break;
	default:
		break;
	}
	collect(game);
}

static void play_line(struct game *game, struct slice line)
{
	if (line.n < 2 || line.p[0] != '!') {
		buf_add(&game->heard, line);
		buf_add_byte(&game->heard, '\n');
		return;
	}
	if (line.p[1] == 'n' && game->heard.n > 0) {
		game->heard.n--;
	}
	hear(game);
	happen(game, line.p[1]);
}

/* Each of its signs takes three as xtext. */
static struct slice long_path(void)
{
	static char text[200];

	memset(text, '+', sizeof(text));
	text[sizeof(text) - 2] = '@';
	text[sizeof(text) - 1] = 'r';
	return slice_make(text, sizeof(text));
}

static void choose(struct game *game, struct dialogue_settings *settings, char letter)
{
	struct envelope *envelope = &game->envelope;

	if (game->bad) {
		return; /* and stays so */
	}
	if (letter == 'u') {
		settings->username = SLICE("bob");
		settings->password = SLICE("secret");
	} else if (letter == 'c') {
		settings->clear_only = true;
	} else if (letter == '8') {
		envelope->utf8 = true;
		envelope->rcpt_to = SLICE("\xc3\xa4=+@r.test");
	} else if (letter == '0') {
		envelope->mail_from = SLICE("");
	} else if (letter == 'i') {
		envelope->envid = SLICE("job=1+2");
	} else if (letter == 'q') {
		envelope->rcpt_to = SLICE("\"a\\\">\"@r.test");
	} else if (letter == 'l') {
		envelope->rcpt_to = long_path();
	} else if (letter == 'b') {
		game->bad = true;
		envelope->rcpt_to = SLICE("b@r.test> NOTIFY=NEVER");
	} else if (letter == 's') {
		game->bad = true;
		envelope->mail_from = SLICE("\"a\\\n\"@s.test");
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const int64_t s = TIME_SECOND_US;
	const struct session_timeouts timeouts = {s, s, s, s, s, s, s, s, s, s, s, s};
	struct slice rest = slice_make((const char *)data, size);
	struct dialogue_settings settings = {.ehlo = SLICE("client.test"), .timeouts = &timeouts};
	struct game game = {.envelope = {.mail_from = SLICE("a@s.test"),
				    .rcpt_to = SLICE("b@r.test"),
				    .size_bytes = 1000}};
	struct slice line = {NULL, 0};

	if (size == 0) {
		return 0;
	}
	(void)slice_split(&rest, '\n', &line);
	if (line.n >= 2 && line.p[0] == 't') {
		settings.tls = (enum tls_policy)(line.p[1] & 3);
	}
	for (size_t i = 2; i < line.n; i++) {
		choose(&game, &settings, line.p[i]);
	}
	game.dialogue = dialogue_new(&settings, &game.out, 0);
	while (slice_split(&rest, '\n', &line)) {
		play_line(&game, line);
	}
	hear(&game);
	happen(&game, 'e');
	must(!game.pending && game.ended && dialogue_need(game.dialogue) == NEED_CLOSE);
	dialogue_free(&game.dialogue);
	buf_clear(&game.out);
	buf_clear(&game.heard);
	return 0;
}
