/*
 * The order of the last steps is the guarantee (design section 5):
 *
 *	354       the intent is written; no room for it: the message goes no further
 *	sign      while the disk makes the intents of this turn durable
 *	durable   the one gate is asked
 *	dot       with the body before it in one write, where that is small
 *
 * Signing is the dearest step of a message; at most 5 ms of it are done a turn, so that
 * timers and sockets stay lively.  A large body goes out while the disk is at work, and may
 * take minutes: the gate is asked when all of it is out, for a yes of before would be an old one.
 */
#include "launch.h"

#include "base/log.h"
#include "base/time.h"
#include "classify/classify.h"
#include "hand.h"
#include "logbook.h"
#include "way.h"

#define SIGNING_TURN_US 5000

static void stand_in(struct delivery *delivery, struct list *line)
{
	delivery->line = line;
	list_push(line, &delivery->sign);
}

void launch_cancel(struct delivery *delivery)
{
	if (delivery->line != NULL) {
		list_remove(delivery->line, &delivery->sign);
		delivery->line = NULL;
	}
}

static struct delivery *first_of(struct list *line)
{
	struct list_link *link = list_pop(line);
	struct delivery *delivery = LIST_OWNER(link, struct delivery, sign);

	delivery->line = NULL;
	return delivery;
}

/* What is to be found should nothing more be written: sent, and no answer. */
static bool write_down(struct delivery *delivery)
{
	struct plan *plan = delivery->plan;
	struct attempt attempt = {
		.evidence = evidence_of_failure(PHASE_DOT, FAILURE_LOST),
		.state = OUTCOME_IN_DOUBT,
		.route = way_route(delivery->outlet, plan),
		.mail_from = delivery->envelope.mail_from,
		.recipient = delivery->envelope.rcpt_to,
		.size_bytes = delivery->envelope.size_bytes,
	};
	struct way way;
	bool written;

	attempt.evidence.dot_sent = true;
	attempt.verdict = classify(&attempt.evidence, attempt.route.provider);
	way_init(&way);
	way_add_session(&way, delivery->session, &attempt.route);
	ending_pin(plan, NULL);
	ending_complete(plan, &attempt);
	written = logbook_intend(plan, &attempt);
	way_clear(&way);
	return written;
}

void launch_go(struct delivery *delivery)
{
	struct worker *worker = delivery->outlet->worker;
	bool written;

	delivery->out = false;
	hand_on(delivery->plan, CELL_SESSION);
	written = write_down(delivery);
	hand_off(worker);
	if (!written) {
		session_abort(delivery->session);
		return;
	}
	stand_in(delivery, &worker->desk.to_sign);
	timer_set(&worker->desk.signing, loop_now_us(worker->loop));
}

static bool sign(struct delivery *delivery)
{
	const struct plan *plan = delivery->plan;
	const struct message *message = &delivery->message;
	struct err err;

	buf_reset(&delivery->signature);
	if (plan->keys == NULL) {
		return true;
	}
	hand_on(plan, CELL_SIGN);
	err = signer_sign(plan->worker->seal.signer, plan->keys, message_headers(message),
		message_body(message), plan->job->first_us, &delivery->signature);
	hand_off(plan->worker);
	if (err_is(err)) {
		log_error(NULL, "sign_failed", "domain=%s why=%s",
			log_quote(key_set_domain(plan->keys)), log_quote(slice_of(err_text(err))));
		delivery->trouble = err.kind == ERR_INPUT ? FAILURE_COMPOSE : FAILURE_NO_KEY;
		return false;
	}
	return true;
}

static void send_body(struct delivery *delivery)
{
	hand_on(delivery->plan, CELL_SESSION);
	session_body(delivery->session, buf_slice(&delivery->signature),
		buf_slice(&delivery->message.bytes));
	hand_off(delivery->plan->worker);
}

/* A small one leaves with its dot in one write; a large one while the disk is at work. */
static bool is_small(const struct delivery *delivery)
{
	return delivery->envelope.size_bytes <= SESSION_SMALL_BODY_BYTES;
}

/* The intent is durable: if the gate lets it, the dot leaves. */
static void release(struct delivery *delivery)
{
	if (!is_small(delivery) && !delivery->out) {
		stand_in(delivery, &delivery->outlet->worker->desk.to_drain);
		return;
	}
	if (gate_ask(delivery->plan, true) != GATE_OPEN) {
		session_abort(delivery->session);
		return;
	}
	if (is_small(delivery)) {
		send_body(delivery);
	}
	session_release(delivery->session);
}

static void launch(struct delivery *delivery)
{
	if (!sign(delivery)) {
		session_abort(delivery->session);
		return;
	}
	if (!is_small(delivery)) {
		send_body(delivery);
	}
	if (logbook_is_durable(delivery->plan)) {
		release(delivery);
	} else {
		stand_in(delivery, &delivery->outlet->worker->desk.to_release);
	}
}

void launch_gate(struct delivery *delivery)
{
	delivery->out = true;
	if (delivery->line == &delivery->outlet->worker->desk.to_drain) {
		launch_cancel(delivery);
		release(delivery);
	}
}

void launch_sign_some(void *owner)
{
	struct worker *worker = owner;
	int64_t until_us = time_monotonic_us() + SIGNING_TURN_US;

	logbook_sync(worker);
	while (worker->desk.to_sign.count > 0) {
		launch(first_of(&worker->desk.to_sign));
		if (time_monotonic_us() >= until_us && worker->desk.to_sign.count > 0) {
			timer_set(&worker->desk.signing, loop_now_us(worker->loop));
			break;
		}
	}
}

/* Signed in the order of their intents, so those that are durable come first. */
void launch_release_some(struct worker *worker)
{
	struct list *line = &worker->desk.to_release;

	while (line->count > 0) {
		struct delivery *next = LIST_OWNER(list_first(line), struct delivery, sign);

		if (!logbook_is_durable(next->plan)) {
			break;
		}
		release(first_of(line));
	}
}

void launch_abort_all(struct worker *worker)
{
	struct list *lines[] = {
		&worker->desk.to_sign, &worker->desk.to_release, &worker->desk.to_drain};

	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		while (lines[i]->count > 0) {
			session_abort(first_of(lines[i])->session);
		}
	}
}
