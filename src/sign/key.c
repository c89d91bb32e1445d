/*
 * One DKIM key: from its PEM file to something that signs, and what must stand in
 * DNS for it (RFC 6376 section 3.6.1, RFC 8463 section 4).
 *
 * Parsing a key and its first use cost several signatures; so the parsed key and,
 * for RSA, a context that is ready to sign are kept.  The context is used by one
 * loop only.
 */
#include "key.h"

#include <fcntl.h>
#include <openssl/bio.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/codec.h"
#include "base/mem.h"
#include "mail/zone.h"

#define PEM_MAX 16384
#define OTHERS_MAY (S_IWGRP | S_IRWXO)
#define RSA_BITS_LEAST 1024 /* RFC 8301 section 3.2 */
#define ED25519_RAW 32

static bool read_pem(struct key *key, int directory, const char *file, struct buf *why)
{
	int fd = openat(directory, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat status;
	ssize_t n = -1;

	if (fd < 0 || fstat(fd, &status) < 0) {
		buf_add_format(why, "%s: %s", file, err_text(err_system()));
	} else if ((status.st_mode & OTHERS_MAY) != 0) {
		buf_add_format(why, "%s: others may read or change it: chmod 0600 (or 0640)", file);
	} else if (status.st_size > PEM_MAX) {
		buf_add_format(why, "%s: too large for a key", file);
	} else {
		key->pem = mem_new(PEM_MAX + 1);
		n = read(fd, key->pem, PEM_MAX);
		if (n <= 0) {
			buf_add_format(why, "%s: %s", file,
				n < 0 ? err_text(err_system()) : "an empty file");
		}
	}
	if (fd >= 0) {
		(void)close(fd);
	}
	return n > 0;
}

static int no_password(char *out, int size, int writing, void *owner)
{
	(void)writing;
	(void)owner;
	if (size > 0) {
		out[0] = '\0';
	}
	return -1;
}

static bool prepare_rsa(struct key *key, unsigned bits_min, const char *file, struct buf *why)
{
	unsigned least = bits_min > RSA_BITS_LEAST ? bits_min : RSA_BITS_LEAST;

	if (key->bits < least) {
		buf_add_format(why, "%s: an RSA key of %u bits; at least %u are needed", file,
			key->bits, least);
		return false;
	}
	key->rsa = EVP_PKEY_CTX_new(key->pkey, NULL);
	if (key->rsa == NULL || EVP_PKEY_sign_init(key->rsa) <= 0 ||
		EVP_PKEY_CTX_set_rsa_padding(key->rsa, RSA_PKCS1_PADDING) <= 0 ||
		EVP_PKEY_CTX_set_signature_md(key->rsa, EVP_sha256()) <= 0) {
		buf_add_format(why, "%s: the RSA key cannot be used for signing", file);
		return false;
	}
	return true;
}

static bool parse(struct key *key, const char *file, unsigned rsa_bits_min, struct buf *why)
{
	BIO *bio = BIO_new_mem_buf(key->pem, -1);

	key->pkey = PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL);
	BIO_free(bio);
	if (key->pkey == NULL) {
		buf_add_format(why, "%s: no private key in PEM form without a password", file);
		return false;
	}
	key->bits = (unsigned)EVP_PKEY_get_bits(key->pkey);
	key->signature_bytes = (size_t)EVP_PKEY_get_size(key->pkey);
	switch (EVP_PKEY_get_base_id(key->pkey)) {
	case EVP_PKEY_RSA:
		return prepare_rsa(key, rsa_bits_min, file, why);
	case EVP_PKEY_ED25519:
		return true;
	default:
		buf_add_format(why, "%s: neither an RSA nor an Ed25519 key", file);
		return false;
	}
}

bool key_read(
	struct key *key, int directory, const char *file, unsigned rsa_bits_min, struct buf *why)
{
	return read_pem(key, directory, file, why) && parse(key, file, rsa_bits_min, why);
}

void key_clear(struct key *key)
{
	EVP_PKEY_CTX_free(key->rsa);
	EVP_PKEY_free(key->pkey);
	if (key->pem != NULL) {
		OPENSSL_cleanse(key->pem, PEM_MAX);
	}
	mem_free(key->pem);
	mem_free(key->domain);
	mem_free(key->selector);
	*key = (struct key){0};
}

void key_record_name(const struct key *key, struct buf *out)
{
	buf_add_format(out, "%s._domainkey.%s", key->selector, key->domain);
}

/* p=: RSA as SubjectPublicKeyInfo, Ed25519 as its 32 bytes. */
static void add_public(const struct key *key, struct buf *out)
{
	unsigned char raw[ED25519_RAW];
	size_t n = sizeof(raw);
	unsigned char *der = NULL;
	int length;

	if (key_is_ed25519(key)) {
		if (EVP_PKEY_get_raw_public_key(key->pkey, raw, &n) == 1) {
			codec_base64(out, slice_make((const char *)raw, n), 0);
		}
		return;
	}
	length = i2d_PUBKEY(key->pkey, &der);
	if (length > 0) {
		codec_base64(out, slice_make((const char *)der, (size_t)length), 0);
	}
	OPENSSL_free(der);
}

void key_record_text(const struct key *key, struct buf *out)
{
	buf_add_format(out, "v=DKIM1; k=%s; p=", key_is_ed25519(key) ? "ed25519" : "rsa");
	add_public(key, out);
}

/* One tag of a tag list (RFC 6376 section 3.2), blanks around it taken off. */
static bool find_tag(struct slice record, const char *name, struct slice *ret_value)
{
	struct slice part;

	while (record.p != NULL) {
		size_t equals;

		slice_split(&record, ';', &part);
		equals = slice_find(part, '=');
		if (equals < part.n &&
			slice_equal(slice_trim(slice_first(part, equals)), slice_of(name))) {
			*ret_value = slice_trim(slice_from(part, equals + 1));
			return true;
		}
	}
	return false;
}

static bool same_public(const struct key *key, struct slice p)
{
	struct buf ours;
	struct buf theirs;
	struct buf text;
	bool same;

	buf_init(&ours, 0);
	buf_init(&theirs, 0);
	buf_init(&text, 0);
	add_public(key, &text);
	same = codec_base64_decode(&ours, buf_slice(&text)) && codec_base64_decode(&theirs, p) &&
		slice_equal(buf_slice(&ours), buf_slice(&theirs));
	buf_clear(&text);
	buf_clear(&theirs);
	buf_clear(&ours);
	return same;
}

/* Is the word, or * for all, in a list with colons?  A tag that is not there allows all. */
static bool allows(struct slice record, const char *tag, struct slice word)
{
	struct slice list;
	struct slice part;

	if (!find_tag(record, tag, &list)) {
		return true;
	}
	while (list.p != NULL) {
		slice_split(&list, ':', &part);
		part = slice_trim(part);
		if (slice_equal(part, word) || slice_equal(part, SLICE("*"))) {
			return true;
		}
	}
	return false;
}

/* The key is there; may it be used as we use it (RFC 6376 section 3.6.1)? */
static const char *type_fault(const struct key *key, struct slice record)
{
	struct slice type = SLICE("rsa");

	(void)find_tag(record, "k", &type);
	if (key_is_ed25519(key) && !slice_equal(type, SLICE("ed25519"))) {
		return "the record does not say k=ed25519";
	}
	if (!key_is_ed25519(key) && !slice_equal(type, SLICE("rsa"))) {
		return "the record does not say k=rsa";
	}
	if (!allows(record, "h", SLICE("sha256"))) {
		return "the record does not allow sha256 (h=)";
	}
	return allows(record, "s", SLICE("email")) ? NULL : "the record is not for e-mail (s=)";
}

static const char *fault_of(const struct key *key, bool found, struct slice record)
{
	struct slice value;

	if (!found) {
		return "there is no such record";
	}
	if (find_tag(record, "v", &value) && !slice_equal(value, SLICE("DKIM1"))) {
		return "the record is not a DKIM key (v= is not DKIM1)";
	}
	if (!find_tag(record, "p", &value)) {
		return "the record has no p=";
	}
	if (value.n == 0) {
		return "the record says that the key is revoked (p= is empty)";
	}
	if (!same_public(key, value)) {
		return "the record holds another key";
	}
	return type_fault(key, record);
}

const char *key_published(
	const struct key *key, const struct dns_answer *answer, struct slice *ret_record)
{
	const char *fault = fault_of(key, false, SLICE(""));

	for (size_t i = 0; i < answer->count && fault != NULL; i++) {
		fault = fault_of(key, true, answer->records[i].text);
		*ret_record = answer->records[i].text;
	}
	return fault;
}

void key_add_remedy(const struct key *key, struct buf *out)
{
	struct buf name;
	struct buf text;

	buf_init(&name, 0);
	buf_init(&text, 0);
	key_record_name(key, &name);
	key_record_text(key, &text);
	zone_add_txt(out, buf_slice(&name), buf_slice(&text));
	buf_clear(&text);
	buf_clear(&name);
}

bool key_is_rsa(const struct key *key)
{
	return !key_is_ed25519(key);
}

unsigned key_bits(const struct key *key)
{
	return key->bits;
}

bool key_is_name(struct slice text)
{
	for (size_t i = 0; i < text.n; i++) {
		char c = text.p[i];
		bool inner = c == '-' || c == '_' || c == '.';

		if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && !inner) {
			return false;
		}
	}
	return text.n > 0 && text.n <= 253 && text.p[0] != '.' && text.p[0] != '-' &&
		text.p[text.n - 1] != '.';
}

static EVP_PKEY *make(enum key_type type)
{
	return type == KEY_ED25519 ? EVP_PKEY_Q_keygen(NULL, NULL, "ED25519")
				   : EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048);
}

static struct err write_key(const char *path, enum key_type type, struct buf *why)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	struct err err = ERR_OK;
	EVP_PKEY *pkey;
	BIO *bio;

	if (fd < 0) {
		err = err_system();
		buf_add_format(why, "%s: %s%s", path, err_text(err),
			err.os == EEXIST ? ": a key is never overwritten, choose another selector"
					 : "");
		return err;
	}
	pkey = make(type);
	bio = BIO_new_fd(fd, BIO_CLOSE);
	if (pkey == NULL ||
		PEM_write_bio_PKCS8PrivateKey(bio, pkey, NULL, NULL, 0, NULL, NULL) != 1 ||
		fsync(fd) < 0) {
		err = err_system();
		buf_add_format(why, "%s: the key could not be made or written", path);
		(void)unlink(path);
	}
	BIO_free(bio);
	EVP_PKEY_free(pkey);
	return err;
}

static bool make_folder(const char *path, struct buf *why)
{
	if (mkdir(path, 0700) == 0 || errno == EEXIST) {
		return true;
	}
	buf_add_format(why, "%s: %s", path, err_text(err_system()));
	return false;
}

struct err key_generate(struct slice directory, const struct id *tenant, struct slice domain,
	struct slice selector, enum key_type type, struct buf *why)
{
	struct err err = err_input();
	struct buf path;
	bool made;

	if (!key_is_name(domain) || !key_is_name(selector)) {
		buf_add_text(why,
			"domain and selector are host names in lower case: letters, digits, "
			"hyphens, dots");
		return err;
	}
	buf_init(&path, 0);
	buf_add(&path, directory);
	buf_add_byte(&path, '/');
	id_add(&path, *tenant);
	made = make_folder(buf_string(&path), why);
	buf_add_byte(&path, '/');
	buf_add(&path, domain);
	if (made && make_folder(buf_string(&path), why)) {
		buf_add_byte(&path, '/');
		buf_add(&path, selector);
		buf_add_text(&path, ".pem");
		err = write_key(buf_string(&path), type, why);
	} else {
		err = err_system();
	}
	buf_clear(&path);
	return err;
}
