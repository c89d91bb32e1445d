/*
 * A journal without a worker: there were more of them at the last start.  What it knows
 * and Postgres does not is reported by a worker that does nothing else and ends; one that
 * another process still holds, or that is damaged, is tried again as any worker is.
 */
#include <dirent.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "team.h"

/* The number behind the w, of a name that is a worker's. */
static bool is_worker(const char *name, uint64_t *ret_number)
{
	struct slice number = slice_from(slice_of(name), 1);

	return name[0] == 'w' && slice_number(number, 999999, ret_number) &&
		(number.n == 1 || number.p[0] != '0');
}

static void on_started(void *owner, struct child *child)
{
	(void)owner;
	log_info(NULL, "journal_left", "worker=%s text=%s", child_name(child),
		log_quote(SLICE("of a worker that is no more: it is reported")));
}

static void on_message(void *owner, struct child *child, const struct control_message *message)
{
	(void)owner;
	(void)child;
	(void)message;
}

static void on_ended(void *owner, struct child *child, int status)
{
	(void)owner;
	(void)child;
	(void)status;
}

static void add(struct supervisor *supervisor, const char *name)
{
	const struct child_settings settings = {
		.config = supervisor->path,
		.name = name,
		.workers = (unsigned)supervisor->count,
		.replay = true,
	};
	const struct child_events events = {on_started, on_message, on_ended, supervisor};

	supervisor->lefts =
		mem_grow(supervisor->lefts, supervisor->left_count + 1, sizeof(*supervisor->lefts));
	supervisor->lefts[supervisor->left_count++] =
		child_new(supervisor->loop, &settings, &events);
}

void left_start(struct supervisor *supervisor)
{
	DIR *spool = opendir(supervisor->config->spool.directory);
	const struct dirent *entry;
	uint64_t number;

	if (spool == NULL) {
		return; /* the workers make it, or say why it cannot be */
	}
	while ((entry = readdir(spool)) != NULL) {
		if (is_worker(entry->d_name, &number) && number >= supervisor->count) {
			add(supervisor, entry->d_name);
		}
	}
	(void)closedir(spool);
}

void left_reap(struct supervisor *supervisor)
{
	for (size_t i = 0; i < supervisor->left_count; i++) {
		child_reap(supervisor->lefts[i]);
	}
}

bool left_run(const struct supervisor *supervisor)
{
	for (size_t i = 0; i < supervisor->left_count; i++) {
		if (child_runs(supervisor->lefts[i])) {
			return true;
		}
	}
	return false;
}
