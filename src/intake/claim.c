/*
 * Polls find what is ready; the owner says how much of it there are permits for; one
 * claim takes it under one fresh token; a second request reads the jobs.  One claim
 * is under way at a time, the next follows at once while there is both work and room.
 *
 * The token of a claim is remembered from before it is sent until its last batch is
 * over.  A claim whose answer was lost is forgotten, and the sweep for tokens that
 * nobody remembers (chores.c) gives its batches back.
 */
#include "intake_private.h"

#include "base/mem.h"
#include "base/time.h"

enum {
	READY_MAX = 10000, /* kinds known at a time */
	KEYS_A_CLAIM = 200,
	JOBS_A_CLAIM = 2000,
	RECENT_MAX = 1000, /* rows of the index of due times, a poll */
	INBOX_TENANTS = 16,
	SPLITS_A_KEY = 2,
	SPLITS_LOST = 64, /* batches that three owners have lost: each gives an eighth */
};

#define POLL_WAIT_US (3 * TIME_SECOND_US)
#define POLL_OVERLAP_US (2 * TIME_SECOND_US)

static void look(void *owner);

static void set_poll(struct intake *intake, bool worked)
{
	struct claimer *claimer = &intake->claimer;

	claimer->pause_us = worked ? intake->settings.poll_busy_us : claimer->pause_us * 2;
	if (claimer->pause_us > intake->settings.poll_idle_us) {
		claimer->pause_us = intake->settings.poll_idle_us;
	}
	if (!claimer->polling) {
		timer_set(&claimer->poll, loop_now_us(intake->loop) + claimer->pause_us);
	}
}

static bool on_polled(struct intake *intake, const struct pg_answer *answer, void *context)
{
	struct claimer *claimer = &intake->claimer;

	(void)context;
	claimer->polling = false;
	if (answer->status != PG_DONE) {
		(void)intake_try_again(answer, "ready_recent");
		set_poll(intake, false);
		return false;
	}
	for (size_t row = 0; row < pg_rows(answer, 0); row++) {
		struct ready kind = {
			.tenant = pg_id(answer, 0, row, 0),
			.pool = pg_text(answer, 0, row, 1),
			.tag = pg_text(answer, 0, row, 2),
			.priority = (int)pg_number(answer, 0, row, 3),
			.careful = pg_bool(answer, 0, row, 5),
		};
		int64_t jobs = pg_number(answer, 0, row, 4);

		ready_set_note(
			claimer->ready, &kind, (unsigned)(jobs < INT32_MAX ? jobs : INT32_MAX));
	}
	for (size_t row = 0; row < pg_rows(answer, 1); row++) {
		struct id tenant = pg_id(answer, 1, row, 0);

		chores_inbox(intake, &tenant);
		claimer->inbox_at = tenant;
	}
	if (pg_rows(answer, 1) < INBOX_TENANTS) {
		claimer->inbox_at = (struct id){{0}};
	}
	set_poll(intake, pg_rows(answer, 0) > 0);
	look(intake);
	return false;
}

static void poll(void *owner)
{
	struct intake *intake = owner;
	struct claimer *claimer = &intake->claimer;
	int64_t now_us = intake_db_now_us(intake);

	if (claimer->polling || claimer->stopped || intake->lease.lost) {
		return;
	}
	struct pg_request *request = intake_request(SQL_READY_RECENT);

	pg_add_number(request, claimer->polled_us - POLL_OVERLAP_US);
	pg_add_number(request, RECENT_MAX);
	intake_statement(request, SQL_INBOX_READY);
	pg_add_id(request, &claimer->inbox_at);
	pg_add_number(request, INBOX_TENANTS);
	claimer->polled_us = now_us;
	claimer->polling = true;
	timer_stop(&claimer->poll);
	intake_ask(intake, &request, POLL_WAIT_US, on_polled, NULL);
}

void claimer_poll_now(struct intake *intake)
{
	if (intake->lease.started) {
		poll(intake);
	}
}

static void forget_asked(struct claimer *claimer)
{
	for (size_t i = 0; i < claimer->asked_count; i++) {
		mem_free((char *)(uintptr_t)claimer->asked[i].pool.p);
		mem_free((char *)(uintptr_t)claimer->asked[i].tag.p);
	}
	mem_free(claimer->asked);
	mem_free(claimer->takes);
	claimer->asked = NULL;
	claimer->takes = NULL;
	claimer->asked_count = 0;
}

/* It must be on no list any more. */
static void claim_free(struct claim **claim)
{
	struct claim *c = *claim;

	*claim = NULL;
	arena_free(&c->arena);
	mem_free(c);
}

/* The kind a claimed row is of: asked_count when it is of none. */
static size_t kind_of(const struct claimer *claimer, const struct pg_answer *answer, size_t row)
{
	struct id tenant = pg_id(answer, 0, row, 0);
	struct slice pool = pg_text(answer, 0, row, 3);
	struct slice tag = pg_text(answer, 0, row, 4);
	int64_t priority = pg_number(answer, 0, row, 5);
	bool careful = pg_bool(answer, 0, row, 16);
	size_t i;

	for (i = 0; i < claimer->asked_count; i++) {
		const struct ready *kind = &claimer->asked[i];

		if (kind->priority == priority && kind->careful == careful &&
			id_equal(kind->tenant, tenant) && slice_equal(kind->pool, pool) &&
			slice_equal(kind->tag, tag)) {
			break;
		}
	}
	return i;
}

/* What each key got; kinds that got less than they asked for are used up. */
static void settle(struct intake *intake, const struct pg_answer *answer)
{
	struct claimer *claimer = &intake->claimer;
	unsigned *got = mem_array(claimer->asked_count, sizeof(got[0]));

	for (size_t row = 0; row < pg_rows(answer, 0); row++) {
		size_t kind = kind_of(claimer, answer, row);

		if (kind < claimer->asked_count) {
			got[kind] += (unsigned)pg_number(answer, 0, row, 7);
		}
	}
	for (size_t i = 0; i < claimer->asked_count; i++) {
		ready_set_claimed(claimer->ready, &claimer->asked[i], claimer->takes[i], got[i]);
	}
	mem_free(got);
}

static void take_row(struct claim *claim, const struct pg_answer *answer, size_t row)
{
	struct claim_row *to = &claim->rows[row];
	struct batch *batch = &claim->batches[row];

	*to = (struct claim_row){
		.tenant = pg_id(answer, 0, row, 0),
		.campaign = pg_id(answer, 0, row, 2),
		.pool = arena_slice(claim->arena, pg_text(answer, 0, row, 3)),
		.priority = (int)pg_number(answer, 0, row, 5),
		.size = (int)pg_number(answer, 0, row, 7),
		.leases = (int)pg_number(answer, 0, row, 8),
		.first_us = pg_number(answer, 0, row, 11),
		.content = pg_id(answer, 0, row, 12),
		.content_version = (int)pg_number(answer, 0, row, 13),
		.keys = arena_slice(claim->arena, pg_text(answer, 0, row, 14)),
	};
	*batch = (struct batch){
		.id = pg_id(answer, 0, row, 1),
		.token = claim->token,
		.tag = arena_slice(claim->arena, pg_text(answer, 0, row, 4)),
		.suspect = pg_bool(answer, 0, row, 9),
		.refiled = pg_bool(answer, 0, row, 10),
		.lost = pg_bool(answer, 0, row, 15),
		.claim = claim,
	};
}

static struct claim *claim_of(struct intake *intake, const struct pg_answer *answer)
{
	struct claim *claim = MEM_NEW(struct claim);
	size_t count = pg_rows(answer, 0);

	claim->arena = arena_new(65536);
	claim->token = intake->claimer.asked_token;
	claim->rows = arena_array(claim->arena, count, sizeof(claim->rows[0]));
	claim->batches = arena_array(claim->arena, count, sizeof(claim->batches[0]));
	claim->count = count;
	claim->open = count;
	claim->bytes_max = intake->claimer.asked_bytes;
	for (size_t row = 0; row < count; row++) {
		take_row(claim, answer, row);
	}
	list_push(&intake->claimer.claims, &claim->link);
	return claim;
}

static int64_t made_us(const struct id *id)
{
	int64_t ms = 0;

	for (int i = 0; i < 6; i++) {
		ms = ms << 8 | id->bytes[i];
	}
	return ms * 1000;
}

/*
 * How old the evidence may be.  A batch that was never leased before and is suspect all the
 * same was leased in a history that Postgres has forgotten: since it was made.
 */
static int64_t since_us(const struct claim *claim, size_t i)
{
	const struct claim_row *row = &claim->rows[i];
	const struct batch *batch = &claim->batches[i];
	bool forgotten = batch->suspect && row->leases <= 1;
	int64_t made = forgotten ? made_us(&batch->id) : INT64_MAX;

	return made < row->first_us ? made : row->first_us;
}

/* A UUIDv7 of a day before the oldest first lease: evidence is not older. */
static struct id evidence_since(const struct claim *claim)
{
	int64_t oldest_us = INT64_MAX;
	struct id id = {{0}};

	for (size_t i = 0; i < claim->count; i++) {
		int64_t us = since_us(claim, i);

		oldest_us = us < oldest_us ? us : oldest_us;
	}
	uint64_t ms = (uint64_t)(oldest_us / 1000) - UINT64_C(86400000);

	for (int i = 0; i < 6; i++) {
		id.bytes[i] = (uint8_t)(ms >> (40 - 8 * i));
	}
	id.bytes[6] = 0x70;
	id.bytes[8] = 0x80;
	return id;
}

void claim_ask_jobs(struct intake *intake, struct claim *claim, const struct pg_answer *first)
{
	struct pg_request *request = intake_request(SQL_JOBS_READ);
	struct id since = evidence_since(claim);

	pg_array(request);
	for (size_t i = 0; i < claim->count; i++) {
		pg_item_id(request, &claim->rows[i].tenant);
	}
	pg_array_end(request);
	pg_array(request);
	for (size_t i = 0; i < claim->count; i++) {
		pg_item_id(request, &claim->batches[i].id);
	}
	pg_array_end(request);
	pg_add_id(request, &intake->lease.worker);
	pg_add_id(request, &claim->token);
	pg_add_id(request, &since);
	claim_add_spellings(request, first);
	pg_add_number(request, (int64_t)claim->bytes_max);
	intake_statement(request, SQL_CAMPAIGN_READ);
	pg_array(request);
	for (size_t i = 0; i < claim->count; i++) {
		pg_item_id(request, &claim->rows[i].tenant);
	}
	pg_array_end(request);
	pg_array(request);
	for (size_t i = 0; i < claim->count; i++) {
		pg_item_id(request, &claim->rows[i].campaign);
	}
	pg_array_end(request);
	intake->claimer.reading = claim;
	intake_ask(intake, &request, POLL_WAIT_US, claim_read, NULL);
}

void claim_settled(struct intake *intake)
{
	struct claimer *claimer = &intake->claimer;

	claimer->reading = NULL;
	claimer->claiming = false;
	loop_later(intake->loop, &claimer->look);
}

void claim_forget(struct intake *intake, struct claim *claim)
{
	list_remove(&intake->claimer.claims, &claim->link);
	claim_free(&claim);
	claim_settled(intake);
}

static bool on_claimed(struct intake *intake, const struct pg_answer *answer, void *context)
{
	struct claimer *claimer = &intake->claimer;

	(void)context;
	if (answer->status == PG_DONE) {
		lease_beat(intake, answer, 1);
		settle(intake, answer);
	} else if (intake_try_again(answer, "claim")) {
		chores_doubt(intake);
	}
	forget_asked(claimer);
	if (answer->status == PG_DONE && pg_rows(answer, 0) > 0) {
		claim_ask_jobs(intake, claim_of(intake, answer), NULL);
		claimer->asked_token = (struct id){{0}};
		return false;
	}
	claimer->asked_token = (struct id){{0}};
	claimer->claiming = false;
	if (answer->status == PG_DONE || claimer->stopped) {
		loop_later(intake->loop, &claimer->look); /* the other kinds */
	}
	return false;
}

/*
 * Keeps what was granted: at most so many keys and jobs; when distributed, of one tenant.  It
 * begins behind where the last one ended, so that nobody's place in the list is for ever.
 */
static void take_grants(
	struct intake *intake, const struct ready *kinds, size_t count, const unsigned *grants)
{
	struct claimer *claimer = &intake->claimer;
	const struct id *tenant = NULL;
	unsigned left = JOBS_A_CLAIM;
	size_t begin = claimer->turn;

	claimer->asked = mem_array(KEYS_A_CLAIM, sizeof(claimer->asked[0]));
	claimer->takes = mem_array(KEYS_A_CLAIM, sizeof(claimer->takes[0]));
	for (size_t n = 0; n < count && claimer->asked_count < KEYS_A_CLAIM && left > 0; n++) {
		struct ready *to = &claimer->asked[claimer->asked_count];
		size_t i = (begin + n) % count;

		if (grants[i] == 0 ||
			(tenant != NULL && intake->settings.distributed &&
				!id_equal(*tenant, kinds[i].tenant))) {
			continue;
		}
		tenant = &kinds[i].tenant;
		*to = kinds[i];
		to->pool = slice_make(mem_copy(to->pool.p, to->pool.n), to->pool.n);
		to->tag = slice_make(mem_copy(to->tag.p, to->tag.n), to->tag.n);
		claimer->takes[claimer->asked_count] = grants[i] < left ? grants[i] : left;
		left -= claimer->takes[claimer->asked_count++];
		claimer->turn = i + 1;
	}
	if (claimer->asked_count == 0) {
		forget_asked(claimer);
	}
}

static void add_keys(struct pg_request *request, const struct claimer *claimer)
{
	size_t count = claimer->asked_count;

	pg_array(request);
	for (size_t i = 0; i < count; i++) {
		pg_item_id(request, &claimer->asked[i].tenant);
	}
	pg_array_end(request);
	pg_array(request);
	for (size_t i = 0; i < count; i++) {
		pg_item_text(request, claimer->asked[i].pool);
	}
	pg_array_end(request);
	pg_array(request);
	for (size_t i = 0; i < count; i++) {
		pg_item_text(request, claimer->asked[i].tag);
	}
	pg_array_end(request);
	pg_array(request);
	for (size_t i = 0; i < count; i++) {
		pg_item_number(request, claimer->asked[i].priority);
	}
	pg_array_end(request);
	pg_array(request);
	for (size_t i = 0; i < count; i++) {
		pg_item_number(request, claimer->takes[i]);
	}
	pg_array_end(request);
}

static void claim(struct intake *intake)
{
	struct claimer *claimer = &intake->claimer;
	struct pg_request *request = intake_request(SQL_CLAIM);
	int64_t wall_ms = loop_wall_us(intake->loop) / 1000;

	add_keys(request, claimer);
	pg_array(request);
	for (size_t i = 0; i < claimer->asked_count * SPLITS_A_KEY + SPLITS_LOST; i++) {
		struct id id = id_make(wall_ms);

		pg_item_id(request, &id);
	}
	pg_array_end(request);
	claimer->asked_token = id_random();
	pg_add_id(request, &intake->lease.worker);
	pg_add_id(request, &claimer->asked_token);
	pg_add_null(request); /* the whole backlog */
	pg_array(request);
	for (size_t i = 0; i < claimer->asked_count; i++) {
		pg_item_bool(request, claimer->asked[i].careful);
	}
	pg_array_end(request);
	lease_add_beat(intake, request);
	claimer->claiming = true;
	intake_ask(intake, &request, POLL_WAIT_US, on_claimed, NULL);
}

static void tell_quiet(struct claimer *claimer)
{
	void (*on_quiet)(void *owner) = claimer->on_quiet;

	claimer->on_quiet = NULL;
	if (on_quiet != NULL) {
		on_quiet(claimer->quiet_owner);
	}
}

/* Claims, when something is ready and the owner has room for it. */
static void look(void *owner)
{
	struct intake *intake = owner;
	struct claimer *claimer = &intake->claimer;
	size_t count = 0;
	const struct ready *kinds = ready_set_list(claimer->ready, &count);

	if (claimer->stopped && !claimer->claiming) {
		tell_quiet(claimer);
	}
	if (count == 0 || claimer->claiming || claimer->stopped || caution_waits(intake) ||
		!intake_live(intake)) {
		return;
	}
	unsigned *grants = mem_array(count, sizeof(grants[0]));

	intake->events.choose(intake->owner, kinds, count, grants, &claimer->asked_bytes);
	take_grants(intake, kinds, count, grants);
	mem_free(grants);
	if (claimer->asked_count > 0) {
		claim(intake);
	}
}

void intake_hurry(struct intake *intake)
{
	loop_later(intake->loop, &intake->claimer.look);
}

struct slice intake_keep(struct batch *batch, struct slice text)
{
	struct claim *claim = batch->claim;

	if (!slice_equal(claim->kept, text)) {
		claim->kept = arena_slice(claim->arena, text);
	}
	return claim->kept;
}

void intake_batch_over(struct intake *intake, struct batch *batch)
{
	struct claim *over = batch->claim;

	if (--over->open == 0) {
		list_remove(&intake->claimer.claims, &over->link);
		claim_free(&over);
	}
}

void claimer_stop(struct intake *intake, void (*on_quiet)(void *owner), void *owner)
{
	struct claimer *claimer = &intake->claimer;

	claimer->stopped = true;
	claimer->on_quiet = on_quiet;
	claimer->quiet_owner = owner;
	loop_later(intake->loop, &claimer->look);
}

void claimer_start(struct intake *intake)
{
	intake->claimer.polled_us = intake_db_now_us(intake);
	poll(intake);
}

void claimer_open(struct intake *intake)
{
	struct claimer *claimer = &intake->claimer;

	claimer->ready = ready_set_new(READY_MAX);
	list_init(&claimer->claims);
	timer_init(&claimer->poll, intake->loop, poll, intake);
	later_init(&claimer->look, look, intake);
	claimer->pause_us = intake->settings.poll_busy_us;
}

void claimer_clear(struct intake *intake)
{
	struct claimer *claimer = &intake->claimer;
	struct list_link *link;

	while ((link = list_pop(&claimer->claims)) != NULL) {
		struct claim *left = LIST_OWNER(link, struct claim, link);

		claim_free(&left);
	}
	forget_asked(claimer);
	ready_set_free(&claimer->ready);
}
