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

#include <math.h>

#include "classify/classify.h"
#include "keys.h"
#include "load.h"
#include "logbook.h"
#include "pins.h"
#include "shortage.h"

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

/*
 * What was pinned goes with the retry, and the doubt of this attempt with all that follow;
 * before its end is known, that of those before it.
 */
void ending_pin(struct plan *plan, const struct attempt *ended)
{
	struct pins pins = {
		.token_key = plan->token_key,
		.doubt = plan->job->doubt ||
			(ended != NULL && ended->verdict.action == ACTION_DOUBT),
		.tracking_domain = plan->tracking_domain,
		.keys = plan->keys != NULL ? key_set_pins(plan->keys) : SLICE(""),
	};
	struct buf text;

	buf_init(&text, 0);
	pins_add(&text, &pins);
	if (!slice_equal(plan->job->keys, buf_slice(&text))) {
		plan->job->keys = intake_keep(plan->job->batch, buf_slice(&text));
	}
	buf_clear(&text);
}

/* Whether the message that was offered is another than the one of the attempt before. */
static bool bytes_differ(const struct plan *plan, const struct attempt *attempt)
{
	struct slice keys = plan->keys != NULL ? key_set_pins(plan->keys) : SLICE("");

	return attempt->size_bytes > 0 &&
		(plan->unpinned || (plan->key_pins.n > 0 && !slice_equal(plan->key_pins, keys)));
}

void ending_complete(struct plan *plan, struct attempt *attempt)
{
	struct worker *worker = plan->worker;

	attempt->at_us = loop_wall_us(worker->loop);
	attempt->id =
		id_is_zero(plan->attempt_id) ? id_make(attempt->at_us / 1000) : plan->attempt_id;
	attempt->job = plan->job;
	/* Without DNS nothing was offered to anybody: the attempt is not used up. */
	attempt->number =
		plan->job->attempts + (attempt->evidence.failure == FAILURE_DNS_TEMPORARY ? 0 : 1);
	attempt->possible_duplicate = plan->job->possible_duplicate;
	attempt->bytes_differ = bytes_differ(plan, attempt);
	if (attempt->recipient.n == 0) {
		attempt->recipient = plan->address.length > 0 ? address_text(&plan->address)
							      : plan->job->recipient;
	}
	if (attempt->route.pool.n == 0) {
		attempt->route.pool = plan_campaign(plan)->pool;
	}
}

void ending_finish(struct plan **take, struct attempt *attempt)
{
	struct plan *plan = *take;

	*take = NULL;
	ending_complete(plan, attempt);
	attempt->verdict = classify(&attempt->evidence, attempt->route.provider);
	ending_decide(plan->worker, attempt);
	if (!outcome_is_final(attempt->state)) {
		ending_pin(plan, attempt);
	}
	logbook_result(plan, attempt);
	permits_sent(plan->window);
	record_attempt(plan->worker->record, attempt);
	plan_free(&plan);
}
