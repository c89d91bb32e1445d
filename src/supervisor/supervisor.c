/*
 * One seat a worker, filled for as long as the program runs.  What ends a seat's worker
 * ends nobody else; only a worker that finds its configuration or journal unusable at its
 * very first start ends the program, since a person has just started it and is to be told,
 * and one that finds the name of this node taken.
 *
 * An end comes in steps, each of which waits for all: drain; after drain_timeout, or at a
 * second signal, wait no longer for what is on the wire; and what has not ended ten
 * seconds after that is killed, for the journal knows what it was at.
 */
#include "supervisor/supervisor.h"

#include <sysexits.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/time.h"
#include "notify.h"
#include "owners.h"
#include "team.h"

#define LOOK_US (5 * TIME_SECOND_US)
#define NOW_US (10 * TIME_SECOND_US)

static size_t index_of(const struct seat *seat)
{
	return (size_t)(seat - seat->supervisor->seats);
}

static void each_left(const struct supervisor *supervisor, void (*tell)(struct child *child))
{
	for (size_t i = 0; i < supervisor->left_count; i++) {
		tell(supervisor->lefts[i]);
	}
}

static void each(const struct supervisor *supervisor, void (*tell)(struct child *child))
{
	for (size_t i = 0; i < supervisor->count; i++) {
		tell(supervisor->seats[i].child);
	}
	each_left(supervisor, tell);
}

static size_t count_in(const struct supervisor *supervisor, enum child_state state)
{
	size_t count = 0;

	for (size_t i = 0; i < supervisor->count; i++) {
		count += child_state(supervisor->seats[i].child) == state;
	}
	return count;
}

static bool any_hangs(const struct supervisor *supervisor)
{
	for (size_t i = 0; i < supervisor->count; i++) {
		if (child_hangs(supervisor->seats[i].child)) {
			return true;
		}
	}
	return false;
}

static void show_status(struct supervisor *supervisor)
{
	struct buf text;

	buf_init(&text, 0);
	buf_add_format(&text, "%s%zu of %zu workers, %zu of %zu sources in use",
		supervisor->phase > PHASE_WORKING ? "draining: " : "",
		count_in(supervisor, CHILD_WORKS), supervisor->count,
		owners_usable(supervisor->owners), owners_count(supervisor->owners));
	for (size_t i = 0; i < supervisor->count; i++) {
		buf_add_text(&text, i == 0 ? ": " : ", ");
		child_describe(supervisor->seats[i].child, &text);
	}
	notify_status(supervisor->notify, buf_slice(&text));
	buf_clear(&text);
}

static int64_t look_us(const struct supervisor *supervisor)
{
	int64_t half_us = notify_watchdog_us(supervisor->notify) / 2;

	return half_us > 0 && half_us < LOOK_US ? half_us : LOOK_US;
}

/* The watchdog hears of us only while no worker hangs that even a kill does not end. */
static void on_look(void *owner)
{
	struct supervisor *supervisor = owner;

	if (notify_watchdog_us(supervisor->notify) > 0 && !any_hangs(supervisor)) {
		notify_say(supervisor->notify, SLICE("WATCHDOG=1"));
	}
	show_status(supervisor);
	timer_set(&supervisor->watchdog, loop_now_us(supervisor->loop) + look_us(supervisor));
}

static void become_ready(struct supervisor *supervisor)
{
	for (size_t i = 0; i < supervisor->count; i++) {
		if (!child_was_ready(supervisor->seats[i].child)) {
			return;
		}
	}
	supervisor->phase = PHASE_WORKING;
	show_status(supervisor);
	notify_say(supervisor->notify, SLICE("READY=1"));
	supervisor->events.on_ready(supervisor->events.owner);
}

static void look_for_end(struct supervisor *supervisor)
{
	if (supervisor->phase < PHASE_DRAINING || supervisor->phase == PHASE_OVER ||
		left_run(supervisor) || count_in(supervisor, CHILD_IS_OVER) < supervisor->count) {
		return;
	}
	supervisor->phase = PHASE_OVER;
	timer_stop(&supervisor->late);
	supervisor->events.on_ended(supervisor->events.owner, supervisor->status);
}

static void on_started(void *owner, struct child *child)
{
	struct seat *seat = owner;

	(void)child;
	owners_on_started(seat->supervisor->owners, index_of(seat));
}

static void on_message(void *owner, struct child *child, const struct control_message *message)
{
	struct seat *seat = owner;
	struct supervisor *supervisor = seat->supervisor;

	switch (message->verb) {
	case CONTROL_READY:
		log_info(NULL, "worker_ready", "worker=%s", child_name(child));
		if (supervisor->phase == PHASE_STARTING) {
			become_ready(supervisor);
		}
		break;
	case CONTROL_OWNS:
		owners_on_owned(supervisor->owners, index_of(seat), message->rest);
		break;
	case CONTROL_RELEASED:
		owners_on_released(supervisor->owners, index_of(seat), message->rest);
		break;
	case CONTROL_RELOADED:
	case CONTROL_REFUSED:
		reload_answer(seat, message);
		break;
	default:
		break; /* the child has taken note */
	}
}

/* What one worker found holds for all of them: the node's name is taken, or a start went wrong. */
static bool ends_all(const struct supervisor *supervisor, const struct child *child, int status)
{
	return status == EX_NOPERM ||
		(status == EX_CONFIG && !child_was_ready(child) &&
			supervisor->phase == PHASE_STARTING);
}

static void on_ended(void *owner, struct child *child, int status)
{
	struct seat *seat = owner;
	struct supervisor *supervisor = seat->supervisor;

	owners_on_ended(supervisor->owners, index_of(seat));
	reload_answer(seat, NULL);
	if (supervisor->phase >= PHASE_DRAINING) {
		supervisor->status = supervisor->status != EX_OK ? supervisor->status : status;
	} else if (ends_all(supervisor, child, status)) {
		supervisor->status = status;
		supervisor_stop(supervisor);
	}
	look_for_end(supervisor);
}

/* So many as there is work for: a worker without a source has none. */
static size_t count_workers(const struct config *config)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	size_t count = config->workers;

	if (count == 0) {
		count = cores > 1 ? (size_t)cores : 1;
		count = count < config->sources.count ? count : config->sources.count;
	}
	return count > 0 ? count : 1;
}

static void fill_seats(struct supervisor *supervisor)
{
	for (size_t i = 0; i < supervisor->count; i++) {
		struct seat *seat = &supervisor->seats[i];
		const struct child_events events = {on_started, on_message, on_ended, seat};
		struct buf name;

		buf_init(&name, 0);
		buf_add_format(&name, "w%zu", i);
		seat->supervisor = supervisor;
		seat->child = child_new(supervisor->loop,
			&(struct child_settings){.config = supervisor->path,
				.name = buf_string(&name),
				.workers = (unsigned)supervisor->count},
			&events);
		buf_clear(&name);
	}
}

static void on_late(void *owner)
{
	struct supervisor *supervisor = owner;

	if (supervisor->phase == PHASE_DRAINING) {
		log_warning(NULL, "drain_timeout", "text=%s",
			log_quote(SLICE("what is on the wire is waited for no longer")));
		supervisor_stop(supervisor);
	} else {
		each(supervisor, child_kill);
	}
}

struct supervisor *supervisor_open(struct loop *loop, const char *path, const struct config *config,
	const struct supervisor_events *events)
{
	struct supervisor *supervisor = MEM_NEW(struct supervisor);

	supervisor->loop = loop;
	supervisor->path = path;
	supervisor->started = config_ref(config);
	supervisor->config = config_ref(config);
	supervisor->events = *events;
	supervisor->notify = notify_open();
	supervisor->count = count_workers(config);
	supervisor->seats = mem_array(supervisor->count, sizeof(*supervisor->seats));
	supervisor->owners = owners_new(supervisor);
	timer_init(&supervisor->watchdog, loop, on_look, supervisor);
	timer_init(&supervisor->late, loop, on_late, supervisor);
	fill_seats(supervisor);
	owners_follow(supervisor->owners, config);
	left_start(supervisor);
	timer_set(&supervisor->watchdog, loop_now_us(loop) + look_us(supervisor));
	return supervisor;
}

void supervisor_reopen(struct supervisor *supervisor)
{
	for (size_t i = 0; i < supervisor->count; i++) {
		child_say(supervisor->seats[i].child, CONTROL_REOPEN, SLICE(""));
	}
}

static void stop_now(struct supervisor *supervisor)
{
	supervisor->phase = PHASE_ENDING;
	each(supervisor, child_stop_now);
	timer_set(&supervisor->late, loop_now_us(supervisor->loop) + NOW_US);
}

void supervisor_stop(struct supervisor *supervisor)
{
	if (supervisor->phase == PHASE_DRAINING) {
		stop_now(supervisor);
	} else if (supervisor->phase < PHASE_DRAINING) {
		supervisor->phase = PHASE_DRAINING;
		notify_say(supervisor->notify, SLICE("STOPPING=1"));
		timer_set(&supervisor->late,
			loop_now_us(supervisor->loop) + supervisor->config->drain_timeout_us);
		each(supervisor, child_drain);
		show_status(supervisor);
	}
	look_for_end(supervisor);
}

void supervisor_reap(struct supervisor *supervisor)
{
	for (size_t i = 0; i < supervisor->count; i++) {
		child_reap(supervisor->seats[i].child);
	}
	left_reap(supervisor);
	look_for_end(supervisor);
}

void supervisor_free(struct supervisor **supervisor)
{
	struct supervisor *gone = *supervisor;

	if (gone == NULL) {
		return;
	}
	*supervisor = NULL;
	timer_stop(&gone->watchdog);
	timer_stop(&gone->late);
	for (size_t i = 0; i < gone->count; i++) {
		child_free(&gone->seats[i].child);
	}
	for (size_t i = 0; i < gone->left_count; i++) {
		child_free(&gone->lefts[i]);
	}
	mem_free(gone->lefts);
	mem_free(gone->seats);
	owners_free(&gone->owners);
	notify_close(&gone->notify);
	config_unref(&gone->reload.config);
	config_unref(&gone->config);
	config_unref(&gone->started);
	mem_free(gone);
}
