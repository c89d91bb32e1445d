/*
 * Tokens: 38 bytes in base32.
 *
 *	byte 0       format (1) in the high half, purpose in the low half
 *	byte 1       key id
 *	bytes 2-5    the last four bytes of the tenant's id
 *	bytes 6-21   the job's id
 *	bytes 22-37  first half of HMAC-SHA256(secret, label, bytes 0-21, tenant's id)
 *
 * A whole tenant id would not fit a local part beside 128 bits of MAC; four bytes
 * of it select the few tenants to verify against, and the MAC covers the rest.
 * The spare two bits of the last character must be zero, so a token has one spelling.
 *
 * Making one is two runs over a digest whose key blocks were absorbed once
 * (RFC 2104): composing a message needs two or three tokens.
 */
#include "mail/token.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "base/codec.h"
#include "base/mem.h"

enum {
	FORMAT = 1,
	AT_KEY = 1,
	AT_TENANT = 2,
	AT_JOB = 6,
	AT_MAC = 22,
	TOKEN_BYTES = AT_MAC + TOKEN_MAC,
	BLOCK = 64, /* of SHA-256 */
	DIGEST = 32,
};

static const struct slice label = {"penguin token 1", 15};

struct ring_key {
	EVP_MD_CTX *inner;
	EVP_MD_CTX *outer;
};

struct token_ring {
	struct ring_key keys[256];
	EVP_MD_CTX *scratch;
	uint8_t newest;
};

/* OpenSSL refuses these calls for want of memory only. */
static void must(int rc)
{
	if (rc != 1) {
		abort();
	}
}

static EVP_MD_CTX *context_new(void)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	if (ctx == NULL) {
		abort();
	}
	return ctx;
}

struct token_ring *token_ring_new(void)
{
	struct token_ring *ring = MEM_NEW(struct token_ring);

	ring->scratch = context_new();
	return ring;
}

void token_ring_free(struct token_ring **ring)
{
	if (*ring == NULL) {
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN((*ring)->keys); i++) {
		EVP_MD_CTX_free((*ring)->keys[i].inner);
		EVP_MD_CTX_free((*ring)->keys[i].outer);
	}
	EVP_MD_CTX_free((*ring)->scratch);
	mem_free(*ring);
	*ring = NULL;
}

/* A digest that has absorbed the key block, xored with the pad. */
static EVP_MD_CTX *absorb(const uint8_t block[BLOCK], uint8_t pad)
{
	EVP_MD_CTX *ctx = context_new();
	uint8_t padded[BLOCK];

	for (size_t i = 0; i < BLOCK; i++) {
		padded[i] = block[i] ^ pad;
	}
	must(EVP_DigestInit_ex(ctx, EVP_sha256(), NULL));
	must(EVP_DigestUpdate(ctx, padded, BLOCK));
	OPENSSL_cleanse(padded, sizeof(padded));
	return ctx;
}

struct err token_ring_add(struct token_ring *ring, uint8_t id, struct slice secret)
{
	struct ring_key *key = &ring->keys[id];
	uint8_t block[BLOCK] = {0};

	if (id == 0 || key->inner != NULL || secret.n < TOKEN_KEY_MIN) {
		return err_input();
	}
	if (secret.n > BLOCK) {
		must(EVP_Digest(secret.p, secret.n, block, NULL, EVP_sha256(), NULL));
	} else {
		memcpy(block, secret.p, secret.n);
	}
	key->inner = absorb(block, 0x36);
	key->outer = absorb(block, 0x5c);
	OPENSSL_cleanse(block, sizeof(block));
	ring->newest = id;
	return ERR_OK;
}

uint8_t token_ring_newest(const struct token_ring *ring)
{
	return ring->newest;
}

static bool make_mac(struct token_ring *ring, uint8_t key_id, const uint8_t head[AT_MAC],
	struct id tenant, uint8_t ret_mac[DIGEST])
{
	const struct ring_key *key = &ring->keys[key_id];
	EVP_MD_CTX *ctx = ring->scratch;

	if (key->inner == NULL) {
		return false;
	}
	must(EVP_MD_CTX_copy_ex(ctx, key->inner));
	must(EVP_DigestUpdate(ctx, label.p, label.n));
	must(EVP_DigestUpdate(ctx, head, AT_MAC));
	must(EVP_DigestUpdate(ctx, tenant.bytes, sizeof(tenant.bytes)));
	must(EVP_DigestFinal_ex(ctx, ret_mac, NULL));
	must(EVP_MD_CTX_copy_ex(ctx, key->outer));
	must(EVP_DigestUpdate(ctx, ret_mac, DIGEST));
	must(EVP_DigestFinal_ex(ctx, ret_mac, NULL));
	return true;
}

static void put_head(uint8_t head[AT_MAC], uint8_t key, enum token_purpose purpose,
	const uint8_t tenant_tag[4], struct id job)
{
	head[0] = (uint8_t)(FORMAT << 4 | purpose);
	head[AT_KEY] = key;
	memcpy(head + AT_TENANT, tenant_tag, AT_JOB - AT_TENANT);
	memcpy(head + AT_JOB, job.bytes, sizeof(job.bytes));
}

bool token_make(struct token_ring *ring, uint8_t key, enum token_purpose purpose, struct id tenant,
	struct id job, char ret_text[TOKEN_TEXT + 1])
{
	uint8_t bytes[AT_MAC + DIGEST];
	struct buf text;

	put_head(bytes, key, purpose, tenant.bytes + sizeof(tenant.bytes) - 4, job);
	if (!make_mac(ring, key, bytes, tenant, bytes + AT_MAC)) {
		return false;
	}
	buf_init(&text, 0);
	codec_base32(&text, slice_make((const char *)bytes, TOKEN_BYTES));
	memcpy(ret_text, text.p, TOKEN_TEXT);
	ret_text[TOKEN_TEXT] = '\0';
	buf_clear(&text);
	return true;
}

/* One spelling: encoding again what was read must give the same, but for case. */
static bool is_canonical(const struct buf *bytes, struct slice text)
{
	struct buf again;
	bool same;

	buf_init(&again, 0);
	codec_base32(&again, buf_slice(bytes));
	same = slice_equal_nocase(buf_slice(&again), text);
	buf_clear(&again);
	return same;
}

bool token_parse(struct slice text, struct token *ret_token)
{
	struct buf bytes;
	const uint8_t *p;
	bool valid;

	if (text.n != TOKEN_TEXT) {
		return false;
	}
	buf_init(&bytes, 0);
	valid = codec_base32_decode(&bytes, text) && bytes.n == TOKEN_BYTES &&
		is_canonical(&bytes, text);
	p = (const uint8_t *)bytes.p;
	valid = valid && p[0] >> 4 == FORMAT && (p[0] & 15) >= TOKEN_RETURN_PATH &&
		(p[0] & 15) <= TOKEN_CLICK && p[AT_KEY] != 0;
	if (valid) {
		ret_token->purpose = (enum token_purpose)(p[0] & 15);
		ret_token->key = p[AT_KEY];
		memcpy(ret_token->tenant_tag, p + AT_TENANT, sizeof(ret_token->tenant_tag));
		memcpy(ret_token->job.bytes, p + AT_JOB, sizeof(ret_token->job.bytes));
		memcpy(ret_token->mac, p + AT_MAC, TOKEN_MAC);
	}
	buf_clear(&bytes);
	return valid;
}

bool token_may_be_of(const struct token *token, struct id tenant)
{
	return memcmp(token->tenant_tag, tenant.bytes + sizeof(tenant.bytes) - 4,
		       sizeof(token->tenant_tag)) == 0;
}

bool token_verify(struct token_ring *ring, const struct token *token, struct id tenant)
{
	uint8_t head[AT_MAC];
	uint8_t mac[DIGEST];

	put_head(head, token->key, token->purpose, token->tenant_tag, token->job);
	return token_may_be_of(token, tenant) && make_mac(ring, token->key, head, tenant, mac) &&
		CRYPTO_memcmp(mac, token->mac, TOKEN_MAC) == 0;
}
