/*
 * What all TLS connections share.  The settings follow one idea: opportunistic
 * TLS takes what the peer has (RFC 7435), but nothing lets a peer make us work
 * without end: no renegotiation, no session store, bounded certificate chains.
 *
 * A context lives until its last connection is gone, so a reload may free it.
 */
#include "io/tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "base/mem.h"

#include "tls_private.h"

enum { CERTIFICATES_MAX = 65536 };

static const int version_numbers[] = {
	[TLS_VERSION_1_0] = TLS1_VERSION,
	[TLS_VERSION_1_1] = TLS1_1_VERSION,
	[TLS_VERSION_1_2] = TLS1_2_VERSION,
	[TLS_VERSION_1_3] = TLS1_3_VERSION,
};

static void set_up(SSL_CTX *ctx)
{
	SSL_CTX_set_options(ctx,
		SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_IGNORE_UNEXPECTED_EOF |
			SSL_OP_NO_TICKET);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_max_cert_list(ctx, CERTIFICATES_MAX);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL);
}

static struct err load_trust(SSL_CTX *ctx, const char *ca_file, struct buf *why)
{
	ERR_clear_error();
	if (ca_file == NULL && SSL_CTX_set_default_verify_paths(ctx) == 1) {
		return ERR_OK;
	}
	if (ca_file != NULL && SSL_CTX_load_verify_file(ctx, ca_file) == 1) {
		return ERR_OK;
	}
	const char *reason = ERR_reason_error_string(ERR_peek_last_error());

	buf_add_format(why, "cannot read trusted certificates from %s: %s",
		ca_file == NULL ? "the system's store" : ca_file,
		reason == NULL ? "no certificate in it" : reason);
	ERR_clear_error();
	return err_input();
}

struct err tls_context_new(enum tls_version least, const char *ca_file,
	struct tls_context **ret_context, struct buf *why)
{
	struct tls_context *context = MEM_NEW(struct tls_context);
	struct err err;

	context->refs = 1;
	context->ctx = SSL_CTX_new(TLS_client_method());
	context->bio = conn_tls_bio();
	if (context->ctx == NULL || context->bio == NULL) {
		buf_add_text(why, "OpenSSL could not be set up");
		err = err_os(0);
	} else {
		set_up(context->ctx);
		/*
		 * Keys of 1024 bits are weak and still better than clear text; level 0 is
		 * what TLS 1.0 needs for its signatures.
		 */
		SSL_CTX_set_security_level(context->ctx, least < TLS_VERSION_1_2 ? 0 : 1);
		SSL_CTX_set_min_proto_version(context->ctx, version_numbers[least]);
		err = load_trust(context->ctx, ca_file, why);
	}
	if (err_is(err)) {
		tls_context_free(&context);
		return err;
	}
	*ret_context = context;
	return ERR_OK;
}

struct tls_context *tls_context_ref(struct tls_context *context)
{
	context->refs++;
	return context;
}

void tls_context_free(struct tls_context **context)
{
	struct tls_context *c = *context;

	*context = NULL;
	if (c == NULL || --c->refs > 0) {
		return;
	}
	SSL_CTX_free(c->ctx);
	BIO_meth_free(c->bio);
	mem_free(c);
}
