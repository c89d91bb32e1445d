/*
 * Relaxed canonicalisation (RFC 6376 sections 3.4.2 and 3.4.4) and the choice of
 * header fields (section 5.4).  Pure; for the files of this folder.
 */
#ifndef SIGN_CANON_H
#define SIGN_CANON_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/slice.h"

/* More fields than this in a header block are not ours (the block has at most 16 KiB). */
#define CANON_FIELDS 200

struct field {
	struct slice name; /* as written, without blanks before the colon */
	struct slice text; /* all of it, with folds and the last CRLF */
};

struct fields {
	struct field at[CANON_FIELDS];
	size_t count;
};

/*
 * False when the block is not canonical, or verifiers would not agree about it: a bare
 * CR or LF, NUL, VT, FF, a name that is none, too many fields.
 */
bool canon_split(struct slice headers, struct fields *ret_fields);

/* One field: lower-case name, unfolded, blanks reduced; ends with CRLF. */
void canon_field(const struct field *field, struct buf *out);

/*
 * The names that are signed (or only those that are oversigned), in the order of h=;
 * NULL-ended, so `names` needs room for CANON_NAMES.
 */
#define CANON_NAMES 32
void canon_names(bool only_over, const char *ret_names[CANON_NAMES]);

/* The body; false when it has a bare CR or LF. */
bool canon_body(struct slice body, struct buf *out);

/*
 * The names of h= in their order, and the fields they stand for (NULL: there is no
 * such field, which is oversigning: nobody can add one).  Several fields of a name
 * are taken from the last upwards.
 */
struct pick {
	const char *name;
	const struct field *field;
};
#define CANON_PICKS (2 * CANON_FIELDS)
size_t canon_pick(const struct fields *fields, struct pick ret_picks[CANON_PICKS]);

#endif
