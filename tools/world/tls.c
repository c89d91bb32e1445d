/*
 * A certificate authority in memory.
 *
 * All certificates share one P-256 key, which is made in well under a millisecond;
 * so a world of thousands of hosts starts at once and a host's certificate is made
 * when the first peer asks for it.  Old TLS versions need security level 0.
 */
#include "tls.h"

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/id.h"
#include "base/mem.h"

#define DAY_S (24L * 3600)

struct authority {
	EVP_PKEY *key;
	X509 *certificate;
};

/* Times are days from now. */
struct form {
	struct slice name;
	long from_days;
	long until_days;
	bool is_authority;
	X509 *issuer; /* NULL = itself */
};

static bool add_extension(X509 *x, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX context;
	X509_EXTENSION *extension;
	bool ok;

	X509V3_set_ctx_nodb(&context);
	X509V3_set_ctx(&context, issuer, x, NULL, NULL, 0);
	extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
	ok = extension != NULL && X509_add_ext(x, extension, -1) == 1;
	X509_EXTENSION_free(extension);
	return ok;
}

static bool add_names(X509 *x, const struct form *form)
{
	X509_NAME *subject = X509_get_subject_name(x);
	struct buf alt;
	bool ok;

	buf_init(&alt, 0);
	buf_add_text(&alt, "DNS:");
	buf_add(&alt, form->name);
	/* A common name holds at most 64 characters. */
	ok = X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
		     (const unsigned char *)form->name.p, (int)slice_first(form->name, 64).n, -1,
		     0) == 1 &&
		X509_set_issuer_name(x,
			form->issuer != NULL ? X509_get_subject_name(form->issuer) : subject) == 1;
	if (ok && !form->is_authority) {
		ok = add_extension(x, form->issuer != NULL ? form->issuer : x, NID_subject_alt_name,
			buf_string(&alt));
	}
	buf_clear(&alt);
	return ok;
}

static X509 *make_certificate(EVP_PKEY *key, const struct form *form)
{
	X509 *x = X509_new();
	X509 *issuer = form->issuer != NULL ? form->issuer : x;
	uint64_t serial = 0;
	bool ok = x != NULL;

	id_random_bytes(&serial, sizeof(serial));
	ok = ok && X509_set_version(x, X509_VERSION_3) == 1 &&
		ASN1_INTEGER_set_uint64(X509_get_serialNumber(x), serial >> 1) == 1 &&
		X509_gmtime_adj(X509_getm_notBefore(x), form->from_days * DAY_S) != NULL &&
		X509_gmtime_adj(X509_getm_notAfter(x), form->until_days * DAY_S) != NULL &&
		X509_set_pubkey(x, key) == 1 && add_names(x, form) &&
		add_extension(x, issuer, NID_basic_constraints,
			form->is_authority ? "critical,CA:TRUE" : "critical,CA:FALSE") &&
		add_extension(x, issuer, NID_subject_key_identifier, "hash") &&
		(form->issuer == NULL ||
			add_extension(x, issuer, NID_authority_key_identifier, "keyid")) &&
		X509_sign(x, key, EVP_sha256()) > 0;
	if (!ok) {
		X509_free(x);
		return NULL;
	}
	return x;
}

static struct err write_authority(const struct authority *authority, struct slice directory)
{
	struct buf path;
	FILE *file;
	struct err err = ERR_OK;

	buf_init(&path, 0);
	buf_add(&path, directory);
	buf_add_text(&path, "/ca.pem");
	file = fopen(buf_string(&path), "we");
	if (file == NULL) {
		err = err_system();
	} else {
		if (PEM_write_X509(file, authority->certificate) != 1) {
			err = err_system();
		}
		if (fclose(file) != 0) {
			err = err_system();
		}
	}
	buf_clear(&path);
	return err;
}

struct err authority_new(struct slice directory, struct authority **ret_authority)
{
	static const struct form form = {
		.name = {"penguin-world authority", 23},
		.from_days = -1,
		.until_days = 3650,
		.is_authority = true,
	};
	struct authority *authority = MEM_NEW(struct authority);

	*ret_authority = authority;
	authority->key = EVP_EC_gen("P-256");
	if (authority->key == NULL) {
		return err_os(0);
	}
	authority->certificate = make_certificate(authority->key, &form);
	if (authority->certificate == NULL) {
		return err_os(0);
	}
	return directory.n > 0 ? write_authority(authority, directory) : ERR_OK;
}

void authority_free(struct authority **authority)
{
	if (*authority == NULL) {
		return;
	}
	X509_free((*authority)->certificate);
	EVP_PKEY_free((*authority)->key);
	mem_free(*authority);
	*authority = NULL;
}

static bool set_versions(SSL_CTX *context, enum tls_version min, enum tls_version max)
{
	static const int versions[] = {
		[TLS_ANY] = 0,
		[TLS_1_0] = TLS1_VERSION,
		[TLS_1_1] = TLS1_1_VERSION,
		[TLS_1_2] = TLS1_2_VERSION,
		[TLS_1_3] = TLS1_3_VERSION,
	};

	if (min == TLS_1_0 || min == TLS_1_1 || max == TLS_1_0 || max == TLS_1_1) {
		if (SSL_CTX_set_cipher_list(context, "ALL:@SECLEVEL=0") != 1) {
			return false;
		}
	}
	return SSL_CTX_set_min_proto_version(context, versions[min]) == 1 &&
		SSL_CTX_set_max_proto_version(context, versions[max]) == 1;
}

SSL_CTX *authority_issue(const struct authority *authority, struct slice host, enum tls_mode mode,
	enum tls_version min, enum tls_version max)
{
	const struct form form = {
		.name = mode == TLS_WRONG_NAME ? SLICE("somebody-else.test") : host,
		.from_days = mode == TLS_EXPIRED ? -60 : -1,
		.until_days = mode == TLS_EXPIRED ? -1 : 365,
		.issuer = mode == TLS_SELF_SIGNED ? NULL : authority->certificate,
	};
	SSL_CTX *context = SSL_CTX_new(TLS_server_method());
	X509 *certificate = make_certificate(authority->key, &form);

	if (context == NULL || certificate == NULL || !set_versions(context, min, max) ||
		SSL_CTX_use_certificate(context, certificate) != 1 ||
		SSL_CTX_use_PrivateKey(context, authority->key) != 1) {
		SSL_CTX_free(context);
		context = NULL;
	} else {
		(void)SSL_CTX_set_mode(context,
			SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
				SSL_MODE_RELEASE_BUFFERS);
	}
	X509_free(certificate);
	return context;
}
