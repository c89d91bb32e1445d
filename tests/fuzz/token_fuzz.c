/*
 * mail/token: nothing verifies that we did not make, and what parses has one spelling.
 */
#include "mail/token.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
	if (!holds) {
		abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice text = slice_make((const char *)data, size);
	struct token_ring *ring = token_ring_new();
	char made[TOKEN_TEXT + 1];
	struct id tenant = {{0}};
	struct token token;

	check(!err_is(token_ring_add(ring, 1, SLICE("the secret of the fuzz target"))));
	if (token_parse(text, &token)) {
		for (size_t i = 0; i < sizeof(token.tenant_tag); i++) {
			tenant.bytes[12 + i] = token.tenant_tag[i];
		}
		check(token_may_be_of(&token, tenant));
		if (token_verify(ring, &token, tenant)) {
			check(token_make(ring, token.key, token.purpose, tenant, token.job, made));
			check(slice_equal_nocase(slice_of(made), text));
		}
	}
	token_ring_free(&ring);
	return 0;
}
