/*
 * Whole conversations.  The input is text: lines of the peer, and lines that begin
 * with `!` for what else happens:
 *
 *	!c connected   !s secured   !m a message to send   !b its body   !d drained
 *	!r gate open   !a abort     !q quit   !e connection lost   !t deadline passed
 *	!. what the peer said so far comes as one segment   !n the same without its last LF
 *
 * The first line chooses the settings: t0 to t3 the TLS policy, u with a login.
 * Whatever happens: one outcome a message, one end, and a delivery only after a dot
 * that was written with the gate open and everything sent.
 */
#include <stdint.h>
#include <stdlib.h>

#include "base/time.h"
#include "smtp/dialogue.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct game {
	struct dialogue *dialogue;
	struct buf out;
	struct buf heard; /* of the peer, not fed yet */
	struct envelope envelope;
	int64_t now_us;
	bool pending; /* a message without an outcome */
	bool ended;
	bool may_dot; /* gate open and body drained */
	bool dotted;
};

static void must(bool fact)
{
	if (!fact) {
		abort();
	}
}

static void check_written(struct game *game)
{
	struct slice rest = buf_slice(&game->out);
	struct slice line;

	must(rest.n == 0 || slice_ends(rest, SLICE("\r\n")));
	while (slice_split(&rest, '\n', &line)) {
		must(line.n <= 511 && slice_find(line, '\r') + 1 >= line.n);
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
	dialogue_send(game->dialogue, &game->envelope, game->now_us);
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
	if (line.n >= 3 && line.p[2] == 'u') {
		settings.username = SLICE("bob");
		settings.password = SLICE("secret");
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
