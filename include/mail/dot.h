/*
 * The body of DATA (RFC 5321 section 4.5.2): a line that starts with a dot gets a
 * second one, and `.` alone on a line ends it.  Works over chunks cut anywhere.
 *
 * It is also the last guard against smuggling: a bare CR, a bare LF or a line of
 * more than 998 octets is ERR_INPUT, and the send must be aborted before the final
 * dot.  Nothing is repaired here, because a signature covers the bytes.
 */
#ifndef MAIL_DOT_H
#define MAIL_DOT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

#define DOT_LINE_MAX 998 /* octets without CRLF, before stuffing */

struct dot {
	size_t column; /* octets of the line at hand */
	bool cr;       /* the last octet was a CR */
};

void dot_init(struct dot *dot);

/* Appends the stuffed chunk.  After an error the encoder may not be used further. */
MUST_USE struct err dot_add(struct dot *dot, struct buf *out, struct slice chunk);

/* Appends the end of the body: `.CRLF`, and before it a CRLF if the last line lacks one. */
MUST_USE struct err dot_end(struct dot *dot, struct buf *out);

#endif
