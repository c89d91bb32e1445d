/*
 * Permits: what to claim.  The worker's credit is the number of jobs it may hold, of
 * ordinary size: half of limits.memory divided by their number is the unit, and a job
 * that is larger takes up as many as it weighs.  So all shares hold for memory as well,
 * and mail with large merge variables takes nobody's room.  What a job of a kind weighs
 * is known from those that came; of the first ones too many may be claimed, then what
 * is more than memory allows comes without variables and is given back (jobs_read).
 *
 * Each kind (tenant, pool, tag) has a window, like a TCP sender: it doubles when
 * all of it found room and halves when a site was full, so that a backlog for one
 * slow site does not wash through the worker's hands again and again.
 *
 * Campaigns that want nothing sent twice (on_in_doubt is not retry) are kinds of their own:
 * what is lost with this worker may have been sent, and nobody sends it again.  So of them
 * is held what leaves within five seconds, as shaping permits and as the last seconds went.
 *
 * A kind tagged source:NAME was left to the worker that has this source: the others of
 * its node do not take it.  A kind tagged site:HASH was filed for a site by somebody who
 * knew it; it gets the room that site has here.  What such a site has no room for stays
 * where it is: it is due, and comes as soon as the site takes mail again.
 */
#include "load.h"

#include "away.h"
#include "barren.h"
#include "base/mem.h"
#include "base/time.h"
#include "logbook.h"
#include "queue/credit.h"
#include "shape/place.h"
#include "shortage.h"
#include "sources.h"
#include "window.h"

#define WEIGHT_ORDINARY 100
#define KNOWN_MOST 100000
#define HORIZON_US (120 * TIME_SECOND_US)
#define UNITS_MOST 100000000
#define PATIENCE_PARTS 15            /* of the time for a greeting: who takes longer is silent */
#define HESITATION_US TIME_SECOND_US /* by then most have answered */
#define CLAIM_PART 8 /* of the memory, what one claim may bring: it is there twice for a moment */

/* What is known of a tenant's weight, for claims. */
struct known {
	unsigned weight;
};

struct permits {
	struct worker *worker;
	struct shortages *shortages;
	struct map *known; /* by tenant */
	struct loads *loads;
	struct windows *windows;
	unsigned units;     /* of all jobs at hand */
	size_t bytes;       /* of all jobs at hand */
	int64_t counted_us; /* when these were counted: once a turn */
	size_t suspended;
	size_t unproven;
};

struct permits *permits_new(struct worker *worker)
{
	struct permits *permits = MEM_NEW(struct permits);

	permits->worker = worker;
	permits->shortages = shortages_new(worker);
	permits->loads = loads_new();
	permits->windows = windows_new(worker->loop);
	permits->known = map_new();
	return permits;
}

static void free_values(struct map **map)
{
	size_t at = 0;
	struct slice key;
	void *value;

	while (map_next(*map, &at, &key, &value)) {
		mem_free(value);
	}
	map_free(map);
}

void permits_free(struct permits **permits)
{
	if (*permits == NULL) {
		return;
	}
	shortages_free(&(*permits)->shortages);
	windows_free(&(*permits)->windows);
	free_values(&(*permits)->known);
	loads_free(&(*permits)->loads);
	mem_free(*permits);
	*permits = NULL;
}

struct loads *permits_loads(const struct permits *permits)
{
	return permits->loads;
}

void permits_start(struct permits *permits)
{
	shortages_start(permits->shortages);
}

struct shortages *permits_shortages(const struct permits *permits)
{
	return permits->shortages;
}

/* Half of the memory is for jobs, and each has its part of that. */
static size_t unit_bytes(const struct permits *permits)
{
	const struct config_limits *limits = &permits->worker->equipment->config->limits;
	size_t bytes = limits->memory_bytes / 2 / limits->jobs;

	return bytes > 0 ? bytes : 1;
}

static unsigned units_of(const struct permits *permits, size_t bytes)
{
	size_t unit = unit_bytes(permits);
	size_t units = (bytes + unit - 1) / unit;

	return units < UNITS_MOST ? (unsigned)units : UNITS_MOST;
}

unsigned permits_hold(struct permits *permits, size_t bytes)
{
	unsigned units = units_of(permits, bytes + JOB_BYTES);

	permits->units += units;
	permits->bytes += bytes + JOB_BYTES;
	return units;
}

void permits_let_go(struct permits *permits, unsigned units, size_t bytes)
{
	permits->units -= units;
	permits->bytes -= bytes + JOB_BYTES;
}

size_t permits_bytes(const struct permits *permits)
{
	return permits->bytes;
}

static unsigned share_of_a_site(const struct permits *permits)
{
	const struct config_limits *limits = &permits->worker->equipment->config->limits;
	unsigned share = (unsigned)(limits->jobs * limits->site_share);

	return share > limits->site_jobs_min ? share : limits->site_jobs_min;
}

static unsigned less(unsigned most, unsigned held)
{
	return most > held ? most - held : 0;
}

static unsigned smaller(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

static unsigned units_at(const struct load *load)
{
	return load != NULL ? load->units : 0;
}

/*
 * A tenant that has filled the site's share leaves the others theirs: an equal part, beyond
 * the share where it must be.  All of that together is a few shares and not many.
 */
static unsigned room_by_share(
	const struct permits *permits, const struct load *whole, const struct load *part)
{
	unsigned share = share_of_a_site(permits);
	unsigned fair;

	if (whole == NULL || whole->units <= share / 2) {
		return share - units_at(whole); /* no equal part is more */
	}
	fair = less(share / (whole->parts + (part == NULL ? 1 : 0)), units_at(part));
	share = less(share, whole->units);
	return share > fair ? share : fair;
}

int64_t permits_patience_us(const struct permits *permits)
{
	return permits->worker->equipment->timeouts.greeting_us / PATIENCE_PARTS;
}

static void ask_place(
	const struct permits *permits, struct slice site, struct place_answer *ret_place)
{
	const struct worker *worker = permits->worker;

	shape_ask_place(worker->shape, site, loop_now_us(worker->loop),
		permits_patience_us(permits), ret_place);
}

/* While none of its sites answers all of them together have the share of one. */
static unsigned room_at_provider(const struct permits *permits, const struct provider *provider)
{
	int64_t now_us = loop_now_us(permits->worker->loop);

	if (provider == NULL || !provider_is_silent(provider, now_us, HESITATION_US)) {
		return UINT32_MAX;
	}
	return less(share_of_a_site(permits), units_at(loads_provider(permits->loads, provider)));
}

static unsigned room_at_place(const struct permits *permits, struct slice site,
	const struct id *tenant, const struct place_answer *place)
{
	const struct load *whole = loads_site(permits->loads, site);
	const struct load *part = loads_part(permits->loads, site, tenant);
	unsigned room = room_by_share(permits, whole, part);

	room = smaller(room, room_at_provider(permits, place->provider));
	if (place->room == UINT32_MAX) {
		return room;
	}
	/* A silent site has a probe of each tenant, or one's could keep all others from their end. */
	return smaller(room,
		less(place->room, units_at(place->standing == STANDING_SILENT ? part : whole)));
}

unsigned permits_room_at_site(
	const struct permits *permits, struct slice site, const struct id *tenant)
{
	struct place_answer place;

	ask_place(permits, site, &place);
	return room_at_place(permits, site, tenant, &place);
}

/* Jobs that wait for sites which do not answer now, and for those that never have yet. */
static void count_waiting(struct permits *permits)
{
	struct worker *worker = permits->worker;

	permits->counted_us = loop_now_us(worker->loop);
	permits->suspended = 0;
	permits->unproven = 0;
	for (const struct list_link *link = list_first(&worker->outlets); link != NULL;
		link = list_next(&worker->outlets, link)) {
		const struct outlet *outlet = LIST_OWNER(link, struct outlet, link);

		if (outlet_is_away(outlet)) {
			permits->suspended += queue_count(outlet->queue);
		} else if (!lane_is_proven(outlet->lane)) {
			permits->unproven += queue_count(outlet->queue);
		}
	}
}

/* Jobs that the share of suspended sites is for, as heavy as those at hand are one like the other. */
static double suspended_most(const struct permits *permits)
{
	const struct worker *worker = permits->worker;
	const struct config_limits *limits = &worker->equipment->config->limits;
	double mean = worker->at_hand > 0 ? (double)permits->units / (double)worker->at_hand : 1;

	return limits->jobs * limits->suspended_share / mean;
}

static void count_anew(struct permits *permits)
{
	if (permits->counted_us != loop_now_us(permits->worker->loop)) {
		count_waiting(permits);
	}
}

/*
 * Of those that never answered the first have what they want, up to half of what all of them
 * may hold; then each has its probe, so that none is unknown because of others.
 */
static unsigned room_unproven(
	const struct permits *permits, struct slice site, const struct id *tenant)
{
	unsigned most = (unsigned)suspended_most(permits);
	unsigned held = (unsigned)permits->unproven;

	if (held < most / 2) {
		return most / 2 - held;
	}
	return smaller(less(most, held),
		less(PLACE_PROBE, units_at(loads_part(permits->loads, site, tenant))));
}

static unsigned room_suspended(const struct permits *permits)
{
	return less((unsigned)suspended_most(permits), (unsigned)permits->suspended);
}

bool permits_room_to_wait(
	struct permits *permits, const struct outlet *outlet, const struct id *tenant)
{
	count_anew(permits);
	if (outlet_is_away(outlet)) {
		return room_suspended(permits) > 0 && ++permits->suspended;
	}
	return lane_is_proven(outlet->lane) ||
		(room_unproven(permits, lane_site(outlet->lane), tenant) > 0 &&
			++permits->unproven);
}

/* Sites that fell silent with jobs in hand keep equal parts of what all of them may hold. */
void permits_shed(struct permits *permits)
{
	struct worker *worker = permits->worker;
	double part;

	count_waiting(permits);
	if (permits->suspended == 0) {
		return;
	}
	part = suspended_most(permits) / (double)permits->suspended;
	for (struct list_link *link = list_first(&worker->outlets); part < 1 && link != NULL;
		link = list_next(&worker->outlets, link)) {
		struct outlet *outlet = LIST_OWNER(link, struct outlet, link);

		if (outlet_is_away(outlet)) {
			outlet_shed(outlet, (size_t)((double)queue_count(outlet->queue) * part));
		}
	}
}

struct window *permits_count(struct permits *permits, const struct job *job)
{
	struct window *window = NULL;

	if (job->batch->campaign->on_in_doubt != ON_IN_DOUBT_RETRY) {
		window = window_of_job(permits->windows, job);
		window->held++;
	}
	return window;
}

void permits_sent(struct window *window)
{
	if (window != NULL) {
		window->sent++;
	}
}

void permits_uncount(struct permits *permits, struct window **window)
{
	if (*window != NULL && --(*window)->held == 0) {
		intake_hurry(permits->worker->intake);
	}
	*window = NULL;
}

void permits_learn(struct permits *permits, const struct job *job, size_t bytes)
{
	window_learn(window_of_job(permits->windows, job), bytes);
}

void permits_overflow(struct permits *permits, const struct job *job)
{
	window_narrow(window_of_job(permits->windows, job), job->batch->refiled);
}

/* One more than fits where none does: a job larger than all the room must go some day. */
static unsigned jobs_for(unsigned units, unsigned weight)
{
	return units / weight + (units % weight > 0 ? 1 : 0);
}

/*
 * A site that works has its share.  Of others a few are claimed, twice as many where all of
 * those ended without waiting for the site (their lifetime was over), and none while it may
 * not be tried: for all such sites no more together than may wait for them.
 */
static unsigned wanted_of_site(struct permits *permits, const struct ready *ready,
	struct slice site, unsigned weight, unsigned most)
{
	struct window *window = window_of(permits->windows, ready);
	struct place_answer place;
	size_t *waiting;
	unsigned room;

	ask_place(permits, site, &place);
	room = room_at_place(permits, site, &ready->tenant, &place);
	if (place.standing == STANDING_WELL) {
		window->probe = PLACE_PROBE; /* should it fall silent */
		return smaller(most, jobs_for(room, weight));
	}
	if (place.wait_us > 0 || room == 0) {
		return 0;
	}
	if (place.standing == STANDING_SILENT) {
		waiting = &permits->suspended;
		room = room_suspended(permits);
	} else {
		waiting = &permits->unproven;
		room = smaller(room, room_unproven(permits, site, &ready->tenant));
	}
	most = smaller(most, smaller(window->probe, room));
	*waiting += most;
	return most;
}

/* Others of this node have a source of the pool, or those of other nodes may. */
static unsigned wanted_of_barren(const struct worker *worker, struct slice pool, unsigned most)
{
	if (sources_any_elsewhere(worker->sources, pool, NULL) != NULL ||
		!barren_is_news(worker, pool)) {
		return 0;
	}
	return smaller(most, 1);
}

/* What of `most` shaping would let through soon, whatever the credit says; a job has this weight. */
static unsigned wanted(
	struct permits *permits, const struct ready *ready, unsigned weight, unsigned most)
{
	struct worker *worker = permits->worker;
	struct pool *pool = shape_find_pool(worker->shape, ready->pool);
	struct provider *provider = shape_find_provider(worker->shape, ready->tag);
	int64_t horizon_us = ready->careful ? CAREFUL_US : HORIZON_US;

	if (slice_starts(ready->tag, SLICE("site:"))) {
		most = wanted_of_site(permits, ready, slice_from(ready->tag, 5), weight, most);
	}
	most = smaller(most, jobs_for(room_at_provider(permits, provider), weight));
	if (slice_starts(ready->tag, SLICE("source:"))) { /* for one of us alone, or for all */
		return sources_elsewhere(worker->sources, slice_from(ready->tag, 7)) ? 0 : most;
	}
	if (pool == NULL) {
		return wanted_of_barren(worker, ready->pool, most);
	}
	return pool_permits(pool, provider, loop_now_us(worker->loop), horizon_us, most);
}

/* Of a careful kind those at hand are the first that permits and rates are for. */
static unsigned wanted_now(
	struct permits *permits, const struct ready *ready, struct window *window, unsigned weight)
{
	unsigned jobs;

	if (!ready->careful) {
		return wanted(permits, ready, weight, ready->jobs);
	}
	jobs = wanted(permits, ready, weight, window_careful(permits->windows, window));
	jobs = jobs > window->held ? jobs - window->held : 0;
	return jobs < ready->jobs ? jobs : ready->jobs;
}

/* As the tenant's last jobs said; the ordinary weight while there were none. */
static unsigned weight_of(const struct permits *permits, const struct id *tenant)
{
	const struct known *known = map_get(permits->known, id_slice(tenant));

	return known != NULL ? known->weight : WEIGHT_ORDINARY;
}

void permits_know(struct permits *permits, const struct tenant *tenant)
{
	struct known *known = map_get(permits->known, id_slice(&tenant->id));

	if (known == NULL && map_count(permits->known) < KNOWN_MOST) {
		known = MEM_NEW(struct known);
		map_put(permits->known, id_slice(&tenant->id), known);
	}
	if (known != NULL) {
		known->weight = tenant->weight > 0 ? (unsigned)tenant->weight : 1;
	}
}

static void fill_ask(struct permits *permits, const struct ready *ready, struct credit_ask *ask)
{
	const struct load *load = loads_tenant(permits->loads, &ready->tenant);
	struct window *window = window_of(permits->windows, ready);
	unsigned weight = units_of(permits, window->bytes);
	unsigned jobs = wanted_now(permits, ready, window, weight);

	jobs = jobs < window->jobs ? jobs : window->jobs;
	*ask = (struct credit_ask){
		.tenant = ready->tenant,
		.priority = ready->priority,
		.weight = weight_of(permits, &ready->tenant),
		.held = units_at(load),
		.wanted = jobs < UNITS_MOST / weight ? jobs * weight : UNITS_MOST,
	};
}

/*
 * Units that may come: of the limit, of what the DNS bears, of memory; of that something may,
 * always.  None while no dot may leave: it would only be kept from others.
 */
static unsigned credit_of(const struct permits *permits, unsigned limit)
{
	struct worker *worker = permits->worker;
	unsigned room;

	if (!gate_flows(worker) || (worker->at_hand > 0 && memory_is_full(worker))) {
		return 0;
	}
	/* Behind the gate, which may have opened just now and begun the ramp. */
	room = (unsigned)resolver_room(worker->resolver, away_jobs(worker->away, limit));
	return permits->units < room ? room - permits->units : 0;
}

/* From units to jobs; a kind of which all found room may ask for more next time. */
static unsigned grant(
	struct permits *permits, const struct ready *ready, const struct credit_ask *ask)
{
	struct window *window = window_of(permits->windows, ready);
	unsigned jobs = jobs_for(ask->granted, units_of(permits, window->bytes));

	window_widen(window, jobs);
	return jobs;
}

void permits_choose(
	void *owner, const struct ready *ready, size_t count, unsigned *ret_jobs, size_t *ret_bytes)
{
	struct worker *worker = owner;
	struct permits *permits = worker->permits;
	const struct config_limits *limits = &worker->equipment->config->limits;
	unsigned credit = credit_of(permits, limits->jobs);
	struct credit_ask *asks = mem_array(count > 0 ? count : 1, sizeof(*asks));

	windows_forget(permits->windows);
	count_waiting(permits);
	for (size_t i = 0; i < count; i++) {
		fill_ask(permits, &ready[i], &asks[i]);
	}
	credit_share(asks, count, credit, limits->jobs);
	for (size_t i = 0; i < count; i++) {
		ret_jobs[i] = grant(permits, &ready[i], &asks[i]);
	}
	mem_free(asks);
	*ret_bytes = credit * unit_bytes(permits);
	if (*ret_bytes > limits->memory_bytes / CLAIM_PART) {
		*ret_bytes = limits->memory_bytes / CLAIM_PART;
	}
}
