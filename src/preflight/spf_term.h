/* One term of an SPF record (RFC 7208 sections 4.6.1, 5, 6 and 7).  Pure. */
#ifndef SRC_PREFLIGHT_SPF_TERM_H
#define SRC_PREFLIGHT_SPF_TERM_H

#include "preflight/spf.h"

enum spf_kind {
	SPF_ALL,
	SPF_INCLUDE,
	SPF_A,
	SPF_MX,
	SPF_PTR,
	SPF_IP4,
	SPF_IP6,
	SPF_EXISTS,
	SPF_REDIRECT, /* modifiers from here on */
	SPF_EXP,
	SPF_OTHER, /* a modifier that nobody knows, to be passed over */
};

struct spf_term {
	enum spf_kind kind;
	enum spf_result result; /* of a mechanism's qualifier */
	struct slice text;
	struct slice domain;    /* with macros; empty = the record's own */
	union endpoint address; /* ip4, ip6 */
	unsigned bits4, bits6;
};

#define SPF_VERSION 6 /* octets of "v=spf1" */

/* Does it begin with that, and a blank? */
bool spf_is_record(struct slice text);

/* NULL, or what is wrong with it, as the end of a sentence. */
const char *spf_term_parse(struct slice text, struct spf_term *ret_term);

/* Takes the next term off *rest (behind "v=spf1"); false at the end. */
bool spf_term_next(struct slice *rest, struct slice *ret_text);

/* Is the address in the term's network of that many leading bits? */
bool spf_in_network(
	const union endpoint *address, const union endpoint *network, const struct spf_term *term);

/*
 * Appends the domain that a domain-spec with macros stands for.  False when it breaks
 * the syntax; `domain` is the domain whose record it is in.
 */
bool spf_expand(struct slice spec, const struct spf_question *question, struct slice domain,
	struct buf *out);

#endif
