/*
 * The lease: one row in `workers`, renewed by one UPDATE.  Its end is reckoned on
 * CLOCK_BOOTTIME from before the renewal was asked for, so that our idea of it ends
 * before the database's.  A renewal that finds no live row means that somebody
 * declared us dead: that is for ever.
 *
 * A renewal that failed is asked again soon, each time with a new reckoning.
 *
 * With each renewal goes a look at the others (peers.c).
 */
#include "intake_private.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/time.h"

#define LEASE_WAIT_US (3 * TIME_SECOND_US)
#define LEASE_AGAIN_US TIME_SECOND_US

static void start(struct intake *intake);
static void renew(struct intake *intake);

static void on_renew_due(void *owner)
{
	struct intake *intake = owner;

	if (intake->lease.lost || intake->lease.asking) {
		return;
	}
	if (intake->lease.started) {
		renew(intake);
	} else {
		start(intake);
	}
}

static void set_renew(struct intake *intake, int64_t in_us)
{
	timer_set(&intake->lease.renew, loop_now_us(intake->loop) + in_us);
}

static void ask_from_now(struct intake *intake)
{
	intake->lease.asking = true;
	intake->lease.asked_for_us = intake->settings.lease_us;
	intake->lease.asked_us = loop_boot_us(intake->loop);
}

/* What this node writes down of times goes by the database's clock, which all nodes share. */
static void set_clock(struct intake *intake, int64_t db_now_us)
{
	intake->lease.db_us = db_now_us - loop_boot_us(intake->loop);
	loop_steer(intake->loop, intake->lease.db_us);
}

static void take_row(struct intake *intake, const struct pg_answer *answer, size_t statement)
{
	struct lease *lease = &intake->lease;
	int64_t boot_us = loop_boot_us(intake->loop);

	if (boot_us >= lease->until_us) {
		lease->since_us = boot_us;
	}
	lease->until_us = lease->asked_us + lease->asked_for_us;
	set_clock(intake, pg_number(answer, statement, 0, 1));
	set_renew(intake, lease->sources_news ? 0 : intake->settings.renew_us);
}

void intake_give_up(struct intake *intake)
{
	intake->lease.lost = true;
	intake->lease.until_us = 0;
}

void intake_fence(struct intake *intake)
{
	if (intake->lease.lost) {
		return;
	}
	intake_give_up(intake);
	log_error(NULL, "fenced", "text=%s",
		log_quote(SLICE("this worker's row was declared dead; it sends nothing more")));
	intake->events.on_fenced(intake->owner);
}

void lease_add_beat(const struct intake *intake, struct pg_request *request)
{
	intake_statement(request, SQL_WORKER_BEAT);
	pg_add_id(request, &intake->lease.worker);
	pg_add_number(request, intake->events.beats(intake->owner));
}

void lease_beat(struct intake *intake, const struct pg_answer *answer, size_t statement)
{
	bool known = pg_rows(answer, statement) > 0;

	intake->events.on_beat(intake->owner, known ? pg_number(answer, statement, 0, 0) : 0,
		known && pg_bool(answer, statement, 0, 1));
}

/* What a renewal asks, in this order. */
enum { RENEW_BEAT, RENEW_LEASE, RENEW_PEERS };

static void take_renewal(struct intake *intake, const struct pg_answer *answer)
{
	lease_beat(intake, answer, RENEW_BEAT);
	if (intake->lease.lost) {
		return; /* that was worse */
	}
	if (pg_rows(answer, RENEW_LEASE) == 0) {
		intake_fence(intake);
	} else if (peers_look(intake, answer, RENEW_PEERS)) {
		take_row(intake, answer, RENEW_LEASE);
	}
}

static bool on_renewed(struct intake *intake, const struct pg_answer *answer, void *context)
{
	(void)context;
	intake->lease.asking = false;
	if (intake->lease.lost) {
		return false; /* being closed */
	}
	if (answer->status != PG_DONE) {
		(void)intake_try_again(answer, "heartbeat");
		intake->lease.since_us = loop_boot_us(intake->loop);
		set_renew(intake, LEASE_AGAIN_US);
	} else {
		take_renewal(intake, answer);
	}
	return false;
}

static void renew(struct intake *intake)
{
	struct pg_request *request = pg_request_new();

	lease_add_beat(intake, request);
	intake_statement(request, SQL_HEARTBEAT);
	pg_add_id(request, &intake->lease.worker);
	pg_add_number(request, intake->settings.lease_us);
	pg_array(request);
	for (size_t i = 0; i < intake->lease.sources_count; i++) {
		pg_item_text(request, slice_of(intake->lease.sources[i]));
	}
	pg_array_end(request);
	pg_add_text(request, intake->settings.config);
	pg_add_bool(request, intake->claimer.stopped);
	intake_statement(request, SQL_WORKER_PEERS);
	pg_add_id(request, &intake->lease.worker);
	intake->lease.sources_news = false;
	ask_from_now(intake);
	intake_ask(intake, &request, LEASE_WAIT_US, on_renewed, NULL);
}

/* What a start asks, in this order. */
enum { START_PEERS, START_LEASE, START_REPLACE, START_FEED };

static bool on_started(struct intake *intake, const struct pg_answer *answer, void *context)
{
	(void)context;
	intake->lease.asking = false;
	if (intake->lease.lost) {
		return false;
	}
	if (answer->status != PG_DONE) {
		(void)intake_try_again(answer, "worker_start");
		set_renew(intake, LEASE_AGAIN_US);
		return false;
	}
	if (!peers_look(intake, answer, START_PEERS)) {
		return false;
	}
	intake->lease.started = true;
	if (pg_rows(answer, START_LEASE) == 0) {
		set_renew(intake, 0); /* an earlier try had got through */
	} else {
		take_row(intake, answer, START_LEASE);
		intake->events.on_beat(intake->owner, pg_number(answer, START_LEASE, 0, 2), true);
	}
	set_clock(intake, pg_number(answer, START_FEED, 0, 1));
	feeds_start(intake, pg_text(answer, START_FEED, 0, 0));
	addresses_start(intake);
	caution_start(intake);
	claimer_start(intake);
	chores_start(intake);
	if (intake->events.on_leased != NULL) {
		intake->events.on_leased(intake->owner);
	}
	return false;
}

/* Whoever had our name on our node is gone, or we would not hold its spool. */
static void start(struct intake *intake)
{
	struct pg_request *request = intake_request(SQL_WORKER_PEERS);

	pg_add_id(request, &intake->lease.worker);
	intake_statement(request, SQL_WORKER_START);
	pg_add_id(request, &intake->lease.worker);
	pg_add_text(request, intake->settings.node);
	pg_add_text(request, intake->settings.name);
	pg_add_text(request, intake->settings.version);
	pg_add_number(request, intake->settings.lease_us);
	pg_add_text(request, intake->settings.machine);
	pg_add_text(request, intake->settings.config);
	intake_statement(request, SQL_WORKER_REPLACE);
	pg_add_id(request, &intake->lease.worker);
	pg_add_text(request, intake->settings.node);
	pg_add_text(request, intake->settings.name);
	pg_array(request);
	for (size_t i = 0; i < intake->lease.replayed_count; i++) {
		pg_item_id(request, &intake->lease.replayed[i]);
	}
	pg_array_end(request);
	pg_add_text(request, intake->settings.machine);
	intake_statement(request, SQL_FEED_START);
	ask_from_now(intake);
	intake_ask(intake, &request, LEASE_WAIT_US, on_started, NULL);
}

int64_t intake_lease_left_us(const struct intake *intake)
{
	int64_t left_us = intake->lease.until_us - loop_boot_us(intake->loop);

	return left_us > 0 && !intake->lease.lost ? left_us : 0;
}

bool intake_live(const struct intake *intake)
{
	return intake_lease_left_us(intake) > 0;
}

void intake_set_sources(struct intake *intake, const struct slice *sources, size_t count)
{
	struct lease *lease = &intake->lease;

	for (size_t i = 0; i < lease->sources_count; i++) {
		mem_free(lease->sources[i]);
	}
	mem_free(lease->sources);
	lease->sources = mem_array(count, sizeof(lease->sources[0]));
	lease->sources_count = count;
	lease->sources_news = true;
	for (size_t i = 0; i < count; i++) {
		lease->sources[i] = slice_string(sources[i]);
	}
	intake_renew(intake);
}

void intake_start(struct intake *intake, const struct id *replayed, size_t count)
{
	intake->lease.replayed = mem_array(count, sizeof(*replayed));
	intake->lease.replayed_count = count;
	for (size_t i = 0; i < count; i++) {
		intake->lease.replayed[i] = replayed[i];
	}
	set_renew(intake, 0);
}

void intake_change_lease(struct intake *intake, int64_t lease_us, int64_t renew_us)
{
	bool changed =
		intake->settings.lease_us != lease_us || intake->settings.renew_us != renew_us;

	intake->settings.lease_us = lease_us;
	intake->settings.renew_us = renew_us;
	if (changed && intake->lease.started) {
		set_renew(intake, 0);
	}
}

void intake_renew(struct intake *intake)
{
	if (intake->lease.started) {
		set_renew(intake, 0);
	}
}

void intake_change_config(struct intake *intake, struct slice config)
{
	if (slice_equal(config, intake->settings.config)) {
		return;
	}
	mem_free((char *)(uintptr_t)intake->settings.config.p);
	intake->settings.config = slice_make(mem_copy(config.p, config.n), config.n);
	intake_renew(intake);
}

void lease_open(struct intake *intake)
{
	intake->lease.worker = id_random();
	timer_init(&intake->lease.renew, intake->loop, on_renew_due, intake);
}

void lease_clear(struct intake *intake)
{
	for (size_t i = 0; i < intake->lease.sources_count; i++) {
		mem_free(intake->lease.sources[i]);
	}
	mem_free(intake->lease.sources);
	mem_free(intake->lease.replayed);
}
