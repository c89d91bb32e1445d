/*
 * What becomes of a composition.
 *
 * The first failure is the one that is told: those that follow come of it.  A message
 * that failed is never sent, so whoever writes goes on as if nothing were wrong.
 */
#include "run.h"

#include <stdarg.h>
#include <stdio.h>

static void PRINTF_LIKE(4, 0) fail(struct run *run, enum failure failure, enum message_cause cause,
	const char *format, va_list args)
{
	if (run->failure == FAILURE_NONE) {
		run->failure = failure;
		run->message->cause = cause;
		(void)vsnprintf(run->message->fault, sizeof(run->message->fault), format, args);
	}
}

void run_fail(struct run *run, enum failure failure, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fail(run, failure, MESSAGE_CAUSE_OTHER, format, args);
	va_end(args);
}

void run_fail_by(
	struct run *run, enum failure failure, enum message_cause cause, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fail(run, failure, cause, format, args);
	va_end(args);
}

void run_template(
	struct run *run, const struct template *template, const char *field, struct buf *out)
{
	enum template_result result = template_run(template, run->vars, run->system, out);

	if (result != TEMPLATE_OK) {
		run_fail(run, result == TEMPLATE_SIZE ? FAILURE_TOO_LARGE : FAILURE_COMPOSE,
			"%s: it %s", field, template_result_text(result));
	}
}
