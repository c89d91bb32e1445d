/*
 * Header fields (RFC 5322 section 2.2), written and read.
 *
 * Writing: a field is folded at 78 columns where it has blanks, text beyond ASCII
 * becomes encoded words (RFC 2047, UTF-8, never splitting a character, never in
 * quotes or in an address), parameters follow RFC 2231.  A value with CR, LF, NUL or
 * another control is refused, so that no value can end its header.  On a fault
 * nothing has been appended.
 */
#ifndef MAIL_HEADER_H
#define MAIL_HEADER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"
#include "mail/address.h"

#define HEADER_FIELD_MAX 8192  /* octets of one field, folds and CRLF included */
#define HEADER_BLOCK_MAX 16384 /* of all fields: large receivers refuse more */
#define HEADER_LINE_MAX 998

enum header_fault {
	HEADER_OK,
	HEADER_NAME,     /* not a field name */
	HEADER_CONTROL,  /* a control character in the value */
	HEADER_ENCODING, /* not UTF-8, or beyond ASCII where it cannot be encoded */
	HEADER_LONG,     /* field or line beyond its maximum */
	HEADER_SYNTAX,   /* reading: not what was looked for */
	HEADER_FAULTS,
};

const char *header_fault_text(enum header_fault fault);

/* 1*ftext (RFC 5322 section 3.6.8), at most 76 octets. */
bool header_is_name(struct slice name);

/* Free text: Subject, Comments, fields of the app. */
MUST_USE enum header_fault header_add_text(struct buf *out, const char *name, struct slice text);

/* Structured ASCII that is ready as it is; folded at its blanks. */
MUST_USE enum header_fault header_add_plain(struct buf *out, const char *name, struct slice value);

/* The same on one line whatever its length, where readers are poor: List-Unsubscribe. */
MUST_USE enum header_fault header_add_line(struct buf *out, const char *name, struct slice value);

/* From, Reply-To, To: `display` may be empty. */
MUST_USE enum header_fault header_add_mailbox(
	struct buf *out, const char *name, struct slice display, const struct address *address);

/* List-ID (RFC 2919): a phrase, which may be empty, and an id in angle brackets. */
MUST_USE enum header_fault header_add_phrase_id(
	struct buf *out, const char *name, struct slice phrase, struct slice id);

/* Content-Type or Content-Disposition with one parameter of any text. */
MUST_USE enum header_fault header_add_with_parameter(struct buf *out, const char *name,
	struct slice value, const char *parameter, struct slice text);

/* A field as it stands in a block that was read. */
struct header_field {
	struct slice name;
	struct slice value; /* behind the colon, folds as they are, without the last CRLF */
	struct slice whole; /* with its last CRLF */
};

/*
 * Takes the first field off *block, whose lines end with CRLF.  False at the end,
 * which is an empty *block; or where no field starts, with *block left as it is.
 */
bool header_next(struct slice *block, struct header_field *ret_field);

/*
 * The single mailbox of a From or Sender: `addr`, `name <addr>`, `"name" <addr>`.
 * A list, a group or a comment is HEADER_SYNTAX.
 */
MUST_USE enum header_fault header_parse_mailbox(struct slice value, struct address *ret_address);

#endif
