/*
 * penguinctl node: the workers of all machines, and the word that one of them is gone.
 *
 * A lease runs out by itself, minutes after its worker was heard of last.  Who knows that a
 * machine is off need not wait: he says so, and what it held is free at once.  If it lives
 * all the same, its next word to Postgres tells it that it is dead, and it sends nothing
 * more; but what it sends until then may be sent twice.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/time.h"
#include "command.h"

#define QUIET_US "15000000" /* who was heard of since then may well be alive */
#define BY_FORCE "0"
#define BATCHES "200" /* freed a step */

/* Columns of worker_find. */
enum { FIND_ID, FIND_NODE, FIND_NAME, FIND_QUIET, FIND_SEEN, FIND_UNTIL, FIND_NOW, FIND_HELD };

int node_list(struct ctl *ctl)
{
	int code = ctl_run(ctl, SQL_WORKER_LIST, NULL);

	if (code == 0) {
		ctl_rows(ctl);
	}
	return code;
}

static int find(struct ctl *ctl)
{
	char *node = mem_string(ctl->arguments[0]);
	char *name = strchr(node, '/');
	struct id id;
	bool by_id = id_parse(slice_of(node), &id);
	int code;

	if (name != NULL) {
		*name++ = '\0';
	}
	code = ctl_run(ctl, SQL_WORKER_FIND,
		(const char *const[]){by_id ? NULL : node, name, by_id ? node : NULL, QUIET_US});
	mem_free(node);
	if (code == 0 && pg_sync_rows(ctl->pg) == 0) {
		return ctl_fail(EX_DATAERR,
			"no live worker is '%s': a node, NODE/NAME or an id, as 'penguinctl node "
			"list' has them",
			ctl->arguments[0]);
	}
	return code;
}

static int64_t ago_us(const struct pg_sync *pg, size_t row)
{
	return strtoll(pg_sync_text(pg, row, FIND_NOW), NULL, 10) -
		strtoll(pg_sync_text(pg, row, FIND_SEEN), NULL, 10);
}

static void add_ago(const struct pg_sync *pg, size_t row, struct buf *out)
{
	time_add_duration(out, ago_us(pg, row) / TIME_SECOND_US * TIME_SECOND_US);
	buf_add_text(out, " ago");
}

static int refuse_alive(struct ctl *ctl)
{
	struct buf ago;
	int code = 0;

	buf_init(&ago, 0);
	for (size_t row = 0; code == 0 && row < pg_sync_rows(ctl->pg); row++) {
		if (pg_sync_text(ctl->pg, row, FIND_QUIET)[0] == 't') {
			continue;
		}
		add_ago(ctl->pg, row, &ago);
		code = ctl_fail(EX_TEMPFAIL,
			"worker %s of %s was heard of %s: it seems to be alive; stop it, or say "
			"--force",
			pg_sync_text(ctl->pg, row, FIND_NAME),
			pg_sync_text(ctl->pg, row, FIND_NODE), buf_string(&ago));
	}
	buf_clear(&ago);
	return code;
}

static void tell_what_follows(struct ctl *ctl)
{
	struct buf ago;

	buf_init(&ago, 0);
	for (size_t row = 0; row < pg_sync_rows(ctl->pg); row++) {
		buf_reset(&ago);
		add_ago(ctl->pg, row, &ago);
		ctl_line("%s/%s (%s): heard of %s, holds %s jobs",
			pg_sync_text(ctl->pg, row, FIND_NODE),
			pg_sync_text(ctl->pg, row, FIND_NAME), pg_sync_text(ctl->pg, row, FIND_ID),
			buf_string(&ago), pg_sync_text(ctl->pg, row, FIND_HELD));
	}
	buf_clear(&ago);
	ctl_print("Others send what it holds.  What it has sent and not reported is sent twice, "
		  "flagged as possible\nduplicates.  If it is alive it sends nothing more once it "
		  "hears of this.\n");
}

static int confirm(const struct ctl *ctl)
{
	char answer[16] = "";

	if (ctl_option(ctl, "yes", NULL) != NULL) {
		return 0;
	}
	if (isatty(STDIN_FILENO) == 0) {
		return ctl_fail(EX_USAGE, "nobody is there to be asked: give --yes");
	}
	ctl_print("Is the machine off, or the worker gone? [y/N] ");
	(void)fflush(stdout);
	if (fgets(answer, sizeof(answer), stdin) == NULL ||
		(answer[0] != 'y' && answer[0] != 'Y')) {
		return ctl_fail(EX_TEMPFAIL, "nothing was changed");
	}
	return 0;
}

static int kill_found(struct ctl *ctl, bool force)
{
	size_t count = pg_sync_rows(ctl->pg);
	struct buf ids;
	int code;

	buf_init(&ids, 0);
	for (size_t row = 0; row < count; row++) {
		buf_add_format(
			&ids, "%s%s", row == 0 ? "{" : ",", pg_sync_text(ctl->pg, row, FIND_ID));
	}
	buf_add_byte(&ids, '}');
	code = ctl_run(ctl, SQL_WORKER_KILL,
		(const char *const[]){buf_string(&ids), force ? BY_FORCE : QUIET_US});
	buf_clear(&ids);
	if (code == 0 && pg_sync_rows(ctl->pg) < count) {
		return ctl_fail(EX_TEMPFAIL,
			"%zu of %zu are dead now: of the others something was heard meanwhile",
			pg_sync_rows(ctl->pg), count);
	}
	return code;
}

static int take_over(struct ctl *ctl, size_t *ret_batches)
{
	int code;

	do {
		code = ctl_run(ctl, SQL_TAKE_OVER, (const char *const[]){BATCHES});
		*ret_batches += code == 0 ? pg_sync_rows(ctl->pg) : 0;
	} while (code == 0 && pg_sync_rows(ctl->pg) > 0);
	return code;
}

int node_dead(struct ctl *ctl)
{
	bool json = ctl_option(ctl, "json", NULL) != NULL;
	bool force = ctl_option(ctl, "force", NULL) != NULL;
	size_t batches = 0;
	int code = find(ctl);

	code = code != 0 || force ? code : refuse_alive(ctl);
	if (code == 0 && !json) {
		tell_what_follows(ctl);
	}
	code = code != 0 ? code : confirm(ctl);
	if (code == 0 && json) {
		ctl_rows(ctl);
	}
	code = code != 0 ? code : kill_found(ctl, force);
	code = code != 0 ? code : take_over(ctl, &batches);
	if (code == 0 && !json) {
		ctl_print(
			"dead; %zu %s free\n", batches, batches == 1 ? "batch is" : "batches are");
	}
	return code;
}
