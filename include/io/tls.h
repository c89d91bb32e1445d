/*
 * What all TLS connections of a program share: versions, trust, refusals.  No
 * renegotiation, certificate chains up to 64 KiB, an end without close_notify is
 * an end (conformance T7, T8).
 */
#ifndef IO_TLS_H
#define IO_TLS_H

#include "base/buf.h"
#include "base/err.h"

struct tls_context;

enum tls_version {
	TLS_VERSION_1_0,
	TLS_VERSION_1_1,
	TLS_VERSION_1_2,
	TLS_VERSION_1_3,
};

/* ca_file NULL = the system's trust store.  why gets a text on failure. */
MUST_USE struct err tls_context_new(enum tls_version least, const char *ca_file,
	struct tls_context **ret_context, struct buf *why);
void tls_context_free(struct tls_context **context);

#endif
