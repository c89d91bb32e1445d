/*
 * Runs the evaluators until they ask no more: evaluate, ask what they wanted, put the
 * answers in, evaluate again.  Each round goes as deep as what is known allows, so
 * that many questions are out at once; only the report of the last one counts.
 *
 * A preflight that was cancelled lives until its last answer has come.
 */
#include "base/mem.h"
#include "checks.h"

#define AT_ONCE_MAX 100

struct preflight {
	struct loop *loop;
	struct dns *dns;
	const struct preflight_subject *subject;
	preflight_evaluator evaluate;
	void (*on_done)(void *owner, struct report *take, uint32_t ttl_s);
	void *owner;
	struct answers *answers;
	struct later turn;
	size_t asked;
	bool cancelled;
};

struct question {
	struct preflight *preflight;
	struct slice name; /* the answers' memory */
	enum dns_type type;
};

void preflight_evaluate(
	const struct preflight_subject *subject, struct answers *answers, struct report *report)
{
	if (subject->pool_fault.n > 0) {
		struct finding *finding =
			report_add(report, PREFLIGHT_POOL, PREFLIGHT_FAIL, subject->pool);

		buf_add(&finding->says, subject->pool_fault);
		buf_add(&finding->remedy, subject->pool_remedy);
	}
	check_tenant(subject, report);
	check_spf(subject, answers, report);
	check_dkim(subject, answers, report);
	check_dmarc(subject, answers, report);
	check_domains(subject, answers, report);
	preflight_evaluate_sources(subject, answers, report);
	if (subject->content != NULL) {
		check_content(subject, report);
	}
}

static void preflight_free(struct preflight *preflight)
{
	loop_later_cancel(preflight->loop, &preflight->turn);
	answers_free(&preflight->answers);
	mem_free(preflight);
}

static void on_answer(void *owner, const struct dns_answer *answer);

static void ask_some(struct preflight *preflight)
{
	struct slice name;
	enum dns_type type;

	while (preflight->asked < AT_ONCE_MAX && answers_next(preflight->answers, &name, &type)) {
		struct question *question = MEM_NEW(struct question);

		question->preflight = preflight;
		question->name = name;
		question->type = type;
		preflight->asked++;
		dns_find(preflight->dns, name, type, on_answer, question);
	}
}

static void on_turn(void *owner)
{
	struct preflight *preflight = owner;
	struct report *report = report_new();

	preflight->evaluate(preflight->subject, preflight->answers, report);
	if (answers_open(preflight->answers)) {
		report_free(&report);
		ask_some(preflight);
		return;
	}
	preflight->on_done(preflight->owner, report, answers_ttl(preflight->answers));
	preflight_free(preflight);
}

static void on_answer(void *owner, const struct dns_answer *answer)
{
	struct question *question = owner;
	struct preflight *preflight = question->preflight;

	answers_add(preflight->answers, question->name, question->type, answer);
	mem_free(question);
	preflight->asked--;
	if (preflight->cancelled) {
		if (preflight->asked == 0) {
			preflight_free(preflight);
		}
		return;
	}
	ask_some(preflight);
	if (preflight->asked == 0) {
		loop_later(preflight->loop, &preflight->turn);
	}
}

struct preflight *preflight_start(struct loop *loop, struct dns *dns,
	const struct preflight_subject *subject, preflight_evaluator evaluate,
	void (*on_done)(void *owner, struct report *take, uint32_t ttl_s), void *owner)
{
	struct preflight *preflight = MEM_NEW(struct preflight);

	preflight->loop = loop;
	preflight->dns = dns;
	preflight->subject = subject;
	preflight->evaluate = evaluate;
	preflight->on_done = on_done;
	preflight->owner = owner;
	preflight->answers = answers_new();
	later_init(&preflight->turn, on_turn, preflight);
	loop_later(loop, &preflight->turn);
	return preflight;
}

void preflight_cancel(struct preflight **preflight)
{
	struct preflight *gone = *preflight;

	*preflight = NULL;
	if (gone == NULL) {
		return;
	}
	gone->cancelled = true;
	loop_later_cancel(gone->loop, &gone->turn);
	if (gone->asked == 0) {
		preflight_free(gone);
	}
}
