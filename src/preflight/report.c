/*
 * Findings in the order of the checks, and what they come to.  Whether a failure is
 * hard is a fact of its check, written once in the table of the header with its reason;
 * where a check is not hard, a failure is a warning.
 */
#include "preflight/report.h"

#include "base/mem.h"

struct report {
	struct finding **findings;
	size_t count;
};

static const struct {
	const char *word;
	const char *reason;
	bool hard;
} checks[] = {
#define X(name, word, hard, reason) [PREFLIGHT_##name] = {word, reason, hard},
	PREFLIGHT_CHECKS(X)
#undef X
};

const char *preflight_check_word(enum preflight_check check)
{
	return checks[check].word;
}

const char *preflight_check_reason(enum preflight_check check)
{
	return checks[check].reason;
}

bool preflight_check_hard(enum preflight_check check)
{
	return checks[check].hard;
}

const char *preflight_verdict_word(enum preflight_verdict verdict)
{
	static const char *const words[] = {
		[PREFLIGHT_PASS] = "pass",
		[PREFLIGHT_WARNING] = "warning",
		[PREFLIGHT_UNKNOWN] = "unknown",
		[PREFLIGHT_FAIL] = "fail",
	};

	return words[verdict];
}

struct report *report_new(void)
{
	return MEM_NEW(struct report);
}

void report_free(struct report **report)
{
	struct report *gone = *report;

	if (gone == NULL) {
		return;
	}
	*report = NULL;
	for (size_t i = 0; i < gone->count; i++) {
		mem_free(gone->findings[i]->subject);
		buf_clear(&gone->findings[i]->says);
		buf_clear(&gone->findings[i]->remedy);
		mem_free(gone->findings[i]);
	}
	mem_free(gone->findings);
	mem_free(gone);
}

struct finding *report_add(struct report *report, enum preflight_check check,
	enum preflight_verdict verdict, struct slice subject)
{
	struct finding *finding = MEM_NEW(struct finding);

	finding->check = check;
	finding->verdict =
		verdict == PREFLIGHT_FAIL && !checks[check].hard ? PREFLIGHT_WARNING : verdict;
	finding->subject = slice_string(subject);
	buf_init(&finding->says, 0);
	buf_init(&finding->remedy, 0);
	report->findings = mem_grow(report->findings, report->count + 1, sizeof(finding));
	report->findings[report->count++] = finding;
	return finding;
}

size_t report_count(const struct report *report)
{
	return report->count;
}

const struct finding *report_at(const struct report *report, size_t at)
{
	return report->findings[at];
}

enum preflight_verdict report_verdict(const struct report *report)
{
	enum preflight_verdict worst = PREFLIGHT_PASS;

	for (size_t i = 0; i < report->count; i++) {
		if (report->findings[i]->verdict > worst) {
			worst = report->findings[i]->verdict;
		}
	}
	return worst;
}

enum preflight_verdict report_of(
	const struct report *report, enum preflight_check check, bool *ret_any)
{
	enum preflight_verdict worst = PREFLIGHT_PASS;

	*ret_any = false;
	for (size_t i = 0; i < report->count; i++) {
		const struct finding *finding = report->findings[i];

		if (finding->check == check) {
			*ret_any = true;
			worst = finding->verdict > worst ? finding->verdict : worst;
		}
	}
	return worst;
}
