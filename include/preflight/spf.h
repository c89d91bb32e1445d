/*
 * SPF (RFC 7208) as a receiver evaluates it: may this address send mail with that
 * return path?  All mechanisms, redirect, macros; at most 10 terms that ask the DNS,
 * 2 questions without an answer, 10 MX hosts a term.  %{p} is always "unknown"
 * (section 7.3 allows it), and exp= is read but not followed.
 */
#ifndef PREFLIGHT_SPF_H
#define PREFLIGHT_SPF_H

#include "base/buf.h"
#include "base/slice.h"
#include "preflight/answers.h"

enum spf_result {
	SPF_PENDING, /* the DNS has to be asked first */
	SPF_NONE,    /* no record */
	SPF_NEUTRAL,
	SPF_PASS,
	SPF_FAIL,
	SPF_SOFTFAIL,
	SPF_TEMPERROR, /* the DNS does not answer */
	SPF_PERMERROR, /* a record that cannot be used, or a limit passed */
	SPF_RESULTS,
};

const char *spf_result_word(enum spf_result result);

struct spf_question {
	union endpoint address;
	struct slice domain; /* of the return path, A-labels */
	struct slice local;  /* of the return path */
	struct slice helo;
};

struct spf_answer {
	enum spf_result result;
	unsigned lookups; /* terms that asked the DNS */
	char why[256];    /* "matches '-all' of example.org" */
};

struct spf_answer spf_check(struct answers *answers, const struct spf_question *question);

/* How many of the texts of a name are SPF records, and one of them: usable if it is the only. */
size_t spf_find_records(const struct dns_answer *texts, struct slice *ret_record);

/*
 * The record that lets the addresses send: they stand first, the good terms of all SPF
 * records among `texts` behind them, under the least permissive `all`.  What was left
 * out, and what is still to be seen to, is appended to `notes`.
 */
void spf_add_remedy(struct buf *out, const struct dns_answer *texts,
	const union endpoint *addresses, size_t count, struct buf *notes);

#endif
