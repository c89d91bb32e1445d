/*
 * DKIM signatures (RFC 6376, 8301, 8463): two signers behind one contract.  Native
 * is ours, with kept keys; libopendkim is the reference, slower.  rsa-sha256 and
 * ed25519-sha256, relaxed/relaxed, oversigned headers, never l=.  The same inputs
 * give the same bytes.
 */
#ifndef SIGN_SIGNER_H
#define SIGN_SIGNER_H

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"
#include "sign/keyring.h"

enum signer_kind {
	SIGNER_NATIVE,
	SIGNER_LIBOPENDKIM,
};

struct signer;

/* expire_us: x= is so long after t=; 0 = no x=. */
struct signer *signer_new(enum signer_kind kind, int64_t expire_us);
void signer_free(struct signer **signer);

/* Octets that signer_sign() will append for this set: exact, before signing. */
size_t signer_size(const struct signer *signer, const struct key_set *set, struct slice headers,
	int64_t first_us);

/*
 * Appends one "DKIM-Signature: ...\r\n" a key of the set, to stand before `headers`
 * (the canonical header block: every field ends with CRLF; no empty line), over
 * them and `body` (canonical CRLF, not dot-stuffed).  first_us is t=.
 * ERR_INPUT: not canonical (a bare CR or LF, no From); ERR_SYSTEM: the library refused.
 */
MUST_USE struct err signer_sign(struct signer *signer, const struct key_set *set,
	struct slice headers, struct slice body, int64_t first_us, struct buf *out);

#endif
