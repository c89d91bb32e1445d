/*
 * mail/token: nothing verifies that we did not make.  The input is read as a token;
 * and it makes one (tenant, job, key and purpose are taken from it), which must be
 * read back and verify, and must not any more with another character anywhere, for
 * another tenant, or under another key.
 */
#include "mail/token.h"

#include <string.h>

#include "base/codec.h"
#include "fuzz.h"

static struct token_ring *keys(void)
{
	static struct token_ring *ring;
	struct token_ring *other;

	if (ring == NULL) {
		ring = token_ring_new();
		must(token_ring_newest(ring) == 0);
		must(!err_is(token_ring_add(ring, 1, SLICE("the secret of the fuzz target"))));
		must(!err_is(token_ring_add(ring, 2,
			SLICE("a secret that is longer than one block of SHA-256, which is 64 octets: "
			      "it is hashed before it is used"))));
		must(err_is(token_ring_add(ring, 0, SLICE("the secret of the fuzz target"))));
		must(err_is(token_ring_add(ring, 1, SLICE("the secret of the fuzz target"))));
		must(err_is(token_ring_add(ring, 3, SLICE("short"))));
		must(token_ring_newest(ring) == 2);
		other = token_ring_new();
		token_ring_free(&other);
		token_ring_free(&other);
	}
	return ring;
}

/* Whoever it says it is of. */
static void read_token(struct slice text)
{
	struct id tenant = {{0}};
	struct token token;
	char made[TOKEN_TEXT + 1];

	if (!token_parse(text, &token)) {
		return;
	}
	must(token.purpose >= TOKEN_RETURN_PATH && token.purpose <= TOKEN_CLICK && token.key != 0);
	memcpy(tenant.bytes + 12, token.tenant_tag, sizeof(token.tenant_tag));
	must(token_may_be_of(&token, tenant));
	if (token_verify(keys(), &token, tenant)) {
		must(token_make(keys(), token.key, token.purpose, tenant, token.job, made));
		must(slice_equal_nocase(slice_of(made), text));
	}
}

struct recipe {
	uint8_t key;
	uint8_t purpose;
	uint8_t at;
	uint8_t with;
	struct id tenant;
	struct id job;
};

static void check_another_tenant(const struct recipe *r, const struct token *token)
{
	struct id other = r->tenant;

	other.bytes[r->with % sizeof(other.bytes)] ^= (unsigned char)(1 << r->at % 8);
	must(!token_verify(keys(), token, other));
}

static void check_changed(const struct recipe *r, const char *made)
{
	char changed[TOKEN_TEXT + 1];
	size_t at = r->at % TOKEN_TEXT;
	struct slice text = slice_of(made);
	struct token token;

	memcpy(changed, made, sizeof(changed));
	changed[at] = (char)r->with;
	if (token_parse(slice_make(changed, TOKEN_TEXT), &token)) {
		bool same = slice_equal_nocase(slice_make(changed, TOKEN_TEXT), text);

		must(token_verify(keys(), &token, r->tenant) == same);
	} else {
		must(!slice_equal_nocase(slice_make(changed, TOKEN_TEXT), text));
	}
}

static void make_token(const uint8_t *data, size_t size)
{
	char made[TOKEN_TEXT + 1];
	struct recipe r = {0};
	struct token token;

	memcpy(&r, data, size < sizeof(r) ? size : sizeof(r));
	r.key %= 4;
	r.purpose = (uint8_t)(r.purpose % TOKEN_CLICK + 1);
	if (!token_make(keys(), r.key, (enum token_purpose)r.purpose, r.tenant, r.job, made)) {
		must(r.key == 0 || r.key == 3);
		return;
	}
	must(strlen(made) == TOKEN_TEXT && token_parse(slice_of(made), &token));
	must(token.key == r.key && token.purpose == (enum token_purpose)r.purpose);
	must(memcmp(&token.job, &r.job, sizeof(r.job)) == 0);
	must(token_may_be_of(&token, r.tenant) && token_verify(keys(), &token, r.tenant));
	check_another_tenant(&r, &token);
	check_changed(&r, made);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == TOKEN_TEXT) {
		read_token(slice_make((const char *)data, size));
	} else {
		struct token token;

		must(!token_parse(slice_make((const char *)data, size), &token));
		make_token(data, size);
	}
	return 0;
}
