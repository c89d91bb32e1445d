/*
 * The one gate: no final dot leaves without its word.  It asks whether the lease
 * will outlast the receiver's answer, so that nobody else can have claimed the job
 * meanwhile, and whether the recipient may still be written to.
 *
 * That the journal has the intent on the disk is the other half of it: launch.c waits
 * for that, and asks here when it is there.
 */
#include "away.h"
#include "holds.h"
#include "logbook.h"
#include "parts.h"
#include "shortage.h"

/*
 * Without Postgres a worker goes on for a while, but never beyond the results that
 * may be unconfirmed: they are what would be sent twice if this node were lost.
 */
bool gate_flows(const struct worker *worker)
{
	return !away_too_long(worker->away) &&
		record_unconfirmed(worker->record) < worker->equipment->config->limits.unreported &&
		logbook_flows(worker) && shortages_clock_agrees(worker);
}

enum gate gate_ask(const struct plan *plan, bool final_dot)
{
	const struct worker *worker = plan->worker;
	int64_t needed_us = final_dot ? worker->equipment->timeouts.dot_us : 1;

	if (intake_lease_left_us(worker->intake) < needed_us) {
		return GATE_LEASE;
	}
	return holds_ask(worker->holds, plan);
}
