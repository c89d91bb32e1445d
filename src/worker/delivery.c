/*
 * A message under way on a session: composed before MAIL, signed at 354, let
 * through the gate, and accounted for by exactly one outcome.
 *
 * Deliveries are kept for the next message with their buffers, so that sending
 * costs no fresh memory.  What happens between 354 and the dot is in launch.c.
 */
#include <stdio.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/time.h"
#include "classify/classify.h"
#include "hand.h"
#include "launch.h"
#include "mail/header.h"
#include "parts.h"
#include "shortage.h"
#include "sources.h"
#include "way.h"

#define SPARES_MAX 256
#define SPARE_BYTES_MAX (256u << 10) /* of a message whose memory is kept */
#define AGAIN_MAX 3
#define LOCAL_PAUSE_US TIME_SECOND_US
#define LOOK_AGAIN_US (TIME_SECOND_US / 10)

/* After what may have changed how much memory it has. */
static void weigh(struct worker *worker, struct delivery *delivery)
{
	worker->desk.bytes -= delivery->bytes;
	delivery->bytes = delivery->message.bytes.cap + delivery->signature.cap;
	worker->desk.bytes += delivery->bytes;
}

static struct delivery *take_spare(struct worker *worker)
{
	struct list_link *link = list_pop(&worker->desk.spare);
	struct delivery *delivery;

	worker->desk.sending++;
	if (link != NULL) {
		return LIST_OWNER(link, struct delivery, link);
	}
	delivery = MEM_NEW(struct delivery);
	message_init(&delivery->message);
	buf_init(&delivery->signature, 65536);
	return delivery;
}

static void delivery_free(struct worker *worker, struct delivery *delivery)
{
	worker->desk.bytes -= delivery->bytes;
	message_clear(&delivery->message);
	buf_clear(&delivery->signature);
	mem_free(delivery);
}

static void put_spare(struct worker *worker, struct delivery *delivery)
{
	delivery->plan = NULL;
	delivery->session = NULL;
	delivery->outlet = NULL;
	delivery->trouble = FAILURE_NONE;
	buf_reset(&delivery->signature);
	worker->desk.sending--;
	if (worker->desk.spare.count >= SPARES_MAX) {
		delivery_free(worker, delivery);
		return;
	}
	if (delivery->bytes > SPARE_BYTES_MAX) {
		message_clear(&delivery->message);
	}
	weigh(worker, delivery);
	list_push_front(&worker->desk.spare, &delivery->link);
}

void delivery_forget_spares(struct worker *worker)
{
	struct list_link *link;

	while ((link = list_pop(&worker->desk.spare)) != NULL) {
		delivery_free(worker, LIST_OWNER(link, struct delivery, link));
	}
}

/* The gate's word before MAIL.  False when the job ended here. */
static bool may_go(struct plan **plan)
{
	if (plan_is_over(*plan)) { /* while it waited for its turn */
		plan_skip(plan, ending_overdue((*plan)->job), SLICE("its lifetime is over"));
		return false;
	}
	switch (gate_ask(*plan, false)) {
	case GATE_OPEN:
		break;
	case GATE_SUPPRESSED:
		plan_skip(plan, OUTCOME_SUPPRESSED, SLICE("suppressed since it was claimed"));
		return false;
	case GATE_CANCELLED:
		plan_skip(plan, OUTCOME_CANCELLED, SLICE("the campaign was cancelled"));
		return false;
	case GATE_HELD:
	case GATE_LEASE:
		plan_give_back(plan, 0, SLICE(""));
		return false;
	case GATE_DONE:
		plan_known(plan);
		return false;
	}
	return true;
}

static enum failure compose(struct delivery *delivery)
{
	const struct plan *plan = delivery->plan;
	const struct tenant *tenant = plan_tenant(plan);
	struct compose_settings settings = {
		.bounce_domain = tenant->bounce_domain,
		.tracking_domain = plan->tracking_domain,
		.feedback_sender = tenant->sender_id,
	};
	struct compose_input input = {
		.settings = &settings,
		.tenant = tenant->id,
		.campaign = plan_campaign(plan)->id,
		.job = plan->job->id,
		.recipient = slice_trim(plan->job->recipient),
		.vars = plan->vars,
		.first_us = plan->job->first_us,
		.variant = COMPOSE_VARIANT_BY_JOB,
		.token_key = plan->token_key,
	};

	return composer_make(plan->worker->composer, plan->content, &input, &delivery->message);
}

static size_t signature_size(const struct delivery *delivery)
{
	const struct plan *plan = delivery->plan;

	return plan->keys == NULL
		? 0
		: signer_size(plan->worker->seal.signer, plan->keys,
			  message_headers(&delivery->message), plan->job->first_us);
}

/* Failure: signatures and all, its header would be more than large receivers take. */
static enum failure fill_envelope(struct delivery *delivery)
{
	struct message *message = &delivery->message;
	size_t signature = signature_size(delivery);

	if (message->header_bytes + signature > HEADER_BLOCK_MAX) {
		(void)snprintf(message->fault, sizeof(message->fault),
			"its header has %zu octets with its signatures, of at most %d",
			message->header_bytes + signature, HEADER_BLOCK_MAX);
		return FAILURE_COMPOSE;
	}
	id_text(delivery->plan->job->id, delivery->envid);
	delivery->envelope = (struct envelope){
		.mail_from = address_text(&message->mail_from),
		.rcpt_to = address_text(&message->recipient),
		.envid = slice_of(delivery->envid),
		.utf8 = message->utf8,
		.size_bytes = message->bytes.n + signature,
	};
	return FAILURE_NONE;
}

/* The message and all that goes with it. */
static enum failure make(struct delivery *delivery)
{
	enum failure failure;

	hand_on(delivery->plan, CELL_COMPOSE);
	failure = compose(delivery);
	weigh(delivery->outlet->worker, delivery);
	if (failure == FAILURE_NONE) {
		failure = fill_envelope(delivery);
	}
	hand_off(delivery->outlet->worker);
	return failure;
}

static void fail_compose(struct delivery *delivery, enum failure failure)
{
	struct worker *worker = delivery->plan->worker;
	struct attempt attempt = {.evidence = evidence_of_failure(PHASE_COMPOSE, failure)};

	if (delivery->message.fault[0] != '\0') {
		attempt.evidence.text = slice_of(delivery->message.fault);
	}
	ending_finish(&delivery->plan, &attempt);
	put_spare(worker, delivery);
}

/*
 * The next message of the lane, composed; NULL when shaping says wait (a timer is
 * set) or nothing is left.
 */
struct delivery *delivery_prepare(struct outlet *outlet)
{
	struct worker *worker = outlet->worker;
	struct lane_answer answer;
	struct job *job;

	if (!gate_flows(worker) || (worker->desk.sending > 0 && memory_is_full(worker))) {
		timer_set(&outlet->timer, loop_now_us(worker->loop) + LOOK_AGAIN_US);
		return NULL;
	}
	lane_ask(outlet->lane, LANE_SEND, loop_now_us(worker->loop), &answer);
	if (answer.wait_us > 0) {
		if (answer.wait_us != LANE_WAIT_EVENT) {
			timer_set(&outlet->timer, loop_now_us(worker->loop) + answer.wait_us);
		}
		return NULL;
	}
	while ((job = queue_pop(outlet->queue)) != NULL) {
		struct plan *plan = job->plan;
		struct delivery *delivery;
		enum failure failure;

		if (!may_go(&plan)) {
			continue;
		}
		delivery = take_spare(worker);
		delivery->plan = plan;
		delivery->outlet = outlet;
		failure = make(delivery);
		if (failure == FAILURE_NONE) {
			return delivery;
		}
		fail_compose(delivery, failure);
	}
	return NULL;
}

void delivery_send(struct delivery *delivery, struct session *session)
{
	struct outlet *outlet = delivery->outlet;

	delivery->session = session;
	delivery->started_us = loop_now_us(outlet->worker->loop);
	list_push(&outlet->deliveries, &delivery->link);
	lane_sending(outlet->lane, delivery->started_us);
	session_set_user(session, delivery);
	hand_on(delivery->plan, CELL_SESSION);
	session_send(session, &delivery->envelope);
	hand_off(outlet->worker);
}

/* NULL: nothing is under way. */
static struct delivery *delivery_of(const struct session *session)
{
	return session_user(session);
}

static void on_input(void *owner, struct session *session, bool over)
{
	const struct outlet *outlet = owner;
	const struct delivery *delivery = delivery_of(session);

	if (over) {
		hand_off(outlet->worker);
	} else if (delivery != NULL) {
		hand_on(delivery->plan, CELL_SESSION);
	}
}

static bool on_ready(void *owner, struct session *session)
{
	struct outlet *outlet = owner;
	struct delivery *delivery;

	lane_worked(outlet->lane);
	if (queue_count(outlet->queue) == 0 || outlet->stale) {
		return false;
	}
	delivery = delivery_prepare(outlet);
	if (delivery == NULL) {
		return false;
	}
	delivery_send(delivery, session);
	return true;
}

static void on_go(void *owner, struct session *session)
{
	(void)owner;
	launch_go(delivery_of(session));
}

static void on_gate(void *owner, struct session *session)
{
	(void)owner;
	launch_gate(delivery_of(session));
}

/* What the receiver said is pace for the lane, too. */
static void feed_back(struct outlet *outlet, const struct verdict *verdict, struct slice text)
{
	if (verdict->category == CATEGORY_RATE_LIMITED && verdict->scope > SCOPE_MESSAGE &&
		outlet->pace->suspend_us > 0) {
		lane_suspend(outlet->lane,
			loop_now_us(outlet->worker->loop) + outlet->pace->suspend_us, text);
	}
}

/* Ours, found behind MAIL: the gate closed, or signing failed. */
static void end_aborted(
	struct outlet *outlet, struct plan *plan, struct attempt *attempt, enum failure trouble)
{
	switch (trouble == FAILURE_NONE ? gate_ask(plan, true) : GATE_OPEN) {
	case GATE_SUPPRESSED:
		plan_skip(&plan, OUTCOME_SUPPRESSED, SLICE("suppressed before the final dot"));
		break;
	case GATE_CANCELLED:
		plan_skip(&plan, OUTCOME_CANCELLED, SLICE("the campaign was cancelled"));
		break;
	case GATE_HELD:
	case GATE_LEASE:
		plan_give_back(&plan, 0, SLICE(""));
		break;
	case GATE_DONE:
		plan_known(&plan);
		break;
	case GATE_OPEN:
		if (trouble == FAILURE_NONE) { /* it opened again meanwhile */
			outlet_put_back(outlet, plan);
			break;
		}
		attempt->evidence = evidence_of_failure(PHASE_COMPOSE, trouble);
		ending_finish(&plan, attempt);
		break;
	}
}

/* The host's doing, not the recipient's nor the message's: another host may be better. */
static bool is_hosts_trouble(const struct evidence *evidence, const struct verdict *verdict)
{
	bool ours = evidence->failure == FAILURE_LOCAL || evidence->failure == FAILURE_HELD_BACK;

	if (verdict->action != ACTION_RETRY && verdict->action != ACTION_DOUBT) {
		return false;
	}
	return evidence->failure != FAILURE_NONE
		? verdict->scope == SCOPE_SESSION && !ours
		: verdict->category == CATEGORY_SERVER_ERROR && verdict->scope != SCOPE_RECIPIENT;
}

static void end(struct outlet *outlet, struct plan *plan, struct attempt *attempt)
{
	enum failure failure = attempt->evidence.failure;
	struct verdict verdict = classify(&attempt->evidence, attempt->route.provider);

	if (failure == FAILURE_LOCAL && !attempt->evidence.dot_sent) {
		outlet->paused_until_us = loop_now_us(outlet->worker->loop) + LOCAL_PAUSE_US;
		outlet_put_back(outlet, plan);
		return;
	}
	if (verdict.action == ACTION_AGAIN && plan->again < AGAIN_MAX) {
		plan->again++;
		outlet_put_back(outlet, plan);
		return;
	}
	feed_back(outlet, &verdict, attempt->evidence.text);
	ending_finish(&plan, attempt);
}

/*
 * The session found octets that must not go out (a bare CR or LF would be read as a
 * second message by some): what composes and signs never makes them, so it is our fault.
 */
static void alarm_unsendable(const struct plan *plan)
{
	char tenant[ID_TEXT + 1];
	char job[ID_TEXT + 1];

	id_text(plan_tenant(plan)->id, tenant);
	id_text(plan->job->id, job);
	log_error(NULL, "unsendable_message", "tenant=%s job=%s text=%s", tenant, job,
		log_quote(SLICE("a bare CR or LF, or a line of more than 998 octets: stopped "
				"before the final dot")));
}

static void on_outcome(void *owner, struct session *session, const struct evidence *evidence)
{
	struct outlet *outlet = owner;
	struct worker *worker = outlet->worker;
	struct delivery *delivery = delivery_of(session);
	struct plan *plan = delivery->plan;
	struct attempt attempt = {
		.evidence = *evidence,
		.route = way_route(outlet, plan),
		.mail_from = delivery->envelope.mail_from,
		.recipient = delivery->envelope.rcpt_to,
		.size_bytes = delivery->envelope.size_bytes,
		.duration_us = loop_now_us(worker->loop) - delivery->started_us,
	};
	struct verdict verdict;
	struct way way;

	hand_on(plan, CELL_SESSION);
	session_set_user(session, NULL);
	list_remove(&outlet->deliveries, &delivery->link);
	launch_cancel(delivery);
	if (evidence->failure == FAILURE_COMPOSE) {
		alarm_unsendable(plan);
	}
	verdict = classify(evidence, attempt.route.provider);
	if (is_hosts_trouble(evidence, &verdict)) {
		sessions_avoid(worker->sessions, session);
	}
	way_init(&way);
	way_add_session(&way, session, &attempt.route);
	/* A dot that is out is nobody's to call back: a doubt, whoever ended the session. */
	if (evidence->failure == FAILURE_HELD_BACK && !evidence->dot_sent) {
		end_aborted(outlet, plan, &attempt, delivery->trouble);
	} else {
		end(outlet, plan, &attempt);
	}
	way_clear(&way);
	put_spare(worker, delivery);
	hand_off(worker);
	loop_later(worker->loop, &outlet->run);
}

struct unreachable {
	struct outlet *outlet;
	const struct sessions_failure *failure;
};

static bool end_unreachable(void *owner, struct job *job)
{
	const struct unreachable *unreachable = owner;
	const struct sessions_failure *failure = unreachable->failure;
	struct plan *plan = job->plan;
	struct attempt attempt = {
		.evidence = failure->evidence,
		.route = way_route(unreachable->outlet, plan),
	};
	struct way way;

	way_init(&way);
	if (failure->address != NULL) {
		endpoint_add(&way.mx, failure->address, false);
		attempt.route.mx_address = buf_slice(&way.mx);
	}
	attempt.route.mx = failure->host;
	attempt.route.session = failure->session;
	ending_finish(&plan, &attempt);
	way_clear(&way);
	return true;
}

/*
 * No host of the site can be used from here now.  While other connections of the
 * lane work, that is no news for the jobs; else each gets an attempt with this
 * evidence, and the lane stays away for a while.
 */
static void on_unreachable(void *owner, const struct sessions_failure *failure)
{
	struct outlet *outlet = owner;
	struct worker *worker = outlet->worker;
	int64_t now_us = loop_now_us(worker->loop);
	uint8_t spread;

	if (failure->evidence.failure == FAILURE_LOCAL) {
		shortages_socket(worker, outlet->source->name, failure->evidence.text);
		sources_check(worker->sources);
		outlet->paused_until_us = now_us + LOCAL_PAUSE_US;
		loop_later(worker->loop, &outlet->run);
		return;
	}
	id_random_bytes(&spread, sizeof(spread));
	lane_failed(
		outlet->lane, now_us, outlet->pace->suspend_max_us, spread, failure->evidence.text);
	if (outlet->deliveries.count == 0) {
		queue_pick(outlet->queue, end_unreachable, &(struct unreachable){outlet, failure});
	}
	loop_later(worker->loop, &outlet->run);
}

static void on_fewer(void *owner)
{
	struct outlet *outlet = owner;

	outlet_count(outlet);
	loop_later(outlet->worker->loop, &outlet->run);
}

const struct sessions_events delivery_events = {
	.on_input = on_input,
	.on_ready = on_ready,
	.on_go = on_go,
	.on_gate = on_gate,
	.on_outcome = on_outcome,
	.on_unreachable = on_unreachable,
	.on_fewer = on_fewer,
};
