/*
 * After a failover Postgres may have forgotten what others had claimed, sent and reported:
 * it waits here as if nobody had touched it.  Each worker finds that out of its own commits
 * with the next one (worker_beat.sql), and tells what its journal has at its next start.  So
 * whoever comes back to another server than before claims nothing before each other live
 * worker has committed something since, and while one of them has something to tell.  A server
 * is known by when it was started: one that ran on has forgotten nothing.
 *
 * Who has found something is waited for as long as its lease lasts.  Who is only silent may
 * be dead, so that has a bound.  A start waits only for the former.
 */
#include "intake_private.h"

#include <string.h>

#include "base/log.h"
#include "base/time.h"

#define AGAIN_US (TIME_SECOND_US / 2)
#define PATIENCE_US (15 * TIME_SECOND_US)
#define SILENT_US (2 * TIME_SECOND_US) /* before it is said of anybody */

enum { UNTOLD_SERVER, UNTOLD_NODE, UNTOLD_NAME, UNTOLD_TELLING };

bool caution_waits(const struct intake *intake)
{
	return intake->caution.state != CAUTION_NONE;
}

static void set_ask(struct intake *intake, int64_t in_us)
{
	timer_set(&intake->caution.ask, loop_now_us(intake->loop) + in_us);
}

static int64_t back_us(const struct intake *intake)
{
	return loop_boot_us(intake->loop) - intake->caution.since_us;
}

static void tell(struct intake *intake, const struct pg_answer *answer)
{
	bool telling = pg_bool(answer, 0, 0, UNTOLD_TELLING);

	if (!intake->caution.told && (telling || back_us(intake) > SILENT_US)) {
		intake->caution.told = true;
		log_warning(NULL, "claims_wait", "node=%s name=%s text=%s",
			log_quote(pg_text(answer, 0, 0, UNTOLD_NODE)),
			log_quote(pg_text(answer, 0, 0, UNTOLD_NAME)),
			log_quote(telling ? SLICE("Postgres has forgotten what this worker had "
						  "done: nothing is claimed until it has told")
					  : SLICE("this worker has not been heard of since "
						  "Postgres is back: it may know what that "
						  "has forgotten")));
	}
}

static void end(struct intake *intake, struct slice server)
{
	size_t n = slice_first(server, sizeof(intake->caution.server) - 1).n;

	memcpy(intake->caution.server, server.p, n);
	intake->caution.server[n] = '\0';
	if (intake->caution.told) {
		log_info(NULL, "claims_go_on", "%s", "");
	}
	intake->caution.state = CAUTION_NONE;
	intake->caution.told = false;
	intake_hurry(intake);
}

static bool on_untold(struct intake *intake, const struct pg_answer *answer, void *context)
{
	struct caution *caution = &intake->caution;
	bool over;

	(void)context;
	if (caution->state == CAUTION_NONE || caution->state == CAUTION_AWAY) {
		return false; /* it went again meanwhile */
	}
	if (answer->status != PG_DONE) {
		(void)intake_try_again(answer, "worker_untold");
		set_ask(intake, AGAIN_US);
		return false;
	}
	over = pg_is_null(answer, 0, 0, UNTOLD_NODE) ||
		(!pg_bool(answer, 0, 0, UNTOLD_TELLING) && back_us(intake) > PATIENCE_US);
	if (over) {
		end(intake, pg_text(answer, 0, 0, UNTOLD_SERVER));
		return false;
	}
	tell(intake, answer);
	set_ask(intake, AGAIN_US);
	return false;
}

static void ask(void *owner)
{
	struct intake *intake = owner;
	struct pg_request *request;

	if (intake->lease.lost) {
		return;
	}
	request = intake_request(SQL_WORKER_UNTOLD);
	pg_add_id(request, &intake->lease.worker);
	if (intake->caution.state == CAUTION_BACK) {
		pg_add_number(request, back_us(intake));
	} else {
		pg_add_null(request);
	}
	pg_add_text(request, slice_of(intake->caution.server));
	intake_ask(intake, &request, PATIENCE_US, on_untold, NULL);
}

void caution_start(struct intake *intake)
{
	if (intake->caution.state == CAUTION_NONE) {
		intake->caution.state = CAUTION_START;
	}
	if (intake->caution.state != CAUTION_AWAY) {
		set_ask(intake, 0);
	}
}

void intake_on_away(struct intake *intake)
{
	intake->caution.state = CAUTION_AWAY;
	timer_stop(&intake->caution.ask);
}

/* Also the first connection of all; then there was nothing before. */
void intake_on_back(struct intake *intake)
{
	struct caution *caution = &intake->caution;

	intake_renew(intake);
	if (caution->state != CAUTION_AWAY) {
		return;
	}
	caution->state = CAUTION_BACK;
	caution->since_us = loop_boot_us(intake->loop);
	if (intake->lease.started) {
		set_ask(intake, 0);
	}
}

void caution_open(struct intake *intake)
{
	timer_init(&intake->caution.ask, intake->loop, ask, intake);
}
