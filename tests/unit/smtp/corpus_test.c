/*
 * The dialogue against a server that says anything.  A small proper server answers
 * each command; in one of nine states it says something odd instead of, or behind,
 * its proper answer, and then goes on, falls silent, or is gone.  What it says comes
 * whole, byte by byte, in random pieces, or one byte a second of virtual time.
 *
 * Whatever it says: one outcome for each message, delivered only when exactly one 2yz
 * came after its dot, one end of the session, within the deadlines, in bounded memory.
 * What was heard after the dot is judged by a second, simpler reading of RFC 5321.
 *
 * PENGUIN_SEED repeats a run, PENGUIN_CASES says how many there are of each state.
 */
#include <criterion/criterion.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/time.h"
#include "no_leaks.h"
#include "smtp/dialogue.h"

TestSuite(corpus, .fini = no_leaks, .timeout = 600);

enum {
	CASES = 12000, /* of each state; times nine is more than 100,000 */
	FULL_CASES = 250000,
	TIMEOUT_S = 10,       /* of each phase */
	PHASES_MOST = 30,     /* deadlines that one conversation can go through */
	MEMORY_MOST = 300000, /* a reply's text and line, and room to grow */
	HUGE_BYTES = 5000000,
	SAID_BYTES = HUGE_BYTES + 200000,
};

enum state { GREETING, EHLO, STARTTLS, MAIL, RCPT, DATA, DOT, RSET, QUIT, STATES };

static const struct {
	const char *name;
	const char *command;
	struct slice good;
} states[] = {
	[GREETING] = {"greeting", NULL, SLICE("220 mx ready\r\n")},
	[EHLO] = {"ehlo", "EHLO ", SLICE("")},
	[STARTTLS] = {"starttls", "STARTTLS", SLICE("220 2.0.0 go\r\n")},
	[MAIL] = {"mail", "MAIL FROM:", SLICE("250 2.1.0 ok\r\n")},
	[RCPT] = {"rcpt", "RCPT TO:", SLICE("250 2.1.5 ok\r\n")},
	[DATA] = {"data", "DATA", SLICE("354 go\r\n")},
	[DOT] = {"dot", ".", SLICE("250 2.0.0 queued\r\n")},
	[RSET] = {"rset", "RSET", SLICE("250 2.0.0 ok\r\n")},
	[QUIT] = {"quit", "QUIT", SLICE("221 bye\r\n")},
};

enum pieces { WHOLE, BYTES, CUTS, TRICKLE, PIECES };
enum after { GOES_ON, SILENT, GONE, AFTERS };

struct room {
	uint64_t random;
	enum state state; /* where the odd thing is said */
	unsigned message; /* with which message, counted from 1 */
	bool behind;      /* the proper answer, not in its place */
	enum pieces pieces;
	enum after after;
	bool pipelining;
	bool eager; /* the next message is sent before the rest is read */
	bool refuse_first;

	struct session_timeouts timeouts;
	struct dialogue_settings settings;
	struct envelope envelope;
	struct dialogue *dialogue;
	int64_t now_us;

	struct slice odd;
	size_t said_at; /* what of `said` has been given to the client */
	bool odd_said;
	unsigned mails; /* MAIL commands that the server saw */
	bool accepted;  /* a recipient of this one */

	unsigned wanted; /* messages to send */
	unsigned sent;
	unsigned outcomes;
	unsigned ends;
	bool dotted; /* the final dot of the message under way is out */
};

/* What came of it all, to see that the cases reach everything. */
struct score {
	unsigned delivered;
	unsigned refused;
	unsigned doubted;
	unsigned lost; /* before the dot, by no reply */
};

/* One for all cases: what the client writes, what the server says, what came after the dot. */
static struct buf out;
static struct buf said;
static struct buf heard;
static struct buf odd_bytes;
static char *huge;
static uint64_t seed = 1;

static uint64_t next(struct room *r)
{
	uint64_t z = (r->random += 0x9e3779b97f4a7c15U);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
	return z ^ (z >> 31);
}

static size_t below(struct room *r, size_t n)
{
	return (size_t)(next(r) % n);
}

static bool one_in(struct room *r, size_t n)
{
	return below(r, n) == 0;
}

static size_t allocated(void)
{
#ifdef NO_LEAKS_CHECKED
	size_t __sanitizer_get_current_allocated_bytes(
		void); /* NOLINT(bugprone-reserved-identifier): ASan's name */

	return __sanitizer_get_current_allocated_bytes();
#else
	return mallinfo2().uordblks;
#endif
}

/* ---- odd things to say ---- */

static const struct slice rows[] = {
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
	SLICE("250 ok\r250 more\r\n"),
	SLICE("250\tok\r\n"),
	SLICE("250 a\0b\r\n"),
	SLICE("250 \xff\xfe\xc0\xaf\r\n"),
	SLICE("250 half a line"),
	SLICE("25"),
	SLICE("250 ok\r\n250 ok\r\n"),
	SLICE("250 ok\r\n550 no\r\n"),
	SLICE("550 no\r\n250 ok\r\n"),
	SLICE("250 ok\r\n421 bye\r\n"),
	SLICE("250 ok\r\n354 go\r\n250 ok\r\n"),
	SLICE("354 go\r\n250 ok\r\n"),
	SLICE("421 x\r\n"),
	SLICE("421-x\r\n421 y\r\n"),
	SLICE("220 x\r\n"),
	SLICE("221 bye\r\n"),
	SLICE("334 \r\n"),
	SLICE("354 go\r\n"),
	SLICE("450 4.2.0 later\r\n"),
	SLICE("452 4.5.3 too many\r\n"),
	SLICE("500 what\r\n"),
	SLICE("502 no EHLO\r\n"),
	SLICE("550 5.1.1 nobody\r\n"),
	SLICE("550 4.2.2 x\r\n"),
	SLICE("250 5.1.1 ok\r\n"),
	SLICE("550 5.1000.1 x\r\n"),
	SLICE("550 5.7.1text\r\n"),
	SLICE("garbage\r\n221 bye\r\n"),
	SLICE("220 go\r\n250-EVIL\r\n250 SIZE 1\r\n"),
	SLICE("HTTP/1.1 200 OK\r\nServer: x\r\n\r\n"),
	SLICE("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n"),
	SLICE("SSH-2.0-OpenSSH_9.2\r\n"),
	SLICE("* OK IMAP4rev1\r\n"),
	SLICE("+OK POP3\r\n"),
	SLICE(""),
};

static void add_noise(struct room *r, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		buf_add_byte(&odd_bytes, (char)next(r));
	}
}

static void add_text(struct room *r, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		buf_add_byte(&odd_bytes, (char)(' ' + below(r, 95)));
	}
}

/* The proper one, a good one, or any at all. */
static unsigned any_code(struct room *r)
{
	static const unsigned codes[] = {220, 221, 235, 250, 250, 250, 251, 252, 334, 354, 354, 421,
		450, 451, 452, 500, 503, 521, 550, 552, 554, 556};

	static const unsigned proper[STATES] = {220, 250, 220, 250, 250, 354, 250, 250, 221};

	if (one_in(r, 2)) {
		return proper[r->state];
	}
	return one_in(r, 6) ? (unsigned)below(r, 1000) : codes[below(r, ARRAY_LEN(codes))];
}

static void add_reply(struct room *r)
{
	static const char *const ends[] = {
		"\r\n", "\r\n", "\r\n", "\r\n", "\n", "\r", "", "\r\r\n"};
	size_t lines = one_in(r, 40) ? 97 + below(r, 7) : 1 + below(r, 3);
	unsigned code = any_code(r);

	for (size_t i = 1; i <= lines; i++) {
		char mark = i < lines ? '-' : ' ';

		if (one_in(r, 60)) {
			code = any_code(r);
		}
		buf_add_format(&odd_bytes, "%03u%c", code, one_in(r, 60) ? (char)next(r) : mark);
		if (one_in(r, 4)) {
			buf_add_format(&odd_bytes, "%u.%zu.%zu ", code / 100, below(r, 12),
				below(r, 1200));
		}
		add_text(r, below(r, 12));
		buf_add_text(&odd_bytes, one_in(r, 8) ? ends[below(r, ARRAY_LEN(ends))] : "\r\n");
	}
}

static void add_row(struct room *r)
{
	buf_add(&odd_bytes, rows[below(r, ARRAY_LEN(rows))]);
}

static void add_two(struct room *r)
{
	add_row(r);
	add_row(r);
}

static void add_replies(struct room *r)
{
	for (size_t n = 1 + below(r, 4); n > 0; n--) {
		add_reply(r);
	}
}

/* A row with bytes changed, lost and doubled. */
static void add_changed(struct room *r)
{
	struct slice row = rows[below(r, ARRAY_LEN(rows) - 1)];

	for (size_t i = 0; i < row.n; i++) {
		if (!one_in(r, 12)) {
			buf_add_byte(&odd_bytes, row.p[i]);
		} else if (one_in(r, 2)) {
			buf_add_byte(&odd_bytes, (char)next(r));
		} else if (one_in(r, 2)) {
			buf_add(&odd_bytes, slice_make(row.p + i, row.n - i < 2 ? 1 : 2));
		}
	}
}

static void add_random(struct room *r)
{
	add_noise(r, 1 + below(r, 40));
}

/* Lines around the limits that servers know, and an enhanced code without end. */
static void add_long(struct room *r)
{
	static const size_t sizes[] = {512, 2048, 4096, 4096, 4096, 10240, 65536};
	size_t size = sizes[below(r, ARRAY_LEN(sizes))] - 10 + below(r, 20);

	buf_add_text(&odd_bytes, one_in(r, 2) ? "250 " : "250 2.0.");
	add_text(r, 1);
	for (size_t i = 5; i + 2 < size; i++) {
		buf_add_byte(&odd_bytes, '0');
	}
	buf_add_text(&odd_bytes, "\r\n");
}

/* Replies of many long lines, up to and beyond 64 KiB. */
static void add_large(struct room *r)
{
	size_t line = 600 + below(r, 200);

	for (size_t i = 0, lines = 90 + below(r, 20); i < lines; i++) {
		buf_add_text(&odd_bytes, i + 1 < lines ? "250-" : "250 ");
		for (size_t n = 6; n < line; n++) {
			buf_add_byte(&odd_bytes, 'x');
		}
		buf_add_text(&odd_bytes, "\r\n");
	}
}

/* 1 MB without an end, a million lines of 250-, 5 MB of nothing in particular. */
static void set_huge(struct room *r)
{
	size_t kind = below(r, 3);

	if (huge == NULL) {
		huge = malloc(HUGE_BYTES);
		cr_assert_not_null(huge);
	}
	for (size_t i = 0; i < HUGE_BYTES; i++) {
		huge[i] = kind == 0 ? "250-\n"[i % 5] : kind == 1 ? "250 x"[i < 4 ? i : 4] : '\r';
	}
	r->odd = slice_make(huge, kind == 1 ? 1000000 : HUGE_BYTES);
}

static void make_odd(struct room *r, unsigned number)
{
	static void (*const makers[])(struct room * r) = {add_row, add_row, add_two, add_reply,
		add_reply, add_replies, add_replies, add_changed, add_changed, add_random};

	buf_reset(&odd_bytes);
	if (number % 3000 == 17) {
		set_huge(r);
		return;
	}
	if (number < ARRAY_LEN(rows)) {
		buf_add(&odd_bytes, rows[number]); /* each of them plainly, once at least */
	} else if (one_in(r, 250)) {
		add_large(r);
	} else if (one_in(r, 50)) {
		add_long(r);
	} else {
		makers[below(r, ARRAY_LEN(makers))](r);
	}
	r->odd = buf_slice(&odd_bytes);
}

/* ---- a second reading of RFC 5321 section 4.2 ---- */

/* The code of the complete reply at the front of *bytes, which is taken off; 0 = none is there. */
static unsigned whole_reply(struct slice *bytes)
{
	const char *first = bytes->p;
	size_t taken = 0;

	for (size_t lines = 1;; lines++) {
		struct slice line = slice_first(*bytes, slice_find(*bytes, '\n'));

		if (line.n == bytes->n || line.n + 1 > 4096 || lines > 100) {
			return 0;
		}
		taken += line.n + 1;
		*bytes = slice_from(*bytes, line.n + 1);
		if (slice_ends(line, SLICE("\r"))) {
			line.n--;
		}
		if (taken > 65536 || line.n < 3 || memcmp(line.p, first, 3) != 0) {
			return 0;
		}
		if (line.n == 3 || line.p[3] == ' ') {
			break;
		}
		if (line.p[3] != '-') {
			return 0;
		}
	}
	if (first[0] < '2' || first[0] > '5' || first[1] < '0' || first[1] > '5' ||
		first[2] < '0' || first[2] > '9') {
		return 0;
	}
	return (unsigned)((first[0] - '0') * 100 + (first[1] - '0') * 10 + (first[2] - '0'));
}

/* 220 greets and 221 leaves: neither accepts a message. */
static bool is_yes(unsigned code)
{
	return code / 100 == 2 && code != 220 && code != 221;
}

/* ---- the run of a case ---- */

static _Noreturn void fail(const struct room *r, const char *what)
{
	cr_assert_fail("%s: seed %llu, %s, message %u, %s it, pieces %d, then %d%s: \"%.*s\"", what,
		(unsigned long long)seed, states[r->state].name, r->message,
		r->behind ? "behind" : "instead of", (int)r->pieces, (int)r->after,
		r->pipelining ? ", pipelining" : "", r->odd.n > 200 ? 200 : (int)r->odd.n,
		r->odd.p);
	abort();
}

static void must(const struct room *r, bool fact, const char *what)
{
	if (!fact) {
		fail(r, what);
	}
}

static void say(struct room *r, enum state state)
{
	bool here = !r->odd_said && state == r->state &&
		(state < MAIL || state > RSET || r->mails == r->message);
	bool mute = r->odd_said && r->after != GOES_ON;
	struct slice good = states[state].good;

	if (state == RCPT && r->refuse_first && r->mails == 1) {
		good = SLICE("450 4.2.0 not yet\r\n");
	} else if (state == DATA && !r->accepted) {
		good = SLICE("503 5.5.1 no recipient\r\n");
	} else if (state == EHLO) {
		good = r->pipelining
			? SLICE("250-mx\r\n250-PIPELINING\r\n250-SIZE 0\r\n250 STARTTLS\r\n")
			: SLICE("250-mx\r\n250-SIZE 0\r\n250 STARTTLS\r\n");
	}
	if (!mute && (!here || r->behind)) {
		buf_add(&said, good);
		r->accepted = r->accepted || (state == RCPT && good.p[0] == '2');
	}
	if (here) {
		r->odd_said = true;
		r->accepted = r->accepted || state == RCPT;
		buf_add(&said, r->odd);
	}
}

/* What the client wrote, a line at a time. */
static void serve(struct room *r)
{
	struct slice rest = buf_slice(&out);
	struct slice line;

	while (rest.n > 0 && slice_split(&rest, '\n', &line)) {
		enum state state = EHLO;

		while (state < STATES && !slice_starts(line, slice_of(states[state].command))) {
			state++;
		}
		if (slice_starts(line, SLICE("HELO "))) {
			state = EHLO;
		}
		must(r, state < STATES && slice_ends(line, SLICE("\r")), "an unknown command");
		if (state == MAIL) {
			r->mails++;
			r->accepted = false;
		}
		r->dotted = r->dotted || (state == DOT && r->outcomes < r->sent);
		say(r, state);
	}
	buf_reset(&out);
}

/* The outcome of a message against what was heard: `rest` came along and is not read yet. */
static void judge(struct room *r, const struct evidence *e, struct slice rest, struct score *score)
{
	bool delivered = e->failure == FAILURE_NONE && !e->dot_sent && e->phase == PHASE_DOT &&
		e->code / 100 == 2;
	struct slice bytes;
	unsigned code;

	buf_add(&heard, rest);
	bytes = buf_slice(&heard);
	code = r->dotted ? whole_reply(&bytes) : 0;
	must(r, ++r->outcomes <= r->sent, "two outcomes for one message");
	must(r, e->text.n <= 65536, "a text without bound");
	if (delivered) {
		must(r, r->dotted && is_yes(code), "delivered without a 2yz after the dot");
		must(r, bytes.n == 0 || slice_starts(bytes, SLICE("421")),
			"delivered by one of two");
		must(r, e->code == code, "another code");
		score->delivered++;
		return;
	}
	must(r, !(is_yes(code) && bytes.n == 0), "a 2yz after the dot and not delivered");
	must(r, !e->dot_sent || r->dotted, "in doubt without a dot");
	if (e->dot_sent) {
		must(r, e->failure != FAILURE_NONE, "in doubt and by a reply");
		score->doubted++;
	} else if (e->failure == FAILURE_NONE) {
		must(r, e->code >= 400 && e->code < 560, "a refusal without its code");
		must(r, !r->dotted || e->code == code, "refused by another code");
		score->refused++;
	} else {
		must(r, !r->dotted, "a dot that is neither answered nor in doubt");
		score->lost++;
	}
}

static void collect(struct room *r, struct slice rest, struct score *score)
{
	struct evidence evidence;
	struct session_end end;

	serve(r);
	if (dialogue_take_outcome(r->dialogue, &evidence)) {
		judge(r, &evidence, rest, score);
	}
	if (dialogue_take_end(r->dialogue, &end)) {
		must(r, ++r->ends == 1, "two ends");
	}
}

static void lose(struct room *r, enum failure failure, struct score *score)
{
	dialogue_failed(r->dialogue, failure, (struct slice){NULL, 0}, r->now_us);
	collect(r, (struct slice){NULL, 0}, score);
}

static void send_next(struct room *r, struct slice rest, struct score *score)
{
	r->sent++;
	r->dotted = false;
	buf_reset(&heard);
	dialogue_send(r->dialogue, &r->envelope, r->now_us);
	collect(r, rest, score);
}

/* A segment reaches the client; what lies behind a reply is read after it was acted upon. */
static void hear(struct room *r, struct slice segment, struct score *score)
{
	while (segment.n > 0) {
		size_t taken;

		if (dialogue_need(r->dialogue) == NEED_TLS) {
			lose(r, FAILURE_TLS_FAILED, score); /* no handshake, whatever it is */
			return;
		}
		if (r->eager && dialogue_need(r->dialogue) == NEED_WORK && r->sent < r->wanted) {
			send_next(r, segment, score);
			continue;
		}
		taken = dialogue_bytes(r->dialogue, segment, r->now_us);
		must(r, taken > 0 && taken <= segment.n, "bytes that nobody takes");
		if (r->dotted && r->outcomes < r->sent) {
			buf_add(&heard, slice_first(segment, taken));
		}
		segment = slice_from(segment, taken);
		collect(r, segment, score);
	}
}

/* The next bytes on their way; false when the server has nothing to say. */
static bool step_hear(struct room *r, struct score *score)
{
	struct slice segment = slice_from(buf_slice(&said), r->said_at);

	if (segment.n == 0) {
		return false;
	}
	if (r->pieces == BYTES || r->pieces == TRICKLE) {
		segment.n = 1;
	} else if (r->pieces == CUTS) {
		segment = slice_first(segment, 1 + below(r, 20));
	}
	if (r->pieces == TRICKLE) {
		r->now_us += TIME_SECOND_US;
	}
	if (r->now_us >= dialogue_deadline_us(r->dialogue)) {
		dialogue_timed_out(r->dialogue, r->now_us);
		collect(r, (struct slice){NULL, 0}, score);
		return true;
	}
	r->said_at += segment.n;
	hear(r, segment, score);
	return true;
}

static void step_act(struct room *r, struct score *score)
{
	switch (dialogue_need(r->dialogue)) {
	case NEED_CONNECT:
		dialogue_connected(r->dialogue, r->now_us);
		say(r, GREETING);
		break;
	case NEED_TLS:
		dialogue_secured(r->dialogue, r->now_us);
		break;
	case NEED_WORK:
		if (r->sent < r->wanted) {
			send_next(r, (struct slice){NULL, 0}, score);
			return;
		}
		dialogue_quit(r->dialogue, r->now_us);
		break;
	case NEED_BODY:
		dialogue_body(r->dialogue, r->now_us);
		if (one_in(r, 2)) {
			dialogue_release(r->dialogue, r->now_us);
		}
		break;
	case NEED_DRAIN:
		dialogue_drained(r->dialogue, r->now_us);
		break;
	case NEED_GATE:
		dialogue_release(r->dialogue, r->now_us);
		break;
	default:
		if (r->odd_said && r->after == GONE) {
			lose(r, FAILURE_LOST, score);
			return;
		}
		must(r, dialogue_deadline_us(r->dialogue) != INT64_MAX, "waits for ever");
		r->now_us = dialogue_deadline_us(r->dialogue);
		dialogue_timed_out(r->dialogue, r->now_us);
		break;
	}
	collect(r, (struct slice){NULL, 0}, score);
}

static void set_up(struct room *r, enum state state, unsigned number)
{
	*r = (struct room){
		.random = seed * 1000003 + (uint64_t)state * 100000007 + number,
		.state = state,
		.envelope = {.mail_from = SLICE("a@s.test"), .rcpt_to = SLICE("b@r.test")},
	};
	r->pieces = (enum pieces)below(r, PIECES);
	r->after = one_in(r, 2) ? GOES_ON : (enum after)below(r, AFTERS);
	r->pipelining = one_in(r, 2);
	r->eager = one_in(r, 2);
	r->behind = one_in(r, 4);
	r->refuse_first = state == RSET;
	r->wanted = state == RSET ? 2 : 1 + (unsigned)below(r, 2);
	r->message = state == RSET ? 1 : 1 + (unsigned)below(r, r->wanted);
	r->settings = (struct dialogue_settings){
		.ehlo = SLICE("client.test"),
		.tls = state == STARTTLS || one_in(r, 8)
			? TLS_POLICY_OPPORTUNISTIC + (enum tls_policy)below(r, 2)
			: TLS_POLICY_NONE,
		.timeouts = &r->timeouts,
	};
	for (size_t i = 0; i < sizeof(r->timeouts) / sizeof(int64_t); i++) {
		((int64_t *)&r->timeouts)[i] = TIMEOUT_S * TIME_SECOND_US;
	}
	buf_reset(&said);
	buf_reset(&heard);
	make_odd(r, number);
	if (r->odd.n > 100000) {
		r->pieces = WHOLE; /* the first kilobytes decide */
	}
}

static void play(enum state state, unsigned number, struct score *score)
{
	struct room room;
	struct room *r = &room;
	size_t steps = 0;
	size_t base;

	set_up(r, state, number);
	base = allocated();
	r->dialogue = dialogue_new(&r->settings, &out, 0);
	while (dialogue_need(r->dialogue) != NEED_CLOSE) {
		if (!step_hear(r, score)) {
			step_act(r, score);
		}
		must(r, ++steps < said.n + 200, "no end");
		if (steps % 64 == 0) {
			must(r, allocated() <= base + MEMORY_MOST, "memory without bound");
		}
	}
	must(r, allocated() <= base + MEMORY_MOST, "memory without bound");
	must(r, r->now_us <= (int64_t)PHASES_MOST * TIMEOUT_S * TIME_SECOND_US,
		"a deadline that moves");
	must(r, r->outcomes == r->sent, "a message without an outcome");
	must(r, r->ends == 1, "no end told");
	dialogue_free(&r->dialogue);
}

static void play_all(enum state state)
{
	const char *chosen = getenv("PENGUIN_SEED");
	const char *count = getenv("PENGUIN_CASES");
	unsigned long cases = getenv("PENGUIN_FULL") != NULL ? FULL_CASES : CASES;
	struct score score = {0};

	seed = chosen != NULL ? strtoull(chosen, NULL, 10) : 1;
	cases = count != NULL ? strtoul(count, NULL, 10) : cases;
	buf_init(&out, 0);
	cr_assert_not_null(buf_reserve(&said, SAID_BYTES));
	cr_assert_not_null(buf_reserve(&heard, SAID_BYTES));
	for (unsigned number = 0; number < cases; number++) {
		play(state, number, &score);
	}
	printf("smtp_corpus %s: seed %llu, %lu cases, %u delivered, %u refused, %u in doubt, %u lost\n",
		states[state].name, (unsigned long long)seed, cases, score.delivered, score.refused,
		score.doubted, score.lost);
	fflush(stdout);
	cr_assert(cases < CASES || score.delivered > cases / 20, "hardly any delivered");
	cr_assert(cases < CASES || state != DOT || score.doubted > cases / 5);
	cr_assert(cases < CASES || state < MAIL || state == QUIT || score.refused > cases / 20);
	buf_clear(&out);
	buf_clear(&said);
	buf_clear(&heard);
	buf_clear(&odd_bytes);
	free(huge);
	huge = NULL;
}

Test(corpus, smtp_corpus_greeting)
{
	play_all(GREETING);
}

Test(corpus, smtp_corpus_ehlo)
{
	play_all(EHLO);
}

Test(corpus, smtp_corpus_starttls)
{
	play_all(STARTTLS);
}

Test(corpus, smtp_corpus_mail)
{
	play_all(MAIL);
}

Test(corpus, smtp_corpus_rcpt)
{
	play_all(RCPT);
}

Test(corpus, smtp_corpus_data)
{
	play_all(DATA);
}

Test(corpus, smtp_corpus_dot)
{
	play_all(DOT);
}

Test(corpus, smtp_corpus_rset)
{
	play_all(RSET);
}

Test(corpus, smtp_corpus_quit)
{
	play_all(QUIT);
}
