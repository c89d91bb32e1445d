/* The signer that is libopendkim, for signer.c. */
#ifndef SIGN_REFERENCE_H
#define SIGN_REFERENCE_H

#include "base/buf.h"
#include "base/err.h"
#include "sign/signer.h"

struct reference;

struct reference *reference_new(int64_t expire_us);
void reference_free(struct reference **reference);
size_t reference_size(struct reference *reference, const struct key_set *set, struct slice headers,
	int64_t first_us);
struct err reference_sign(struct reference *reference, const struct key_set *set,
	struct slice headers, struct slice body, int64_t first_us, struct buf *out);

#endif
