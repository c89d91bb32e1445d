/*
 * A message as it comes behind 354 (RFC 5321 section 4.5.2): the dots undone, its
 * digest, its size, and what is wrong with it.  Pure.
 */
#ifndef WORLD_MESSAGE_H
#define WORLD_MESSAGE_H

#include <openssl/evp.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"

/* What a client did that it should not have; bits in a set. */
enum violation {
	VIOLATION_EARLY_TALK,       /* bytes before the greeting */
	VIOLATION_PIPELINING,       /* not offered, but a command came before the last reply */
	VIOLATION_NOT_LAST,         /* bytes behind EHLO, DATA, STARTTLS, AUTH or QUIT */
	VIOLATION_SEQUENCE,         /* a command that is not allowed here */
	VIOLATION_SYNTAX,           /* of a command or its parameters */
	VIOLATION_NOT_OFFERED,      /* a parameter whose extension was not offered */
	VIOLATION_COMMAND_LONG,     /* over 512 octets with CRLF */
	VIOLATION_COMMAND_LINE_END, /* a command that does not end in CRLF */
	VIOLATION_UNKNOWN_COMMAND,
	VIOLATION_BARE_LF, /* in the message, as all below */
	VIOLATION_BARE_CR,
	VIOLATION_NUL,
	VIOLATION_TEXT_LONG, /* a line over 1000 octets with CRLF */
	VIOLATION_8BIT,      /* octets over 127 without BODY=8BITMIME or SMTPUTF8 */
	VIOLATION_SIZE,      /* larger than offered or announced */
	VIOLATION_LOST,      /* the client left without QUIT */
	VIOLATIONS,
};

const char *violation_word(enum violation violation);

#define MESSAGE_HEAD_MAX 65536

enum message_state {
	MESSAGE_LINE_START,
	MESSAGE_DOT,
	MESSAGE_DOT_CR,
	MESSAGE_LINE,
	MESSAGE_CR, /* the last byte was CR */
};

struct message {
	EVP_MD_CTX *digest; /* made by the first message, kept for the next */
	enum message_state state;
	size_t line_bytes;
	uint64_t size;
	uint32_t violations; /* only of the message */
	bool has_8bit;
	bool keep;
	struct buf head;  /* the first bytes: the header */
	struct buf whole; /* all of it, when kept */
};

void message_clear(struct message *message);

void message_begin(struct message *message, bool keep);

/* Takes bytes up to and with the final dot's line; *ret_taken says how many.  True at the end. */
bool message_feed(struct message *message, struct slice bytes, size_t *ret_taken);

/* The SHA-256 of what was received, in hexadecimal; once, after the end. */
void message_digest(struct message *message, char ret_hex[65]);

/* The first field of that name ("Message-ID"), unfolded and trimmed is not: one line; or empty. */
struct slice message_field(const struct message *message, struct slice name);

/*
 * The job it belongs to: the field X-Penguin-Job, else a UUID that is the left side
 * of the Message-ID, else one in the return path; empty when there is none.
 */
struct slice message_job(const struct message *message, struct slice sender);

#endif
