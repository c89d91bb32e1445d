/*
 * Holds, suppressions and evidence at hand.  Suppressions, campaign states and evidence are
 * checked in SQL when a job is claimed; only those committed since then matter here, so two
 * generations of half an hour or more are kept.  The older is dropped when no job is at hand any
 * more that was claimed before the newer began: one may wait for hours, where a site gets few.
 *
 * When something becomes forbidden, jobs that wait for it are given back at once;
 * when it is allowed again, all lanes look at their queues.
 *
 * What ends at an instant ends by the database's clock, which set it.
 */
#include "holds.h"

#include "base/codec.h"
#include "base/mem.h"
#include "base/time.h"
#include "generations.h"
#include "identities.h"
#include "io/digest.h"
#include "sources.h"

#define GENERATION_US (1800 * TIME_SECOND_US)
#define LOOK_US TIME_SECOND_US
#define LINGERS_US (60 * TIME_SECOND_US) /* before it is looked at again whether they are gone */

struct hold {
	enum hold_kind kind;
	struct id tenant; /* zero: the whole fleet */
	char *name;
	char *reason;
	int64_t until_db_us; /* 0 = until it is released */
};

struct suppression {
	int64_t until_db_us;
};

/* Of a job that a lost worker had sent: what it says of it after all. */
struct end {
	enum outcome state;
	int attempt_no;
};

struct holds {
	struct worker *worker;
	struct identities *identities; /* why a source is out of use but for operators */
	struct map *holds;             /* by kind, tenant and name: struct hold */
	struct generations campaigns;  /* that do not run, by campaign_key: a state's word */
	struct generations recent;     /* by tenant, stream and address: struct suppression */
	struct generations ends;       /* by job_key: struct end */
	size_t at_hand[GENERATIONS];   /* plans, by when they were claimed */
	unsigned generation;
	struct later look; /* evidence came: whose jobs wait here? */
	struct timer rotate;
	struct timer expire;
};

static const char paused_mark[] = "p";
static const char cancelled_mark[] = "c";

static void keep_mark(void *mark)
{
	(void)mark; /* a word of ours */
}

static void drop(void *value)
{
	mem_free(value);
}

static void on_rotate(void *owner)
{
	struct holds *holds = owner;

	if (holds->at_hand[OLDER] > 0) {
		timer_set(&holds->rotate, loop_now_us(holds->worker->loop) + LINGERS_US);
		return;
	}
	generations_rotate(&holds->campaigns, keep_mark);
	generations_rotate(&holds->recent, drop);
	generations_rotate(&holds->ends, drop);
	holds->at_hand[OLDER] = holds->at_hand[NEWER];
	holds->at_hand[NEWER] = 0;
	holds->generation++;
	timer_set(&holds->rotate, loop_now_us(holds->worker->loop) + GENERATION_US);
}

void holds_enter(struct holds *holds, struct plan *plan)
{
	plan->generation = holds->generation;
	holds->at_hand[NEWER]++;
}

void holds_leave(struct holds *holds, const struct plan *plan)
{
	holds->at_hand[plan->generation == holds->generation ? NEWER : OLDER]--;
}

static void add_key(struct buf *out, const struct hold_key *key)
{
	buf_add_byte(out, (char)('a' + (int)key->kind));
	buf_add(out, id_slice(&key->tenant));
	buf_add(out, key->name);
}

static const struct hold *find_hold(const struct holds *holds, const struct hold_key *key)
{
	const struct hold *hold;
	struct buf bytes;

	buf_init(&bytes, 0);
	add_key(&bytes, key);
	hold = map_get(holds->holds, buf_slice(&bytes));
	buf_clear(&bytes);
	return hold;
}

/* An operator's reason comes before ours; a source is free when there is none. */
static void tell_source(struct worker *worker, struct slice name, const char *reason)
{
	struct source *source = shape_find_source(worker->shape, name);

	if (source != NULL) {
		reason = reason != NULL ? reason : sources_fault(worker->sources, name);
		source_hold(source,
			reason != NULL ? reason
				       : identities_fault(worker->holds->identities, name));
	}
}

/* The reason as shaping shows it, or NULL for free. */
static void tell_shape(struct worker *worker, const struct hold *hold, const char *reason)
{
	if (hold->kind == HOLD_SOURCE) {
		tell_source(worker, slice_of(hold->name), reason);
	} else if (hold->kind == HOLD_PROVIDER) {
		struct provider *provider =
			shape_find_provider(worker->shape, slice_of(hold->name));

		if (provider != NULL) {
			provider_hold(provider, reason);
		}
	}
}

static void hold_free(struct hold *hold)
{
	mem_free(hold->name);
	mem_free(hold->reason);
	mem_free(hold);
}

static void release(struct holds *holds, const struct hold_key *key)
{
	struct buf bytes;
	struct hold *hold;

	buf_init(&bytes, 0);
	add_key(&bytes, key);
	hold = map_remove(holds->holds, buf_slice(&bytes));
	buf_clear(&bytes);
	if (hold != NULL) {
		tell_shape(holds->worker, hold, NULL);
		hold_free(hold);
		outlet_run_all(holds->worker);
	}
}

/* The first hold whose time is over goes; one a call, because the map may not lose more. */
static bool expire_one(struct holds *holds)
{
	int64_t now_us = intake_db_now_us(holds->worker->intake);
	size_t at = 0;
	struct slice key;
	void *value;

	while (map_next(holds->holds, &at, &key, &value)) {
		struct hold *hold = value;

		if (hold->until_db_us != 0 && hold->until_db_us <= now_us) {
			char *name = mem_string(hold->name);

			release(holds,
				&(struct hold_key){hold->kind, hold->tenant, slice_of(name)});
			mem_free(name);
			return true;
		}
	}
	return false;
}

static void on_expire(void *owner)
{
	struct holds *holds = owner;

	while (expire_one(holds)) {
	}
	if (map_count(holds->holds) > 0) {
		timer_set(&holds->expire, loop_now_us(holds->worker->loop) + LOOK_US);
	}
}

struct job_key {
	struct id tenant;
	struct id job;
};

static const struct end *find_end(const struct holds *holds, const struct plan *plan)
{
	struct job_key key = {plan_tenant(plan)->id, plan->job->id};

	return generations_get(&holds->ends, slice_make((const char *)&key, sizeof(key)));
}

/* What was tried since then is news of its own: jobs_read has the same rule. */
static bool has_ended(const struct holds *holds, const struct plan *plan)
{
	const struct end *end = find_end(holds, plan);

	return end != NULL && end->attempt_no >= plan->job->attempts;
}

static bool pick_ended(void *owner, struct plan *plan)
{
	return has_ended(owner, plan);
}

/* Once for all that came together. */
static void look_for_ends(void *owner)
{
	struct holds *holds = owner;

	outlet_pick_all(holds->worker, pick_ended, holds);
}

static void on_identity(void *owner, struct slice source)
{
	holds_apply_source(owner, source);
}

struct holds *holds_new(struct worker *worker)
{
	struct holds *holds = MEM_NEW(struct holds);

	holds->worker = worker;
	holds->identities = identities_new(worker, on_identity, holds);
	holds->holds = map_new();
	generations_open(&holds->campaigns);
	generations_open(&holds->recent);
	generations_open(&holds->ends);
	later_init(&holds->look, look_for_ends, holds);
	timer_init(&holds->rotate, worker->loop, on_rotate, holds);
	timer_init(&holds->expire, worker->loop, on_expire, holds);
	timer_set(&holds->rotate, loop_now_us(worker->loop) + GENERATION_US);
	return holds;
}

void holds_free(struct holds **holds)
{
	size_t at = 0;
	struct slice key;
	void *hold;

	if (*holds == NULL) {
		return;
	}
	while (map_next((*holds)->holds, &at, &key, &hold)) {
		hold_free(hold);
	}
	identities_free(&(*holds)->identities);
	map_free(&(*holds)->holds);
	generations_free(&(*holds)->campaigns, keep_mark);
	generations_free(&(*holds)->recent, drop);
	generations_free(&(*holds)->ends, drop);
	loop_later_cancel((*holds)->worker->loop, &(*holds)->look);
	timer_stop(&(*holds)->rotate);
	timer_stop(&(*holds)->expire);
	mem_free(*holds);
	*holds = NULL;
}

static void recent_key(
	struct buf *out, const struct id *tenant, struct slice stream, struct slice address)
{
	buf_reset(out);
	buf_add(out, id_slice(tenant));
	buf_add(out, stream);
	buf_add_byte(out, 0);
	buf_add(out, address);
}

/* One that is lifted is noted as well: it covers what an older generation says. */
void holds_on_suppression(void *owner, const struct id *tenant, struct slice address,
	struct slice stream, int64_t until_db_us)
{
	struct worker *worker = owner;
	struct suppression *suppression = MEM_NEW(struct suppression);
	struct buf key;

	suppression->until_db_us = until_db_us;
	buf_init(&key, 0);
	recent_key(&key, tenant, stream, address);
	mem_free(map_put(worker->holds->recent.maps[NEWER], buf_slice(&key), suppression));
	buf_clear(&key);
}

/* Tenants make ids of their own: two may have the same. */
struct campaign_key {
	struct id tenant;
	struct id campaign;
};

static struct slice key_slice(const struct campaign_key *key)
{
	return slice_make((const char *)key, sizeof(*key));
}

static bool pick_campaign(void *owner, struct plan *plan)
{
	const struct campaign_key *key = owner;

	return id_equal(plan_campaign(plan)->id, key->campaign) &&
		id_equal(plan_tenant(plan)->id, key->tenant);
}

/*
 * A draft's jobs are claimed only once it runs, and it never becomes a draft again: who
 * hears of one was told late, and may have its jobs at hand.
 */
static bool holds_nothing(struct slice state)
{
	return slice_equal(state, SLICE("running")) || slice_equal(state, SLICE("draft"));
}

void holds_on_campaign(
	void *owner, const struct id *tenant, const struct id *campaign, struct slice state)
{
	struct worker *worker = owner;
	struct holds *holds = worker->holds;
	const char *mark = slice_equal(state, SLICE("cancelled")) ? cancelled_mark : paused_mark;
	struct campaign_key key = {*tenant, *campaign};

	if (holds_nothing(state)) {
		map_remove(holds->campaigns.maps[NEWER], key_slice(&key));
		map_remove(holds->campaigns.maps[OLDER], key_slice(&key));
		return;
	}
	if (map_get(holds->campaigns.maps[NEWER], key_slice(&key)) == mark) {
		return; /* told twice: feeds overlap */
	}
	map_put(holds->campaigns.maps[NEWER], key_slice(&key), (void *)mark);
	outlet_pick_all(worker, pick_campaign, &key);
}

static bool pick_held(void *owner, struct plan *plan)
{
	const struct hold_key *key = owner;
	char text[ID_TEXT + 1];

	if (!id_is_zero(key->tenant) && !id_equal(key->tenant, plan_tenant(plan)->id)) {
		return false;
	}
	switch (key->kind) {
	case HOLD_DOMAIN:
		return slice_equal(address_domain(&plan->address), key->name);
	case HOLD_TENANT:
		id_text(plan_tenant(plan)->id, text);
		return slice_equal_nocase(slice_of(text), key->name);
	case HOLD_CAMPAIGN:
		id_text(plan_campaign(plan)->id, text);
		return slice_equal_nocase(slice_of(text), key->name);
	case HOLD_SOURCE:
	case HOLD_PROVIDER:
		break; /* these stop lanes, not jobs */
	}
	return false;
}

/* One that changes its end or its reason is no release: nobody is woken for it. */
static void put(struct holds *holds, const struct hold_key *key, struct hold *hold)
{
	struct buf bytes;
	struct hold *before;

	buf_init(&bytes, 0);
	add_key(&bytes, key);
	before = map_put(holds->holds, buf_slice(&bytes), hold);
	buf_clear(&bytes);
	tell_shape(holds->worker, hold, hold->reason);
	if (before != NULL) {
		hold_free(before);
	}
}

void holds_on_hold(void *owner, const struct hold_key *key, bool held, int64_t until_db_us,
	struct slice reason)
{
	struct worker *worker = owner;
	struct hold_key picked = *key;
	struct hold *hold;

	if (!held) {
		release(worker->holds, key);
		return;
	}
	hold = MEM_NEW(struct hold);
	hold->kind = key->kind;
	hold->tenant = key->tenant;
	hold->name = slice_string(key->name);
	hold->reason = slice_string(reason.n > 0 ? reason : SLICE("held by an operator"));
	hold->until_db_us = until_db_us;
	put(worker->holds, key, hold);
	timer_set(&worker->holds->expire, loop_now_us(worker->loop) + LOOK_US);
	picked.name = slice_of(hold->name);
	outlet_pick_all(worker, pick_held, &picked);
}

void holds_on_evidence(void *owner, const struct id *tenant, const struct id *job, int attempt_no,
	enum outcome state)
{
	struct worker *worker = owner;
	struct holds *holds = worker->holds;
	struct job_key key = {*tenant, *job};
	struct end *end = MEM_NEW(struct end);

	*end = (struct end){.state = state, .attempt_no = attempt_no};
	mem_free(
		map_put(holds->ends.maps[NEWER], slice_make((const char *)&key, sizeof(key)), end));
	loop_later(worker->loop, &holds->look);
}

enum outcome holds_end_of(const struct holds *holds, const struct plan *plan)
{
	return find_end(holds, plan)->state;
}

void holds_check_sources(struct holds *holds)
{
	identities_look(holds->identities);
}

void holds_apply_source(struct holds *holds, struct slice source)
{
	const struct hold *hold =
		find_hold(holds, &(struct hold_key){.kind = HOLD_SOURCE, .name = source});

	tell_source(holds->worker, source, hold != NULL ? hold->reason : NULL);
}

bool holds_source(const struct holds *holds, struct slice source)
{
	return find_hold(holds, &(struct hold_key){.kind = HOLD_SOURCE, .name = source}) != NULL;
}

void holds_apply(struct holds *holds)
{
	size_t at = 0;
	struct slice key;
	void *value;

	while (map_next(holds->holds, &at, &key, &value)) {
		const struct hold *hold = value;

		tell_shape(holds->worker, hold, hold->reason);
	}
}

/* As an erased person's address is kept (penguin-sql(7)). */
static void add_hashed(struct buf *out, struct slice address)
{
	uint8_t digest[DIGEST_BYTES];

	digest_sha256(address, digest);
	buf_add_text(out, "sha256:");
	codec_hex(out, slice_make((const char *)digest, sizeof(digest)));
}

static bool holds_now(const struct holds *holds, struct slice key)
{
	const struct suppression *found = generations_get(&holds->recent, key);

	return found != NULL && found->until_db_us > intake_db_now_us(holds->worker->intake);
}

static bool is_suppressed(const struct holds *holds, const struct plan *plan)
{
	const struct slice streams[] = {plan_campaign(plan)->stream, SLICE("*")};
	struct address mailbox;
	struct buf domain;
	struct buf hashed;
	struct buf key;
	bool found = false;

	if (map_count(holds->recent.maps[NEWER]) + map_count(holds->recent.maps[OLDER]) == 0) {
		return false;
	}
	mailbox = address_normalise(&plan->address);
	buf_init(&key, 0);
	buf_init(&domain, 0);
	buf_init(&hashed, 0);
	buf_add_byte(&domain, '@');
	buf_add(&domain, address_domain(&plan->address));
	add_hashed(&hashed, address_text(&mailbox));
	for (size_t i = 0; i < ARRAY_LEN(streams) && !found; i++) {
		const struct slice forms[] = {
			address_text(&mailbox), buf_slice(&domain), buf_slice(&hashed)};

		for (size_t f = 0; f < ARRAY_LEN(forms) && !found; f++) {
			recent_key(&key, &plan_tenant(plan)->id, streams[i], forms[f]);
			found = holds_now(holds, buf_slice(&key));
		}
	}
	buf_clear(&hashed);
	buf_clear(&domain);
	buf_clear(&key);
	return found;
}

static bool is_held(
	const struct holds *holds, enum hold_kind kind, const struct id *tenant, struct slice name)
{
	struct hold_key key = {.kind = kind, .name = name};

	if (find_hold(holds, &key) != NULL) {
		return true;
	}
	key.tenant = *tenant;
	return find_hold(holds, &key) != NULL;
}

static bool any_hold(const struct holds *holds, const struct plan *plan)
{
	const struct id *tenant = &plan_tenant(plan)->id;
	char tenant_text[ID_TEXT + 1];
	char campaign_text[ID_TEXT + 1];

	if (map_count(holds->holds) == 0) {
		return false;
	}
	id_text(*tenant, tenant_text);
	id_text(plan_campaign(plan)->id, campaign_text);
	return is_held(holds, HOLD_DOMAIN, tenant, address_domain(&plan->address)) ||
		is_held(holds, HOLD_TENANT, tenant, slice_of(tenant_text)) ||
		is_held(holds, HOLD_CAMPAIGN, tenant, slice_of(campaign_text));
}

enum gate holds_ask(struct holds *holds, const struct plan *plan)
{
	struct campaign_key key = {plan_tenant(plan)->id, plan_campaign(plan)->id};
	const void *mark = generations_get(&holds->campaigns, key_slice(&key));

	if (has_ended(holds, plan)) {
		return GATE_DONE;
	}
	if (mark == cancelled_mark) {
		return GATE_CANCELLED;
	}
	if (mark != NULL || any_hold(holds, plan)) {
		return GATE_HELD;
	}
	return is_suppressed(holds, plan) ? GATE_SUPPRESSED : GATE_OPEN;
}
