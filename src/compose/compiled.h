/*
 * What content compiles to; shared by the readers of both kinds (structured.c, raw.c),
 * by content.c, which owns it, and by the composer.
 */
#ifndef SRC_COMPOSE_COMPILED_H
#define SRC_COMPOSE_COMPILED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "compose/content.h"
#include "mail/address.h"
#include "mail/mime.h"
#include "template.h"

struct named_template {
	const char *name;
	struct template *value;
};

/* An address that is fixed, with a name that may vary. */
struct mailbox {
	bool set;
	struct address address;
	struct template *name; /* NULL = none */
};

struct text_part {
	struct template *template; /* NULL = there is no such part */
	enum mime_encoding encoding;
};

struct variant {
	struct slice name;
	unsigned weight;
	struct mailbox from;
	struct mailbox reply_to;
	struct template *to_name;
	struct template *subject;
	struct text_part text;
	struct text_part html;
	struct named_template *headers;
	size_t header_count;
};

/* Header and body of a part, encoded; only the delimiter before it is the job's. */
struct attachment {
	struct slice block;
	bool is_inline;
};

/* Of raw content: the kept fields, and which of those that we add are there already. */
struct raw_parts {
	struct slice headers;
	struct slice body;
	struct slice to;           /* the field, where it is one address; for that recipient */
	struct address to_address; /* normalised */
	bool has_list_unsubscribe;
	bool has_list_unsubscribe_post;
	bool has_list_id;
	bool has_feedback_id;
	bool has_auto_submitted;
};

struct content {
	size_t refs;
	struct arena *arena; /* all but the templates and this struct */
	bool raw;
	bool marketing; /* gets List-Unsubscribe */
	struct variant *variants;
	size_t variant_count;
	uint64_t weight; /* of all variants */
	struct attachment *attachments;
	size_t attachment_count;
	size_t attachment_bytes;
	struct slice list_id;
	struct slice list_name;
	struct template *unsubscribe_url; /* the app's own, or NULL */
	struct raw_parts parts;
};

#endif
