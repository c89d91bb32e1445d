/*
 * TLS for the world's servers: an own authority made at start, and for each host a
 * certificate that is in order or wrong in one way.
 */
#ifndef WORLD_TLS_H
#define WORLD_TLS_H

#include <openssl/ssl.h>
#include <stdbool.h>

#include "base/err.h"
#include "base/slice.h"

/* In the order of the words of `tls:` of a host. */
enum tls_mode {
	TLS_VALID,
	TLS_SELF_SIGNED,
	TLS_EXPIRED,
	TLS_WRONG_NAME,
	TLS_GARBAGE, /* answers the ClientHello with bytes that are no TLS */
	TLS_CLOSE,   /* takes the ClientHello and closes */
};

/* In the order of the words of `tls_min:` and `tls_max:`. */
enum tls_version {
	TLS_ANY,
	TLS_1_0,
	TLS_1_1,
	TLS_1_2,
	TLS_1_3,
};

struct authority;

/* directory, when not empty: its ca.pem is written, for those who shall trust us. */
MUST_USE struct err authority_new(struct slice directory, struct authority **ret_authority);
void authority_free(struct authority **authority);

/* A context for one host name; NULL when OpenSSL refuses.  The caller frees it. */
SSL_CTX *authority_issue(const struct authority *authority, struct slice host, enum tls_mode mode,
	enum tls_version min, enum tls_version max);

#endif
