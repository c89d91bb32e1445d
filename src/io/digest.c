/*
 * One digest at one call.  It cannot fail but for want of memory or of OpenSSL's
 * default provider, and then nothing else of this program works either: abort, as
 * the allocator does.
 *
 * Keys that strangers can influence (a site's key is made of MX names) need a
 * digest for which nobody can make a second text; base's hash is not one.
 */
#include "io/digest.h"

#include <stdlib.h>

#include <openssl/evp.h>

void digest_sha256(struct slice bytes, uint8_t ret_digest[DIGEST_BYTES])
{
	if (EVP_Digest(bytes.p == NULL ? "" : bytes.p, bytes.n, ret_digest, NULL, EVP_sha256(),
		    NULL) != 1) {
		abort();
	}
}
