/*
 * One message for one recipient: a pure function of content, job and settings.  The
 * same inputs give the same bytes, at every attempt and on every worker: boundary
 * and Message-ID derive from the job id, Date is the job's first lease.
 *
 * What comes out is canonical: CRLF line ends, lines of at most 998 octets, 7-bit
 * (but for UTF-8 in addresses, then `utf8` is set).  A signer prepends fields to
 * message_headers(); nothing else may be changed after (RFC 6376 section 5.3).
 */
#ifndef COMPOSE_MESSAGE_H
#define COMPOSE_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/id.h"
#include "base/slice.h"
#include "compose/content.h"
#include "mail/address.h"
#include "mail/token.h"
#include "model/evidence.h"

/* What the tenant (or the campaign over it) has set; slices are borrowed for the call. */
struct compose_settings {
	struct slice bounce_domain;   /* of return paths; must be set */
	struct slice tracking_domain; /* of https links; empty = the tenant has none */
	struct slice
		feedback_sender; /* SenderId of Feedback-ID, 5 to 15 characters; empty = none */
};

enum compose_setting {
	COMPOSE_BOUNCE_DOMAIN,
	COMPOSE_TRACKING_DOMAIN,
	COMPOSE_SENDER_ID,
};

/*
 * NULL, or what is wrong with it, as the end of a sentence: then no message can be made.
 * Empty is fine but for a bounce domain.
 */
const char *compose_setting_fault(enum compose_setting setting, struct slice value);

#define COMPOSE_VARIANT_BY_JOB SIZE_MAX

struct compose_input {
	const struct compose_settings *settings;
	struct id tenant;
	struct id campaign;
	struct id job;
	struct slice recipient;
	struct slice vars; /* a JSON object, or empty */
	int64_t first_us;  /* wall clock of the first lease: Date */
	size_t variant;    /* COMPOSE_VARIANT_BY_JOB: drawn by weight from the job id */
	uint8_t token_key; /* pinned with the job; must be in the ring */
};

/* What a fault is about, for who wants to know whom to ask. */
enum message_cause {
	MESSAGE_CAUSE_OTHER,
	MESSAGE_CAUSE_VALUE, /* what merge values made, or these themselves */
	MESSAGE_CAUSE_HEADER_SIZE,
};

struct message {
	struct buf bytes;    /* header block, an empty line, body */
	size_t header_bytes; /* of the block, without the empty line */
	struct address mail_from;
	struct address recipient;
	size_t variant;
	bool utf8;       /* needs SMTPUTF8 (and BODY=8BITMIME with it) */
	char fault[256]; /* for people, when composing failed */
	enum message_cause cause;
};

void message_init(struct message *message);
void message_clear(struct message *message);

/* Fields that end with CRLF each; and all behind the empty line. */
struct slice message_headers(const struct message *message);
struct slice message_body(const struct message *message);

/* Working memory that is kept from message to message, and the keys of tokens (borrowed). */
struct composer;

#define COMPOSER_OUTPUT_MAX (2u << 20) /* default bound of what templates may make */

struct composer *composer_new(struct token_ring *ring, size_t output_max_bytes);
void composer_free(struct composer **composer);

/*
 * FAILURE_NONE, or why the job fails: FAILURE_BAD_ADDRESS (the recipient),
 * FAILURE_COMPOSE (a value, a template that runs away, settings), FAILURE_TOO_LARGE;
 * message->fault then says more and no bytes are left in it.
 */
enum failure composer_make(struct composer *composer, const struct content *content,
	const struct compose_input *input, struct message *message);

#endif
