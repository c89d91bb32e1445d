/*
 * The inside of a TLS context, for conn_tls.c.
 */
#ifndef SRC_IO_TLS_PRIVATE_H
#define SRC_IO_TLS_PRIVATE_H

#include <openssl/bio.h>
#include <openssl/ssl.h>

#include "io/tls.h"

struct tls_context {
	unsigned refs;
	SSL_CTX *ctx;
	BIO_METHOD *bio; /* reads and writes a conn's memory */
};

struct tls_context *tls_context_ref(struct tls_context *context);

/* conn_tls.c: the table of functions behind `bio`; NULL when there is no memory. */
BIO_METHOD *conn_tls_bio(void);

#endif
