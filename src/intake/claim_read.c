/*
 * From a claim's rows and what jobs_read and campaign_read say of them to jobs.
 * Everything goes into the claim's arena, some hundred bytes a job, one free for all;
 * but not the merge variables, which may be large: who keeps the job copies them.
 *
 * A batch that yields no job is not ours any more (the lease went in between).
 *
 * A job that was at hand in two crashes is put into quarantine here and never reaches the
 * sender; so is one that is alone in a batch which twelve owners have lost without a trace
 * of an attempt.  After one crash it rests a little: should it be the cause, then what was
 * at hand beside it has gone out by the next.
 */
#include "intake_private.h"

#include <math.h>

#include "base/codec.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/time.h"
#include "mail/address.h"

#define CRASH_REST_US (10 * TIME_SECOND_US)

enum {
	POISON_CRASHES = 2,
	/* Alone and without an attempt: more often than a machine that is ill kills us. */
	POISON_LOSSES = 12,
};

/* While one claim's answers are read. */
struct reading {
	struct intake *intake;
	struct claim *claim;
	const struct pg_answer *answer;
	struct map *tenants;   /* id -> struct tenant */
	struct map *campaigns; /* tenant, campaign, pool, content, priority -> struct campaign */
	struct map *rows;      /* tenant, campaign -> row of campaign_read + 1 */
	struct claimed *claimed;
	size_t count;
	struct buf key;
};

static struct tenant *tenant_of(struct reading *r, const struct id *id, size_t row)
{
	struct tenant *tenant = map_get(r->tenants, id_slice(id));
	struct arena *arena = r->claim->arena;

	if (tenant != NULL) {
		return tenant;
	}
	tenant = arena_get(arena, sizeof(*tenant));
	*tenant = (struct tenant){
		.id = *id,
		.name = arena_slice(arena, pg_text(r->answer, 1, row, 13)),
		.weight = (int)pg_number(r->answer, 1, row, 14),
		.bounce_domain = arena_slice(arena, pg_text(r->answer, 1, row, 15)),
		.tracking_domain = arena_slice(arena, pg_text(r->answer, 1, row, 16)),
		.sender_id = arena_slice(arena, pg_text(r->answer, 1, row, 17)),
	};
	map_put(r->tenants, id_slice(id), tenant);
	return tenant;
}

static struct slice campaign_key(struct reading *r, const struct claim_row *row)
{
	buf_reset(&r->key);
	buf_add(&r->key, id_slice(&row->tenant));
	buf_add(&r->key, id_slice(&row->campaign));
	return buf_slice(&r->key);
}

static void index_campaigns(struct reading *r)
{
	for (size_t row = 0; row < pg_rows(r->answer, 1); row++) {
		struct claim_row at = {
			.tenant = pg_id(r->answer, 1, row, 0),
			.campaign = pg_id(r->answer, 1, row, 1),
		};

		map_put(r->rows, campaign_key(r, &at), (void *)(uintptr_t)(row + 1));
	}
}

/* As this batch has it: content and pool are its own, whatever the campaign says now. */
static struct campaign *campaign_of(struct reading *r, const struct claim_row *at)
{
	struct arena *arena = r->claim->arena;
	void *found = map_get(r->rows, campaign_key(r, at));

	if (found == NULL) {
		return NULL;
	}
	size_t row = (uintptr_t)found - 1;

	buf_add(&r->key, id_slice(&at->content));
	buf_add_number(&r->key, (uint64_t)(unsigned)at->priority);
	buf_add(&r->key, at->pool);
	struct campaign *campaign = map_get(r->campaigns, buf_slice(&r->key));

	if (campaign != NULL) {
		return campaign;
	}
	campaign = arena_get(arena, sizeof(*campaign));
	*campaign = (struct campaign){
		.tenant = tenant_of(r, &at->tenant, row),
		.id = at->campaign,
		.content = at->content,
		.name = arena_slice(arena, pg_text(r->answer, 1, row, 2)),
		.pool = at->pool,
		.priority = at->priority,
		.weight = (int)pg_number(r->answer, 1, row, 7),
		.expires_us = pg_number(r->answer, 1, row, 9),
		.stream = arena_slice(arena, pg_text(r->answer, 1, row, 11)),
	};
	(void)on_in_doubt_parse(pg_text(r->answer, 1, row, 10), &campaign->on_in_doubt);
	map_put(r->campaigns, buf_slice(&r->key), campaign);
	return campaign;
}

/* The row of the claim that this row of jobs_read belongs to. */
static size_t batch_of(const struct reading *r, size_t row, size_t hint)
{
	struct id id = pg_id(r->answer, 0, row, 1);

	for (size_t i = 0; i < r->claim->count; i++) {
		size_t at = (hint + i) % r->claim->count;

		if (id_equal(r->claim->batches[at].id, id)) {
			return at;
		}
	}
	return r->claim->count;
}

/* How long a job that was at hand in a crash is still to rest. */
static int64_t rest_us(const struct reading *r, size_t row)
{
	int64_t until_us = pg_number(r->answer, 0, row, 16) + CRASH_REST_US;
	int64_t left_us = until_us - intake_db_now_us(r->intake);

	return pg_number(r->answer, 0, row, 15) > 0 && left_us > 0 ? left_us : 0;
}

static void read_fate(const struct reading *r, size_t row, struct claimed *claimed)
{
	claimed->wait_us = rest_us(r, row);
	claimed->vars_bytes = (size_t)pg_number(r->answer, 0, row, 13);
	claimed->reason = pg_text(r->answer, 0, row, 10);
	if (pg_is_null(r->answer, 0, row, 3)) {
		claimed->fate = JOB_GONE;
	} else if (outcome_parse(pg_text(r->answer, 0, row, 11), &claimed->state) &&
		claimed->state != OUTCOME_RETRYING) {
		claimed->fate = pg_bool(r->answer, 0, row, 18) ? JOB_HEARSAY : JOB_DONE;
	} else if (claimed->reason.n > 0) {
		claimed->fate = JOB_SUPPRESSED;
	} else if (pg_is_null(r->answer, 0, row, 4) || claimed->wait_us > 0) {
		claimed->fate = JOB_LEFT;
	} else {
		claimed->fate = JOB_SEND;
	}
}

static struct job *take_job(
	struct reading *r, size_t row, const struct claim_row *at, struct batch *batch)
{
	struct arena *arena = r->claim->arena;
	const struct pg_answer *answer = r->answer;
	struct job *job = arena_get(arena, sizeof(*job));

	*job = (struct job){
		.id = pg_id(answer, 0, row, 2),
		.batch = batch,
		.recipient = arena_slice(arena, pg_text(answer, 0, row, 3)),
		.source = arena_slice(arena, pg_text(answer, 0, row, 8)),
		.keys = at->keys,
		.content_version = at->content_version,
		.attempts = (int)pg_number(answer, 0, row, 6),
		.first_us = pg_number(answer, 0, row, 9),
		.due_us = pg_number(answer, 0, row, 7),
		.engagement =
			pg_is_null(answer, 0, row, 5) ? NAN : (float)pg_real(answer, 0, row, 5),
		.doubt = pg_bool(answer, 0, row, 14),
		.possible_duplicate = batch->lost,
	};
	if (pg_is_null(answer, 0, row, 7)) {
		job->due_us = loop_wall_us(r->intake->loop);
	}
	batch->at_hand++;
	return job;
}

static bool on_quarantined(struct intake *intake, const struct pg_answer *answer, void *context)
{
	(void)intake;
	(void)context;
	return intake_try_again(answer, "quarantine_add");
}

/* Why a job goes no further. */
struct poison {
	struct buf reason;
	struct slice stage;
};

static bool has_died_of(const struct reading *r, size_t row, struct poison *poison)
{
	int64_t crashes = pg_number(r->answer, 0, row, 15);

	if (crashes < POISON_CRASHES) {
		return false;
	}
	poison->stage = pg_text(r->answer, 0, row, 17);
	buf_add_format(&poison->reason, "at hand in %lld crashes, in the last at stage %.*s",
		(long long)crashes, (int)poison->stage.n, poison->stage.p);
	return true;
}

/* This lease is counted already. */
static bool has_lost_all(const struct reading *r, size_t row, const struct claim_row *at,
	const struct batch *batch, struct poison *poison)
{
	if (!batch->suspect || at->size != 1 || at->leases <= POISON_LOSSES ||
		pg_bool(r->answer, 0, row, 12)) {
		return false;
	}
	poison->stage = SLICE("claim");
	buf_add_format(
		&poison->reason, "lost alone by %d workers without an attempt", at->leases - 1);
	return true;
}

/* One that a worker before us ended, or that nobody can write to any more, is no danger. */
static bool may_be_sent(const struct reading *r, size_t row)
{
	struct claimed claimed;

	read_fate(r, row, &claimed);
	return claimed.fate == JOB_SEND || claimed.fate == JOB_LEFT;
}

static void tell_quarantine(
	const struct id *tenant, const struct id *job, const struct poison *poison)
{
	char tenant_text[ID_TEXT + 1];
	char job_text[ID_TEXT + 1];

	id_text(*tenant, tenant_text);
	id_text(*job, job_text);
	log_error(NULL, "quarantine", "tenant=%s job=%s stage=%s text=%s remedy=%s", tenant_text,
		job_text, log_quote(poison->stage), log_quote(buf_slice(&poison->reason)),
		log_quote(SLICE("it is not sent; see penguinctl quarantine")));
}

/* Closes a batch of which nothing is left: no member is left to count. */
static void add_close(struct pg_request *request, const struct intake *intake,
	const struct claim_row *at, const struct batch *batch)
{
	intake_statement(request, SQL_BATCH_CLOSE);
	pg_add_id(request, &intake->lease.worker);
	pg_add_number(request, intake_stripe(intake));
	pg_array(request);
	pg_item_id(request, &batch->token);
	pg_array_end(request);
	pg_array(request);
	pg_item_id(request, &at->tenant);
	pg_array_end(request);
	pg_array(request);
	pg_item_id(request, &batch->id);
	pg_array_end(request);
	for (int i = 0; i < 10; i++) {
		pg_array(request);
		pg_item_number(request, 0);
		pg_array_end(request);
	}
}

/* Ends the job, and its batch if it was the last in it. */
static void quarantine(struct reading *r, const struct claim_row *at, const struct batch *batch,
	const struct id *job, const struct poison *poison)
{
	struct intake *intake = r->intake;
	struct pg_request *request = intake_request(SQL_QUARANTINE_ADD);
	int64_t wall_us = loop_wall_us(intake->loop);
	struct id attempt = id_make(wall_us / 1000);

	tell_quarantine(&at->tenant, job, poison);
	pg_add_id(request, &intake->lease.worker);
	pg_add_id(request, &batch->token);
	pg_add_id(request, &at->tenant);
	pg_add_id(request, &batch->id);
	pg_add_id(request, job);
	pg_add_id(request, &attempt);
	pg_add_text(request, buf_slice(&poison->reason));
	pg_add_text(request, poison->stage);
	pg_add_number(request, intake_stripe(intake));
	pg_add_number(request, wall_us);
	add_close(request, intake, at, batch);
	intake_ask(intake, &request, 0, on_quarantined, NULL);
}

/* True when the job ended here. */
static bool is_poison(
	struct reading *r, size_t row, const struct claim_row *at, const struct batch *batch)
{
	struct id job = pg_id(r->answer, 0, row, 2);
	struct poison poison = {.stage = SLICE("")};
	bool is;

	buf_init(&poison.reason, 0);
	is = may_be_sent(r, row) &&
		(has_died_of(r, row, &poison) || has_lost_all(r, row, at, batch, &poison));
	if (is) {
		quarantine(r, at, batch, &job, &poison);
	}
	buf_clear(&poison.reason);
	return is;
}

static void read_rows(struct reading *r)
{
	size_t hint = 0;
	size_t rows = pg_rows(r->answer, 0);

	r->claimed = mem_array(rows, sizeof(r->claimed[0]));
	for (size_t row = 0; row < rows; row++) {
		size_t at = batch_of(r, row, hint);

		if (at == r->claim->count) {
			continue;
		}
		struct batch *batch = &r->claim->batches[at];
		const struct claim_row *claimed_row = &r->claim->rows[at];

		hint = at;
		if (batch->campaign == NULL) {
			batch->campaign = campaign_of(r, claimed_row);
		}
		if (batch->campaign == NULL) {
			continue; /* its campaign's row is gone: it stays leased, nothing is sent */
		}
		if (is_poison(r, row, claimed_row, batch)) {
			continue;
		}
		struct claimed *claimed = &r->claimed[r->count++];

		claimed->job = take_job(r, row, claimed_row, batch);
		read_fate(r, row, claimed);
		if (claimed->fate == JOB_SEND) {
			claimed->job->vars = pg_text(r->answer, 0, row, 4);
		}
	}
}

/* Campaigns that do not run any more: the feed told of them before their jobs were here. */
static void tell_states(struct reading *r)
{
	for (size_t row = 0; row < pg_rows(r->answer, 1); row++) {
		struct slice state = pg_text(r->answer, 1, row, 3);
		struct id tenant = pg_id(r->answer, 1, row, 0);
		struct id campaign = pg_id(r->answer, 1, row, 1);

		if (!slice_equal(state, SLICE("running"))) {
			r->intake->events.on_campaign(r->intake->owner, &tenant, &campaign, state);
		}
	}
}

/* Batches that gave no job are over at once. */
static void drop_empty(struct intake *intake, struct claim *claim)
{
	size_t count = claim->count;

	for (size_t i = 0; i < count; i++) {
		bool last = claim->open == 1;

		if (claim->batches[i].at_hand > 0) {
			continue;
		}
		intake_batch_over(intake, &claim->batches[i]);
		if (last) {
			return; /* the claim is freed */
		}
	}
}

static void hand_over(struct intake *intake, struct claim *claim, const struct pg_answer *answer)
{
	struct reading r = {.intake = intake, .claim = claim, .answer = answer};

	r.tenants = map_new();
	r.campaigns = map_new();
	r.rows = map_new();
	buf_init(&r.key, 0);
	index_campaigns(&r);
	read_rows(&r);
	drop_empty(intake, claim);
	if (r.count > 0) {
		intake->events.on_jobs(intake->owner, r.claimed, r.count);
		tell_states(&r);
	}
	mem_free(r.claimed);
	map_free(&r.tenants);
	map_free(&r.campaigns);
	map_free(&r.rows);
	buf_clear(&r.key);
}

/*
 * How suppressions spell a recipient: its domain as A-labels, no needless quotes, no
 * blanks around.  False where Postgres finds that by itself, as the lower case.
 */
static bool is_respelt(struct slice recipient, struct address *ret_spelt)
{
	bool plain = codec_is_ascii(recipient) && slice_find(recipient, '"') == recipient.n &&
		slice_trim(recipient).n == recipient.n;
	struct address address;

	if (plain || address_parse(slice_trim(recipient), &address) != ADDRESS_OK) {
		return false;
	}
	*ret_spelt = address_normalise(&address);
	return !slice_equal_nocase(address_text(ret_spelt), recipient) ||
		!codec_is_ascii(recipient);
}

static bool has_respelt(const struct pg_answer *answer)
{
	struct address spelt;
	size_t row = 0;

	while (row < pg_rows(answer, 0) && !is_respelt(pg_text(answer, 0, row, 3), &spelt)) {
		row++;
	}
	return row < pg_rows(answer, 0);
}

static void add_respelt_ids(
	struct pg_request *request, const struct pg_answer *first, size_t rows, int column)
{
	struct address spelt;

	pg_array(request);
	for (size_t row = 0; row < rows; row++) {
		if (is_respelt(pg_text(first, 0, row, 3), &spelt)) {
			struct id id = pg_id(first, 0, row, column);

			pg_item_id(request, &id);
		}
	}
	pg_array_end(request);
}

void claim_add_spellings(struct pg_request *request, const struct pg_answer *first)
{
	size_t rows = first != NULL ? pg_rows(first, 0) : 0;
	struct address spelt;

	add_respelt_ids(request, first, rows, 0);
	add_respelt_ids(request, first, rows, 2);
	pg_array(request);
	for (size_t row = 0; row < rows; row++) {
		if (is_respelt(pg_text(first, 0, row, 3), &spelt)) {
			pg_item_text(request, address_text(&spelt));
		}
	}
	pg_array_end(request);
}

bool claim_read(struct intake *intake, const struct pg_answer *answer, void *context)
{
	struct claimer *claimer = &intake->claimer;
	struct claim *claim = claimer->reading;

	(void)context;
	if (answer->status != PG_DONE && claimer->stopped) {
		claim_forget(intake, claim); /* the end does not wait for Postgres */
		return false;
	}
	if (answer->status != PG_DONE) {
		/* A refusal is ours to mend; the batches stay leased till we do. */
		return intake_try_again(answer, "jobs_read") || answer->status == PG_REFUSED;
	}
	if (!claim->respelt && has_respelt(answer)) {
		claim->respelt = true; /* rare: then the same is asked once more */
		claim_ask_jobs(intake, claim, answer);
		return false;
	}
	hand_over(intake, claim, answer);
	claim_settled(intake);
	return false;
}
