/*
 * What becomes of a job after an attempt: from the verdict's action to the job's
 * state, and when the next attempt is due.  Retries double from `retry.first` to
 * `retry.max`, spread by jitter so that a site's outage does not end in a herd.
 * Greylisting is met sooner, over the same source, but never before its five minutes
 * are over: there the jitter only adds.  A domain whose DNS does not answer uses up no
 * attempt; it is looked up again soon at first, then each time the job has become half
 * as old again.  A retry that would come after the job's lifetime is not made: the job
 * is expired, or in doubt where one of its attempts was.
 */
#include "parts.h"
#include "shortage.h"

#include <math.h>

#define DNS_FIRST_US (30 * INT64_C(1000000))
#define GREYLIST_US (5 * 60 * INT64_C(1000000))

/* -1 .. 1 from the attempt's random id: no clock, no state. */
static double spread(const struct id *id)
{
	unsigned bits = (unsigned)id->bytes[14] << 8 | id->bytes[15];

	return (double)bits / 32767.5 - 1.0;
}

static int64_t delay_us(const struct config_retry *retry, const struct attempt *attempt)
{
	bool greylisted = attempt->verdict.category == CATEGORY_GREYLISTED;
	double chance = spread(&attempt->id);
	double delay = (double)retry->first_us;

	if (greylisted) {
		chance = (chance + 1) / 2;
		delay = delay > (double)GREYLIST_US ? (double)GREYLIST_US : delay;
	}
	delay *= pow(retry->factor, attempt->number - 1);
	if (delay > (double)retry->max_us) {
		delay = (double)retry->max_us;
	}
	return (int64_t)(delay * (1.0 + retry->jitter * chance));
}

static int64_t dns_delay_us(const struct config_retry *retry, const struct attempt *attempt)
{
	int64_t least_us = retry->first_us < DNS_FIRST_US ? retry->first_us : DNS_FIRST_US;
	int64_t delay_us = (attempt->at_us - attempt->job->first_us) / 2;

	delay_us = delay_us < least_us ? least_us : delay_us;
	delay_us = delay_us > retry->max_us ? retry->max_us : delay_us;
	return (int64_t)((double)delay_us * (1.0 + retry->jitter * spread(&attempt->id)));
}

enum outcome ending_overdue(const struct job *job)
{
	return job->doubt ? OUTCOME_IN_DOUBT : OUTCOME_EXPIRED;
}

static void retry_or_end(const struct worker *worker, struct attempt *attempt, enum outcome overdue)
{
	const struct config_retry *retry = &worker->equipment->config->retry;
	bool dns = attempt->evidence.failure == FAILURE_DNS_TEMPORARY;

	attempt->due_us =
		attempt->at_us + (dns ? dns_delay_us(retry, attempt) : delay_us(retry, attempt));
	attempt->state = attempt->due_us < job_deadline_us(worker, attempt->job) ||
			!shortages_clock_agrees(worker)
		? OUTCOME_RETRYING
		: overdue;
}

static void decide_doubt(const struct worker *worker, struct attempt *attempt)
{
	switch (attempt->job->batch->campaign->on_in_doubt) {
	case ON_IN_DOUBT_ASSUME_SENT:
		attempt->state = OUTCOME_DELIVERED;
		break;
	case ON_IN_DOUBT_HOLD:
		attempt->state = OUTCOME_IN_DOUBT;
		break;
	case ON_IN_DOUBT_RETRY:
		retry_or_end(worker, attempt, OUTCOME_IN_DOUBT);
		break;
	}
}

void ending_decide(const struct worker *worker, struct attempt *attempt)
{
	switch (attempt->verdict.action) {
	case ACTION_DELIVER:
		attempt->state = OUTCOME_DELIVERED;
		break;
	case ACTION_BOUNCE:
		attempt->state = OUTCOME_BOUNCED;
		break;
	case ACTION_FAIL:
		attempt->state = OUTCOME_FAILED;
		break;
	case ACTION_DOUBT:
		decide_doubt(worker, attempt);
		break;
	case ACTION_AGAIN: /* put back as often as may be: now it counts */
	case ACTION_RETRY:
	case ACTION_COUNT:
		retry_or_end(worker, attempt, ending_overdue(attempt->job));
		break;
	}
}
