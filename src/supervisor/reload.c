/*
 * A reload in two steps: the file is read here first, and what is wrong in it changes
 * nothing anywhere.  Then the workers read it, each for itself, and answer; what only they
 * can find out (a secret that cannot be read) one of them may refuse, and goes on as it
 * was.  One that ended meanwhile has read the new file at its start.
 *
 * A signal that comes during a reload asks for one more.
 */
#include "base/log.h"
#include "base/time.h"
#include "config/diff.h"
#include "notify.h"
#include "owners.h"
#include "team.h"

static void tell_begin(const struct supervisor *supervisor)
{
	struct buf lines;

	if (supervisor->phase != PHASE_WORKING) {
		return;
	}
	buf_init(&lines, 0);
	buf_add_format(&lines, "RELOADING=1\nMONOTONIC_USEC=%lld", (long long)time_monotonic_us());
	notify_say(supervisor->notify, buf_slice(&lines));
	buf_clear(&lines);
}

static void tell_end(const struct supervisor *supervisor)
{
	if (supervisor->phase == PHASE_WORKING) {
		notify_say(supervisor->notify, SLICE("READY=1"));
	}
}

static bool is_answered(const struct supervisor *supervisor)
{
	for (size_t i = 0; i < supervisor->count; i++) {
		if (supervisor->seats[i].reloading) {
			return false;
		}
	}
	return true;
}

/* Refused by all: as if it had not been.  By some: they are named, and the others go on. */
static void end(struct supervisor *supervisor)
{
	struct reload *reload = &supervisor->reload;

	if (reload->refused < supervisor->count) {
		if (reload->refused == 0) {
			config_settings_reloaded(config_settings(supervisor->started),
				config_settings(supervisor->config),
				config_settings(reload->config));
		}
		config_unref(&supervisor->config);
		supervisor->config = config_ref(reload->config);
		log_set_level(supervisor->config->log_level);
		owners_follow(supervisor->owners, supervisor->config);
	}
	config_unref(&reload->config);
	tell_end(supervisor);
	if (reload->again) {
		reload->again = false;
		supervisor_reload(supervisor);
	}
}

void reload_answer(struct seat *seat, const struct control_message *message)
{
	struct supervisor *supervisor = seat->supervisor;

	if (!seat->reloading) {
		return;
	}
	seat->reloading = false;
	if (message != NULL && message->verb == CONTROL_REFUSED) {
		supervisor->reload.refused++;
		log_error(NULL, "reload_refused", "worker=%s problems=%s", child_name(seat->child),
			log_quote(message->rest));
	}
	if (is_answered(supervisor)) {
		end(supervisor);
	}
}

static void ask_all(struct supervisor *supervisor)
{
	for (size_t i = 0; i < supervisor->count; i++) {
		struct seat *seat = &supervisor->seats[i];

		if (child_runs(seat->child)) {
			seat->reloading = true;
			child_say(seat->child, CONTROL_RELOAD, SLICE(""));
		}
	}
	if (is_answered(supervisor)) {
		end(supervisor);
	}
}

void supervisor_reload(struct supervisor *supervisor)
{
	struct buf problems;

	if (supervisor->phase > PHASE_WORKING) {
		return;
	}
	if (supervisor->reload.config != NULL) {
		supervisor->reload.again = true;
		return;
	}
	tell_begin(supervisor);
	buf_init(&problems, 0);
	if (config_load(supervisor->path, &supervisor->reload.config, &problems)) {
		supervisor->reload.refused = 0;
		ask_all(supervisor);
	} else {
		log_error(NULL, "reload_refused", "problems=%s", log_quote(buf_slice(&problems)));
		tell_end(supervisor);
	}
	buf_clear(&problems);
}
