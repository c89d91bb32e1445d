/*
 * The end of a worker: claim nothing more, and wait for what was being claimed; let what
 * is on the wire end and give back the rest; report everything; give the lease back.
 * Each step begins when the one before has nothing left, which stop_look() finds out
 * whenever something goes.  Steps are taken from the loop, never from within what called.
 */
#include "stop.h"

#include "base/log.h"
#include "base/mem.h"

enum stop_step {
	STOP_DRAINING,  /* a claim under way, jobs at hand */
	STOP_REPORTING, /* what Postgres does not know yet */
	STOP_LEAVING,   /* the lease */
	STOP_CLOSING,   /* connections */
	STOP_DONE,
};

struct stop {
	struct worker *worker;
	enum stop_step step;
	bool quiet; /* no claim is under way */
	struct timer look;
	void (*on_done)(void *owner);
	void *owner;
};

static void advance(void *owner);

static void go(struct stop *stop, enum stop_step step)
{
	stop->step = step;
	timer_set(&stop->look, loop_now_us(stop->worker->loop));
}

static void on_flushed(void *owner)
{
	go(owner, STOP_LEAVING);
}

static void on_left(void *owner)
{
	struct stop *stop = owner;

	sessions_close(stop->worker->sessions);
	go(stop, STOP_CLOSING);
}

static void advance(void *owner)
{
	struct stop *stop = owner;
	struct worker *worker = stop->worker;

	switch (stop->step) {
	case STOP_DRAINING:
		if (stop->quiet && worker->at_hand == 0) {
			stop->step = STOP_REPORTING;
			record_flush(worker->record, on_flushed, stop);
		}
		break;
	case STOP_LEAVING:
		intake_close(worker->intake, on_left, stop);
		break;
	case STOP_CLOSING:
		if (worker->outlets.count == 0) {
			stop->step = STOP_DONE;
			stop->on_done(stop->owner);
		}
		break;
	case STOP_REPORTING:
	case STOP_DONE:
		break;
	}
}

void stop_look(struct worker *worker)
{
	struct stop *stop = worker->stop;

	if (stop != NULL && (stop->step == STOP_DRAINING || stop->step == STOP_CLOSING)) {
		timer_set(&stop->look, loop_now_us(worker->loop));
	}
}

/* What it brought was given back on the way (flow.c). */
static void on_quiet(void *owner)
{
	struct stop *stop = owner;

	stop->quiet = true;
	stop_look(stop->worker);
}

static bool pick_all(void *owner, struct plan *plan)
{
	(void)owner;
	(void)plan;
	return true;
}

void worker_stop(struct worker *worker, void (*on_done)(void *owner), void *owner)
{
	if (worker->stop != NULL) {
		log_warning(NULL, "stopping_now", "at_hand=%zu", worker->at_hand);
		sessions_abort(worker->sessions);
		return;
	}
	log_info(NULL, "draining", "at_hand=%zu", worker->at_hand);
	worker->stop = MEM_NEW(struct stop);
	worker->stop->worker = worker;
	worker->stop->on_done = on_done;
	worker->stop->owner = owner;
	timer_init(&worker->stop->look, worker->loop, advance, worker->stop);
	intake_stop(worker->intake, on_quiet, worker->stop);
	outlet_pick_all(worker, pick_all, NULL);
	outlet_close_all(worker);
	stop_look(worker);
}

void stop_free(struct stop **stop)
{
	if (*stop != NULL) {
		timer_stop(&(*stop)->look);
		mem_free(*stop);
		*stop = NULL;
	}
}
