/*
 * Variable envelope return paths: the sender address of one job's envelope, by
 * which a bounce, whatever its form, names the job it is about.  The local part is
 * a token and nothing else, the domain the tenant's bounce domain.
 */
#ifndef MAIL_VERP_H
#define MAIL_VERP_H

#include <stdbool.h>

#include "base/err.h"
#include "mail/address.h"
#include "mail/token.h"

/* False when the two do not make a valid address (the domain is not a host name). */
MUST_USE bool verp_make(
	const char token[TOKEN_TEXT + 1], struct slice bounce_domain, struct address *ret_address);

/*
 * The token of an address at any domain; false when its local part is not of the
 * form.  Whether it is ours and for this purpose, token_verify() and ->purpose say.
 */
MUST_USE bool verp_parse(const struct address *address, struct token *ret_token);

#endif
