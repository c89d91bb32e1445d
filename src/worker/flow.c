/*
 * The way of a message, from its claim to its record.  This is the one file that
 * knows the order of the stages; each step either goes on to the next, or ends the
 * job with an attempt (flow_finish) or without one (plan_skip, plan_give_back).
 *
 *	on_jobs     what the claim brought: is it to be sent at all?
 *	begin       the address, the gate's first word
 *	            -> contents  the compiled content of its version
 *	on_content  -> keys      the DKIM keys of its From domain, checked in DNS
 *	on_keys     -> resolve   the site that serves its domain, or a route
 *	on_site     the source of its pool that shall talk to that site: the lane
 *	            -> outlet    waits its turn; composed, signed, sent (delivery.c)
 *	finish      what it meant, what becomes of the job, record
 *
 * No step blocks, and each may be the last: a job is always either in a list, or
 * behind exactly one question whose answer comes back here.
 */
#include "barren.h"
#include "base/log.h"
#include "base/time.h"
#include "contents.h"
#include "hand.h"
#include "holds.h"
#include "intake/content.h"
#include "keys.h"
#include "load.h"
#include "logbook.h"
#include "parts.h"
#include "pins.h"
#include "reach.h"
#include "sources.h"
#include "sql/statements.h"
#include "stop.h"

#define HELD_US (10 * TIME_SECOND_US) /* given back, a feed will say when it may go */
#define NO_KEY_US (60 * TIME_SECOND_US)
#define DNS_AWAY_US (15 * TIME_SECOND_US) /* what waits for the DNS looks again so soon */

static void route(struct plan *plan);

/* Failures of our own before any session: an attempt with no receiver in it. */
static void fail(struct plan *plan, enum phase phase, enum failure failure, struct slice text)
{
	struct attempt attempt = {.evidence = evidence_of_failure(phase, failure)};

	if (text.n > 0) {
		attempt.evidence.text = text;
	}
	ending_finish(&plan, &attempt);
}

/* False when the job ended here. */
static bool pass_gate(struct plan *plan)
{
	switch (gate_ask(plan, false)) {
	case GATE_OPEN:
		return true;
	case GATE_SUPPRESSED:
		plan_skip(&plan, OUTCOME_SUPPRESSED, SLICE("suppressed since it was claimed"));
		break;
	case GATE_CANCELLED:
		plan_skip(&plan, OUTCOME_CANCELLED, SLICE("the campaign was cancelled"));
		break;
	case GATE_HELD:
		plan_give_back(&plan, HELD_US, SLICE(""));
		break;
	case GATE_LEASE:
		plan_give_back(&plan, 0, SLICE(""));
		break;
	case GATE_DONE:
		plan_known(&plan);
		break;
	}
	return false;
}

/* What an earlier attempt has pinned; else what there is now. */
static void take_pins(struct plan *plan)
{
	struct job *job = plan->job;
	struct pins pins = {0};
	bool pinned = pins_parse(job->keys, &pins) && pins.token_key != 0;

	job->doubt = job->doubt || pins.doubt;
	job->possible_duplicate = job->possible_duplicate || job->doubt;
	plan->token_key = pinned ? pins.token_key : token_ring_newest(plan->worker->tokens);
	plan->tracking_domain = pinned ? pins.tracking_domain : plan_tenant(plan)->tracking_domain;
	plan->key_pins = pins.keys;
	plan->unpinned = job->keys.n > 0 && !pinned;
}

/*
 * A worker was lost that had it at hand, and its journal with it: it may have been sent.  Where
 * the campaign wants nothing sent twice, that is a doubt like any other.
 */
static bool end_lost(struct plan *plan)
{
	struct attempt attempt = {.evidence = evidence_of_failure(PHASE_DOT, FAILURE_LOST)};

	if (!plan->job->batch->lost || plan_campaign(plan)->on_in_doubt == ON_IN_DOUBT_RETRY) {
		return false;
	}
	attempt.evidence.dot_sent = true;
	attempt.evidence.text =
		SLICE("the worker that held it was lost: nobody knows whether it was sent");
	plan->job->possible_duplicate = plan->job->doubt;
	ending_finish(&plan, &attempt);
	return true;
}

static void begin(struct worker *worker, struct job *job)
{
	struct plan *plan = plan_new(worker, job);
	enum address_fault fault;

	hand_on(plan, CELL_CLAIM);
	fault = address_parse(slice_trim(job->recipient), &plan->address);
	if (worker->stop != NULL) {
		plan_give_back(&plan, 0, SLICE(""));
		return;
	}
	if (fault != ADDRESS_OK || plan->address.literal) {
		fail(plan, PHASE_COMPOSE, FAILURE_BAD_ADDRESS,
			slice_of(fault != ADDRESS_OK ? address_fault_text(fault)
						     : "address literals are not written to"));
		return;
	}
	take_pins(plan);
	if (end_lost(plan)) {
		return;
	}
	if (plan_is_over(plan)) {
		plan_skip(&plan, ending_overdue(job), SLICE("its lifetime is over"));
		return;
	}
	if (pass_gate(plan)) {
		contents_find(worker->contents, plan);
	}
}

/* Suppressed; or in doubt, where an attempt before may have been delivered. */
static void skip_suppressed(struct worker *worker, const struct claimed *claimed)
{
	struct job *job = claimed->job;
	struct pins pins = {0};
	bool doubt = job->doubt || (pins_parse(job->keys, &pins) && pins.doubt);

	record_skip(worker->record, job, doubt ? OUTCOME_IN_DOUBT : OUTCOME_SUPPRESSED,
		claimed->reason);
}

static void leave(struct worker *worker, const struct claimed *claimed)
{
	int64_t not_before_us =
		claimed->wait_us > 0 ? loop_wall_us(worker->loop) + claimed->wait_us : 0;

	record_give_back(worker->record, claimed->job, not_before_us, SLICE(""));
}

void flow_on_jobs(void *owner, const struct claimed *claimed, size_t count)
{
	struct worker *worker = owner;

	logbook_claimed(worker, claimed, count);
	for (size_t i = 0; i < count; i++) {
		struct job *job = claimed[i].job;

		permits_learn(worker->permits, job, claimed[i].vars_bytes);
		switch (claimed[i].fate) {
		case JOB_SEND:
			begin(worker, job);
			hand_off(worker);
			break;
		case JOB_SUPPRESSED:
			skip_suppressed(worker, &claimed[i]);
			break;
		case JOB_DONE:
			record_known(worker->record, job, claimed[i].state);
			break;
		case JOB_HEARSAY:
			record_hearsay(worker->record, job, claimed[i].state);
			break;
		case JOB_GONE: /* erased: nobody is left to write to, or to write of */
			record_known(worker->record, job, OUTCOME_CANCELLED);
			break;
		case JOB_LEFT:
			leave(worker, &claimed[i]);
			break;
		}
	}
}

void flow_on_content(struct plan *plan, struct content *content, struct slice faults)
{
	if (content == NULL) {
		fail(plan, PHASE_COMPOSE, FAILURE_COMPOSE, faults);
		return;
	}
	plan->content = content;
	if (plan->worker->stop != NULL) {
		plan_give_back(&plan, 0, SLICE(""));
		return;
	}
	keys_find(plan->worker->keys, plan);
}

void flow_on_no_answer(struct plan *plan)
{
	plan_give_back(&plan, DNS_AWAY_US, SLICE(""));
}

/* The campaign goes on hold where everybody sees it: its reason says what to publish. */
static void hold_campaign(struct worker *worker, const struct campaign *campaign, struct slice why)
{
	struct pg_request *request = pg_request_new();
	int64_t until_db_us = intake_db_now_us(worker->intake) + NO_KEY_US;
	char text[ID_TEXT + 1];

	id_text(campaign->id, text);
	pg_statement(request, sql_statements[SQL_HOLD_ADD].text);
	pg_add_id(request, &campaign->tenant->id);
	pg_add_text(request, SLICE("campaign"));
	pg_add_text(request, slice_of(text));
	pg_add_text(request, why);
	pg_add_number(request, until_db_us);
	pg_send(worker->pg, &request, NO_KEY_US, NULL, NULL);
	/* The feed brings it back within a second; until then, now. */
	holds_on_hold(worker,
		&(struct hold_key){HOLD_CAMPAIGN, campaign->tenant->id, slice_of(text)}, true,
		until_db_us, why);
}

void flow_on_keys(struct plan *plan, struct key_set *keys, struct slice why)
{
	struct worker *worker = plan->worker;

	plan->keys = keys;
	if (keys == NULL && why.n > 0) {
		if (gate_ask(plan, false) == GATE_OPEN) {
			hold_campaign(worker, plan_campaign(plan), why);
		}
		plan_give_back(&plan, NO_KEY_US, SLICE(""));
		return;
	}
	if (worker->stop != NULL) {
		plan_give_back(&plan, 0, SLICE(""));
		return;
	}
	route(plan);
}

/* A site that belongs to somebody we know: by the domain, else by all of its best hosts. */
static struct provider *provider_of(struct plan *plan, const struct site *site)
{
	const struct config *config = plan->equipment->config;
	const struct config_provider *found =
		config_provider_by_domain(config, address_domain(&plan->address));

	for (size_t i = 0; found == NULL && i < site_best_count(site); i++) {
		found = config_provider_by_mx(config, site_best(site, i));
		if (found == NULL) {
			break;
		}
	}
	return found != NULL ? shape_find_provider(plan->worker->shape, slice_of(found->name))
			     : NULL;
}

/* Only this source will do, or would do best: the worker that has it claims the job. */
static void leave_to_other(struct plan *plan, struct slice source)
{
	struct buf tag;

	buf_init(&tag, 0);
	buf_add_text(&tag, "source:");
	buf_add(&tag, source);
	plan_give_back(&plan, 0, buf_slice(&tag));
	buf_clear(&tag);
}

static void enter_lane(struct plan *plan, struct source *source, struct provider *provider)
{
	if (source == NULL || source_owner(source) == NULL) { /* a reload took it away meanwhile */
		plan_give_back(&plan, 0, SLICE(""));
		return;
	}
	if (sources_elsewhere(plan->worker->sources, source_name(source))) {
		leave_to_other(plan, source_name(source));
		return;
	}
	outlet_push(outlet_get(plan, source, provider), plan);
}

/* The DNS is away: that is nobody's failure, and no attempt.  True when the job ended here. */
static bool wait_for_dns(struct plan *plan, const struct site *site)
{
	if (site_failure(site) != FAILURE_DNS_TEMPORARY ||
		!resolver_is_out(plan->worker->resolver)) {
		return false;
	}
	plan_give_back(&plan, DNS_AWAY_US, SLICE(""));
	return true;
}

static void on_relay(void *owner, struct site *site)
{
	struct plan *plan = owner;

	if (wait_for_dns(plan, site)) {
		return;
	}
	if (site_failure(site) != FAILURE_NONE) {
		fail(plan, PHASE_RESOLVE, FAILURE_DNS_TEMPORARY,
			SLICE("the relay's host name does not resolve"));
		return;
	}
	site_unref(&plan->site);
	plan->site = site_ref(site);
	enter_lane(plan, shape_find_source(plan->worker->shape, slice_of(plan->relay->name)), NULL);
}

static void to_relay(struct plan *plan, const struct config_source *source)
{
	if (sources_elsewhere(plan->worker->sources, slice_of(source->name))) {
		leave_to_other(plan, slice_of(source->name));
		return;
	}
	plan->relay = source;
	resolver_find_host(plan->worker->resolver, slice_of(source->relay.host.host),
		source->relay.host.port, on_relay, plan);
}

static void wait_for_source(struct plan *plan, struct slice pool, struct slice remedy)
{
	if (barren_is_news(plan->worker, pool)) {
		barren_told(plan->worker, pool);
		log_warning(NULL, "no_source", "pool=%s tenant=%s remedy=%s", log_quote(pool),
			log_quote(plan_tenant(plan)->name), log_quote(remedy));
	}
	plan_give_back(&plan, BARREN_US, SLICE(""));
}

/* Where others of this node have some of the pool's, they claim it next. */
static void no_source(struct plan *plan, struct slice pool)
{
	if (sources_any_elsewhere(plan->worker->sources, pool, NULL) != NULL) {
		plan_give_back(&plan, 0, SLICE(""));
	} else {
		wait_for_source(plan, pool,
			SLICE("no source of this pool is in use, or there is no such pool: see "
			      "pools in penguin-mta.yaml, and penguinctl hold"));
	}
}

static bool was_left(const struct plan *plan)
{
	return slice_starts(plan->job->batch->tag, SLICE("source:"));
}

/*
 * There are sources, but none with an address of a family that the site has.  That is no
 * fault of a recipient as long as the site has what nearly all have, which is IPv4.
 */
static void no_reach(struct plan *plan, struct slice pool, const struct reach *reach)
{
	const struct config_source *other =
		sources_any_elsewhere(plan->worker->sources, pool, reach);

	if (other != NULL && !was_left(plan)) {
		leave_to_other(plan, slice_of(other->name));
	} else if (other != NULL || site_reachable(plan->site, true, false)) {
		wait_for_source(plan, pool,
			SLICE("no source of this pool that is in use has an ipv4, and there are "
			      "sites that have nothing else"));
	} else {
		fail(plan, PHASE_CONNECT, FAILURE_DNS_NO_ADDRESS,
			SLICE("the site has IPv6 addresses only, and no source uses that there"));
	}
}

/*
 * A retry goes out over the source that greylisting knows, so to the worker that has it;
 * but not while that is held, nor where it has been refiled for that once already.
 */
static bool belongs_elsewhere(const struct plan *plan)
{
	const struct worker *worker = plan->worker;
	struct slice source = plan->job->source;

	return source.n > 0 && sources_elsewhere(worker->sources, source) && !was_left(plan) &&
		!holds_source(worker->holds, source);
}

static const struct config_pace *pace_of(const struct plan *plan, const struct provider *provider)
{
	const struct config *config = plan->worker->equipment->config;
	const struct config_provider *found =
		provider != NULL ? config_provider(config, provider_name(provider)) : NULL;

	return found != NULL ? &found->pace : &config->default_site;
}

static void choose_source(struct plan *plan, struct provider *provider)
{
	struct worker *worker = plan->worker;
	struct slice name = plan_campaign(plan)->pool;
	struct pool *pool = shape_find_pool(worker->shape, name);
	const struct reach reach = {plan->site, pace_of(plan, provider)};
	const struct pool_filter filter = reach_filter(&reach);
	const struct config_source *config;
	struct source *source = NULL;

	if (belongs_elsewhere(plan)) {
		leave_to_other(plan, plan->job->source);
		return;
	}
	if (pool != NULL) {
		source = pool_choose(
			pool, provider, site_key(plan->site), plan->job->source, &filter);
	}
	if (source == NULL && pool != NULL && pool_is_open(pool)) {
		no_reach(plan, name, &reach);
		return;
	}
	if (source == NULL) {
		no_source(plan, name);
		return;
	}
	config = source_owner(source);
	plan_follow(plan); /* the source is of the configuration that is in force now */
	if (config->relay.host.host != NULL) {
		to_relay(plan, config);
	} else {
		enter_lane(plan, source, provider);
	}
}

static void on_site(void *owner, struct site *site)
{
	struct plan *plan = owner;
	struct worker *worker = plan->worker;
	struct provider *provider;

	if (wait_for_dns(plan, site)) {
		return;
	}
	if (site_failure(site) != FAILURE_NONE) {
		fail(plan, PHASE_RESOLVE, site_failure(site), SLICE(""));
		return;
	}
	if (worker->stop != NULL) {
		plan_give_back(&plan, 0, SLICE(""));
		return;
	}
	site_unref(&plan->site);
	plan->site = site_ref(site);
	provider = provider_of(plan, site);
	intake_learn(worker->intake, &plan->job->batch->campaign->tenant->id,
		address_domain(&plan->address),
		provider != NULL ? provider_name(provider) : SLICE("other"), site_key(site));
	choose_source(plan, provider);
}

/* A route or delivery.redirect stands for the domain's MX; the pool still chooses. */
static void on_routed(void *owner, struct site *site)
{
	struct plan *plan = owner;

	if (wait_for_dns(plan, site)) {
		return;
	}
	if (site_failure(site) != FAILURE_NONE) {
		fail(plan, PHASE_RESOLVE, FAILURE_DNS_TEMPORARY,
			SLICE("the route's host name does not resolve"));
		return;
	}
	site_unref(&plan->site);
	plan->site = site_ref(site);
	choose_source(plan, NULL);
}

static void route(struct plan *plan)
{
	struct worker *worker = plan->worker;
	const struct config *config = plan->equipment->config;
	const struct config_endpoint *redirect = &config->delivery.redirect;
	struct slice domain = address_domain(&plan->address);
	const struct config_route *found = config_route(config, domain);

	if (redirect->host != NULL) {
		resolver_find_host(worker->resolver, slice_of(redirect->host), redirect->port,
			on_routed, plan);
	} else if (found != NULL && found->source != NULL) {
		to_relay(plan, found->source);
	} else if (found != NULL) {
		resolver_find_host(worker->resolver, slice_of(found->host.host), found->host.port,
			on_routed, plan);
	} else {
		struct site *site = resolver_cached(worker->resolver, domain);

		if (site != NULL) {
			on_site(plan, site);
		} else {
			resolver_find(worker->resolver, domain, on_site, plan);
		}
	}
}

void flow_again(struct plan *plan)
{
	struct worker *worker = plan->worker;

	if (worker->stop != NULL || !intake_live(worker->intake)) {
		plan_give_back(&plan, 0, SLICE(""));
		return;
	}
	load_drop(&plan->site_load, plan->units);
	site_unref(&plan->site);
	plan->relay = NULL;
	plan_follow(plan);
	route(plan);
}
