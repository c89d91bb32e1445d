/*
 * Undoing the dots, strictly: only CRLF ends a line and only CRLF.CRLF the message,
 * so that a sender's bare LF or CR is seen and never mends itself here.
 *
 * The bytes go through a state machine, but whole lines at a time by memchr(); runs
 * without a dot to take away are hashed in one piece.
 */
#include "message.h"

#include <string.h>

#include "base/codec.h"
#include "base/id.h"

const char *violation_word(enum violation violation)
{
	static const char *const words[] = {
		[VIOLATION_EARLY_TALK] = "early_talk",
		[VIOLATION_PIPELINING] = "pipelining",
		[VIOLATION_NOT_LAST] = "not_last",
		[VIOLATION_SEQUENCE] = "sequence",
		[VIOLATION_SYNTAX] = "syntax",
		[VIOLATION_NOT_OFFERED] = "not_offered",
		[VIOLATION_COMMAND_LONG] = "command_long",
		[VIOLATION_COMMAND_LINE_END] = "command_line_end",
		[VIOLATION_UNKNOWN_COMMAND] = "unknown_command",
		[VIOLATION_BARE_LF] = "bare_lf",
		[VIOLATION_BARE_CR] = "bare_cr",
		[VIOLATION_NUL] = "nul",
		[VIOLATION_TEXT_LONG] = "text_long",
		[VIOLATION_8BIT] = "8bit",
		[VIOLATION_SIZE] = "size",
		[VIOLATION_LOST] = "lost",
	};
	_Static_assert(ARRAY_LEN(words) == VIOLATIONS, "a word for every violation");

	return words[violation];
}

void message_clear(struct message *message)
{
	EVP_MD_CTX_free(message->digest);
	message->digest = NULL;
	buf_clear(&message->head);
	buf_clear(&message->whole);
}

void message_begin(struct message *message, bool keep)
{
	if (message->digest == NULL) {
		message->digest = EVP_MD_CTX_new();
		(void)EVP_DigestInit_ex2(message->digest, EVP_sha256(), NULL);
	} else {
		/* NULL keeps the algorithm, and spares looking it up again. */
		(void)EVP_DigestInit_ex2(message->digest, NULL, NULL);
	}
	message->state = MESSAGE_LINE_START;
	message->line_bytes = 0;
	message->size = 0;
	message->violations = 0;
	message->has_8bit = false;
	message->keep = keep;
	buf_reset(&message->head);
	buf_reset(&message->whole);
}

static void note(struct message *m, enum violation violation)
{
	m->violations |= UINT32_C(1) << violation;
}

static void emit(struct message *m, struct slice bytes)
{
	if (bytes.n == 0) {
		return;
	}
	(void)EVP_DigestUpdate(m->digest, bytes.p, bytes.n);
	m->size += bytes.n;
	if (m->head.n < MESSAGE_HEAD_MAX) {
		buf_add(&m->head, slice_first(bytes, MESSAGE_HEAD_MAX - m->head.n));
	}
	if (m->keep) {
		buf_add(&m->whole, bytes);
	}
}

/* Octets that 7-bit mail does not have; eight at a time. */
static void look_for_bad_octets(struct message *m, struct slice bytes)
{
	uint64_t any = 0;
	size_t i = 0;

	for (; i + 8 <= bytes.n; i += 8) {
		uint64_t word;

		memcpy(&word, bytes.p + i, sizeof(word));
		any |= word;
	}
	for (; i < bytes.n; i++) {
		any |= (unsigned char)bytes.p[i];
	}
	m->has_8bit |= (any & UINT64_C(0x8080808080808080)) != 0;
	if (memchr(bytes.p, 0, bytes.n) != NULL) {
		note(m, VIOLATION_NUL);
	}
}

/* From the middle of a line to its end, or to the end of the bytes; returns how many. */
static size_t take_line(struct message *m, struct slice rest)
{
	const char *end = memchr(rest.p, '\n', rest.n);
	size_t taken = end != NULL ? (size_t)(end - rest.p) + 1 : rest.n;
	size_t text = taken - (end != NULL ? 1 : 0); /* without the LF */
	bool after_cr = text > 0 ? rest.p[text - 1] == '\r' : m->state == MESSAGE_CR;

	if (m->state == MESSAGE_CR && rest.p[0] != '\n') {
		note(m, VIOLATION_BARE_CR);
	}
	if (text > 1 && memchr(rest.p, '\r', text - 1) != NULL) {
		note(m, VIOLATION_BARE_CR);
	}
	m->line_bytes += taken;
	if (m->line_bytes > 1000) {
		note(m, VIOLATION_TEXT_LONG);
	}
	if (end == NULL) {
		m->state = after_cr ? MESSAGE_CR : MESSAGE_LINE;
	} else if (after_cr) {
		m->state = MESSAGE_LINE_START;
		m->line_bytes = 0;
	} else {
		note(m, VIOLATION_BARE_LF);
		m->state = MESSAGE_LINE;
	}
	return taken;
}

/* Where a feeding stands: the run [from, at) is taken but not yet emitted. */
struct run {
	struct slice bytes;
	size_t from;
	size_t at;
};

static void emit_run(struct message *m, struct run *run)
{
	emit(m, slice_make(run->bytes.p + run->from, run->at - run->from));
	run->from = run->at;
}

static void skip_byte(struct run *run)
{
	run->from = ++run->at;
}

static void at_line_start(struct message *m, struct run *run)
{
	if (run->bytes.p[run->at] != '.') {
		m->state = MESSAGE_LINE;
		return;
	}
	emit_run(m, run);
	skip_byte(run);
	m->line_bytes = 1;
	m->state = MESSAGE_DOT;
}

static void after_dot(struct message *m, struct run *run)
{
	m->state = MESSAGE_LINE;
	if (run->bytes.p[run->at] == '\r') {
		m->state = MESSAGE_DOT_CR;
		skip_byte(run);
	}
}

static bool after_dot_cr(struct message *m, struct run *run)
{
	if (run->bytes.p[run->at] == '\n') {
		skip_byte(run);
		return true;
	}
	emit(m, SLICE("\r"));
	m->state = MESSAGE_CR;
	return false;
}

bool message_feed(struct message *message, struct slice bytes, size_t *ret_taken)
{
	struct run run = {.bytes = bytes};
	bool done = false;

	while (run.at < bytes.n && !done) {
		switch (message->state) {
		case MESSAGE_LINE_START:
			at_line_start(message, &run);
			break;
		case MESSAGE_DOT:
			after_dot(message, &run);
			break;
		case MESSAGE_DOT_CR:
			done = after_dot_cr(message, &run);
			break;
		default:
			run.at += take_line(message, slice_from(bytes, run.at));
			break;
		}
	}
	emit_run(message, &run);
	look_for_bad_octets(message, slice_first(bytes, run.at));
	*ret_taken = run.at;
	return done;
}

void message_digest(struct message *message, char ret_hex[65])
{
	static const char digits[] = "0123456789abcdef";
	unsigned char bytes[32] = {0};
	unsigned n = sizeof(bytes);

	(void)EVP_DigestFinal_ex(message->digest, bytes, &n);
	for (size_t i = 0; i < sizeof(bytes); i++) {
		ret_hex[2 * i] = digits[bytes[i] >> 4];
		ret_hex[2 * i + 1] = digits[bytes[i] & 15];
	}
	ret_hex[64] = '\0';
}

struct slice message_field(const struct message *message, struct slice name)
{
	struct slice rest = buf_slice(&message->head);
	struct slice line;

	while (slice_split(&rest, '\n', &line)) {
		if (slice_trim(line).n == 0) {
			break;
		}
		/* A folded line begins with a blank, so what looks like a name in it is none. */
		if (line.n > name.n && line.p[name.n] == ':' &&
			slice_equal_nocase(slice_first(line, name.n), name)) {
			return slice_trim(slice_from(line, name.n + 1));
		}
	}
	return SLICE("");
}

static struct slice uuid_in(struct slice text)
{
	struct id id;

	for (size_t i = 0; i + ID_TEXT <= text.n; i++) {
		struct slice candidate = slice_make(text.p + i, ID_TEXT);

		if (id_parse(candidate, &id)) {
			return candidate;
		}
	}
	return SLICE("");
}

struct slice message_job(const struct message *message, struct slice sender)
{
	struct slice field = message_field(message, SLICE("X-Penguin-Job"));
	struct slice id = message_field(message, SLICE("Message-ID"));
	struct id parsed;

	if (field.n > 0) {
		return field;
	}
	if (id.n > ID_TEXT + 2 && id.p[0] == '<' && id.p[ID_TEXT + 1] == '@' &&
		id_parse(slice_make(id.p + 1, ID_TEXT), &parsed)) {
		return slice_make(id.p + 1, ID_TEXT);
	}
	return uuid_in(sender);
}
