/* What the commands of penguinctl share: their arguments, the database, how they fail. */
#ifndef CTL_COMMAND_H
#define CTL_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/id.h"
#include "compose/content.h"
#include "io/pg_sync.h"
#include "sql/statements.h"

#define CTL_OPTIONS_MAX 16
#define CTL_CONFIG "/etc/penguin-mta/penguin-mta.yaml"

struct ctl {
	const char *dsn;
	const struct config *config; /* NULL: none was named; ctl_need_config() */
	struct pg_sync *pg;
	const char *arguments[4];
	size_t count;
	struct {
		const char *name;
		const char *value;
	} options[CTL_OPTIONS_MAX];
	size_t options_count;
};

struct ctl_command {
	const char *name;      /* its words */
	const char *arguments; /* for people */
	const char *options;   /* "tenant= json": those with = take a value */
	const char *help;
	size_t min, max; /* arguments */
	int (*run)(struct ctl *ctl);
};

const char *ctl_option(const struct ctl *ctl, const char *name, const char *otherwise);
bool ctl_number(const struct ctl *ctl, const char *name, uint64_t *value);

/* Says it on stderr, as "penguinctl: ...", without control characters; returns the code. */
int ctl_fail(int code, const char *format, ...) PRINTF_LIKE(2, 3);
void ctl_print(const char *format, ...) PRINTF_LIKE(1, 2);

/* One line whatever the texts in it are, and its end. */
void ctl_line(const char *format, ...) PRINTF_LIKE(1, 2);
void ctl_json(struct slice json);

/* 0, or the exit code after it was said. */
MUST_USE int ctl_connect(struct ctl *ctl);
MUST_USE int ctl_run(struct ctl *ctl, enum sql_id id, const char *const *values);
MUST_USE int ctl_script(struct ctl *ctl, const char *text);
int ctl_refused(struct ctl *ctl, const char *doing, struct buf *why);

/* The program's configuration, for where the database is; faults are told. */
struct config;
MUST_USE int ctl_config(const char *path, const struct config **ret_config);
/* Sets ctl->config: the one of -c, else the usual place. */
MUST_USE int ctl_need_config(struct ctl *ctl);

/* By name or id, from --tenant, or the campaign from an argument; connects too. */
MUST_USE int ctl_tenant(struct ctl *ctl, const char *name, char ret_id[ID_TEXT + 1]);
MUST_USE int ctl_campaign(struct ctl *ctl, const char *tenant, const char *name,
	char ret_id[ID_TEXT + 1], int64_t *ret_created_us);

/* The job that the first argument names, by id only: a wrong one is said before Postgres is asked. */
MUST_USE int ctl_job(struct ctl *ctl, char ret_tenant[ID_TEXT + 1]);

/*
 * Compiles a content with its partials as they were at that instant.  0 with NULL in
 * *ret_content when it has faults.
 */
struct ctl_content {
	struct slice body;
	bool raw;
	int64_t as_of_us;
};
MUST_USE int ctl_compile(struct ctl *ctl, const char *tenant, const struct ctl_content *content,
	struct content **ret_content, struct buf *faults);
MUST_USE int ctl_read_file(const char *path, size_t max, struct buf *out);

/*
 * The rows of the last statement: for people as an aligned table, with --json as one
 * object a line.  Columns that end in _us are instants.  Texts of strangers are shown
 * without control characters.
 */
void ctl_rows(struct ctl *ctl);

int migrate_status(struct ctl *ctl);
int migrate_up(struct ctl *ctl);
int migrate_print(struct ctl *ctl);
int tenant_add(struct ctl *ctl);
int tenant_list(struct ctl *ctl);
int content_add(struct ctl *ctl);
int content_list(struct ctl *ctl);
int key_add(struct ctl *ctl);
int campaign_create(struct ctl *ctl);
int campaign_start(struct ctl *ctl);
int preflight(struct ctl *ctl);

/*
 * Preflight of a campaign, shown where anything is amiss.  0, 78 at a hard failure, 75
 * when the DNS does not answer, or why it could not be made; *ret_verdict is its word.
 */
MUST_USE int ctl_preflight_campaign(
	struct ctl *ctl, const char *tenant, const char *campaign, const char **ret_verdict);
int campaign_pause(struct ctl *ctl);
int campaign_resume(struct ctl *ctl);
int campaign_cancel(struct ctl *ctl);
int campaign_finish(struct ctl *ctl);
int campaign_show(struct ctl *ctl);
int enqueue(struct ctl *ctl);
int maintain(struct ctl *ctl);
int tenant_set(struct ctl *ctl);
int hold_add(struct ctl *ctl);
int hold_release(struct ctl *ctl);
int hold_list(struct ctl *ctl);

/* Says which holds stop this tenant and campaign, if any. */
MUST_USE int ctl_tell_holds(struct ctl *ctl, const char *tenant, const char *campaign);
int suppress_add(struct ctl *ctl);
int suppress_remove(struct ctl *ctl);
int suppress_list(struct ctl *ctl);
int quarantine_list(struct ctl *ctl);
int quarantine_release(struct ctl *ctl);
int doubt_list(struct ctl *ctl);
int doubt_retry(struct ctl *ctl);
int doubt_sent(struct ctl *ctl);
int doubt_failed(struct ctl *ctl);
int erase(struct ctl *ctl);
int explain(struct ctl *ctl);
int log_show(struct ctl *ctl);
int queue_show(struct ctl *ctl);
int provider_list(struct ctl *ctl);
int provider_show(struct ctl *ctl);
int node_list(struct ctl *ctl);
int node_dead(struct ctl *ctl);
int verify(struct ctl *ctl);
int spool_list(struct ctl *ctl);
int spool_show(struct ctl *ctl);

#endif
