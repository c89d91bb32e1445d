/* The native signer, for signer.c. */
#ifndef SIGN_NATIVE_H
#define SIGN_NATIVE_H

#include "base/buf.h"
#include "base/err.h"
#include "sign/signer.h"

struct native;

struct native *native_new(int64_t expire_us);
void native_free(struct native **native);
size_t native_size(
	struct native *native, const struct key_set *set, struct slice headers, int64_t first_us);
struct err native_sign(struct native *native, const struct key_set *set, struct slice headers,
	struct slice body, int64_t first_us, struct buf *out);

#endif
