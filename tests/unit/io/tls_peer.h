/*
 * A TLS server for tests: blocking, on the descriptor that peer.h accepted, with a
 * key and certificates made here.
 */
#ifndef TESTS_IO_TLS_PEER_H
#define TESTS_IO_TLS_PEER_H

#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "peer.h"

struct identity {
	EVP_PKEY *key;
	X509 *certificate;
};

/* Signed by `issuer`, or by itself when that is NULL; valid from `from_s` for an hour. */
static inline struct identity identity_make(
	const char *name, const char *san, const struct identity *issuer, long from_s)
{
	struct identity id = {EVP_EC_gen("P-256"), X509_new()};
	X509_NAME *subject = X509_get_subject_name(id.certificate);
	X509 *above = issuer == NULL ? id.certificate : issuer->certificate;
	X509V3_CTX ctx;

	X509_set_version(id.certificate, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(id.certificate), 1 + (long)strlen(name));
	X509_gmtime_adj(X509_getm_notBefore(id.certificate), from_s);
	X509_gmtime_adj(X509_getm_notAfter(id.certificate), from_s + 3600);
	X509_NAME_add_entry_by_txt(
		subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
	X509_set_pubkey(id.certificate, id.key);
	X509_set_issuer_name(id.certificate, X509_get_subject_name(above));
	X509V3_set_ctx(&ctx, above, id.certificate, NULL, NULL, 0);
	X509_EXTENSION *extension = san == NULL
		? X509V3_EXT_conf_nid(NULL, &ctx, NID_basic_constraints, "critical,CA:TRUE")
		: X509V3_EXT_conf_nid(NULL, &ctx, NID_subject_alt_name, san);

	cr_assert_not_null(extension);
	X509_add_ext(id.certificate, extension, -1);
	X509_EXTENSION_free(extension);
	cr_assert(
		X509_sign(id.certificate, issuer == NULL ? id.key : issuer->key, EVP_sha256()) > 0);
	return id;
}

static inline void identity_free(struct identity *id)
{
	EVP_PKEY_free(id->key);
	X509_free(id->certificate);
}

/* A file that ca_file can name. */
static inline void identity_write(const struct identity *id, char *path_template)
{
	int fd = mkstemp(path_template);
	FILE *file = fdopen(fd, "w");

	cr_assert(file != NULL && PEM_write_X509(file, id->certificate) == 1);
	fclose(file);
}

struct tls_script {
	const struct identity *identity;
	int version_max; /* 0 = any */
	void (*talk)(SSL *ssl, struct tls_script *script);
	char sni[256];           /* "-" = none was sent */
	bool done;               /* the handshake succeeded */
	unsigned renegotiations; /* that the client agreed to */
	bool notified;           /* close_notify came */
	uint64_t sum;
	size_t bytes;
};

/* A ClientHello after the first handshake. */
/* NOLINTNEXTLINE(readability-function-size): OpenSSL's signature */
static inline void tls_on_message(
	int written, int version, int type, const void *p, size_t n, SSL *ssl, void *arg)
{
	struct tls_script *script = arg;

	(void)version;
	(void)ssl;
	script->renegotiations += written == 0 && type == SSL3_RT_HANDSHAKE && n > 0 &&
		*(const unsigned char *)p == SSL3_MT_CLIENT_HELLO && script->done;
}

static inline void tls_accept(int fd, void *arg)
{
	struct tls_script *script = arg;
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	SSL *ssl;

	SSL_CTX_set_security_level(ctx, 0);
	SSL_CTX_set_min_proto_version(ctx, TLS1_VERSION);
	if (script->version_max != 0) {
		SSL_CTX_set_max_proto_version(ctx, script->version_max);
	}
	SSL_CTX_use_certificate(ctx, script->identity->certificate);
	SSL_CTX_use_PrivateKey(ctx, script->identity->key);
	ssl = SSL_new(ctx);
	SSL_set_fd(ssl, fd);
	SSL_set_msg_callback(ssl, tls_on_message);
	SSL_set_msg_callback_arg(ssl, script);
	script->done = SSL_accept(ssl) == 1;
	const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);

	snprintf(script->sni, sizeof(script->sni), "%s", name == NULL ? "-" : name);
	if (script->done && script->talk != NULL) {
		script->talk(ssl, script);
	}
	script->notified = (SSL_get_shutdown(ssl) & SSL_RECEIVED_SHUTDOWN) != 0;
	SSL_free(ssl);
	SSL_CTX_free(ctx);
}

#endif
