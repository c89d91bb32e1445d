/*
 * What a server offers in its answer to EHLO (RFC 5321 section 4.1.1.1).  Keywords
 * compare without case; what is not known here is passed over.
 */
#ifndef MAIL_EHLO_H
#define MAIL_EHLO_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

enum ehlo_offer {
	EHLO_PIPELINING = 1 << 0,
	EHLO_STARTTLS = 1 << 1,
	EHLO_SIZE = 1 << 2,
	EHLO_8BITMIME = 1 << 3,
	EHLO_SMTPUTF8 = 1 << 4,
	EHLO_DSN = 1 << 5,
	EHLO_ENHANCED = 1 << 6, /* ENHANCEDSTATUSCODES */
	EHLO_AUTH_PLAIN = 1 << 7,
	EHLO_AUTH_LOGIN = 1 << 8,
};

struct ehlo {
	unsigned offers;     /* of enum ehlo_offer */
	uint64_t size_bytes; /* 0 = no limit known; a number too large to hold is the largest */
};

/*
 * May it be said in EHLO: a full host name, of two labels or more (RFC 5321 section
 * 2.3.5)?  Who has none says his address, "[192.0.2.1]" (section 4.1.4).
 */
bool ehlo_is_name(struct slice name);

/* The reply's text, lines joined by LF; the first line is the greeting's domain. */
struct ehlo ehlo_parse(struct slice text);

static inline bool ehlo_offers(const struct ehlo *ehlo, enum ehlo_offer offer)
{
	return (ehlo->offers & offer) != 0;
}

#endif
