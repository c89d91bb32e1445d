/*
 * A DNS message as the answer to one question (RFC 1035 section 4).  Pure.
 */
#ifndef SRC_IO_DNS_WIRE_H
#define SRC_IO_DNS_WIRE_H

#include "base/arena.h"
#include "io/dns.h"

enum { DNS_HOPS_MAX = 8, DNS_RECORDS_MAX = 16, DNS_TEXTS_MAX = 128, DNS_NAME_TEXT = 1024 };

enum dns_wire {
	DNS_WIRE_ANSWER,  /* *ret_answer is complete */
	DNS_WIRE_FOLLOW,  /* a CNAME leads out of the message: ask for ret_answer->name */
	DNS_WIRE_GARBAGE, /* not an answer, or a broken one */
};

/*
 * `name` in lower case without final dot.  What *ret_answer points to is in the
 * arena.  *hops counts the CNAMEs of the whole chain, over several messages.
 */
enum dns_wire dns_wire_parse(struct slice message, struct slice name, enum dns_type type,
	struct arena *arena, unsigned *hops, struct dns_answer *ret_answer);

#endif
