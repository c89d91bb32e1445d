/*
 * worker/holds over simulated hours: what was heard since a job was claimed is known as
 * long as the job is at hand.
 */
#include "holds.h"

#include <criterion/criterion.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/time.h"
#include "no_leaks.h"

TestSuite(holds, .fini = no_leaks);

enum { MINUTE_S = 60 };

static time_t ahead_s; /* of the machine's clocks */

/* In place of libc's, for the loop as well. */
/* NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name): reserved words there */
int clock_gettime(clockid_t clock, struct timespec *ret_now)
{
	int result = (int)syscall(SYS_clock_gettime, clock, ret_now);

	ret_now->tv_sec += ahead_s;
	return result;
}

/* The least of an engine in which something is held. */
struct life {
	struct worker worker;
	struct tenant tenant;
	struct campaign campaign;
	struct batch batch;
	struct job job;
	struct plan plan;
};

static void begin(struct life *life)
{
	static const struct intake_settings settings = {.node = SLICE("n"), .version = SLICE("1")};
	static const struct intake_events events = {.choose = NULL};

	*life = (struct life){.campaign.stream = SLICE("*")};
	life->worker.loop = loop_new();
	life->worker.intake = intake_open(life->worker.loop, NULL, &settings, &events, NULL);
	life->worker.holds = holds_new(&life->worker);
	life->campaign.tenant = &life->tenant;
	life->batch.campaign = &life->campaign;
	life->job.batch = &life->batch;
	life->plan = (struct plan){.worker = &life->worker, .job = &life->job};
	cr_assert_eq(address_parse(SLICE("ann@d1.test"), &life->plan.address), ADDRESS_OK);
}

static void end(struct life *life)
{
	holds_free(&life->worker.holds);
	intake_free(&life->worker.intake);
	loop_free(&life->worker.loop);
}

static void suppress(struct life *life)
{
	holds_on_suppression(
		&life->worker, &life->tenant.id, SLICE("ann@d1.test"), SLICE("*"), INT64_MAX);
}

/* Timers that are long due wait for one look at the sockets, so more than one turn each. */
static void pass(struct life *life, int minutes)
{
	for (int i = 0; i < minutes; i++) {
		ahead_s += MINUTE_S;
		loop_drain(life->worker.loop);
		loop_drain(life->worker.loop);
	}
}

Test(holds, fault_F28_what_was_heard_since_is_known_as_long_as_the_job_is_at_hand)
{
	struct life life;

	begin(&life);
	holds_enter(life.worker.holds, &life.plan);
	cr_expect_eq(holds_ask(life.worker.holds, &life.plan), GATE_OPEN);
	pass(&life, 20);
	suppress(&life);
	cr_expect_eq(holds_ask(life.worker.holds, &life.plan), GATE_SUPPRESSED);
	pass(&life, 10 * 60);
	cr_expect_eq(
		holds_ask(life.worker.holds, &life.plan), GATE_SUPPRESSED, "it waited for hours");
	holds_leave(life.worker.holds, &life.plan);
	end(&life);
}

Test(holds, what_all_that_is_at_hand_was_claimed_behind_is_dropped)
{
	struct life life;
	struct plan early;

	begin(&life);
	early = life.plan;
	holds_enter(life.worker.holds, &early);
	suppress(&life);
	pass(&life, 100);
	holds_enter(life.worker.holds, &life.plan); /* SQL has looked for it */
	holds_leave(life.worker.holds, &early);
	cr_expect_eq(holds_ask(life.worker.holds, &life.plan), GATE_SUPPRESSED);
	pass(&life, 100);
	cr_expect_eq(holds_ask(life.worker.holds, &life.plan), GATE_OPEN, "for ever is no use");
	holds_leave(life.worker.holds, &life.plan);
	end(&life);
}
