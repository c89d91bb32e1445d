/*
 * Tokens: what stands in return paths, unsubscribe links and addresses, and says
 * on its way back which job it belongs to, without a look-up table and without
 * anybody else being able to make one.  penguin-token(7) has the format.
 *
 * A token is 61 characters of base32 in lower case (a local part may have 64), is
 * read without regard to case, and holds: format and purpose, key id, the last
 * four bytes of the tenant's id, the job's id, and 128 bits of an HMAC-SHA256 over
 * all of it with the tenant's whole id.
 */
#ifndef MAIL_TOKEN_H
#define MAIL_TOKEN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/id.h"
#include "base/slice.h"

#define TOKEN_TEXT 61
#define TOKEN_KEY_MIN 16 /* octets of a secret */
#define TOKEN_MAC 16

/* The numbers are on the wire. */
enum token_purpose {
	TOKEN_RETURN_PATH = 1, /* bounces come back to it */
	TOKEN_UNSUBSCRIBE = 2,
	TOKEN_OPEN = 3,
	TOKEN_CLICK = 4,
};

/* As it was read: nothing of it may be believed before token_verify(). */
struct token {
	enum token_purpose purpose;
	uint8_t key;
	uint8_t tenant_tag[4]; /* the last bytes of the tenant's id: which tenants to try */
	struct id job;
	uint8_t mac[TOKEN_MAC];
};

/* The keys at hand, by id 1..255.  It keeps prepared digests, so it is never const. */
struct token_ring;

struct token_ring *token_ring_new(void);
void token_ring_free(struct token_ring **ring);

/* ERR_INPUT: id 0, an id that is there already, or a secret of less than 16 octets. */
MUST_USE struct err token_ring_add(struct token_ring *ring, uint8_t id, struct slice secret);

/* The key added last, for new jobs; 0 when there is none. */
uint8_t token_ring_newest(const struct token_ring *ring);

/* False when the ring has no such key. */
MUST_USE bool token_make(struct token_ring *ring, uint8_t key, enum token_purpose purpose,
	struct id tenant, struct id job, char ret_text[TOKEN_TEXT + 1]);

MUST_USE bool token_parse(struct slice text, struct token *ret_token);

/* Is it ours, for this tenant?  Takes the same time whatever the MAC is. */
MUST_USE bool token_verify(struct token_ring *ring, const struct token *token, struct id tenant);

/* Quick pre-selection of the tenants to verify against. */
bool token_may_be_of(const struct token *token, struct id tenant);

#endif
