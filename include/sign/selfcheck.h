/*
 * Would receivers pass what we sign?  libopendkim verifies a signed message against
 * the published records in a child process, so that neither its asserts nor its
 * leaks nor a hang can hurt the sender.  Not the whole truth about a key, which
 * key_published() has said already, but the truth about signer, key and record
 * together.
 *
 * For a worker, after the comparison with DNS: write the lines "NAME TEXT" of the
 * set's records (key_record_name(), and the text as DNS gave it, its strings joined),
 * sign a sample, start the check, watch its descriptor and finish it, before the first
 * message goes.  ERR_INPUT is a verdict: stop the domain.  ERR_SYSTEM and ERR_LIMIT are
 * none: there was no process, or no answer in time; log it, and do not hold it against
 * the key.
 *
 * For a sample of real traffic pass the message as it goes out, from the first
 * DKIM-Signature on, with canonical CRLF and without dot-stuffing.
 */
#ifndef SIGN_SELFCHECK_H
#define SIGN_SELFCHECK_H

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"
#include "sign/keyring.h"
#include "sign/signer.h"

/* A child that takes longer is ended. */
#define SELFCHECK_SECONDS 5

struct selfcheck;

/* Appends a small message, signed with every key of the set. */
MUST_USE struct err selfcheck_sample(
	const struct key_set *set, struct signer *signer, int64_t now_us, struct buf *out);

/* Both texts are only needed during the call.  One descriptor and one child each. */
MUST_USE struct err selfcheck_start(
	struct slice records, struct slice message, struct selfcheck **ret_check);

/* Readable once there is an answer, or the child is gone. */
int selfcheck_fd(const struct selfcheck *check);

/* Frees it.  Without an answer the child is ended: ERR_LIMIT.  The reason is in why. */
MUST_USE struct err selfcheck_finish(struct selfcheck **check, struct buf *why);

#endif
