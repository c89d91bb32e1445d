/*
 * An outlet: one lane at work.  Its queue holds the jobs that wait for it, its
 * sessions carry them, shaping says when.  outlet_run() is the one place that
 * moves: it gives queued jobs to idle sessions, and opens connections while the
 * queue is worth another and every limit allows it.  It is called again by what
 * may have changed its answer: a job came, a session became ready or ended, a
 * timer that shaping named is due, room was made.
 */
#include "base/log.h"
#include "base/mem.h"
#include "base/time.h"
#include "equipment.h"
#include "load.h"
#include "logbook.h"
#include "parts.h"
#include "reach.h"
#include "shortage.h"
#include "sources.h"
#include "stop.h"

#define JOBS_PER_CONNECTION 8 /* waiting jobs that are worth one more connection */
#define SUSPENDED_HOLD_US (30 * TIME_SECOND_US) /* longer than this, jobs wait in Postgres */
#define OVERFLOW_US (TIME_SECOND_US / 2)
#define LOOK_AGAIN_US (TIME_SECOND_US / 10)
#define UNREACHED_US (60 * TIME_SECOND_US)
#define UNPROVEN_US TIME_SECOND_US /* by then most have answered */

static void on_timer(void *owner)
{
	outlet_run(owner);
}

static bool is_relay(const struct config_source *source)
{
	return source->relay.host.host != NULL;
}

/* The route that stands for the domain's MX, or NULL. */
static const struct config_route *route_of(const struct plan *plan)
{
	const struct config_route *found =
		config_route(plan->worker->equipment->config, address_domain(&plan->address));

	return found != NULL && found->source == NULL ? found : NULL;
}

static enum tls_policy policy_of(const struct outlet *outlet, const struct plan *plan)
{
	const struct config_route *route = route_of(plan);

	if (is_relay(outlet->source)) {
		return (enum tls_policy)outlet->source->relay.tls;
	}
	return (enum tls_policy)(route != NULL ? route->tls : outlet->pace->tls);
}

static union endpoint endpoint_of(const struct config_address *address)
{
	union endpoint endpoint = {.any.sa_family = AF_UNSPEC};

	if (address->version == 4) {
		endpoint.v4.sin_family = AF_INET;
		memcpy(&endpoint.v4.sin_addr, address->bytes, 4);
	} else if (address->version == 6) {
		endpoint.v6.sin6_family = AF_INET6;
		memcpy(&endpoint.v6.sin6_addr, address->bytes, 16);
	}
	return endpoint;
}

static void set_up(struct outlet *outlet, const struct plan *plan)
{
	const struct config *config = outlet->equipment->config;
	const struct config_source *source = outlet->source;

	outlet->settings = (struct sessions_lane_settings){
		.local4 = endpoint_of(&source->ipv4),
		.local6 = endpoint_of(&source->ipv6),
		.ehlo = slice_of(source->ehlo),
		.tls = policy_of(outlet, plan),
		.tls_context = outlet->equipment->tls,
		.username = slice_of(is_relay(source) ? source->relay.username : NULL),
		.password = slice_of(equipment_password(outlet->equipment, source)),
		.timeouts = &outlet->equipment->timeouts,
		.group = lane_source(outlet->lane),
		.messages_max = outlet->pace->messages_per_connection,
		.idle_us = config_timeout_us(&config->timeouts, config->timeouts.idle_us),
		.age_us = config_timeout_us(&config->timeouts, config->timeouts.reuse_us),
	};
	outlet->sessions = sessions_lane_new(
		outlet->worker->sessions, &outlet->settings, &delivery_events, outlet);
}

static void on_run(void *owner)
{
	outlet_run(owner);
}

static struct outlet *outlet_new(struct plan *plan, struct lane *lane)
{
	struct outlet *outlet = MEM_NEW(struct outlet);
	struct worker *worker = plan->worker;
	const struct config *config = worker->equipment->config;
	struct provider *provider = lane_provider(lane);

	outlet->worker = worker;
	outlet->equipment = equipment_ref(worker->equipment);
	outlet->lane = lane;
	outlet->queue = queue_new();
	outlet->site = site_ref(plan->site);
	outlet->source = source_owner(lane_source(lane));
	outlet->provider =
		provider != NULL ? config_provider(config, provider_name(provider)) : NULL;
	outlet->pace = outlet->provider != NULL ? &outlet->provider->pace : &config->default_site;
	list_init(&outlet->deliveries);
	timer_init(&outlet->timer, worker->loop, on_timer, outlet);
	later_init(&outlet->run, on_run, outlet);
	set_up(outlet, plan);
	list_push(&worker->outlets, &outlet->link);
	lane_set_owner(lane, outlet);
	lane_use(lane);
	return outlet;
}

/* Nothing waits, nothing is under way, nothing is open. */
static bool is_empty(const struct outlet *outlet)
{
	return queue_count(outlet->queue) == 0 && outlet->deliveries.count == 0 &&
		sessions_count(outlet->sessions) == 0;
}

static void outlet_free(struct outlet *outlet)
{
	struct worker *worker = outlet->worker;

	list_remove(&worker->outlets, &outlet->link);
	timer_stop(&outlet->timer);
	loop_later_cancel(worker->loop, &outlet->run);
	sessions_lane_free(&outlet->sessions);
	queue_free(&outlet->queue);
	site_unref(&outlet->site);
	equipment_unref(&outlet->equipment);
	if (lane_owner(outlet->lane) == outlet) {
		lane_set_owner(outlet->lane, NULL);
	}
	if (lane_unuse(outlet->lane) && lane_connections(outlet->lane) == 0 &&
		!lane_is_away(outlet->lane, loop_now_us(worker->loop))) {
		shape_drop_lane(worker->shape, &outlet->lane);
	}
	mem_free(outlet);
	stop_look(worker);
	sources_look(worker->sources);
}

/* The fresh set of addresses of a site is used from the next connection on. */
static void follow_site(struct outlet *outlet, struct site *site)
{
	if (outlet->site != site) {
		site_unref(&outlet->site);
		outlet->site = site_ref(site);
	}
}

/*
 * Domains of one site may differ in what they demand: by their provider, which is
 * part of a lane's name, or by a route with a TLS policy of its own, which becomes
 * part of the site's.  What differs never shares a connection (conformance C18).
 */
static struct lane *lane_of(struct plan *plan, struct source *source, struct provider *provider)
{
	const struct config_route *route = route_of(plan);
	struct lane *lane;
	struct buf site;

	buf_init(&site, 0);
	buf_add(&site, site_key(plan->site));
	if (route != NULL) {
		buf_add_format(&site, "+%d", (int)route->tls);
	}
	lane = shape_lane(plan->worker->shape, source, provider, buf_slice(&site));
	buf_clear(&site);
	return lane;
}

struct outlet *outlet_get(struct plan *plan, struct source *source, struct provider *provider)
{
	struct lane *lane = lane_of(plan, source, provider);
	struct outlet *outlet = lane_owner(lane);

	if (outlet == NULL || outlet->stale) {
		return outlet_new(plan, lane);
	}
	follow_site(outlet, plan->site);
	return outlet;
}

static void give_back_to_site(struct outlet *outlet, struct plan *plan, int64_t wait_us)
{
	struct buf tag;

	buf_init(&tag, 0);
	buf_add_text(&tag, "site:");
	buf_add(&tag, lane_site(outlet->lane));
	plan_give_back(&plan, wait_us, buf_slice(&tag));
	buf_clear(&tag);
}

bool outlet_is_away(const struct outlet *outlet)
{
	int64_t now_us = loop_now_us(outlet->worker->loop);

	return lane_is_away(outlet->lane, now_us) ||
		lane_is_silent(outlet->lane, now_us, permits_patience_us(outlet->worker->permits));
}

/* When the lane may be served again, as far as anybody knows. */
static int64_t next_permit_us(const struct outlet *outlet)
{
	struct lane_answer answer;
	int64_t least_us = lane_is_proven(outlet->lane) ? OVERFLOW_US : UNPROVEN_US;

	lane_ask(outlet->lane, LANE_CONNECT, loop_now_us(outlet->worker->loop), &answer);
	return answer.wait_us != LANE_WAIT_EVENT && answer.wait_us > least_us ? answer.wait_us
									      : least_us;
}

static bool pick_any(void *owner, struct job *job)
{
	struct outlet *outlet = owner;
	struct lane_answer answer;

	lane_ask(outlet->lane, LANE_CONNECT, loop_now_us(outlet->worker->loop), &answer);
	give_back_to_site(outlet, job->plan, answer.wait_us);
	return true;
}

struct shedding {
	struct outlet *outlet;
	size_t keep;
};

static bool pick_rest(void *owner, struct job *job)
{
	struct shedding *shedding = owner;

	if (shedding->keep > 0) {
		shedding->keep--;
		return false;
	}
	give_back_to_site(shedding->outlet, job->plan, next_permit_us(shedding->outlet));
	return true;
}

void outlet_shed(struct outlet *outlet, size_t keep)
{
	queue_pick(outlet->queue, pick_rest, &(struct shedding){outlet, keep});
}

/* A long suspension is waited for in Postgres, not here. */
static bool is_suspended_long(const struct outlet *outlet)
{
	struct lane_answer answer;

	lane_ask(outlet->lane, LANE_CONNECT, loop_now_us(outlet->worker->loop), &answer);
	return answer.limit == LIMIT_SUSPENDED && answer.wait_us > SUSPENDED_HOLD_US;
}

void outlet_push(struct outlet *outlet, struct plan *plan)
{
	struct worker *worker = outlet->worker;
	const struct id *tenant = &plan_tenant(plan)->id;
	struct slice site = lane_site(outlet->lane);

	if (permits_room_at_site(worker->permits, site, tenant) == 0 ||
		!permits_room_to_wait(worker->permits, outlet, tenant)) {
		permits_overflow(worker->permits, plan->job);
		give_back_to_site(outlet, plan, next_permit_us(outlet));
		return;
	}
	plan->site_load = load_outlet(permits_loads(worker->permits), outlet, tenant);
	load_add(plan->site_load, plan->units);
	queue_push(outlet->queue, plan->job);
	loop_later(worker->loop, &outlet->run);
}

/* What the sockets say is told to shaping, so that both count alike. */
void outlet_count(struct outlet *outlet)
{
	size_t count = sessions_count(outlet->sessions);

	while (outlet->counted > count) {
		outlet->counted--;
		lane_disconnected(outlet->lane);
	}
}

static bool worth_another(const struct outlet *outlet)
{
	size_t waiting = queue_count(outlet->queue);
	size_t open = sessions_count(outlet->sessions);
	size_t opening = sessions_opening(outlet->sessions);

	if (waiting <= opening * JOBS_PER_CONNECTION) {
		return false;
	}
	return open == 0 || waiting > open * JOBS_PER_CONNECTION;
}

static void look_again(struct outlet *outlet)
{
	timer_set(&outlet->timer, loop_now_us(outlet->worker->loop) + LOOK_AGAIN_US);
}

/* It was reached when the job was routed: a relay, or hosts that changed since.  Once more, later. */
static bool pick_unreached(void *owner, struct job *job)
{
	struct plan *plan = job->plan;

	(void)owner;
	plan_give_back(&plan, UNREACHED_US, SLICE(""));
	return true;
}

/* No host of the site may be tried from here. */
static void refuse_site(struct outlet *outlet, enum failure failure, struct slice text)
{
	struct sessions_failure refusal = {.evidence = evidence_of_failure(PHASE_CONNECT, failure)};

	refusal.evidence.text = text;
	delivery_events.on_unreachable(outlet, &refusal);
}

/* The addresses to try, in order.  The guard sees each once more: settings may have changed. */
static size_t choose_hosts(struct outlet *outlet, struct host_choice hosts[SITE_CHOICES])
{
	struct site_choice choices[SITE_CHOICES];
	struct reach reach = {outlet->site, outlet->pace};
	size_t n = reach_hosts(&reach, outlet->source, choices);
	size_t kept = 0;

	for (size_t i = 0; i < n; i++) {
		if (resolver_allows(outlet->worker->resolver, outlet->site, &choices[i].endpoint)) {
			hosts[kept++] = (struct host_choice){choices[i].host, choices[i].endpoint};
		}
	}
	if (n == 0) {
		log_warning(NULL, "no_common_family", "source=%s site=%s",
			log_quote(slice_of(outlet->source->name)),
			log_quote(site_name(outlet->site)));
		queue_pick(outlet->queue, pick_unreached, NULL);
	} else if (kept == 0) {
		refuse_site(outlet, FAILURE_GUARDED, slice_of(failure_text(FAILURE_GUARDED)));
	}
	return kept;
}

/* False when no address may be tried. */
static bool open_one(struct outlet *outlet)
{
	struct host_choice hosts[SITE_CHOICES];
	size_t n = choose_hosts(outlet, hosts);

	if (n == 0) {
		return false;
	}
	outlet->counted++;
	lane_connecting(outlet->lane, loop_now_us(outlet->worker->loop));
	sessions_want(outlet->sessions, hosts, n);
	return true;
}

static void wait_for(struct outlet *outlet, const struct lane_answer *answer)
{
	if (answer->wait_us == LANE_WAIT_EVENT) {
		lane_wait_for_room(outlet->lane, answer->limit);
	} else {
		timer_set(&outlet->timer, loop_now_us(outlet->worker->loop) + answer->wait_us);
	}
}

/* Queued jobs to sessions that wait for work.  False when a limit says stop. */
static bool feed_idle(struct outlet *outlet)
{
	while (queue_count(outlet->queue) > 0 && sessions_waiting(outlet->sessions) > 0) {
		struct delivery *delivery = delivery_prepare(outlet);

		if (delivery == NULL) {
			return false;
		}
		delivery_send(delivery, sessions_idle(outlet->sessions));
	}
	return true;
}

/* Of a source's connections those give way that have no work, and those that bring none. */
static void make_room_at_source(struct outlet *outlet, enum lane_limit limit)
{
	if (limit == LIMIT_SOURCE_CONNECTIONS || limit == LIMIT_SOURCE_STRANGERS) {
		sessions_make_room(outlet->worker->sessions, lane_source(outlet->lane),
			limit == LIMIT_SOURCE_CONNECTIONS);
		look_again(outlet);
	}
}

/* Sessions that are open bring their own events; without any, only the clock does. */
static void wait_to_open(struct outlet *outlet, const struct lane_answer *answer)
{
	make_room_at_source(outlet, answer->limit);
	if (sessions_count(outlet->sessions) == 0 || answer->wait_us != LANE_WAIT_EVENT) {
		wait_for(outlet, answer);
	}
}

static void open_more(struct outlet *outlet)
{
	struct lane_answer answer;

	while (worth_another(outlet)) {
		lane_ask(outlet->lane, LANE_CONNECT, loop_now_us(outlet->worker->loop), &answer);
		if (answer.wait_us > 0) {
			wait_to_open(outlet, &answer);
			return;
		}
		if (!shortages_room_for_socket(outlet->worker)) {
			sessions_make_room(outlet->worker->sessions, NULL, true);
			look_again(outlet);
			return;
		}
		if (!open_one(outlet)) {
			return;
		}
	}
}

void outlet_run(struct outlet *outlet)
{
	int64_t now_us = loop_now_us(outlet->worker->loop);

	outlet_count(outlet);
	if (is_empty(outlet) && (outlet->stale || !timer_is_set(&outlet->timer))) {
		outlet_free(outlet);
		return;
	}
	if (queue_count(outlet->queue) == 0) {
		return;
	}
	if (outlet->paused_until_us > now_us) {
		timer_set(&outlet->timer, outlet->paused_until_us);
		return;
	}
	if (is_suspended_long(outlet) && sessions_count(outlet->sessions) == 0) {
		queue_pick(outlet->queue, pick_any, outlet);
		loop_later(outlet->worker->loop, &outlet->run);
		return;
	}
	if (!gate_flows(outlet->worker)) {
		look_again(outlet); /* no use in a connection that may not send */
		return;
	}
	if (feed_idle(outlet)) {
		open_more(outlet);
	}
}

void outlet_run_all(struct worker *worker)
{
	for (struct list_link *link = list_first(&worker->outlets); link != NULL;
		link = list_next(&worker->outlets, link)) {
		loop_later(worker->loop, &LIST_OWNER(link, struct outlet, link)->run);
	}
}

void outlet_on_room(void *owner, struct lane *lane)
{
	struct outlet *outlet = lane_owner(lane);

	(void)owner;
	if (outlet != NULL) {
		loop_later(outlet->worker->loop, &outlet->run);
	}
}

struct picking {
	bool (*pick)(void *owner, struct plan *plan);
	void *owner;
};

static bool pick_one(void *owner, struct job *job)
{
	const struct picking *picking = owner;
	struct plan *plan = job->plan;
	enum gate gate;

	if (!picking->pick(picking->owner, plan)) {
		return false;
	}
	gate = gate_ask(plan, false);
	if (gate == GATE_CANCELLED) {
		plan_skip(&plan, OUTCOME_CANCELLED, SLICE("the campaign was cancelled"));
	} else if (gate == GATE_DONE) {
		plan_known(&plan);
	} else {
		plan_give_back(&plan, 0, SLICE(""));
	}
	return true;
}

void outlet_pick_all(
	struct worker *worker, bool (*pick)(void *owner, struct plan *plan), void *owner)
{
	struct picking picking = {pick, owner};

	for (struct list_link *link = list_first(&worker->outlets); link != NULL;
		link = list_next(&worker->outlets, link)) {
		struct outlet *outlet = LIST_OWNER(link, struct outlet, link);

		queue_pick(outlet->queue, pick_one, &picking);
		loop_later(worker->loop, &outlet->run);
	}
}

void outlet_put_back(struct outlet *outlet, struct plan *plan)
{
	logbook_withdraw(plan);
	if (outlet->stale || outlet->worker->stop != NULL) {
		flow_again(plan);
	} else {
		queue_push(outlet->queue, plan->job);
	}
}

static bool pick_again(void *owner, struct job *job)
{
	(void)owner;
	flow_again(job->plan);
	return true;
}

void outlet_leave_source(struct worker *worker, const struct source *source)
{
	for (struct list_link *link = list_first(&worker->outlets); link != NULL;
		link = list_next(&worker->outlets, link)) {
		struct outlet *outlet = LIST_OWNER(link, struct outlet, link);

		if (lane_source(outlet->lane) == source) {
			queue_pick(outlet->queue, pick_again, outlet);
		}
	}
}

/*
 * Idle connections go now, the others after their message; what waits goes to new
 * outlets, or back to Postgres when the worker stops.  Marked first: a job that is
 * routed anew must not meet an outlet that is about to go.  NULL: of all sources.
 */
static void close_those_of(struct worker *worker, const struct source *source)
{
	for (struct list_link *link = list_first(&worker->outlets); link != NULL;
		link = list_next(&worker->outlets, link)) {
		struct outlet *outlet = LIST_OWNER(link, struct outlet, link);

		if (source != NULL && lane_source(outlet->lane) != source) {
			continue;
		}
		outlet->stale = true;
		sessions_lane_close(outlet->sessions);
		loop_later(worker->loop, &outlet->run);
	}
	for (struct list_link *link = list_first(&worker->outlets); link != NULL;
		link = list_next(&worker->outlets, link)) {
		struct outlet *outlet = LIST_OWNER(link, struct outlet, link);

		if (outlet->stale) {
			queue_pick(outlet->queue, pick_again, outlet);
		}
	}
}

void outlet_close_all(struct worker *worker)
{
	close_those_of(worker, NULL);
}

void outlet_close_source(struct worker *worker, const struct source *source)
{
	close_those_of(worker, source);
}

bool outlet_lingers(const struct worker *worker, struct slice source)
{
	for (const struct list_link *link = list_first(&worker->outlets); link != NULL;
		link = list_next(&worker->outlets, link)) {
		const struct outlet *outlet = LIST_OWNER(link, struct outlet, link);

		if (outlet->stale && slice_equal(source_name(lane_source(outlet->lane)), source)) {
			return true;
		}
	}
	return false;
}
