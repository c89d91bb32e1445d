/*
 * The memory of a job at hand, from its claim until record/ takes it over.  A plan
 * counts in its tenant's and its site's load, which is what fair claiming and "slow
 * sites cannot clog" are decided by, so it is made and freed in this file only.
 */
#include "base/mem.h"
#include "equipment.h"
#include "holds.h"
#include "load.h"
#include "logbook.h"
#include "parts.h"
#include "shortage.h"
#include "stop.h"

struct plan *plan_new(struct worker *worker, struct job *job)
{
	struct plan *plan = MEM_NEW(struct plan);

	plan->worker = worker;
	plan->equipment = equipment_ref(worker->equipment);
	plan->job = job;
	plan->vars = slice_make(mem_copy(job->vars.p, job->vars.n), job->vars.n);
	job->vars = (struct slice){NULL, 0};
	plan->units = permits_hold(worker->permits, plan->vars.n);
	plan->tenant_load = load_tenant(permits_loads(worker->permits), &plan_tenant(plan)->id);
	load_add(plan->tenant_load, plan->units);
	permits_know(worker->permits, plan_tenant(plan));
	plan->window = permits_count(worker->permits, job);
	holds_enter(worker->holds, plan);
	job->plan = plan;
	worker->at_hand++;
	return plan;
}

void plan_free(struct plan **plan)
{
	struct plan *gone = *plan;
	struct worker *worker;

	if (gone == NULL) {
		return;
	}
	worker = gone->worker;
	logbook_withdraw(gone);
	load_drop(&gone->tenant_load, gone->units);
	load_drop(&gone->site_load, gone->units);
	permits_uncount(worker->permits, &gone->window);
	holds_leave(worker->holds, gone);
	permits_let_go(worker->permits, gone->units, gone->vars.n);
	mem_free((char *)(uintptr_t)gone->vars.p);
	content_unref(&gone->content);
	key_set_unref(&gone->keys);
	site_unref(&gone->site);
	equipment_unref(&gone->equipment);
	mem_free(gone);
	*plan = NULL;
	worker->at_hand--;
	stop_look(worker);
}

void plan_follow(struct plan *plan)
{
	if (plan->equipment != plan->worker->equipment) {
		equipment_unref(&plan->equipment);
		plan->equipment = equipment_ref(plan->worker->equipment);
	}
}

const struct campaign *plan_campaign(const struct plan *plan)
{
	return plan->job->batch->campaign;
}

const struct tenant *plan_tenant(const struct plan *plan)
{
	return plan->job->batch->campaign->tenant;
}

/* The configuration is checked for it that a signature outlives this. */
int64_t job_deadline_us(const struct worker *worker, const struct job *job)
{
	int64_t most_us = worker->equipment->config->retry.expire_us;
	int64_t own_us = job->batch->campaign->expires_us;

	return job->first_us + (own_us > 0 && own_us < most_us ? own_us : most_us);
}

bool plan_is_over(const struct plan *plan)
{
	return shortages_clock_agrees(plan->worker) &&
		intake_db_now_us(plan->worker->intake) >= job_deadline_us(plan->worker, plan->job);
}

void plan_give_back(struct plan **take, int64_t wait_us, struct slice tag)
{
	struct worker *worker = (*take)->worker;
	int64_t not_before_us = wait_us > 0 ? loop_wall_us(worker->loop) + wait_us : 0;

	record_give_back(worker->record, (*take)->job, not_before_us, tag);
	plan_free(take);
}

/* Of one that may have been sent before nobody may say that it was not. */
void plan_skip(struct plan **take, enum outcome state, struct slice reason)
{
	state = (*take)->job->doubt ? OUTCOME_IN_DOUBT : state;
	record_skip((*take)->worker->record, (*take)->job, state, reason);
	plan_free(take);
}

void plan_known(struct plan **take)
{
	struct worker *worker = (*take)->worker;

	record_hearsay(worker->record, (*take)->job, holds_end_of(worker->holds, *take));
	plan_free(take);
}
