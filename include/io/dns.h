/*
 * DNS questions on the loop, by c-ares, to the configured resolvers only: no file
 * of the system is read.  Identical questions that wait are asked once.  Answers
 * are parsed by us, bounds first: at most 16 MX and 16 addresses are kept, and 128
 * texts, of which large domains have dozens.
 * The cache is the caller's business (resolve/).
 */
#ifndef IO_DNS_H
#define IO_DNS_H

#include <stdint.h>

#include "base/err.h"
#include "base/slice.h"
#include "io/conn.h"
#include "io/loop.h"

struct dns;

enum dns_type {
	DNS_A = 1,
	DNS_CNAME = 5,
	DNS_SOA = 6,
	DNS_PTR = 12,
	DNS_MX = 15,
	DNS_TXT = 16,
	DNS_AAAA = 28,
};

enum dns_status {
	DNS_FOUND,
	DNS_NO_DATA,   /* the name exists, without such records */
	DNS_NO_DOMAIN, /* NXDOMAIN */
	DNS_TEMPORARY, /* SERVFAIL, REFUSED, FORMERR, time-out, garbage, a CNAME chain without end */
};

struct dns_record {
	struct slice name;       /* MX host, CNAME or PTR target, the zone's first server of an SOA:
				lower case, no final dot; "" = root */
	struct slice text;       /* TXT: its strings joined */
	unsigned preference;     /* MX */
	union endpoint endpoint; /* A, AAAA: port 0 */
};

/* Lives for the call.  CNAMEs were followed (at most 8); ttl_s is the least on the way. */
struct dns_answer {
	enum dns_status status;
	uint32_t ttl_s;    /* of the records, or of the negative answer (SOA minimum) */
	struct slice name; /* the last name of the CNAME chain */
	struct dns_record *records;
	size_t count;
};

struct dns_settings {
	const union endpoint *servers;
	size_t server_count;
	int64_t timeout_us; /* of one try */
	unsigned tries;
};

MUST_USE struct err dns_open(
	struct loop *loop, const struct dns_settings *settings, struct dns **ret_dns);

/* Questions from here on go where `take` sends them; those under way end where they are. */
void dns_follow(struct dns *dns, struct dns **take);

/* Waiting questions are answered DNS_TEMPORARY first, in a later turn. */
void dns_close(struct dns **dns);

/* Questions that the servers have answered, with or without records, and that failed. */
void dns_counts(const struct dns *dns, uint64_t *ret_answered, uint64_t *ret_failed);

/* Exactly one call of on_answer, never from within this call. */
void dns_find(struct dns *dns, struct slice name, enum dns_type type,
	void (*on_answer)(void *owner, const struct dns_answer *answer), void *owner);

#endif
