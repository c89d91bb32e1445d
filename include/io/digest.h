/*
 * SHA-256 (FIPS 180-4) of bytes at hand, for those who may not see OpenSSL.
 */
#ifndef IO_DIGEST_H
#define IO_DIGEST_H

#include <stdint.h>

#include "base/slice.h"

#define DIGEST_BYTES 32

void digest_sha256(struct slice bytes, uint8_t ret_digest[DIGEST_BYTES]);

#endif
