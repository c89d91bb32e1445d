/*
 * Housekeeping that every worker does, one request at a time: a table of chores, each
 * with its period.  A chore that finds there is more of the same is due again at once,
 * behind the others.  Several workers may do the same; the statements skip what
 * somebody else has locked.
 */
#include "intake_private.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/time.h"

enum {
	SWEEP_CAMPAIGNS = 500,
	INBOX_ROWS = 1000,
	FOLD_CAMPAIGNS = 16,
	FOLD_BATCHES = 20,
	TAKE_OVER_BATCHES = 200,
	OVERDUE_CAMPAIGNS = 16,
	DOUBT_LOOKS = 4,
};

#define CHORE_WAIT_US (3 * TIME_SECOND_US)
#define AGAIN_US TIME_SECOND_US
#define REFUSED_US (10 * TIME_SECOND_US) /* the server said no, and may say so again */
#define LOCK_PATIENCE_MS "250"
#define STEAL_GRACE_US (30 * TIME_SECOND_US)
#define STEAL_STREAK_US (120 * TIME_SECOND_US)
#define DOUBT_PERIOD_US (2 * TIME_SECOND_US)

struct chore {
	const char *name;
	int64_t period_us; /* 0 = only when there is reason to; -1 = settings.sweep_us */
	struct pg_request *(*ask)(struct intake *intake); /* NULL: nothing to do */
	bool (*done)(struct intake *intake, const struct pg_answer *answer); /* there is more */
	/* Says when it is due again; NULL: soon, or at its time where it was refused. */
	void (*failed)(struct intake *intake, const struct pg_answer *answer);
};

enum { SWEEP, INBOX, FOLD, OVERDUE, STEAL, TAKE_OVER, DOUBT, LEARN, CHORES };

static size_t first_due(const struct chores *chores)
{
	size_t first = 0;

	for (size_t i = 1; i < CHORES; i++) {
		if (chores->due_us[i] < chores->due_us[first]) {
			first = i;
		}
	}
	return first;
}

static struct pg_request *ask_sweep(struct intake *intake)
{
	struct chores *chores = &intake->chores;
	struct pg_request *request;

	if (id_is_zero(chores->sweep_campaign)) {
		ready_set_sweep_start(intake->claimer.ready);
	}
	request = intake_request(SQL_READY_SWEEP);
	pg_add_id(request, &chores->sweep_tenant);
	pg_add_id(request, &chores->sweep_campaign);
	pg_add_number(request, SWEEP_CAMPAIGNS);
	return request;
}

static bool done_sweep(struct intake *intake, const struct pg_answer *answer)
{
	struct chores *chores = &intake->chores;
	size_t rows = pg_rows(answer, 0);

	for (size_t row = 0; row < rows; row++) {
		struct ready kind = {
			.tenant = pg_id(answer, 0, row, 0),
			.pool = pg_text(answer, 0, row, 2),
			.tag = pg_text(answer, 0, row, 3),
			.priority = (int)pg_number(answer, 0, row, 4),
			.careful = pg_bool(answer, 0, row, 5),
		};

		if (!pg_is_null(answer, 0, row, 2)) {
			ready_set_note(intake->claimer.ready, &kind, 0);
		}
	}
	if (rows > 0) {
		chores->sweep_tenant = pg_id(answer, 0, rows - 1, 0);
		chores->sweep_campaign = pg_id(answer, 0, rows - 1, 1);
		return true;
	}
	chores->sweep_tenant = (struct id){{0}};
	chores->sweep_campaign = (struct id){{0}};
	ready_set_sweep_end(intake->claimer.ready);
	intake_hurry(intake);
	return false;
}

static void inbox_due(struct intake *intake)
{
	struct chores *chores = &intake->chores;

	chores->due_us[INBOX] = line_due_us(&chores->inboxes);
}

void chores_inbox(struct intake *intake, const struct id *tenant)
{
	struct chores *chores = &intake->chores;

	line_join(&chores->inboxes, tenant, loop_now_us(intake->loop));
	inbox_due(intake);
	if (!chores->busy) {
		timer_set(&chores->timer, chores->due_us[first_due(chores)]);
	}
}

/* For a statement that meets rows which a tenant's transaction may have locked. */
static struct pg_request *patient_request(enum sql_id statement)
{
	struct pg_request *request = intake_request(SQL_LOCK_PATIENCE);

	pg_add_text(request, SLICE(LOCK_PATIENCE_MS));
	intake_statement(request, statement);
	return request;
}

static struct pg_request *ask_inbox(struct intake *intake)
{
	struct chores *chores = &intake->chores;
	const struct id *tenant = line_call(&chores->inboxes, loop_now_us(intake->loop));
	struct id salt = id_random();
	struct pg_request *request;

	if (tenant == NULL) {
		inbox_due(intake);
		return NULL;
	}
	request = patient_request(SQL_INBOX_MOVE);
	pg_add_id(request, tenant);
	pg_add_number(request, INBOX_ROWS);
	pg_add_id(request, &salt);
	return request;
}

/* Whatever it was, it is the others' turn: a tenant can make its own rows wait, or be refused. */
static void failed_inbox(struct intake *intake, const struct pg_answer *answer)
{
	int64_t rest_us = answer->sqlstate.n > 0 ? REFUSED_US : AGAIN_US;

	line_return(&intake->chores.inboxes, loop_now_us(intake->loop) + rest_us);
	inbox_due(intake);
}

/* The tenant goes to the end of the line, or out of it. */
static bool done_inbox(struct intake *intake, const struct pg_answer *answer)
{
	struct chores *chores = &intake->chores;

	if (pg_number(answer, 1, 0, 0) >= INBOX_ROWS) {
		line_return(&chores->inboxes, loop_now_us(intake->loop));
	} else {
		line_leave(&chores->inboxes);
	}
	if (pg_number(answer, 1, 0, 1) > 0) {
		claimer_poll_now(intake);
	}
	inbox_due(intake);
	return false;
}

static struct pg_request *ask_limit(enum sql_id statement, int64_t limit)
{
	struct pg_request *request = intake_request(statement);

	pg_add_number(request, limit);
	return request;
}

static struct pg_request *ask_fold(struct intake *intake)
{
	return intake->chores.steps[FOLD].flying > 0 ? NULL
						     : ask_limit(SQL_FOLD_SWEEP, FOLD_CAMPAIGNS);
}

/* One of the steps that a sweep has asked for is over; behind the last it may be due again. */
static bool step_over(struct intake *intake, size_t chore, bool moved)
{
	struct chores *chores = &intake->chores;
	struct chore_steps *steps = &chores->steps[chore];

	steps->moved = steps->moved || moved;
	if (--steps->flying == 0 && steps->moved) {
		chores->due_us[chore] = loop_now_us(intake->loop);
		if (!chores->busy) {
			timer_set(&chores->timer, chores->due_us[chore]);
		}
	}
	return false;
}

static bool on_folded(struct intake *intake, const struct pg_answer *answer, void *context)
{
	(void)context;
	if (answer->status != PG_DONE) {
		(void)intake_try_again(answer, "campaign_fold"); /* the next sweep finds it again */
	}
	return step_over(intake, FOLD, answer->status == PG_DONE && pg_number(answer, 0, 0, 0) > 0);
}

static bool on_finished(struct intake *intake, const struct pg_answer *answer, void *context)
{
	(void)context;
	if (answer->status != PG_DONE) {
		(void)intake_try_again(answer, "campaign_finish");
	}
	return step_over(intake, OVERDUE, answer->status == PG_DONE && pg_rows(answer, 1) > 0);
}

/*
 * A step for each campaign.  The sweep comes again at once as long as a step moves
 * something: where all is locked by somebody else it waits for its time.
 */
static bool done_fold(struct intake *intake, const struct pg_answer *answer)
{
	size_t rows = pg_rows(answer, 0);

	intake->chores.steps[FOLD] = (struct chore_steps){.flying = rows};
	for (size_t row = 0; row < rows; row++) {
		struct pg_request *request = intake_request(SQL_CAMPAIGN_FOLD);
		struct id tenant = pg_id(answer, 0, row, 0);
		struct id campaign = pg_id(answer, 0, row, 1);

		pg_add_id(request, &tenant);
		pg_add_id(request, &campaign);
		pg_add_number(request, intake_stripe(intake));
		pg_add_number(request, FOLD_BATCHES);
		intake_ask(intake, &request, CHORE_WAIT_US, on_folded, NULL);
	}
	return false;
}

static struct pg_request *ask_overdue(struct intake *intake)
{
	return intake->chores.steps[OVERDUE].flying > 0
		? NULL
		: ask_limit(SQL_CAMPAIGN_OVERDUE, OVERDUE_CAMPAIGNS);
}

static bool done_overdue(struct intake *intake, const struct pg_answer *answer)
{
	size_t rows = pg_rows(answer, 0);

	intake->chores.steps[OVERDUE] = (struct chore_steps){.flying = rows};
	for (size_t row = 0; row < rows; row++) {
		struct pg_request *request = patient_request(SQL_CAMPAIGN_FINISH);
		struct id tenant = pg_id(answer, 0, row, 0);
		struct id campaign = pg_id(answer, 0, row, 1);

		pg_add_id(request, &tenant);
		pg_add_id(request, &campaign);
		pg_add_text(request, SLICE("its window has passed"));
		intake_ask(intake, &request, CHORE_WAIT_US, on_finished, NULL);
	}
	return false;
}

/* After a failover everybody gets time to renew first: design section 4. */
static struct pg_request *ask_steal(struct intake *intake)
{
	int64_t streak_us = loop_boot_us(intake->loop) - intake->lease.since_us;

	if (!intake_live(intake) || streak_us < STEAL_STREAK_US) {
		return NULL;
	}
	return ask_limit(SQL_MARK_DEAD, STEAL_GRACE_US);
}

static bool done_steal(struct intake *intake, const struct pg_answer *answer)
{
	for (size_t row = 0; row < pg_rows(answer, 0); row++) {
		log_warning(NULL, "worker_dead", "node=%s name=%s",
			log_quote(pg_text(answer, 0, row, 1)),
			log_quote(pg_text(answer, 0, row, 2)));
		intake->chores.due_us[TAKE_OVER] = 0;
	}
	return false;
}

static struct pg_request *ask_take_over(struct intake *intake)
{
	(void)intake;
	return ask_limit(SQL_TAKE_OVER, TAKE_OVER_BATCHES);
}

static bool done_take_over(struct intake *intake, const struct pg_answer *answer)
{
	size_t rows = pg_rows(answer, 0);

	if (rows > 0) {
		log_warning(NULL, "taken_over", "batches=%zu", rows);
		intake->chores.due_us[SWEEP] = 0; /* they are due since long: no poll sees them */
	}
	return rows > 0;
}

void chores_doubt(struct intake *intake)
{
	struct chores *chores = &intake->chores;

	chores->doubts = DOUBT_LOOKS;
	chores->due_us[DOUBT] = loop_now_us(intake->loop);
	if (!chores->busy) {
		timer_set(&chores->timer, chores->due_us[DOUBT]);
	}
}

/* Frees what was leased under tokens that are not ours any more, or never came to be. */
struct pg_request *chores_lease_sweep(const struct intake *intake)
{
	const struct claimer *claimer = &intake->claimer;
	struct pg_request *request = intake_request(SQL_LEASE_SWEEP);

	pg_add_id(request, &intake->lease.worker);
	pg_array(request);
	for (struct list_link *link = list_first(&claimer->claims); link != NULL;
		link = list_next(&claimer->claims, link)) {
		pg_item_id(request, &LIST_OWNER(link, struct claim, link)->token);
	}
	if (!id_is_zero(claimer->asked_token)) {
		pg_item_id(request, &claimer->asked_token);
	}
	pg_array_end(request);
	return request;
}

/* The statement that was cut off may still be at work: so more than one look. */
static struct pg_request *ask_doubt(struct intake *intake)
{
	return intake->chores.doubts > 0 ? chores_lease_sweep(intake) : NULL;
}

static bool done_doubt(struct intake *intake, const struct pg_answer *answer)
{
	struct chores *chores = &intake->chores;
	size_t rows = pg_rows(answer, 0);

	if (rows > 0) {
		log_warning(NULL, "lost_claim_released", "batches=%zu", rows);
		chores->due_us[SWEEP] = 0;
	}
	if (--chores->doubts > 0) {
		int64_t wait_us = DOUBT_PERIOD_US << (2 * (DOUBT_LOOKS - 1 - chores->doubts));

		chores->due_us[DOUBT] = loop_now_us(intake->loop) + wait_us; /* 2, 8, 32 s */
	}
	return false;
}

static bool done_learn(struct intake *intake, const struct pg_answer *answer)
{
	/* When distributed, the other tenants' turn is at once. */
	return answer->status == PG_DONE && intake->settings.distributed &&
		map_count(intake->chores.to_tell) > 0;
}

static const struct chore table[] = {
	[SWEEP] = {"ready_sweep", -1, ask_sweep, done_sweep, NULL},
	[INBOX] = {"inbox_move", 0, ask_inbox, done_inbox, failed_inbox},
	[FOLD] = {"fold_sweep", -1, ask_fold, done_fold, NULL},
	[OVERDUE] = {"campaign_overdue", 30 * TIME_SECOND_US, ask_overdue, done_overdue, NULL},
	[STEAL] = {"mark_dead", 30 * TIME_SECOND_US, ask_steal, done_steal, NULL},
	[TAKE_OVER] = {"take_over", 30 * TIME_SECOND_US, ask_take_over, done_take_over, NULL},
	[DOUBT] = {"lease_sweep", 0, ask_doubt, done_doubt, NULL},
	[LEARN] = {"domain_learn", 30 * TIME_SECOND_US, learn_request, done_learn, NULL},
};

_Static_assert(ARRAY_LEN(table) == CHORES, "a row for each");
_Static_assert(ARRAY_LEN(table) <= CHORES_MAX, "a due time for each");

static void set_next(struct intake *intake, size_t chore)
{
	int64_t period_us = table[chore].period_us;

	if (period_us < 0) {
		period_us = intake->settings.sweep_us;
	}
	intake->chores.due_us[chore] =
		period_us == 0 ? INT64_MAX : loop_now_us(intake->loop) + period_us;
}

static void set_timer(struct intake *intake)
{
	struct chores *chores = &intake->chores;

	timer_set(&chores->timer, chores->due_us[first_due(chores)]);
}

static void failed(struct intake *intake, size_t chore, const struct pg_answer *answer)
{
	int64_t now_us = loop_now_us(intake->loop);
	bool again = intake_try_again(answer, table[chore].name);

	if (table[chore].failed != NULL) {
		table[chore].failed(intake, answer);
	} else if (again) {
		intake->chores.due_us[chore] = now_us + AGAIN_US;
	} else if (table[chore].period_us == 0) {
		intake->chores.due_us[chore] = now_us + REFUSED_US;
	}
}

static bool on_chore(struct intake *intake, const struct pg_answer *answer, void *context)
{
	struct chores *chores = &intake->chores;
	size_t chore = chores->running;

	(void)context;
	chores->busy = false;
	if (answer->status != PG_DONE) {
		failed(intake, chore, answer);
	} else if (table[chore].done(intake, answer)) {
		chores->due_us[chore] = loop_now_us(intake->loop);
	}
	set_timer(intake);
	return false;
}

static void run_chores(void *owner)
{
	struct intake *intake = owner;
	struct chores *chores = &intake->chores;
	size_t chore = first_due(chores);

	if (!chores->started || chores->busy || intake->lease.lost) {
		return;
	}
	if (chores->due_us[chore] <= loop_now_us(intake->loop)) {
		struct pg_request *request;

		set_next(intake, chore);
		request = table[chore].ask(intake);
		if (request != NULL) {
			chores->busy = true;
			chores->running = chore;
			intake_ask(intake, &request, CHORE_WAIT_US, on_chore, NULL);
			return;
		}
	}
	set_timer(intake);
}

void chores_start(struct intake *intake)
{
	struct chores *chores = &intake->chores;
	int64_t now_us = loop_now_us(intake->loop);

	chores->started = true;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		chores->due_us[i] = now_us;
	}
	chores->due_us[TAKE_OVER] = now_us - 1; /* first: the next sweep finds what it frees */
	timer_set(&chores->timer, now_us);
}

void chores_open(struct intake *intake)
{
	struct chores *chores = &intake->chores;

	for (size_t i = 0; i < ARRAY_LEN(chores->due_us); i++) {
		chores->due_us[i] = INT64_MAX;
	}
	learn_open(intake);
	timer_init(&chores->timer, intake->loop, run_chores, intake);
}

void chores_clear(struct intake *intake)
{
	learn_clear(intake);
}
