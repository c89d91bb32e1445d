/*
 * MIME bodies (RFC 2045, 2046): quoted-printable, the choice between it and base64,
 * boundaries.  Whatever goes in, 7-bit lines of at most 76 characters that end
 * with CRLF come out; that a tenant's text could hold a line end, a dot or a
 * boundary of its own is impossible by construction, not by search.
 */
#ifndef MAIL_MIME_H
#define MAIL_MIME_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/id.h"
#include "base/slice.h"

/*
 * Quoted-printable of a text that comes in pieces.  CR, LF and CRLF are each one
 * hard line break.  Copyable: a state may be kept and continued from.
 */
struct qp {
	size_t column;
	bool cr;    /* the last byte in was a CR */
	bool blank; /* the last byte out is a blank that stands for itself */
};

void qp_init(struct qp *qp);
void qp_add(struct qp *qp, struct buf *out, struct slice text);

/*
 * A soft break, unless the line is empty: what follows is encoded as from the start
 * of a line.  For text that was encoded before.
 */
void qp_break(struct qp *qp, struct buf *out);

/* Encodes a blank that would end the text.  Adds no line end. */
void qp_end(struct qp *qp, struct buf *out);

enum mime_encoding {
	MIME_QUOTED_PRINTABLE,
	MIME_BASE64,
};

/* base64 where quoted-printable would be half as large again: Greek, Thai, Chinese. */
enum mime_encoding mime_encoding_for(struct slice text);
const char *mime_encoding_word(enum mime_encoding encoding);

/* Lines of 76 characters, each with CRLF. */
void mime_add_base64(struct buf *out, struct slice bytes);

/*
 * The boundary of the job's multipart at this depth (0 = outermost, at most 9).  It
 * holds `=_`, which neither quoted-printable nor base64 can produce, so it occurs
 * in no part that was encoded here.
 */
#define MIME_BOUNDARY 31
void mime_boundary(struct id job, unsigned depth, char ret_boundary[MIME_BOUNDARY + 1]);

/* `--boundary`, on a line of its own, and the closing form. */
void mime_add_delimiter(struct buf *out, const char *boundary);
void mime_add_close(struct buf *out, const char *boundary);

/* type "/" subtype without parameters (RFC 2045 section 5.1). */
bool mime_is_type(struct slice type);

#endif
