/*
 * What a reply or a failure means: what it is about (category), whom it concerns
 * (scope), and what becomes of the job (action).  The category decides about the
 * recipient's future, the reply's first digit about this message: a 4yz never
 * suppresses by itself, and a 5yz that blames the sender never suppresses.
 */
#ifndef MODEL_VERDICT_H
#define MODEL_VERDICT_H

#include <stdbool.h>

#include "base/slice.h"

enum verdict_group {
	GROUP_SUPPRESS,       /* the address or its domain is bad */
	GROUP_SOFT_RECIPIENT, /* may work later */
	GROUP_RETRY,
	GROUP_THROTTLE,
	GROUP_BLOCK,      /* the sender, not the recipient, is refused */
	GROUP_FIX_SENDER, /* the sender has something to mend */
	GROUP_MESSAGE,    /* this message only */
	GROUP_UNKNOWN,
};

/* name, word, group */
#define CATEGORIES(X) \
	X(UNKNOWN, "unknown", GROUP_UNKNOWN) \
	X(INVALID_RECIPIENT, "invalid-recipient", GROUP_SUPPRESS) \
	X(INACTIVE_MAILBOX, "inactive-mailbox", GROUP_SUPPRESS) \
	X(BAD_DOMAIN, "bad-domain", GROUP_SUPPRESS) \
	X(MAILBOX_FULL, "mailbox-full", GROUP_SOFT_RECIPIENT) \
	X(RECIPIENT_REJECTED, "recipient-rejected", GROUP_SOFT_RECIPIENT) \
	X(ROUTING_ERROR, "routing-error", GROUP_RETRY) \
	X(CONNECTION_FAILURE, "connection-failure", GROUP_RETRY) \
	X(SERVER_ERROR, "server-error", GROUP_RETRY) \
	X(EXPIRED, "expired", GROUP_RETRY) \
	X(GREYLISTED, "greylisted", GROUP_RETRY) \
	X(RATE_LIMITED, "rate-limited", GROUP_THROTTLE) \
	X(REPUTATION_BLOCK, "reputation-block", GROUP_BLOCK) \
	X(SPAM_CONTENT, "spam-content", GROUP_BLOCK) \
	X(POLICY, "policy", GROUP_BLOCK) \
	X(SENDER_AUTH, "sender-auth", GROUP_FIX_SENDER) \
	X(SENDER_DNS, "sender-dns", GROUP_FIX_SENDER) \
	X(SENDER_REJECTED, "sender-rejected", GROUP_FIX_SENDER) \
	X(RELAY_DENIED, "relay-denied", GROUP_FIX_SENDER) \
	X(TLS_REQUIRED, "tls-required", GROUP_FIX_SENDER) \
	X(SMTP_AUTH_REQUIRED, "smtp-auth-required", GROUP_FIX_SENDER) \
	X(PROTOCOL_ERROR, "protocol-error", GROUP_FIX_SENDER) \
	X(MESSAGE_TOO_LARGE, "message-too-large", GROUP_MESSAGE) \
	X(CONTENT_ERROR, "content-error", GROUP_MESSAGE) \
	X(VIRUS, "virus", GROUP_MESSAGE) \
	X(SUPPRESSED, "suppressed", GROUP_SUPPRESS)

#define CATEGORY_ENUM(name, word, group) CATEGORY_##name,
enum category { CATEGORIES(CATEGORY_ENUM) CATEGORY_COUNT };
#undef CATEGORY_ENUM

/* Whom the evidence concerns, smallest first. */
enum scope {
	SCOPE_RECIPIENT,
	SCOPE_MESSAGE, /* this content, or its sender's domain */
	SCOPE_SESSION, /* this connection, or this host */
	SCOPE_SITE,    /* all hosts of the destination */
	SCOPE_SOURCE,  /* our address at this destination */
	SCOPE_COUNT
};

/* What becomes of the job. */
enum action {
	ACTION_DELIVER, /* done: accepted */
	ACTION_RETRY,   /* later, after the back-off; an attempt is used */
	ACTION_AGAIN,   /* at once on another connection; no attempt is used */
	ACTION_BOUNCE,  /* refused for good */
	ACTION_FAIL,    /* cannot be sent at all */
	ACTION_DOUBT,   /* the campaign's on_in_doubt decides */
	ACTION_COUNT
};

struct verdict {
	enum category category;
	enum scope scope;
	enum action action;
};

const char *category_word(enum category category);
enum verdict_group category_group(enum category category);
bool category_parse(struct slice word, enum category *ret_category);
const char *scope_word(enum scope scope);
bool scope_parse(struct slice word, enum scope *ret_scope);
const char *action_word(enum action action);
bool action_parse(struct slice word, enum action *ret_action);

#endif
