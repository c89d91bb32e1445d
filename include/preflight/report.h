/*
 * What preflight found: one finding a check, or one a source where it is about
 * sources.  The record of conformance 2.5, and a table for people.
 */
#ifndef PREFLIGHT_REPORT_H
#define PREFLIGHT_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"

/* Name, word, whether a failure forbids to start, the reason for that. */
#define PREFLIGHT_CHECKS(X) \
	X(POOL, "pool", true, "without a source nothing can be sent") \
	X(SETTINGS, "tenant_settings", true, "with such a setting no message can be made") \
	X(SPF, "spf_pass_for_all_pool_ips", true, \
		"Google (5.7.27), Yahoo and Microsoft (5.7.515) refuse mail without SPF pass") \
	X(DKIM_KEY, "dkim_key_match", true, \
		"Google (5.7.30), Yahoo and Microsoft (5.7.515) refuse mail without a valid " \
		"signature") \
	X(DKIM_BITS, "dkim_bits", false, "Google recommends 2048 bits") \
	X(DMARC_RECORD, "dmarc_record", true, \
		"Google (5.7.40), Yahoo, Microsoft and Apple want a DMARC record") \
	X(DMARC_ALIGNED, "dmarc_aligned", true, \
		"Google (4.7.32), Yahoo and Microsoft (5.7.515) refuse mail that is not aligned") \
	X(MX_OF_FROM, "mx_of_from", true, "Microsoft wants a From that can receive mail") \
	X(MX_OF_BOUNCE, "mx_of_bounce", true, \
		"bounces could not come back, and receivers refuse such a return path") \
	X(NOT_NULL_MX, "not_null_mx", true, \
		"receivers refuse a sender whose domain takes no mail (5.7.27, RFC 7505)") \
	X(SOA, "soa", true, "Yahoo refuses sender domains that are in no zone") \
	X(PTR, "ptr", true, \
		"Google (5.7.25), Yahoo, Microsoft and Apple refuse addresses without a PTR") \
	X(FCRDNS, "fcrdns", true, \
		"Google (5.7.25), Yahoo and Microsoft want the PTR's name to lead back") \
	X(PTR_GENERIC, "ptr_generic", true, \
		"Yahoo and Microsoft (DY-001) refuse addresses that look dynamic") \
	X(EHLO, "ehlo_matches", true, \
		"RFC 5321 and large receivers want the EHLO name to lead to the address") \
	X(TRACKING, "tracking_host", true, "unsubscribe and tracking links would lead nowhere") \
	X(LIST_UNSUB, "list_unsub_headers", true, \
		"Google and Yahoo want one-click unsubscribe (RFC 8058) in marketing mail") \
	X(COMPOSE, "composes", true, "a message that cannot be composed is never sent") \
	X(HEADERS, "header_bytes", true, \
		"Google (5.3.4) and Yahoo refuse large header blocks: 16 kB, 8 kB a field")

enum preflight_check {
#define X(name, word, hard, reason) PREFLIGHT_##name,
	PREFLIGHT_CHECKS(X)
#undef X
		PREFLIGHT_CHECK_COUNT,
};

enum preflight_verdict {
	PREFLIGHT_PASS,
	PREFLIGHT_WARNING,
	PREFLIGHT_UNKNOWN, /* the DNS does not answer */
	PREFLIGHT_FAIL,
};

struct finding {
	enum preflight_check check;
	enum preflight_verdict verdict;
	char *subject;     /* a domain, or a source and its address */
	struct buf says;   /* what was found, a sentence */
	struct buf remedy; /* lines to publish or to change, word for word; empty when it passed */
};

struct report;

struct report *report_new(void);
void report_free(struct report **report);

/* Its texts are the caller's to fill.  A failed check that is not hard becomes a warning. */
struct finding *report_add(struct report *report, enum preflight_check check,
	enum preflight_verdict verdict, struct slice subject);

size_t report_count(const struct report *report);
const struct finding *report_at(const struct report *report, size_t at);

/* The worst verdict; of one check; PASS when there is none, with *ret_any false. */
enum preflight_verdict report_verdict(const struct report *report);
enum preflight_verdict report_of(
	const struct report *report, enum preflight_check check, bool *ret_any);

const char *preflight_verdict_word(enum preflight_verdict verdict);
const char *preflight_check_word(enum preflight_check check);
const char *preflight_check_reason(enum preflight_check check);
bool preflight_check_hard(enum preflight_check check);

/* Who was checked, and numbers that are no verdict; slices are borrowed for the call. */
struct report_head {
	struct slice tenant, from_domain, bounce_domain, tracking_domain, pool;
	struct slice selectors; /* with commas between them */
	unsigned dkim_bits;     /* the least; 0 = no key */
	size_t header_bytes;    /* the most; 0 = no content was checked */
	int64_t checked_us;     /* wall clock */
	uint32_t ttl_s;
};

/* A table for a terminal; one JSON object and a newline for programs. */
void report_add_text(const struct report *report, const struct report_head *head, struct buf *out);
void report_add_json(const struct report *report, const struct report_head *head, struct buf *out);

#endif
