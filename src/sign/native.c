/*
 * The native signer: canonical forms into one kept buffer, one hash of the body
 * whatever the number of keys, and for each key its field: written once with an
 * empty b=, hashed as a verifier will see it, then completed.
 *
 * The field is folded where RFC 6376 allows blanks (between tags, at the colons of
 * h=, within b=), and always in the same places, so its size is known before the
 * signature is.
 */
#include "native.h"

#include <openssl/evp.h>

#include "base/codec.h"
#include "base/mem.h"
#include "base/time.h"
#include "canon.h"
#include "key.h"

#define SHA256_BYTES 32
#define B_LINE 72          /* characters of b= on a line */
#define FOLD_COLUMN 74     /* of h= */
#define SIGNATURE_MAX 1024 /* octets: RSA of 8192 bits */

struct native {
	int64_t expire_us;
	EVP_MD *sha256;
	EVP_MD_CTX *digest;
	struct buf canon; /* body, then header data */
	struct buf field; /* the DKIM-Signature under way */
	struct fields fields;
	struct pick picks[CANON_PICKS];
	size_t pick_count;
};

struct native *native_new(int64_t expire_us)
{
	struct native *native = MEM_NEW(struct native);

	native->expire_us = expire_us;
	native->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	native->digest = EVP_MD_CTX_new();
	buf_init(&native->canon, 0);
	buf_init(&native->field, 65536);
	return native;
}

void native_free(struct native **native)
{
	if (*native == NULL) {
		return;
	}
	EVP_MD_free((*native)->sha256);
	EVP_MD_CTX_free((*native)->digest);
	buf_clear(&(*native)->canon);
	buf_clear(&(*native)->field);
	mem_free(*native);
	*native = NULL;
}

static bool hash(struct native *native, struct slice bytes, unsigned char out[SHA256_BYTES])
{
	return EVP_DigestInit_ex2(native->digest, native->sha256, NULL) == 1 &&
		EVP_DigestUpdate(native->digest, bytes.p, bytes.n) == 1 &&
		EVP_DigestFinal_ex(native->digest, out, NULL) == 1;
}

static void add_names(struct native *native, struct buf *out)
{
	size_t column = 3; /* a tab's blank and "h=" */

	buf_add_text(out, "\th=");
	for (size_t i = 0; i < native->pick_count; i++) {
		struct slice name = slice_of(native->picks[i].name);

		if (i > 0) {
			buf_add_byte(out, ':');
			column++;
		}
		if (column + name.n > FOLD_COLUMN) {
			buf_add_text(out, "\r\n\t");
			column = 1;
		}
		buf_add(out, name);
		column += name.n;
	}
	buf_add_text(out, ";\r\n");
}

/* The whole field up to and with "b=". */
static void begin_field(
	struct native *native, const struct key *key, struct slice body_hash, int64_t first_us)
{
	struct buf *out = &native->field;
	int64_t signed_s = first_us / TIME_SECOND_US;

	buf_reset(out);
	buf_add_format(out, "DKIM-Signature: v=1; a=%s; c=relaxed/relaxed;\r\n\td=%s; s=%s;\r\n",
		key_is_ed25519(key) ? "ed25519-sha256" : "rsa-sha256", key->domain, key->selector);
	buf_add_format(out, "\tt=%lld;", (long long)signed_s);
	if (native->expire_us > 0) {
		int64_t expires_s = signed_s + native->expire_us / TIME_SECOND_US;

		buf_add_format(out, " x=%lld;", (long long)expires_s);
	}
	buf_add_text(out, "\r\n");
	add_names(native, out);
	buf_add_text(out, "\tbh=");
	codec_base64(out, body_hash, 0);
	buf_add_text(out, ";\r\n\tb=");
}

/* The signature in lines, and the end of the field. */
static void end_field(struct buf *out, struct slice signature)
{
	struct buf b64;
	struct slice rest;

	buf_init(&b64, 0);
	codec_base64(&b64, signature, 0);
	rest = buf_slice(&b64);
	while (rest.n > B_LINE) {
		buf_add(out, slice_first(rest, B_LINE));
		buf_add_text(out, "\r\n\t");
		rest = slice_from(rest, B_LINE);
	}
	buf_add(out, rest);
	buf_add_text(out, "\r\n");
	buf_clear(&b64);
}

/* What the signature is over: the picked fields, then this field with an empty b=. */
static void header_data(struct native *native)
{
	struct field own = {SLICE("DKIM-Signature"), buf_slice(&native->field)};

	buf_reset(&native->canon);
	for (size_t i = 0; i < native->pick_count; i++) {
		if (native->picks[i].field != NULL) {
			canon_field(native->picks[i].field, &native->canon);
		}
	}
	canon_field(&own, &native->canon);
	buf_cut(&native->canon, native->canon.n - 2); /* its CRLF does not count */
}

static bool sign_digest(struct native *native, const struct key *key,
	const unsigned char digest[SHA256_BYTES], unsigned char *out, size_t *n)
{
	*n = SIGNATURE_MAX;
	if (!key_is_ed25519(key)) {
		return EVP_PKEY_sign(key->rsa, out, n, digest, SHA256_BYTES) == 1;
	}
	/* RFC 8463 section 3: Ed25519 over the SHA-256 of the data. */
	return EVP_MD_CTX_reset(native->digest) == 1 &&
		EVP_DigestSignInit(native->digest, NULL, NULL, NULL, key->pkey) == 1 &&
		EVP_DigestSign(native->digest, out, n, digest, SHA256_BYTES) == 1 &&
		EVP_MD_CTX_reset(native->digest) == 1;
}

static struct err sign_one(struct native *native, const struct key *key, struct slice body_hash,
	int64_t first_us, struct buf *out)
{
	unsigned char signature[SIGNATURE_MAX];
	unsigned char digest[SHA256_BYTES];
	size_t n;

	begin_field(native, key, body_hash, first_us);
	header_data(native);
	if (native->canon.spoiled || key->signature_bytes > SIGNATURE_MAX) {
		return err_limit();
	}
	if (!hash(native, buf_slice(&native->canon), digest) ||
		!sign_digest(native, key, digest, signature, &n)) {
		return err_os(0);
	}
	buf_add(out, buf_slice(&native->field));
	end_field(out, slice_make((const char *)signature, n));
	return out->spoiled ? err_limit() : ERR_OK;
}

static bool read_headers(struct native *native, struct slice headers)
{
	if (!canon_split(headers, &native->fields)) {
		return false;
	}
	native->pick_count = canon_pick(&native->fields, native->picks);
	return native->pick_count > 0 && native->picks[0].field != NULL; /* from: comes first */
}

size_t native_size(
	struct native *native, const struct key_set *set, struct slice headers, int64_t first_us)
{
	static const char no_hash[SHA256_BYTES];
	size_t size = 0;

	if (!read_headers(native, headers)) {
		return 0;
	}
	for (size_t i = 0; i < set->count; i++) {
		size_t b64 = (set->keys[i].signature_bytes + 2) / 3 * 4;
		size_t folds = b64 > 0 ? (b64 - 1) / B_LINE : 0;

		begin_field(native, &set->keys[i], slice_make(no_hash, sizeof(no_hash)), first_us);
		size += native->field.n + b64 + 3 * folds + 2;
	}
	return size;
}

struct err native_sign(struct native *native, const struct key_set *set, struct slice headers,
	struct slice body, int64_t first_us, struct buf *out)
{
	unsigned char body_hash[SHA256_BYTES];
	struct err err = ERR_OK;

	buf_reset(&native->canon);
	if (!read_headers(native, headers) || !canon_body(body, &native->canon)) {
		return err_input();
	}
	if (!hash(native, buf_slice(&native->canon), body_hash)) {
		return err_os(0);
	}
	for (size_t i = 0; i < set->count && !err_is(err); i++) {
		err = sign_one(native, &set->keys[i],
			slice_make((const char *)body_hash, sizeof(body_hash)), first_us, out);
	}
	return err;
}
