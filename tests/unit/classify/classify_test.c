/* What replies and failures mean: a row a rule, and what no rule may ever do. */
#include <criterion/criterion.h>

#include "base/err.h"
#include "classify/classify.h"
#include "no_leaks.h"

TestSuite(classify, .fini = no_leaks);

static struct verdict judge(enum phase phase, unsigned code, struct enhanced enhanced)
{
	struct evidence evidence = {.phase = phase, .code = code, .enhanced = enhanced};

	return classify(&evidence, SLICE("gmail"));
}

static const struct {
	const char *label;
	enum phase phase;
	unsigned code;
	struct enhanced enhanced;
	struct verdict verdict;
} replies[] = {
	{"accepted", PHASE_DOT, 250, {2, 0, 0},
		{CATEGORY_UNKNOWN, SCOPE_RECIPIENT, ACTION_DELIVER}},
	{"2yz elsewhere delivers nothing", PHASE_RCPT, 250, {0},
		{CATEGORY_PROTOCOL_ERROR, SCOPE_SESSION, ACTION_RETRY}},
	{"3yz to the dot delivers nothing", PHASE_DOT, 354, {0},
		{CATEGORY_PROTOCOL_ERROR, SCOPE_SESSION, ACTION_RETRY}},
	{"421 greeting", PHASE_GREETING, 421, {0},
		{CATEGORY_RATE_LIMITED, SCOPE_SOURCE, ACTION_RETRY}},
	{"421 to MAIL", PHASE_MAIL, 421, {0}, {CATEGORY_SERVER_ERROR, SCOPE_MESSAGE, ACTION_RETRY}},
	{"421 4.7.28", PHASE_DOT, 421, {4, 7, 28},
		{CATEGORY_RATE_LIMITED, SCOPE_SOURCE, ACTION_RETRY}},
	{"5yz greeting is the host's", PHASE_GREETING, 554, {0},
		{CATEGORY_POLICY, SCOPE_SESSION, ACTION_RETRY}},
	{"5yz to EHLO with a reputation", PHASE_EHLO, 550, {5, 7, 606},
		{CATEGORY_REPUTATION_BLOCK, SCOPE_SOURCE, ACTION_RETRY}},
	{"521 greeting", PHASE_GREETING, 521, {0},
		{CATEGORY_BAD_DOMAIN, SCOPE_SESSION, ACTION_RETRY}},
	{"login refused", PHASE_AUTH, 535, {5, 7, 8},
		{CATEGORY_SMTP_AUTH_REQUIRED, SCOPE_SESSION, ACTION_RETRY}},
	{"STARTTLS refused", PHASE_STARTTLS, 454, {0},
		{CATEGORY_TLS_REQUIRED, SCOPE_SESSION, ACTION_RETRY}},
	{"550 to MAIL blames the sender", PHASE_MAIL, 550, {0},
		{CATEGORY_SENDER_REJECTED, SCOPE_MESSAGE, ACTION_BOUNCE}},
	{"550 to RCPT blames the recipient", PHASE_RCPT, 550, {0},
		{CATEGORY_INVALID_RECIPIENT, SCOPE_RECIPIENT, ACTION_BOUNCE}},
	{"550 to the dot blames the message", PHASE_DOT, 550, {0},
		{CATEGORY_POLICY, SCOPE_MESSAGE, ACTION_BOUNCE}},
	{"5.1.1", PHASE_RCPT, 550, {5, 1, 1},
		{CATEGORY_INVALID_RECIPIENT, SCOPE_RECIPIENT, ACTION_BOUNCE}},
	{"5.1.1 after the dot", PHASE_DOT, 550, {5, 1, 1},
		{CATEGORY_INVALID_RECIPIENT, SCOPE_RECIPIENT, ACTION_BOUNCE}},
	{"4.1.1 is retried", PHASE_RCPT, 450, {4, 1, 1},
		{CATEGORY_INVALID_RECIPIENT, SCOPE_RECIPIENT, ACTION_RETRY}},
	{"5.1.2", PHASE_RCPT, 550, {5, 1, 2}, {CATEGORY_BAD_DOMAIN, SCOPE_SITE, ACTION_BOUNCE}},
	{"556", PHASE_RCPT, 556, {5, 1, 10}, {CATEGORY_BAD_DOMAIN, SCOPE_SITE, ACTION_BOUNCE}},
	{"5.1.8", PHASE_MAIL, 553, {5, 1, 8},
		{CATEGORY_SENDER_REJECTED, SCOPE_MESSAGE, ACTION_BOUNCE}},
	{"5.2.1", PHASE_RCPT, 550, {5, 2, 1},
		{CATEGORY_INACTIVE_MAILBOX, SCOPE_RECIPIENT, ACTION_BOUNCE}},
	{"4.2.1 is one mailbox's pace", PHASE_RCPT, 450, {4, 2, 1},
		{CATEGORY_RATE_LIMITED, SCOPE_RECIPIENT, ACTION_RETRY}},
	{"4.2.2", PHASE_RCPT, 452, {4, 2, 2},
		{CATEGORY_MAILBOX_FULL, SCOPE_RECIPIENT, ACTION_RETRY}},
	{"5.2.2", PHASE_RCPT, 552, {5, 2, 2},
		{CATEGORY_MAILBOX_FULL, SCOPE_RECIPIENT, ACTION_BOUNCE}},
	{"5.3.4", PHASE_MAIL, 552, {5, 3, 4},
		{CATEGORY_MESSAGE_TOO_LARGE, SCOPE_MESSAGE, ACTION_BOUNCE}},
	{"552 after the dot", PHASE_DOT, 552, {0},
		{CATEGORY_MESSAGE_TOO_LARGE, SCOPE_MESSAGE, ACTION_BOUNCE}},
	{"4.3.2", PHASE_RCPT, 451, {4, 3, 2},
		{CATEGORY_SERVER_ERROR, SCOPE_RECIPIENT, ACTION_RETRY}},
	{"5.4.6", PHASE_RCPT, 554, {5, 4, 6},
		{CATEGORY_ROUTING_ERROR, SCOPE_RECIPIENT, ACTION_BOUNCE}},
	{"4.4.7", PHASE_RCPT, 451, {4, 4, 7}, {CATEGORY_EXPIRED, SCOPE_RECIPIENT, ACTION_RETRY}},
	{"4.5.3", PHASE_RCPT, 452, {4, 5, 3}, {CATEGORY_RATE_LIMITED, SCOPE_SOURCE, ACTION_RETRY}},
	{"5.5.1", PHASE_DATA, 503, {5, 5, 1},
		{CATEGORY_PROTOCOL_ERROR, SCOPE_MESSAGE, ACTION_BOUNCE}},
	{"5.6.0", PHASE_DOT, 554, {5, 6, 0},
		{CATEGORY_CONTENT_ERROR, SCOPE_MESSAGE, ACTION_BOUNCE}},
	{"4.7.1 to RCPT", PHASE_RCPT, 451, {4, 7, 1},
		{CATEGORY_GREYLISTED, SCOPE_RECIPIENT, ACTION_RETRY}},
	{"5.7.26", PHASE_DOT, 550, {5, 7, 26},
		{CATEGORY_SENDER_AUTH, SCOPE_MESSAGE, ACTION_BOUNCE}},
	{"5.7.25", PHASE_MAIL, 550, {5, 7, 25}, {CATEGORY_SENDER_DNS, SCOPE_SOURCE, ACTION_BOUNCE}},
	{"5.7.13", PHASE_RCPT, 525, {5, 7, 13},
		{CATEGORY_INACTIVE_MAILBOX, SCOPE_RECIPIENT, ACTION_BOUNCE}},
	{"523 5.7.10", PHASE_MAIL, 523, {5, 7, 10},
		{CATEGORY_TLS_REQUIRED, SCOPE_SITE, ACTION_BOUNCE}},
	{"4.7.650", PHASE_MAIL, 451, {4, 7, 650},
		{CATEGORY_REPUTATION_BLOCK, SCOPE_SOURCE, ACTION_RETRY}},
	{"5.7.1", PHASE_DOT, 550, {5, 7, 1}, {CATEGORY_POLICY, SCOPE_MESSAGE, ACTION_BOUNCE}},
	{"enhanced code that says nothing", PHASE_RCPT, 550, {5, 0, 0},
		{CATEGORY_INVALID_RECIPIENT, SCOPE_RECIPIENT, ACTION_BOUNCE}},
	{"premature 552", PHASE_BODY, 552, {5, 3, 4},
		{CATEGORY_MESSAGE_TOO_LARGE, SCOPE_MESSAGE, ACTION_BOUNCE}},
	{"unknown 5yz", PHASE_RCPT, 559, {0}, {CATEGORY_UNKNOWN, SCOPE_RECIPIENT, ACTION_BOUNCE}},
	{"unknown 4yz", PHASE_DOT, 459, {0}, {CATEGORY_UNKNOWN, SCOPE_MESSAGE, ACTION_RETRY}},
	{"RSET refused", PHASE_RSET, 503, {0},
		{CATEGORY_PROTOCOL_ERROR, SCOPE_SESSION, ACTION_AGAIN}},
};

static void expect_verdict(const char *label, struct verdict got, struct verdict want)
{
	cr_assert_eq(got.category, want.category, "%s: %s, want %s", label,
		category_word(got.category), category_word(want.category));
	cr_assert_eq(got.scope, want.scope, "%s: %s, want %s", label, scope_word(got.scope),
		scope_word(want.scope));
	cr_assert_eq(got.action, want.action, "%s: %s, want %s", label, action_word(got.action),
		action_word(want.action));
}

Test(classify, smtp_S3_replies)
{
	for (size_t i = 0; i < ARRAY_LEN(replies); i++) {
		expect_verdict(replies[i].label,
			judge(replies[i].phase, replies[i].code, replies[i].enhanced),
			replies[i].verdict);
	}
}

/* As real servers write it. */
static const struct {
	const char *text;
	enum phase phase;
	unsigned code;
	struct enhanced enhanced;
	enum category category;
} greylisters[] = {
	{"<a@b.test>: Recipient address rejected: Greylisted, see http://postgrey.test/help",
		PHASE_RCPT, 450, {4, 2, 0}, CATEGORY_GREYLISTED},
	{"Greylisting in action, please come back in 00:05:00", PHASE_RCPT, 451, {4, 7, 1},
		CATEGORY_GREYLISTED},
	{"GreyListed, try again later", PHASE_DOT, 451, {0}, CATEGORY_GREYLISTED},
	{"you are graylisted", PHASE_MAIL, 450, {4, 3, 0}, CATEGORY_GREYLISTED},
	{"Grey-listed", PHASE_DATA, 450, {0}, CATEGORY_GREYLISTED},
	{"still on our grey list", PHASE_RCPT, 452, {0}, CATEGORY_GREYLISTED},
	{"grey lists", PHASE_RCPT, 450, {4, 2, 0}, CATEGORY_GREYLISTED},
	{"greylis", PHASE_RCPT, 450, {0}, CATEGORY_SERVER_ERROR},
	{"Greylisted for good", PHASE_RCPT, 550, {0}, CATEGORY_INVALID_RECIPIENT},
	{"Greylisted", PHASE_GREETING, 450, {0}, CATEGORY_SERVER_ERROR},
	{"", PHASE_RCPT, 450, {4, 2, 0}, CATEGORY_SERVER_ERROR},
};

Test(classify, greylisting_by_its_name)
{
	for (size_t i = 0; i < ARRAY_LEN(greylisters); i++) {
		struct evidence evidence = {
			.phase = greylisters[i].phase,
			.code = greylisters[i].code,
			.enhanced = greylisters[i].enhanced,
			.text = slice_of(greylisters[i].text),
		};
		struct verdict verdict = classify(&evidence, (struct slice){NULL, 0});

		cr_assert_eq(verdict.category, greylisters[i].category, "%s: %s",
			greylisters[i].text, category_word(verdict.category));
	}
}

static const struct {
	enum failure failure;
	enum phase phase;
	bool dot_sent;
	struct verdict verdict;
} failures[] = {
	{FAILURE_DNS_TEMPORARY, PHASE_RESOLVE, false,
		{CATEGORY_CONNECTION_FAILURE, SCOPE_SITE, ACTION_RETRY}},
	{FAILURE_DNS_NO_DOMAIN, PHASE_RESOLVE, false,
		{CATEGORY_BAD_DOMAIN, SCOPE_SITE, ACTION_BOUNCE}},
	{FAILURE_DNS_NULL_MX, PHASE_RESOLVE, false,
		{CATEGORY_BAD_DOMAIN, SCOPE_SITE, ACTION_BOUNCE}},
	{FAILURE_DNS_NO_ADDRESS, PHASE_RESOLVE, false,
		{CATEGORY_BAD_DOMAIN, SCOPE_SITE, ACTION_BOUNCE}},
	{FAILURE_DNS_LOOP, PHASE_RESOLVE, false, {CATEGORY_ROUTING_ERROR, SCOPE_SITE, ACTION_FAIL}},
	{FAILURE_GUARDED, PHASE_RESOLVE, false, {CATEGORY_ROUTING_ERROR, SCOPE_SITE, ACTION_FAIL}},
	{FAILURE_REFUSED, PHASE_CONNECT, false,
		{CATEGORY_CONNECTION_FAILURE, SCOPE_SITE, ACTION_RETRY}},
	{FAILURE_UNREACHABLE, PHASE_CONNECT, false,
		{CATEGORY_CONNECTION_FAILURE, SCOPE_SITE, ACTION_RETRY}},
	{FAILURE_TIMED_OUT, PHASE_MAIL, false,
		{CATEGORY_CONNECTION_FAILURE, SCOPE_SESSION, ACTION_RETRY}},
	{FAILURE_TIMED_OUT, PHASE_DOT, true,
		{CATEGORY_CONNECTION_FAILURE, SCOPE_SESSION, ACTION_DOUBT}},
	{FAILURE_LOST, PHASE_MAIL, false,
		{CATEGORY_CONNECTION_FAILURE, SCOPE_SESSION, ACTION_RETRY}},
	{FAILURE_LOST, PHASE_IDLE, false,
		{CATEGORY_CONNECTION_FAILURE, SCOPE_SESSION, ACTION_AGAIN}},
	{FAILURE_LOST, PHASE_RSET, false,
		{CATEGORY_CONNECTION_FAILURE, SCOPE_SESSION, ACTION_AGAIN}},
	{FAILURE_LOST, PHASE_DOT, true, {CATEGORY_CONNECTION_FAILURE, SCOPE_SESSION, ACTION_DOUBT}},
	{FAILURE_PROTOCOL, PHASE_RCPT, false,
		{CATEGORY_PROTOCOL_ERROR, SCOPE_SESSION, ACTION_RETRY}},
	{FAILURE_PROTOCOL, PHASE_DOT, true, {CATEGORY_PROTOCOL_ERROR, SCOPE_SESSION, ACTION_DOUBT}},
	{FAILURE_UNSOLICITED, PHASE_IDLE, false,
		{CATEGORY_PROTOCOL_ERROR, SCOPE_SESSION, ACTION_AGAIN}},
	{FAILURE_TLS_INJECTION, PHASE_TLS, false,
		{CATEGORY_TLS_REQUIRED, SCOPE_SITE, ACTION_RETRY}},
	{FAILURE_TLS_FAILED, PHASE_TLS, false, {CATEGORY_TLS_REQUIRED, SCOPE_SITE, ACTION_RETRY}},
	{FAILURE_TLS_UNVERIFIED, PHASE_TLS, false,
		{CATEGORY_TLS_REQUIRED, SCOPE_SITE, ACTION_RETRY}},
	{FAILURE_TLS_MISSING, PHASE_EHLO, false, {CATEGORY_TLS_REQUIRED, SCOPE_SITE, ACTION_RETRY}},
	{FAILURE_AUTH_MISSING, PHASE_AUTH, false,
		{CATEGORY_SMTP_AUTH_REQUIRED, SCOPE_SITE, ACTION_RETRY}},
	{FAILURE_TOO_LARGE, PHASE_MAIL, false,
		{CATEGORY_MESSAGE_TOO_LARGE, SCOPE_MESSAGE, ACTION_FAIL}},
	{FAILURE_NO_SMTPUTF8, PHASE_MAIL, false,
		{CATEGORY_CONTENT_ERROR, SCOPE_RECIPIENT, ACTION_FAIL}},
	{FAILURE_BAD_ADDRESS, PHASE_MAIL, false,
		{CATEGORY_INVALID_RECIPIENT, SCOPE_RECIPIENT, ACTION_FAIL}},
	{FAILURE_COMPOSE, PHASE_COMPOSE, false,
		{CATEGORY_CONTENT_ERROR, SCOPE_MESSAGE, ACTION_FAIL}},
	{FAILURE_NO_KEY, PHASE_COMPOSE, false, {CATEGORY_SENDER_AUTH, SCOPE_MESSAGE, ACTION_RETRY}},
	{FAILURE_NO_ROUTE, PHASE_RESOLVE, false,
		{CATEGORY_ROUTING_ERROR, SCOPE_MESSAGE, ACTION_FAIL}},
	{FAILURE_HELD_BACK, PHASE_BODY, false, {CATEGORY_UNKNOWN, SCOPE_SESSION, ACTION_AGAIN}},
	{FAILURE_HELD_BACK, PHASE_DOT, true, {CATEGORY_UNKNOWN, SCOPE_SESSION, ACTION_DOUBT}},
	{FAILURE_LOCAL, PHASE_CONNECT, false, {CATEGORY_UNKNOWN, SCOPE_SOURCE, ACTION_AGAIN}},
};

Test(classify, dns_D2_dns_D6_failures)
{
	bool seen[FAILURE_COUNT] = {[FAILURE_NONE] = true};

	for (size_t i = 0; i < ARRAY_LEN(failures); i++) {
		struct evidence evidence =
			evidence_of_failure(failures[i].phase, failures[i].failure);

		evidence.dot_sent = failures[i].dot_sent;
		seen[failures[i].failure] = true;
		expect_verdict(failure_word(failures[i].failure),
			classify(&evidence, (struct slice){NULL, 0}), failures[i].verdict);
	}
	for (int i = 0; i < FAILURE_COUNT; i++) {
		cr_assert(seen[i], "no row for %s", failure_word((enum failure)i));
	}
}

/* Over all codes, phases and a spread of enhanced codes. */
static void expect_sane(enum phase phase, unsigned code, struct enhanced enhanced)
{
	struct verdict verdict = judge(phase, code, enhanced);
	bool suppresses = category_group(verdict.category) == GROUP_SUPPRESS &&
		verdict.category != CATEGORY_BAD_DOMAIN; /* 521 and 556 say so anywhere */

	if (verdict.action == ACTION_DELIVER) {
		cr_assert(code / 100 == 2 && phase == PHASE_DOT, "%u at %s delivers", code,
			phase_word(phase));
	}
	if (verdict.action == ACTION_BOUNCE) {
		cr_assert(code / 100 == 5 && phase >= PHASE_MAIL, "%u at %s is final", code,
			phase_word(phase));
	}
	if (phase == PHASE_MAIL && suppresses) {
		cr_assert_neq(enhanced.class, 0, "%u to MAIL alone blames the recipient", code);
	}
}

Test(classify, never_delivers_or_bounces_out_of_place)
{
	static const uint16_t details[] = {0, 1, 2, 3, 4, 5, 7, 8, 10, 13, 25, 26, 28, 515, 999};

	for (int phase = PHASE_GREETING; phase <= PHASE_IDLE; phase++) {
		for (unsigned code = 200; code < 560; code++) {
			expect_sane((enum phase)phase, code, (struct enhanced){0});
			for (size_t i = 0; i < 8 * ARRAY_LEN(details); i++) {
				expect_sane((enum phase)phase, code,
					(struct enhanced){(uint8_t)(code / 100), (uint16_t)(i % 8),
						details[i / 8]});
			}
		}
	}
}
