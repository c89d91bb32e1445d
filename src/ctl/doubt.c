/*
 * penguinctl doubt: jobs whose connection was lost after the final dot, in campaigns that
 * hold them (on_in_doubt: hold).  Only a person can find out what became of one, in the
 * receiver's log or by asking; here it is told.
 *
 * Of two who decide at once the database takes the first, so a job is sent again once and
 * counted once.
 */
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/mem.h"
#include "command.h"

#define PAGE "1000" /* jobs a list; a whole campaign is done page by page */

struct decision {
	const char *state; /* NULL: send it again */
	const char *did;
};

static int find(struct ctl *ctl, char tenant[ID_TEXT + 1], char campaign[ID_TEXT + 1],
	const char **ret_campaign)
{
	const char *name = ctl_option(ctl, "campaign", NULL);
	int64_t created_us;
	int code = ctl_tenant(ctl, ctl_option(ctl, "tenant", NULL), tenant);

	*ret_campaign = name != NULL ? campaign : NULL;
	return code != 0 || name == NULL ? code
					 : ctl_campaign(ctl, tenant, name, campaign, &created_us);
}

static int list(struct ctl *ctl, const char *tenant, const char *campaign)
{
	return ctl_run(ctl, SQL_DOUBT_LIST, (const char *const[]){tenant, campaign, PAGE});
}

int doubt_list(struct ctl *ctl)
{
	char tenant[ID_TEXT + 1];
	char campaign[ID_TEXT + 1];
	const char *one;
	int code = find(ctl, tenant, campaign, &one);

	code = code != 0 ? code : list(ctl, tenant, one);
	if (code == 0) {
		ctl_rows(ctl);
	}
	return code;
}

/* Adds 1 to *done if the decision was ours. */
static int decide(struct ctl *ctl, const struct decision *decision, const char *tenant,
	const char *job, size_t *done)
{
	const char *reason = ctl_option(ctl, "reason", "an operator said so");
	int code = decision->state == NULL
		? ctl_run(ctl, SQL_DOUBT_RETRY, (const char *const[]){tenant, job, "0"})
		: ctl_run(ctl, SQL_DOUBT_END,
			  (const char *const[]){tenant, job, decision->state, reason, "0"});
	*done += code == 0 ? pg_sync_rows(ctl->pg) : 0;
	return code;
}

/* Those that the list found: copied, for each decision's answer takes its place. */
static int decide_page(
	struct ctl *ctl, const struct decision *decision, const char *tenant, size_t *done)
{
	size_t count = pg_sync_rows(ctl->pg);
	char(*jobs)[ID_TEXT + 1] = mem_array(count + 1, sizeof(*jobs));
	int code = 0;

	for (size_t i = 0; i < count; i++) {
		memcpy(jobs[i], pg_sync_text(ctl->pg, i, 0), sizeof(jobs[i]));
	}
	for (size_t i = 0; i < count && code == 0; i++) {
		code = decide(ctl, decision, tenant, jobs[i], done);
	}
	mem_free(jobs);
	return code;
}

static int decide_campaign(
	struct ctl *ctl, const struct decision *decision, char tenant[ID_TEXT + 1], size_t *done)
{
	char campaign[ID_TEXT + 1];
	const char *one;
	size_t before;
	int code = find(ctl, tenant, campaign, &one);

	do {
		before = *done;
		code = code != 0 ? code : list(ctl, tenant, one);
		code = code != 0 ? code : decide_page(ctl, decision, tenant, done);
	} while (code == 0 && *done > before);
	return code;
}

static int run(struct ctl *ctl, const struct decision *decision)
{
	bool all = ctl_option(ctl, "campaign", NULL) != NULL;
	char tenant[ID_TEXT + 1];
	size_t done = 0;
	int code;

	if (all == (ctl->count > 0)) {
		return ctl_fail(
			EX_USAGE, "which one? give a job, or --campaign NAME for all of it");
	}
	if (all) {
		code = decide_campaign(ctl, decision, tenant, &done);
	} else {
		code = ctl_job(ctl, tenant);
		code = code != 0 ? code : decide(ctl, decision, tenant, ctl->arguments[0], &done);
	}
	if (done > 0) {
		ctl_print("%zu %s %s\n", done, done == 1 ? "job" : "jobs", decision->did);
	}
	if (code == 0 && done == 0) {
		return ctl_fail(EX_DATAERR, "nothing is in doubt there%s",
			decision->state == NULL ? ", or the campaign has ended" : "");
	}
	return code;
}

int doubt_retry(struct ctl *ctl)
{
	return run(ctl, &(struct decision){.did = "will be sent again"});
}

int doubt_sent(struct ctl *ctl)
{
	return run(ctl, &(struct decision){.state = "delivered", .did = "counted as delivered"});
}

int doubt_failed(struct ctl *ctl)
{
	return run(ctl, &(struct decision){.state = "failed", .did = "counted as failed"});
}
