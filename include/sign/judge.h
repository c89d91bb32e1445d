/*
 * libopendkim as the judge of what was signed: it verifies a message against given
 * records, without DNS.  For tests, tools and sign/selfcheck.  The library asserts
 * and, with Ed25519, leaks: nothing that must live on may call it itself.
 */
#ifndef SIGN_JUDGE_H
#define SIGN_JUDGE_H

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

struct judge;

/*
 * `records`: a line "NAME TEXT" each, as in "r1._domainkey.example.org v=DKIM1; ...";
 * blanks between the two; empty lines and lines with # are passed over.  ERR_INPUT
 * with the line's number in why when a line is something else.
 */
MUST_USE struct err judge_new(struct slice records, struct judge **ret_judge, struct buf *why);
void judge_free(struct judge **judge);

/*
 * How many signatures the message (canonical CRLF) has, when each of them is good;
 * 0 when one is not, or there is none.  `why` gets for each what was found:
 * "d=example.org s=r1: pass; d=example.org s=e1: signature verification failed".
 */
unsigned judge_message(struct judge *judge, struct slice message, struct buf *why);

#endif
