/*
 * The words of the model as texts.  Each table in the headers is a list of rows;
 * here the rows become arrays, so that a word and its enum cannot drift apart.
 *
 * The words are a promise to others: they stand in tables, in the delivery log and
 * in manuals.  A word is added, never changed.
 */
#include "model/attempt.h"
#include "model/evidence.h"
#include "model/job.h"
#include "model/outcome.h"
#include "model/verdict.h"

#include "base/err.h"

static const struct {
	const char *word;
	bool final;
	const char *meaning;
} outcomes[] = {
#define OUTCOME_ROW(name, word, final, text) {word, final, text},
	OUTCOMES(OUTCOME_ROW)
#undef OUTCOME_ROW
};

static const struct {
	const char *word;
	const char *command;
} phases[] = {
#define PHASE_ROW(name, word, command) {word, command},
	PHASES(PHASE_ROW)
#undef PHASE_ROW
};

static const struct {
	const char *word;
	struct enhanced enhanced;
	const char *text;
} failures[] = {
#define FAILURE_ROW(name, word, class, subject, detail, text) \
	{word, {class, subject, detail}, text},
	FAILURES(FAILURE_ROW)
#undef FAILURE_ROW
};

static const struct {
	const char *word;
	enum verdict_group group;
} categories[] = {
#define CATEGORY_ROW(name, word, group) {word, group},
	CATEGORIES(CATEGORY_ROW)
#undef CATEGORY_ROW
};

static const char *const scopes[] = {
	[SCOPE_RECIPIENT] = "recipient",
	[SCOPE_MESSAGE] = "message",
	[SCOPE_SESSION] = "session",
	[SCOPE_SITE] = "site",
	[SCOPE_SOURCE] = "source",
};
_Static_assert(ARRAY_LEN(scopes) == SCOPE_COUNT, "a word for every scope");

static const char *const actions[] = {
	[ACTION_DELIVER] = "deliver",
	[ACTION_RETRY] = "retry",
	[ACTION_AGAIN] = "again",
	[ACTION_BOUNCE] = "bounce",
	[ACTION_FAIL] = "fail",
	[ACTION_DOUBT] = "doubt",
};
_Static_assert(ARRAY_LEN(actions) == ACTION_COUNT, "a word for every action");

static const char *const doubts[] = {
	[ON_IN_DOUBT_RETRY] = "retry",
	[ON_IN_DOUBT_ASSUME_SENT] = "assume_sent",
	[ON_IN_DOUBT_HOLD] = "hold",
};

const char *outcome_word(enum outcome outcome)
{
	return outcomes[outcome].word;
}

const char *outcome_meaning(enum outcome outcome)
{
	return outcomes[outcome].meaning;
}

bool outcome_is_final(enum outcome outcome)
{
	return outcomes[outcome].final;
}

bool outcome_parse(struct slice word, enum outcome *ret_outcome)
{
	for (size_t i = 0; i < ARRAY_LEN(outcomes); i++) {
		if (slice_equal(word, slice_of(outcomes[i].word))) {
			*ret_outcome = (enum outcome)i;
			return true;
		}
	}
	return false;
}

const char *phase_word(enum phase phase)
{
	return phases[phase].word;
}

bool phase_parse(struct slice word, enum phase *ret_phase)
{
	for (size_t i = 0; i < ARRAY_LEN(phases); i++) {
		if (slice_equal(word, slice_of(phases[i].word))) {
			*ret_phase = (enum phase)i;
			return true;
		}
	}
	return false;
}

const char *phase_command(enum phase phase)
{
	return phases[phase].command;
}

const char *failure_word(enum failure failure)
{
	return failures[failure].word;
}

bool failure_parse(struct slice word, enum failure *ret_failure)
{
	for (size_t i = 0; i < ARRAY_LEN(failures); i++) {
		if (slice_equal(word, slice_of(failures[i].word))) {
			*ret_failure = (enum failure)i;
			return true;
		}
	}
	return false;
}

const char *failure_text(enum failure failure)
{
	return failures[failure].text;
}

struct enhanced failure_enhanced(enum failure failure)
{
	return failures[failure].enhanced;
}

struct evidence evidence_of_failure(enum phase phase, enum failure failure)
{
	return (struct evidence){
		.phase = phase,
		.failure = failure,
		.enhanced = failures[failure].enhanced,
		.text = slice_of(failures[failure].text),
	};
}

const char *category_word(enum category category)
{
	return categories[category].word;
}

enum verdict_group category_group(enum category category)
{
	return categories[category].group;
}

bool category_parse(struct slice word, enum category *ret_category)
{
	for (size_t i = 0; i < ARRAY_LEN(categories); i++) {
		if (slice_equal(word, slice_of(categories[i].word))) {
			*ret_category = (enum category)i;
			return true;
		}
	}
	return false;
}

const char *scope_word(enum scope scope)
{
	return scopes[scope];
}

bool scope_parse(struct slice word, enum scope *ret_scope)
{
	for (size_t i = 0; i < ARRAY_LEN(scopes); i++) {
		if (slice_equal(word, slice_of(scopes[i]))) {
			*ret_scope = (enum scope)i;
			return true;
		}
	}
	return false;
}

const char *action_word(enum action action)
{
	return actions[action];
}

bool action_parse(struct slice word, enum action *ret_action)
{
	for (size_t i = 0; i < ARRAY_LEN(actions); i++) {
		if (slice_equal(word, slice_of(actions[i]))) {
			*ret_action = (enum action)i;
			return true;
		}
	}
	return false;
}

const char *on_in_doubt_word(enum on_in_doubt policy)
{
	return doubts[policy];
}

bool on_in_doubt_parse(struct slice word, enum on_in_doubt *ret_policy)
{
	for (size_t i = 0; i < ARRAY_LEN(doubts); i++) {
		if (slice_equal(word, slice_of(doubts[i]))) {
			*ret_policy = (enum on_in_doubt)i;
			return true;
		}
	}
	return false;
}
