/*
 * Replies of an SMTP server (RFC 5321 section 4.2, RFC 2034), read as they come in:
 * cut anywhere, from a stranger.  The parser decides by the code only; the text is
 * kept as raw bytes and never understood.
 *
 * Strict: three digits [2-5][0-5][0-9], then a blank, a hyphen or the line's end,
 * and the same code on every line.  A bare LF ends a line too (servers do it), but
 * marks the stream: a connection that saw one is not used for another message.
 */
#ifndef MAIL_REPLY_H
#define MAIL_REPLY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/slice.h"
#include "model/evidence.h"

enum {
	REPLY_LINE_BYTES = 4096, /* with its end; RFC 5321 says 512, servers do not */
	REPLY_LINES = 100,
	REPLY_BYTES = 65536, /* the whole reply, codes and line ends counted */
};

enum reply_status {
	REPLY_MORE, /* all bytes were taken; the reply goes on */
	REPLY_DONE,
	REPLY_BROKEN, /* no reply by the grammar, or beyond the limits: the stream is useless */
};

/* A reply.  The text lives until the parser's next call. */
struct reply {
	unsigned code; /* 200..559 */
	struct enhanced enhanced;
	struct slice text; /* lines joined by LF, without codes and enhanced codes */
};

struct reply_parser {
	struct buf line; /* of a line that has not ended yet */
	struct buf text;
	size_t bytes;
	unsigned lines;
	unsigned code; /* of the first line; 0 between replies */
	struct enhanced enhanced;
	bool bare_lf;
};

void reply_init(struct reply_parser *parser);
void reply_clear(struct reply_parser *parser);

/* Takes bytes off *bytes, at most up to the end of one reply. */
enum reply_status reply_feed(
	struct reply_parser *parser, struct slice *bytes, struct reply *ret_reply);

/* Between replies: nothing of a next one has been taken. */
bool reply_idle(const struct reply_parser *parser);

/* The text of the reply just done on one line: each LF becomes a blank. */
struct slice reply_join(struct reply_parser *parser);

/*
 * `5.7.1` at the start of *text, followed by a blank or nothing, with the class
 * of the code's first digit: taken off.  False (and all zero) when there is none.
 */
bool reply_enhanced(unsigned code, struct slice *text, struct enhanced *ret_enhanced);

#endif
