/*
 * Mailboxes and domains (RFC 5321 section 4.1.2, RFC 6531 section 3.3), as they
 * stand in an envelope: no comments, no groups, no display names, no blanks
 * around.  The domain is the text behind the last `@` outside quotes and is kept
 * as lower-case A-labels (IDNA 2008, non-transitional); the local part is kept as
 * it was given.  An address is a plain value that may be copied.
 */
#ifndef MAIL_ADDRESS_H
#define MAIL_ADDRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

#define ADDRESS_MAX 254        /* octets: a path of 256 without its angle brackets */
#define ADDRESS_LOCAL_MAX 64   /* octets, not characters */
#define ADDRESS_DOMAIN_MAX 253 /* octets in A-label form, as DNS allows without the root dot */

struct address {
	char text[ADDRESS_MAX + 1]; /* local@domain, NUL-ended */
	uint8_t length;
	uint8_t local_length;
	bool utf8;    /* the local part is not ASCII: only for a server with SMTPUTF8 */
	bool literal; /* the domain is an address literal: a campaign never sends there */
};

enum address_fault {
	ADDRESS_OK,
	ADDRESS_EMPTY,
	ADDRESS_NO_AT,
	ADDRESS_LOCAL_EMPTY,
	ADDRESS_LOCAL_LONG,
	ADDRESS_LOCAL_SYNTAX,
	ADDRESS_LOCAL_QUOTES,
	ADDRESS_DOMAIN_EMPTY,
	ADDRESS_DOMAIN_LONG,
	ADDRESS_DOMAIN_SYNTAX,
	ADDRESS_LITERAL_SYNTAX,
	ADDRESS_LONG,
	ADDRESS_CONTROL,
	ADDRESS_ENCODING,
	ADDRESS_FAULTS,
};

/* Blanks around the text are a fault: trim it first where that is wanted.  Nothing is written on a fault. */
MUST_USE enum address_fault address_parse(struct slice text, struct address *ret_address);

/* For people, as the end of a sentence: "the local part has more than 64 octets". */
const char *address_fault_text(enum address_fault fault);

/*
 * What two spellings of one mailbox have in common, for suppression keys and job
 * ids: ASCII letters of the local part in lower case, needless quotes taken off,
 * the domain as address_parse() leaves it.  Nothing provider-specific (dots and
 * +tags count), and letters beyond ASCII stay as they are.  Never to be sent to:
 * a local part is case-sensitive on the wire.
 */
struct address address_normalise(const struct address *address);

/* With the domain as people write it, in U-labels; as it is where it has none. */
void address_add_u_labels(struct buf *out, const struct address *address);

/*
 * A domain as lower-case A-labels, NUL-ended: ADDRESS_OK, or _DOMAIN_* and
 * _ENCODING faults.  Takes U-labels too.  A literal is refused.
 */
MUST_USE enum address_fault address_parse_domain(
	struct slice text, char ret_domain[ADDRESS_DOMAIN_MAX + 1]);

/* Views into *address. */
static inline struct slice address_text(const struct address *address)
{
	return slice_make(address->text, address->length);
}

static inline struct slice address_local(const struct address *address)
{
	return slice_make(address->text, address->local_length);
}

static inline struct slice address_domain(const struct address *address)
{
	return slice_from(address_text(address), (size_t)address->local_length + 1);
}

#endif
