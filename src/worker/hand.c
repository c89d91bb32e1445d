/*
 * A crash is written to Postgres by whoever finds the cell of the one that died: there it
 * counts wherever the job is tried next, and it is there before anything is claimed.  The
 * cell keeps it until then, so that a death on the way loses nothing.
 */
#include "hand.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/time.h"
#include "logbook.h"
#include "sql/statements.h"

#define AGAIN_US (TIME_SECOND_US / 2)

struct crash {
	struct worker *worker;
	struct cell_left left;
	struct later nothing; /* to tell */
	bool asking;
	bool gone; /* what is left is the memory, for the answer */
	void (*on_told)(void *owner);
	void *owner;
};

void hand_on(const struct plan *plan, enum cell_stage stage)
{
	const struct campaign *campaign = plan->job->batch->campaign;
	struct cell_job job = {campaign->tenant->id, campaign->id, plan->job->id};

	cell_mark(logbook_cell(plan->worker), &job, stage);
}

void hand_off(const struct worker *worker)
{
	cell_unmark(logbook_cell(worker));
}

static void tell_log(const struct crash *crash, int64_t crashes)
{
	char tenant[ID_TEXT + 1];
	char job[ID_TEXT + 1];

	id_text(crash->left.job.tenant, tenant);
	id_text(crash->left.job.job, job);
	log_warning(NULL, "crashed_at_hand", "tenant=%s job=%s stage=%s crashes=%lld", tenant, job,
		cell_stage_word(crash->left.stage), (long long)crashes);
}

static void on_answer(void *owner, const struct pg_answer *answer)
{
	struct crash *crash = owner;

	if (crash->gone) {
		mem_free(crash);
		return;
	}
	if (answer->status == PG_TRY_LATER || answer->status == PG_UNKNOWN) {
		pg_again(crash->worker->pg, answer, AGAIN_US); /* it counts once */
		return;
	}
	crash->asking = false;
	if (answer->status == PG_REFUSED) {
		log_error(NULL, "postgres_refused", "what=crash_add sqlstate=%s text=%s",
			log_quote(answer->sqlstate), log_quote(answer->text));
	} else if (pg_rows(answer, 0) > 0) {
		tell_log(crash, pg_number(answer, 0, 0, 0));
	}
	crash->on_told(crash->owner);
}

static void ask(struct crash *crash)
{
	const struct cell_left *left = &crash->left;
	struct pg_request *request = pg_request_new();

	pg_statement(request, sql_statements[SQL_CRASH_ADD].text);
	pg_add_id(request, &left->job.tenant);
	pg_add_id(request, &left->job.job);
	pg_add_id(request, &left->job.campaign);
	pg_add_id(request, &left->worker);
	pg_add_text(request, slice_of(cell_stage_word(left->stage)));
	crash->asking = true;
	pg_send(crash->worker->pg, &request, 0, on_answer, crash);
}

static void on_nothing(void *owner)
{
	struct crash *crash = owner;

	crash->on_told(crash->owner);
}

struct crash *crash_tell(struct worker *worker, void (*on_told)(void *owner), void *owner)
{
	struct crash *crash = MEM_NEW(struct crash);

	crash->worker = worker;
	crash->on_told = on_told;
	crash->owner = owner;
	later_init(&crash->nothing, on_nothing, crash);
	if (cell_left(logbook_cell(worker), &crash->left)) {
		ask(crash);
	} else {
		loop_later(worker->loop, &crash->nothing);
	}
	return crash;
}

void crash_free(struct crash **crash)
{
	struct crash *gone = *crash;

	if (gone == NULL) {
		return;
	}
	*crash = NULL;
	loop_later_cancel(gone->worker->loop, &gone->nothing);
	if (gone->asking) {
		gone->gone = true;
	} else {
		mem_free(gone);
	}
}
