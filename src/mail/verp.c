/*
 * Return paths.  There is no prefix and no separator: a receiver that lower-cases,
 * splits at `+` or `-`, or rewrites `=` (as the classic user-rcpt=host form
 * invites) finds nothing to break, and 61 octets stay below the 64 of RFC 5321
 * section 4.5.3.1.1.  The recipient's address is not in it, so a bounce log that
 * leaks says nothing about people.
 */
#include "mail/verp.h"

#include <string.h>

bool verp_make(
	const char token[TOKEN_TEXT + 1], struct slice bounce_domain, struct address *ret_address)
{
	char text[TOKEN_TEXT + 1 + ADDRESS_DOMAIN_MAX];

	if (bounce_domain.n > ADDRESS_DOMAIN_MAX) {
		return false;
	}
	memcpy(text, token, TOKEN_TEXT);
	text[TOKEN_TEXT] = '@';
	memcpy(text + TOKEN_TEXT + 1, bounce_domain.p, bounce_domain.n);
	return address_parse(slice_make(text, TOKEN_TEXT + 1 + bounce_domain.n), ret_address) ==
		ADDRESS_OK &&
		!ret_address->literal;
}

bool verp_parse(const struct address *address, struct token *ret_token)
{
	return token_parse(address_local(address), ret_token);
}
