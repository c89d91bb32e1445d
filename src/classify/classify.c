/*
 * What a reply or a failure means.
 *
 * Three questions, each with a table.  What is it about: greylisting where the text
 * says so; the enhanced code if the server gave one that says something, else the
 * code, each perhaps only in one phase (the same 550 blames the sender after MAIL and
 * the recipient after RCPT).
 * Whom does it concern: the category where it knows, else the phase.  What becomes
 * of the job: the first digit, but a refusal before MAIL says nothing about a
 * message and is never final (RFC 5321 section 4.2.1, conformance M18).
 *
 * The final dot without a valid answer outranks everything: doubt.
 */
#include "classify/classify.h"

#include "base/err.h"

/* Whom a category concerns; SCOPE_COUNT = the phase says. */
static const struct {
	enum category category;
	enum scope scope;
} category_scopes[] = {
	{CATEGORY_BAD_DOMAIN, SCOPE_SITE},
	{CATEGORY_RATE_LIMITED, SCOPE_SOURCE},
	{CATEGORY_REPUTATION_BLOCK, SCOPE_SOURCE},
	{CATEGORY_SENDER_DNS, SCOPE_SOURCE},
	{CATEGORY_SENDER_AUTH, SCOPE_MESSAGE},
	{CATEGORY_SENDER_REJECTED, SCOPE_MESSAGE},
	{CATEGORY_SPAM_CONTENT, SCOPE_MESSAGE},
	{CATEGORY_CONTENT_ERROR, SCOPE_MESSAGE},
	{CATEGORY_MESSAGE_TOO_LARGE, SCOPE_MESSAGE},
	{CATEGORY_VIRUS, SCOPE_MESSAGE},
	{CATEGORY_RELAY_DENIED, SCOPE_SITE},
	{CATEGORY_TLS_REQUIRED, SCOPE_SITE},
	{CATEGORY_SMTP_AUTH_REQUIRED, SCOPE_SITE},
	{CATEGORY_INVALID_RECIPIENT, SCOPE_RECIPIENT},
	{CATEGORY_INACTIVE_MAILBOX, SCOPE_RECIPIENT},
	{CATEGORY_MAILBOX_FULL, SCOPE_RECIPIENT},
	{CATEGORY_RECIPIENT_REJECTED, SCOPE_RECIPIENT},
};

static const struct verdict failures[] = {
	[FAILURE_NONE] = {CATEGORY_UNKNOWN, SCOPE_SESSION, ACTION_RETRY},
	[FAILURE_DNS_TEMPORARY] = {CATEGORY_CONNECTION_FAILURE, SCOPE_SITE, ACTION_RETRY},
	[FAILURE_DNS_NO_DOMAIN] = {CATEGORY_BAD_DOMAIN, SCOPE_SITE, ACTION_BOUNCE},
	[FAILURE_DNS_NULL_MX] = {CATEGORY_BAD_DOMAIN, SCOPE_SITE, ACTION_BOUNCE},
	[FAILURE_DNS_NO_ADDRESS] = {CATEGORY_BAD_DOMAIN, SCOPE_SITE, ACTION_BOUNCE},
	[FAILURE_DNS_LOOP] = {CATEGORY_ROUTING_ERROR, SCOPE_SITE, ACTION_FAIL},
	[FAILURE_GUARDED] = {CATEGORY_ROUTING_ERROR, SCOPE_SITE, ACTION_FAIL},
	[FAILURE_REFUSED] = {CATEGORY_CONNECTION_FAILURE, SCOPE_SITE, ACTION_RETRY},
	[FAILURE_UNREACHABLE] = {CATEGORY_CONNECTION_FAILURE, SCOPE_SITE, ACTION_RETRY},
	[FAILURE_TIMED_OUT] = {CATEGORY_CONNECTION_FAILURE, SCOPE_SESSION, ACTION_RETRY},
	[FAILURE_LOST] = {CATEGORY_CONNECTION_FAILURE, SCOPE_SESSION, ACTION_RETRY},
	[FAILURE_PROTOCOL] = {CATEGORY_PROTOCOL_ERROR, SCOPE_SESSION, ACTION_RETRY},
	[FAILURE_UNSOLICITED] = {CATEGORY_PROTOCOL_ERROR, SCOPE_SESSION, ACTION_RETRY},
	[FAILURE_TLS_INJECTION] = {CATEGORY_TLS_REQUIRED, SCOPE_SITE, ACTION_RETRY},
	[FAILURE_TLS_FAILED] = {CATEGORY_TLS_REQUIRED, SCOPE_SITE, ACTION_RETRY},
	[FAILURE_TLS_UNVERIFIED] = {CATEGORY_TLS_REQUIRED, SCOPE_SITE, ACTION_RETRY},
	[FAILURE_TLS_MISSING] = {CATEGORY_TLS_REQUIRED, SCOPE_SITE, ACTION_RETRY},
	[FAILURE_AUTH_MISSING] = {CATEGORY_SMTP_AUTH_REQUIRED, SCOPE_SITE, ACTION_RETRY},
	[FAILURE_TOO_LARGE] = {CATEGORY_MESSAGE_TOO_LARGE, SCOPE_MESSAGE, ACTION_FAIL},
	[FAILURE_NO_SMTPUTF8] = {CATEGORY_CONTENT_ERROR, SCOPE_RECIPIENT, ACTION_FAIL},
	[FAILURE_BAD_ADDRESS] = {CATEGORY_INVALID_RECIPIENT, SCOPE_RECIPIENT, ACTION_FAIL},
	[FAILURE_COMPOSE] = {CATEGORY_CONTENT_ERROR, SCOPE_MESSAGE, ACTION_FAIL},
	[FAILURE_NO_KEY] = {CATEGORY_SENDER_AUTH, SCOPE_MESSAGE, ACTION_RETRY},
	[FAILURE_NO_ROUTE] = {CATEGORY_ROUTING_ERROR, SCOPE_MESSAGE, ACTION_FAIL},
	[FAILURE_HELD_BACK] = {CATEGORY_UNKNOWN, SCOPE_SESSION, ACTION_AGAIN},
	[FAILURE_LOCAL] = {CATEGORY_UNKNOWN, SCOPE_SOURCE, ACTION_AGAIN},
};
_Static_assert(ARRAY_LEN(failures) == FAILURE_COUNT, "a row for every failure");

enum { ANY = 0xffff };

#define PHASE_BIT(phase) (1u << (phase))
#define IN_OPENING \
	(PHASE_BIT(PHASE_CONNECT) | PHASE_BIT(PHASE_GREETING) | PHASE_BIT(PHASE_EHLO) | \
		PHASE_BIT(PHASE_STARTTLS) | PHASE_BIT(PHASE_TLS) | PHASE_BIT(PHASE_AUTH) | \
		PHASE_BIT(PHASE_IDLE))
#define IN_MAIL PHASE_BIT(PHASE_MAIL)
#define IN_RCPT PHASE_BIT(PHASE_RCPT)
#define IN_TEXT (PHASE_BIT(PHASE_DATA) | PHASE_BIT(PHASE_BODY) | PHASE_BIT(PHASE_DOT))
#define EVERYWHERE (~0u)

/* The first row that fits.  class and code 0 = any; subject and detail ANY. */
static const struct rule {
	unsigned code;
	uint16_t class;
	uint16_t subject;
	uint16_t detail;
	unsigned phases;
	enum category category;
} rules[] = {
	/* codes that mean one thing whatever stands behind them */
	{521, 0, ANY, ANY, EVERYWHERE, CATEGORY_BAD_DOMAIN}, /* RFC 7504: accepts no mail */
	{556, 0, ANY, ANY, EVERYWHERE, CATEGORY_BAD_DOMAIN},
	{530, 0, 7, 0, EVERYWHERE, CATEGORY_SMTP_AUTH_REQUIRED},
	{530, 0, 5, ANY, EVERYWHERE, CATEGORY_SMTP_AUTH_REQUIRED},
	/* X.1: addresses */
	{0, 0, 1, 0, IN_MAIL, CATEGORY_SENDER_REJECTED},
	{0, 4, 1, 0, EVERYWHERE, CATEGORY_SERVER_ERROR},
	{0, 0, 1, 0, IN_RCPT, CATEGORY_INVALID_RECIPIENT},
	{0, 0, 1, 1, EVERYWHERE, CATEGORY_INVALID_RECIPIENT},
	{0, 0, 1, 2, EVERYWHERE, CATEGORY_BAD_DOMAIN},
	{0, 0, 1, 3, EVERYWHERE, CATEGORY_INVALID_RECIPIENT},
	{0, 0, 1, 4, EVERYWHERE, CATEGORY_SERVER_ERROR},
	{0, 0, 1, 6, EVERYWHERE, CATEGORY_INVALID_RECIPIENT},
	{0, 0, 1, 7, EVERYWHERE, CATEGORY_SENDER_REJECTED},
	{0, 0, 1, 8, EVERYWHERE, CATEGORY_SENDER_REJECTED},
	{0, 0, 1, 10, EVERYWHERE, CATEGORY_INVALID_RECIPIENT},
	{0, 0, 1, 351, EVERYWHERE, CATEGORY_INVALID_RECIPIENT},
	/* X.2: mailboxes */
	{0, 4, 2, 1, EVERYWHERE, CATEGORY_RATE_LIMITED}, /* Gmail: receives too fast */
	{0, 0, 2, 1, EVERYWHERE, CATEGORY_INACTIVE_MAILBOX},
	{0, 0, 2, 2, EVERYWHERE, CATEGORY_MAILBOX_FULL},
	{0, 0, 2, 3, EVERYWHERE, CATEGORY_MESSAGE_TOO_LARGE},
	{0, 0, 2, 4, EVERYWHERE, CATEGORY_RECIPIENT_REJECTED},
	{0, 0, 2, 121, EVERYWHERE, CATEGORY_RATE_LIMITED},
	{0, 0, 2, 122, EVERYWHERE, CATEGORY_RATE_LIMITED},
	/* X.3: the mail system */
	{0, 0, 3, 4, EVERYWHERE, CATEGORY_MESSAGE_TOO_LARGE},
	{0, 0, 3, ANY, EVERYWHERE, CATEGORY_SERVER_ERROR},
	/* X.4: network and routing */
	{0, 5, 4, 1, IN_RCPT | IN_TEXT, CATEGORY_INVALID_RECIPIENT}, /* Outlook: Access denied */
	{0, 5, 4, 4, EVERYWHERE, CATEGORY_BAD_DOMAIN},
	{0, 0, 4, 5, EVERYWHERE, CATEGORY_RATE_LIMITED},
	{0, 0, 4, 6, EVERYWHERE, CATEGORY_ROUTING_ERROR},
	{0, 0, 4, 7, EVERYWHERE, CATEGORY_EXPIRED},
	{0, 0, 4, 14, EVERYWHERE, CATEGORY_ROUTING_ERROR},
	{0, 0, 4, ANY, EVERYWHERE, CATEGORY_CONNECTION_FAILURE},
	/* X.5: protocol */
	{0, 0, 5, 3, EVERYWHERE, CATEGORY_RATE_LIMITED},
	{0, 0, 5, ANY, EVERYWHERE, CATEGORY_PROTOCOL_ERROR},
	/* X.6: content */
	{0, 0, 6, ANY, EVERYWHERE, CATEGORY_CONTENT_ERROR},
	/* X.7: security and policy */
	{523, 0, ANY, ANY, EVERYWHERE, CATEGORY_TLS_REQUIRED},
	{0, 0, 7, 2, EVERYWHERE, CATEGORY_RECIPIENT_REJECTED},
	{0, 0, 7, 4, EVERYWHERE, CATEGORY_TLS_REQUIRED},
	{0, 0, 7, 8, EVERYWHERE, CATEGORY_SMTP_AUTH_REQUIRED},
	{0, 0, 7, 9, IN_OPENING | IN_MAIL, CATEGORY_SMTP_AUTH_REQUIRED},
	{0, 0, 7, 10, EVERYWHERE, CATEGORY_TLS_REQUIRED},
	{0, 0, 7, 12, EVERYWHERE, CATEGORY_RECIPIENT_REJECTED},
	{0, 0, 7, 13, EVERYWHERE, CATEGORY_INACTIVE_MAILBOX},
	{0, 0, 7, 124, EVERYWHERE, CATEGORY_RECIPIENT_REJECTED},
	{0, 0, 7, 133, EVERYWHERE, CATEGORY_RECIPIENT_REJECTED},
	{0, 4, 7, 23, EVERYWHERE, CATEGORY_SENDER_DNS}, /* Gmail: no matching PTR */
	{0, 0, 7, 25, EVERYWHERE, CATEGORY_SENDER_DNS},
	{0, 0, 7, 28, EVERYWHERE, CATEGORY_RATE_LIMITED},
	{0, 0, 7, 29, EVERYWHERE, CATEGORY_TLS_REQUIRED},
	{0, 0, 7, 20, EVERYWHERE, CATEGORY_SENDER_AUTH},
	{0, 0, 7, 21, EVERYWHERE, CATEGORY_SENDER_AUTH},
	{0, 0, 7, 22, EVERYWHERE, CATEGORY_SENDER_AUTH},
	{0, 0, 7, 23, EVERYWHERE, CATEGORY_SENDER_AUTH},
	{0, 0, 7, 24, EVERYWHERE, CATEGORY_SENDER_AUTH},
	{0, 0, 7, 26, EVERYWHERE, CATEGORY_SENDER_AUTH},
	{0, 0, 7, 27, EVERYWHERE, CATEGORY_SENDER_AUTH},
	{0, 0, 7, 30, EVERYWHERE, CATEGORY_SENDER_AUTH},
	{0, 0, 7, 40, EVERYWHERE, CATEGORY_SENDER_AUTH},
	{0, 0, 7, 509, EVERYWHERE, CATEGORY_SENDER_AUTH},
	{0, 0, 7, 515, EVERYWHERE, CATEGORY_SENDER_AUTH},
	{0, 0, 7, 500, EVERYWHERE, CATEGORY_RATE_LIMITED},
	{0, 0, 7, 850, EVERYWHERE, CATEGORY_RATE_LIMITED},
	{0, 0, 7, 64, EVERYWHERE, CATEGORY_RELAY_DENIED},
	{0, 0, 7, 511, EVERYWHERE, CATEGORY_REPUTATION_BLOCK},
	{0, 0, 7, 606, EVERYWHERE, CATEGORY_REPUTATION_BLOCK},
	{0, 0, 7, 650, EVERYWHERE, CATEGORY_REPUTATION_BLOCK},
	{0, 0, 7, 651, EVERYWHERE, CATEGORY_REPUTATION_BLOCK},
	{0, 0, 7, 700, EVERYWHERE, CATEGORY_REPUTATION_BLOCK},
	{0, 4, 7, 0, EVERYWHERE, CATEGORY_RATE_LIMITED},
	{0, 4, 7, 1, IN_RCPT | IN_TEXT, CATEGORY_GREYLISTED}, /* RFC 6647 */
	{0, 5, 7, ANY, EVERYWHERE, CATEGORY_POLICY},
	{0, 4, 7, ANY, EVERYWHERE, CATEGORY_POLICY},
	/* the code alone: class 0 also fits replies with an enhanced code that says nothing */
	{421, 0, ANY, ANY, IN_OPENING, CATEGORY_RATE_LIMITED},
	{421, 0, ANY, ANY, EVERYWHERE, CATEGORY_SERVER_ERROR},
	{450, 0, ANY, ANY, EVERYWHERE, CATEGORY_SERVER_ERROR},
	{451, 0, ANY, ANY, EVERYWHERE, CATEGORY_SERVER_ERROR},
	{452, 0, ANY, ANY, IN_RCPT, CATEGORY_MAILBOX_FULL},
	{452, 0, ANY, ANY, EVERYWHERE, CATEGORY_SERVER_ERROR},
	{454, 0, ANY, ANY, PHASE_BIT(PHASE_STARTTLS), CATEGORY_TLS_REQUIRED},
	{454, 0, ANY, ANY, EVERYWHERE, CATEGORY_SERVER_ERROR},
	{500, 0, ANY, ANY, EVERYWHERE, CATEGORY_PROTOCOL_ERROR},
	{501, 0, ANY, ANY, EVERYWHERE, CATEGORY_PROTOCOL_ERROR},
	{502, 0, ANY, ANY, EVERYWHERE, CATEGORY_PROTOCOL_ERROR},
	{503, 0, ANY, ANY, EVERYWHERE, CATEGORY_PROTOCOL_ERROR},
	{504, 0, ANY, ANY, EVERYWHERE, CATEGORY_PROTOCOL_ERROR},
	{555, 0, ANY, ANY, EVERYWHERE, CATEGORY_PROTOCOL_ERROR},
	{525, 0, ANY, ANY, IN_RCPT | IN_TEXT, CATEGORY_INACTIVE_MAILBOX},
	{530, 0, ANY, ANY, EVERYWHERE, CATEGORY_SMTP_AUTH_REQUIRED},
	{534, 0, ANY, ANY, EVERYWHERE, CATEGORY_SMTP_AUTH_REQUIRED},
	{535, 0, ANY, ANY, EVERYWHERE, CATEGORY_SMTP_AUTH_REQUIRED},
	{538, 0, ANY, ANY, EVERYWHERE, CATEGORY_SMTP_AUTH_REQUIRED},
	{542, 0, ANY, ANY, IN_RCPT | IN_TEXT, CATEGORY_INVALID_RECIPIENT},
	{550, 0, ANY, ANY, IN_RCPT, CATEGORY_INVALID_RECIPIENT},
	{550, 0, ANY, ANY, IN_MAIL, CATEGORY_SENDER_REJECTED},
	{550, 0, ANY, ANY, EVERYWHERE, CATEGORY_POLICY},
	{551, 0, ANY, ANY, IN_RCPT, CATEGORY_INVALID_RECIPIENT},
	{552, 0, ANY, ANY, IN_RCPT, CATEGORY_MAILBOX_FULL},
	{552, 0, ANY, ANY, EVERYWHERE, CATEGORY_MESSAGE_TOO_LARGE},
	{553, 0, ANY, ANY, IN_RCPT, CATEGORY_INVALID_RECIPIENT},
	{553, 0, ANY, ANY, IN_MAIL, CATEGORY_SENDER_REJECTED},
	{554, 0, ANY, ANY, EVERYWHERE, CATEGORY_POLICY},
};

static bool fits(const struct rule *rule, const struct evidence *evidence)
{
	const struct enhanced *enhanced = &evidence->enhanced;

	return (rule->code == 0 || rule->code == evidence->code) &&
		(rule->class == 0 || rule->class == enhanced->class) &&
		(rule->subject == ANY ||
			(enhanced->class != 0 && rule->subject == enhanced->subject)) &&
		(rule->detail == ANY || rule->detail == enhanced->detail) &&
		(rule->phases & PHASE_BIT(evidence->phase)) != 0;
}

static bool is_in(enum phase phase, unsigned phases)
{
	return (PHASE_BIT(phase) & phases) != 0;
}

static bool contains_nocase(struct slice text, struct slice word)
{
	for (size_t at = 0; at + word.n <= text.n; at++) {
		if (slice_starts_nocase(slice_from(text, at), word)) {
			return true;
		}
	}
	return false;
}

/* postgrey says 450 4.2.0, others 451 4.3.0 or no enhanced code: only the word is the same. */
static bool names_greylisting(struct slice text)
{
	return contains_nocase(text, SLICE("greylist")) ||
		contains_nocase(text, SLICE("graylist")) ||
		contains_nocase(text, SLICE("grey-list")) ||
		contains_nocase(text, SLICE("grey list"));
}

static enum category category_of(const struct evidence *evidence)
{
	if (evidence->code / 100 == 4 && is_in(evidence->phase, IN_MAIL | IN_RCPT | IN_TEXT) &&
		names_greylisting(evidence->text)) {
		return CATEGORY_GREYLISTED;
	}
	for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
		if (fits(&rules[i], evidence)) {
			return rules[i].category;
		}
	}
	return CATEGORY_UNKNOWN;
}

static enum scope scope_of(enum category category, const struct evidence *evidence)
{
	enum phase phase = evidence->phase;
	bool opening = is_in(phase, IN_OPENING);

	if (evidence->code != 0 && evidence->enhanced.subject == 2) {
		return SCOPE_RECIPIENT; /* X.2.* is about one mailbox, also where it is too busy */
	}
	for (size_t i = 0; i < ARRAY_LEN(category_scopes); i++) {
		if (category_scopes[i].category == category &&
			(!opening || category_scopes[i].scope == SCOPE_SOURCE)) {
			return category_scopes[i].scope;
		}
	}
	if (phase == PHASE_RCPT) {
		return SCOPE_RECIPIENT;
	}
	return is_in(phase, IN_MAIL | IN_TEXT) ? SCOPE_MESSAGE : SCOPE_SESSION;
}

/* What went wrong before or between messages is not held against one. */
static enum action action_of(const struct evidence *evidence)
{
	if (evidence->phase == PHASE_RSET || evidence->phase == PHASE_IDLE) {
		return ACTION_AGAIN;
	}
	if (evidence->code >= 500 && !is_in(evidence->phase, IN_OPENING)) {
		return ACTION_BOUNCE;
	}
	return ACTION_RETRY;
}

static struct verdict of_failure(const struct evidence *evidence)
{
	struct verdict verdict = failures[evidence->failure];
	bool between = evidence->phase == PHASE_IDLE || evidence->phase == PHASE_RSET;

	if (evidence->dot_sent) {
		verdict.action = ACTION_DOUBT;
	} else if (between && verdict.action == ACTION_RETRY) {
		verdict.action = ACTION_AGAIN; /* the server gave up an idle connection (R7) */
	}
	return verdict;
}

static struct verdict of_reply(const struct evidence *evidence)
{
	enum category category = category_of(evidence);

	return (struct verdict){
		.category = category,
		.scope = scope_of(category, evidence),
		.action = action_of(evidence),
	};
}

struct verdict classify(const struct evidence *evidence, struct slice provider)
{
	(void)provider;
	if (evidence->failure != FAILURE_NONE || evidence->dot_sent) {
		return of_failure(evidence);
	}
	if (evidence->code / 100 == 2 && evidence->phase == PHASE_DOT) {
		return (struct verdict){CATEGORY_UNKNOWN, SCOPE_RECIPIENT, ACTION_DELIVER};
	}
	if (evidence->code < 400) {
		return (struct verdict){CATEGORY_PROTOCOL_ERROR, SCOPE_SESSION, ACTION_RETRY};
	}
	return of_reply(evidence);
}
