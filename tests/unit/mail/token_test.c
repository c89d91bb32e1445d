/* mail/token and mail/verp: who made it, for whom, and that it survives the way back. */
#include "mail/token.h"

#include <criterion/criterion.h>
#include <ctype.h>
#include <string.h>

#include "mail/verp.h"
#include "no_leaks.h"

static struct token_ring *ring;
static struct id tenant;
static struct id other;
static struct id job;

static struct id id_of(const char *text)
{
	struct id id;

	cr_assert(id_parse(slice_of(text), &id));
	return id;
}

static void setup(void)
{
	ring = token_ring_new();
	cr_assert(!err_is(token_ring_add(ring, 1, SLICE("0123456789abcdef"))));
	cr_assert(!err_is(token_ring_add(ring, 200,
		SLICE("another secret of ours, and a long one: "
		      "longer than a block of SHA-256 is"))));
	tenant = id_of("0192f3a0-0000-7000-8000-0000deadbeef");
	other = id_of("0192f3a0-0000-7000-8001-0000deadbeef");
	job = id_of("0192f3a0-1234-7abc-8def-0123456789ab");
}

static void teardown(void)
{
	token_ring_free(&ring);
}

TestSuite(token, .init = setup, .fini = no_leaks);

Test(token, round_trip)
{
	static const enum token_purpose purposes[] = {
		TOKEN_RETURN_PATH, TOKEN_UNSUBSCRIBE, TOKEN_OPEN, TOKEN_CLICK};

	for (size_t i = 0; i < ARRAY_LEN(purposes); i++) {
		char text[TOKEN_TEXT + 1];
		struct token token;

		cr_assert(token_make(ring, 200, purposes[i], tenant, job, text));
		cr_expect(strlen(text) == TOKEN_TEXT);
		cr_assert(token_parse(slice_of(text), &token));
		cr_expect(token.purpose == purposes[i]);
		cr_expect(token.key == 200);
		cr_expect(id_equal(token.job, job));
		cr_expect(token_may_be_of(&token, tenant));
		cr_expect(token_verify(ring, &token, tenant));
		cr_expect(token_may_be_of(&token, other), "the same last four bytes");
		cr_expect(!token_verify(ring, &token, other));
	}
	teardown();
}

/* HMAC-SHA256 as any other program makes it: python3 -c 'import hmac' with the label of token.c. */
Test(token, known_answer)
{
	char text[TOKEN_TEXT + 1];

	cr_assert(token_make(ring, 1, TOKEN_RETURN_PATH, tenant, job, text));
	cr_expect_str_eq(text, "cea55ln654azf45aci2hvpen54asgrlhrgvqzqht6ezbafbh5gfhnzkrq4sc4");
	cr_assert(token_make(ring, 200, TOKEN_UNSUBSCRIBE, tenant, job, text));
	cr_expect_str_eq(text, "clen5ln654azf45aci2hvpen54asgrlhrgvyymsl73pwuhyoro7i7nfwd6jwq");
	teardown();
}

Test(token, case_does_not_matter)
{
	char text[TOKEN_TEXT + 1];
	struct token token;

	cr_assert(token_make(ring, 1, TOKEN_OPEN, tenant, job, text));
	for (size_t i = 0; text[i] != '\0'; i++) {
		text[i] = (char)toupper((unsigned char)text[i]);
	}
	cr_assert(token_parse(slice_of(text), &token));
	cr_expect(token_verify(ring, &token, tenant));
	teardown();
}

Test(token, every_changed_character_is_noticed)
{
	char text[TOKEN_TEXT + 1];
	struct token token;

	cr_assert(token_make(ring, 1, TOKEN_CLICK, tenant, job, text));
	for (size_t i = 0; i < TOKEN_TEXT; i++) {
		static const char digits[] = "abcdefghijklmnopqrstuvwxyz234567";
		char was = text[i];

		for (size_t d = 0; d < 32; d++) {
			if (digits[d] == was) {
				continue;
			}
			text[i] = digits[d];
			cr_expect(!token_parse(slice_of(text), &token) ||
					!token_verify(ring, &token, tenant),
				"character %zu as %c", i, digits[d]);
		}
		text[i] = was;
	}
	teardown();
}

Test(token, not_a_token)
{
	struct token token;
	char text[TOKEN_TEXT + 1];

	cr_expect(!token_parse(SLICE(""), &token));
	cr_expect(!token_parse(SLICE("postmaster"), &token));
	memset(text, 'a', TOKEN_TEXT);
	text[TOKEN_TEXT] = '\0';
	cr_expect(!token_parse(slice_of(text), &token), "format 0");
	text[3] = '=';
	cr_expect(!token_parse(slice_of(text), &token), "not base32");
	cr_assert(token_make(ring, 1, TOKEN_OPEN, tenant, job, text));
	cr_expect(!token_parse(slice_first(slice_of(text), TOKEN_TEXT - 1), &token), "too short");
	teardown();
}

Test(token, ring)
{
	char text[TOKEN_TEXT + 1];
	struct token_ring *none = NULL;
	struct token token;

	cr_expect(token_ring_newest(ring) == 200);
	cr_expect(token_ring_add(ring, 0, SLICE("0123456789abcdef")).kind == ERR_INPUT);
	cr_expect(token_ring_add(ring, 1, SLICE("0123456789abcdef")).kind == ERR_INPUT);
	cr_expect(token_ring_add(ring, 2, SLICE("0123456789abcde")).kind == ERR_INPUT);
	cr_expect(!token_make(ring, 2, TOKEN_OPEN, tenant, job, text));
	cr_assert(token_make(ring, 1, TOKEN_OPEN, tenant, job, text));
	cr_assert(token_parse(slice_of(text), &token));
	token.key = 2;
	cr_expect(!token_verify(ring, &token, tenant));
	token.key = 200;
	cr_expect(!token_verify(ring, &token, tenant));
	token_ring_free(&none);
	teardown();
}

Test(token, verp)
{
	char text[TOKEN_TEXT + 1];
	struct address address;
	struct token token;

	cr_assert(token_make(ring, 1, TOKEN_RETURN_PATH, tenant, job, text));
	cr_assert(verp_make(text, SLICE("Bounce.Example.ORG"), &address));
	cr_expect(slice_equal(address_domain(&address), SLICE("bounce.example.org")));
	cr_assert(verp_parse(&address, &token));
	cr_expect(token_verify(ring, &token, tenant));
	cr_expect(!verp_make(text, SLICE("[192.0.2.1]"), &address));
	cr_expect(!verp_make(text, SLICE("x> SIZE=1"), &address));
	cr_expect(!verp_make(text, SLICE(""), &address));
	cr_assert(address_parse(SLICE("postmaster@bounce.example.org"), &address) == ADDRESS_OK);
	cr_expect(!verp_parse(&address, &token));
	teardown();
}
