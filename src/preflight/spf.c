/*
 * check_host() of RFC 7208 section 4, over what the DNS has said.
 *
 * Whatever ends the whole evaluation (a limit, a broken record, a question without an
 * answer, or one that was not asked yet) is kept in `stop` and passed up; so every
 * function here says only yes, no or "it is over".  Includes nest at most as deep as
 * ten terms may ask the DNS.
 */
#include "preflight/spf.h"

#include <stdarg.h>
#include <stdio.h>

#include "spf_term.h"

enum { LOOKUPS_MAX = 10, VOIDS_MAX = 2, NAMES_MAX = 10 };

enum match {
	MATCH_NO,
	MATCH_YES,
	MATCH_OVER, /* check->stop says how */
};

struct check {
	struct answers *answers;
	const struct spf_question *question;
	struct spf_answer *answer;
	enum spf_result stop;
	unsigned voids;
};

static const char *const words[] = {
	[SPF_PENDING] = "pending",
	[SPF_NONE] = "none",
	[SPF_NEUTRAL] = "neutral",
	[SPF_PASS] = "pass",
	[SPF_FAIL] = "fail",
	[SPF_SOFTFAIL] = "softfail",
	[SPF_TEMPERROR] = "temperror",
	[SPF_PERMERROR] = "permerror",
};
_Static_assert(ARRAY_LEN(words) == SPF_RESULTS, "a word for every result");

const char *spf_result_word(enum spf_result result)
{
	return words[result];
}

#define SHOW(slice) (int)(slice).n, (slice).p

static void PRINTF_LIKE(2, 3) explain(struct check *check, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)vsnprintf(check->answer->why, sizeof(check->answer->why), format, args);
	va_end(args);
}

static enum match over(struct check *check, enum spf_result result)
{
	check->stop = result;
	return MATCH_OVER;
}

/* NULL: it is over. */
static const struct dns_answer *ask(struct check *check, struct slice name, enum dns_type type)
{
	const struct dns_answer *answer = answers_find(check->answers, name, type);

	if (answer == NULL) {
		check->stop = SPF_PENDING;
	} else if (answer->status == DNS_TEMPORARY) {
		explain(check, "the DNS does not answer for %.*s", SHOW(name));
		check->stop = SPF_TEMPERROR;
		answer = NULL;
	} else if (answer->status != DNS_FOUND && ++check->voids > VOIDS_MAX) {
		explain(check, "more than %d of its names are not there (%.*s)", VOIDS_MAX,
			SHOW(name));
		check->stop = SPF_PERMERROR;
		answer = NULL;
	}
	return answer;
}

static bool count_lookup(struct check *check, const struct spf_term *term)
{
	if (++check->answer->lookups > LOOKUPS_MAX) {
		explain(check, "more than %d terms ask the DNS (at '%.*s')", LOOKUPS_MAX,
			SHOW(term->text));
		check->stop = SPF_PERMERROR;
		return false;
	}
	return true;
}

bool spf_is_record(struct slice text)
{
	return slice_starts_nocase(text, SLICE("v=spf1")) &&
		(text.n == SPF_VERSION || text.p[SPF_VERSION] == ' ');
}

size_t spf_find_records(const struct dns_answer *texts, struct slice *ret_record)
{
	size_t count = 0;

	for (size_t i = 0; i < texts->count; i++) {
		if (spf_is_record(texts->records[i].text)) {
			*ret_record = texts->records[i].text;
			count++;
		}
	}
	return count;
}

/* Has the name one of the addresses of the term's network? */
static enum match match_host(struct check *check, struct slice name, const struct spf_term *term)
{
	const union endpoint *address = &check->question->address;
	const struct dns_answer *answer =
		ask(check, name, address->any.sa_family == AF_INET6 ? DNS_AAAA : DNS_A);

	if (answer == NULL) {
		return MATCH_OVER;
	}
	for (size_t i = 0; i < answer->count; i++) {
		if (spf_in_network(address, &answer->records[i].endpoint, term)) {
			return MATCH_YES;
		}
	}
	return MATCH_NO;
}

static enum match match_mx(struct check *check, struct slice name, const struct spf_term *term)
{
	const struct dns_answer *answer = ask(check, name, DNS_MX);
	enum match match = answer == NULL ? MATCH_OVER : MATCH_NO;

	if (answer != NULL && answer->count > NAMES_MAX) {
		explain(check, "%.*s has more than %d MX records", SHOW(name), NAMES_MAX);
		return over(check, SPF_PERMERROR);
	}
	for (size_t i = 0; match == MATCH_NO && i < answer->count; i++) {
		if (answer->records[i].name.n > 0) {
			match = match_host(check, answer->records[i].name, term);
		}
	}
	return match;
}

static bool is_below(struct slice name, struct slice domain)
{
	return slice_ends_nocase(name, domain) &&
		(name.n == domain.n || name.p[name.n - domain.n - 1] == '.');
}

/* An error of the DNS is a "no" here (section 5.5). */
static enum match match_ptr(struct check *check, struct slice domain, const struct spf_term *term)
{
	const struct dns_answer *answer;
	enum match match = MATCH_NO;
	struct buf reverse;

	buf_init(&reverse, 0);
	answers_reverse_name(&check->question->address, &reverse);
	answer = answers_find(check->answers, buf_slice(&reverse), DNS_PTR);
	buf_clear(&reverse);
	if (answer == NULL) {
		return over(check, SPF_PENDING);
	}
	for (size_t i = 0; match == MATCH_NO && i < answer->count && i < NAMES_MAX; i++) {
		if (is_below(answer->records[i].name, domain)) {
			match = match_host(check, answer->records[i].name, term);
		}
	}
	return match;
}

static enum match match_exists(struct check *check, struct slice name)
{
	const struct dns_answer *answer = ask(check, name, DNS_A);

	if (answer == NULL) {
		return MATCH_OVER;
	}
	return answer->count > 0 ? MATCH_YES : MATCH_NO;
}

static enum spf_result check_host(struct check *check, struct slice domain);

/* The table of section 5.2. */
static enum match match_include(struct check *check, struct slice name)
{
	enum spf_result result = check_host(check, name);

	switch (result) {
	case SPF_PASS:
		return MATCH_YES;
	case SPF_NONE:
		explain(check, "it includes %.*s, which has no SPF record", SHOW(name));
		return over(check, SPF_PERMERROR);
	case SPF_PENDING:
	case SPF_TEMPERROR:
	case SPF_PERMERROR:
		return over(check, result);
	default:
		return MATCH_NO;
	}
}

static enum match match_name(struct check *check, const struct spf_term *term, struct slice name)
{
	switch (term->kind) {
	case SPF_INCLUDE:
		return match_include(check, name);
	case SPF_A:
		return match_host(check, name, term);
	case SPF_MX:
		return match_mx(check, name, term);
	case SPF_PTR:
		return match_ptr(check, name, term);
	default:
		return match_exists(check, name);
	}
}

static enum match match_term(struct check *check, const struct spf_term *term, struct slice domain)
{
	enum match match;
	struct buf name;

	switch (term->kind) {
	case SPF_ALL:
		return MATCH_YES;
	case SPF_IP4:
	case SPF_IP6:
		return spf_in_network(&check->question->address, &term->address, term) ? MATCH_YES
										       : MATCH_NO;
	case SPF_REDIRECT:
	case SPF_EXP:
	case SPF_OTHER:
		return MATCH_NO;
	default:
		break;
	}
	if (!count_lookup(check, term)) {
		return MATCH_OVER;
	}
	buf_init(&name, 0);
	(void)spf_expand(
		term->domain.n > 0 ? term->domain : SLICE("%{d}"), check->question, domain, &name);
	match = match_name(check, term, buf_slice(&name));
	buf_clear(&name);
	return match;
}

/* The whole record has to be right before any of it counts (section 4.6). */
static bool is_right(
	struct check *check, struct slice rest, struct slice domain, struct spf_term *ret_redirect)
{
	struct slice text;
	bool redirected = false;
	bool explained = false;

	while (spf_term_next(&rest, &text)) {
		struct spf_term term;
		const char *fault = spf_term_parse(text, &term);

		if (fault == NULL &&
			((term.kind == SPF_REDIRECT && redirected) ||
				(term.kind == SPF_EXP && explained))) {
			fault = "stands there twice";
		}
		if (fault != NULL) {
			explain(check, "'%.*s' of %.*s %s", SHOW(text), SHOW(domain), fault);
			return false;
		}
		redirected |= term.kind == SPF_REDIRECT;
		explained |= term.kind == SPF_EXP;
		if (term.kind == SPF_REDIRECT) {
			*ret_redirect = term;
		}
	}
	return true;
}

static enum spf_result redirect(
	struct check *check, const struct spf_term *term, struct slice domain)
{
	enum spf_result result;
	struct buf name;

	if (term->domain.n == 0) {
		explain(check, "no term of %.*s matches", SHOW(domain));
		return SPF_NEUTRAL;
	}
	if (!count_lookup(check, term)) {
		return check->stop;
	}
	buf_init(&name, 0);
	(void)spf_expand(term->domain, check->question, domain, &name);
	result = check_host(check, buf_slice(&name));
	if (result == SPF_NONE) {
		explain(check, "it redirects to %s, which has no SPF record", buf_string(&name));
		result = SPF_PERMERROR;
	}
	buf_clear(&name);
	return result;
}

static enum spf_result evaluate(struct check *check, struct slice record, struct slice domain)
{
	struct slice rest = slice_from(record, SPF_VERSION);
	struct slice text;
	struct spf_term to = {0};

	if (!is_right(check, rest, domain, &to)) {
		return SPF_PERMERROR;
	}
	while (spf_term_next(&rest, &text)) {
		struct spf_term term;
		enum match match;

		(void)spf_term_parse(text, &term);
		match = match_term(check, &term, domain);
		if (match == MATCH_OVER) {
			return check->stop;
		}
		if (match == MATCH_YES) {
			explain(check, "matches '%.*s' of %.*s", SHOW(text), SHOW(domain));
			return term.result;
		}
	}
	return redirect(check, &to, domain);
}

static enum spf_result check_host(struct check *check, struct slice domain)
{
	const struct dns_answer *texts = ask(check, domain, DNS_TXT);
	struct slice record;
	size_t count;

	if (texts == NULL) {
		return check->stop;
	}
	count = spf_find_records(texts, &record);
	if (count == 1) {
		return evaluate(check, record, domain);
	}
	explain(check, "%.*s has %s", SHOW(domain),
		count == 0 ? "no SPF record" : "more than one SPF record");
	return count == 0 ? SPF_NONE : SPF_PERMERROR;
}

struct spf_answer spf_check(struct answers *answers, const struct spf_question *question)
{
	struct spf_answer answer = {.result = SPF_PENDING};
	struct check check = {.answers = answers, .question = question, .answer = &answer};

	answer.result = check_host(&check, question->domain);
	return answer;
}
