/*
 * What the DNS has said so far, and what is still to be asked.  The evaluators of this
 * folder are pure: they look here, and what is not here yet becomes a question.  Who
 * runs them asks, puts the answers in and runs them again, until no question is left.
 */
#ifndef PREFLIGHT_ANSWERS_H
#define PREFLIGHT_ANSWERS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"
#include "io/dns.h"

struct answers;

struct answers *answers_new(void);
void answers_free(struct answers **answers);

/* NULL = not known yet, and a question from now on.  Lives as long as `answers`. */
const struct dns_answer *answers_find(
	struct answers *answers, struct slice name, enum dns_type type);

/* Takes a question off; false when there is none.  The name lives as long as `answers`. */
bool answers_next(struct answers *answers, struct slice *ret_name, enum dns_type *ret_type);

/* Is something not known, asked for already or not? */
bool answers_open(const struct answers *answers);

/* The answer to a question that was taken off; copied. */
void answers_add(struct answers *answers, struct slice name, enum dns_type type,
	const struct dns_answer *answer);

/* How long all of it may be believed: the least TTL; 0 while there is none. */
uint32_t answers_ttl(const struct answers *answers);

/* 11.2.0.192.in-addr.arpa, or the 32 nibbles of ip6.arpa. */
struct buf;
void answers_reverse_name(const union endpoint *address, struct buf *out);

#endif
