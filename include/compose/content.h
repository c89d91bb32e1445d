/*
 * Content: what a campaign sends, compiled once a version and then shared by all its
 * jobs.  Either a JSON object (templates, attachments, variants) or a raw RFC 5322
 * message; penguin-content(7) describes both.  Immutable and counted; it knows
 * nothing of recipients.
 */
#ifndef COMPOSE_CONTENT_H
#define COMPOSE_CONTENT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/slice.h"

struct content;

#define CONTENT_BYTES_MAX (32u << 20) /* of a body as it is stored, attachments in base64 */

struct content_source {
	struct slice body;
	bool raw; /* RFC 5322 bytes, else JSON */

	/*
	 * The stored JSON body of another content of the tenant, for {{>name}}; valid
	 * until content_new() returns.  False when it is not at hand: content_new() goes
	 * on to ask for the others, then fails, and may be tried again.
	 */
	bool (*on_partial)(void *owner, struct slice name, struct slice *ret_body);
	void *owner;
};

/*
 * NULL when anything is wrong; then *faults has a line for each fault, with the
 * place and the remedy: "html:3:14: section 'offers' is not closed: add {{/offers}}".
 */
struct content *content_new(const struct content_source *source, struct buf *faults);

struct content *content_ref(struct content *content);
void content_unref(struct content **content);          /* accepts NULL; sets NULL */
bool content_is_shared(const struct content *content); /* by more than one reference */

/* Memory it holds, for the cache's account. */
size_t content_bytes(const struct content *content);

/* At least 1.  Variant 0 of a content without variants has the empty name. */
size_t content_variants(const struct content *content);
struct slice content_variant_name(const struct content *content, size_t variant);

/*
 * The domain of the From address, by which the DKIM key is chosen: A-labels, lower
 * case, NUL-ended.  All variants have the same (another is a fault).
 */
const char *content_from_domain(const struct content *content);

/* Is it mail that the recipient must be able to unsubscribe from? */
bool content_is_marketing(const struct content *content);

#endif
