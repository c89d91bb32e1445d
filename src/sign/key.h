/*
 * One DKIM key, for the files of this folder only.
 */
#ifndef SIGN_KEY_H
#define SIGN_KEY_H

#include <errno.h>
#include <openssl/evp.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"
#include "io/dns.h"
#include "sign/keyring.h"

struct key {
	char *domain;
	char *selector;
	char *pem; /* libopendkim wants the text; wiped when the key goes */
	EVP_PKEY *pkey;
	EVP_PKEY_CTX *rsa; /* ready to sign SHA-256 digests; NULL for Ed25519 */
	unsigned bits;
	size_t signature_bytes;
};

struct key_set {
	unsigned refs;
	char *domain;
	char *pins;
	struct key *keys;
	size_t count;
};

/*
 * Reads one PEM file.  False with a reason and the remedy in why: modes, no private
 * key, too short, neither RSA nor Ed25519.
 */
bool key_read(
	struct key *key, int directory, const char *file, unsigned rsa_bits_min, struct buf *why);
void key_clear(struct key *key);

/* A domain or a selector as it may stand in a path: a-z 0-9 - _ and inner dots. */
bool key_is_name(struct slice text);

static inline bool key_is_ed25519(const struct key *key)
{
	return key->rsa == NULL;
}

#endif
