/*
 * penguinctl campaign: make one, steer it, see what became of its jobs.
 *
 * Steering is one statement: workers see the new state at their next claim and on their
 * feed, so a pause is effective within seconds for a campaign of any size.  The numbers
 * of show are those that the database keeps, not counted anew.
 */
#include <jansson.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/codec.h"
#include "base/time.h"
#include "command.h"
#include "model/job.h"

static const char *const states[] = {"waiting", "leased", "retrying", "in_doubt", "delivered",
	"bounced", "expired", "suppressed", "cancelled", "failed"};

#define COLUMN_STATE 3
#define COLUMN_COMMITTED 12
#define COLUMN_STATES 13
#define COLUMN_PREFLIGHT 23
#define COLUMN_DUPLICATES 24
#define EXPIRE_MAX_US (30 * 86400 * TIME_SECOND_US)

static int find(struct ctl *ctl, char tenant[ID_TEXT + 1], char id[ID_TEXT + 1])
{
	int64_t created_us;
	int code = ctl_tenant(ctl, ctl_option(ctl, "tenant", NULL), tenant);

	return code != 0 ? code : ctl_campaign(ctl, tenant, ctl->arguments[0], id, &created_us);
}

static int refuse_namesake(struct ctl *ctl, const char *tenant)
{
	int code = ctl_run(ctl, SQL_CAMPAIGN_SHOW, (const char *const[]){tenant, NULL});

	for (size_t i = 0; code == 0 && i < pg_sync_rows(ctl->pg); i++) {
		if (strcmp(pg_sync_text(ctl->pg, i, 2), ctl->arguments[0]) == 0) {
			return ctl_fail(EX_DATAERR, "there is a campaign '%s' already: %s",
				ctl->arguments[0], pg_sync_text(ctl->pg, i, 1));
		}
	}
	return code;
}

static int find_content(struct ctl *ctl, const char *tenant, char ret_id[ID_TEXT + 1])
{
	const char *name = ctl_option(ctl, "content", NULL);
	int code;

	if (name == NULL) {
		return ctl_fail(EX_USAGE, "which content? give --content NAME");
	}
	code = ctl_run(ctl, SQL_CONTENT_LIST, (const char *const[]){tenant, name});
	if (code == 0 && pg_sync_rows(ctl->pg) == 0) {
		return ctl_fail(EX_DATAERR,
			"the tenant has no content '%s'; see 'penguinctl content list'", name);
	}
	if (code == 0) {
		memcpy(ret_id, pg_sync_text(ctl->pg, 0, 0), ID_TEXT + 1);
	}
	return code;
}

/* What the table would refuse in its own words. */
static int check_settings(struct ctl *ctl, int64_t *ret_expires_us)
{
	const char *expire = ctl_option(ctl, "expire", NULL); /* NULL: the sender's retry.expire */
	enum on_in_doubt doubt;
	uint64_t priority = 10;
	uint64_t weight = 100;

	if (!on_in_doubt_parse(slice_of(ctl_option(ctl, "on-in-doubt", "retry")), &doubt)) {
		return ctl_fail(EX_USAGE, "--on-in-doubt is retry, assume_sent or hold");
	}
	if (expire != NULL &&
		(!time_parse_duration(slice_of(expire), ret_expires_us) ||
			*ret_expires_us < TIME_SECOND_US || *ret_expires_us > EXPIRE_MAX_US)) {
		return ctl_fail(EX_USAGE, "--expire is a duration such as 12h or 3d, at most 30d");
	}
	if (!ctl_number(ctl, "priority", &priority) || priority > 100) {
		return ctl_fail(EX_USAGE, "--priority is a number from 0 (first) to 100");
	}
	if (!ctl_number(ctl, "weight", &weight) || weight < 1 || weight > 1000) {
		return ctl_fail(EX_USAGE, "--weight is a number from 1 to 1000");
	}
	return 0;
}

int campaign_create(struct ctl *ctl)
{
	char tenant[ID_TEXT + 1];
	char content[ID_TEXT + 1];
	char id[ID_TEXT + 1];
	char lifetime[32];
	int64_t expires_us = 0;
	int code = check_settings(ctl, &expires_us);

	code = code != 0 ? code : ctl_tenant(ctl, ctl_option(ctl, "tenant", NULL), tenant);
	code = code != 0 ? code : refuse_namesake(ctl, tenant);
	code = code != 0 ? code : find_content(ctl, tenant, content);
	if (code != 0) {
		return code;
	}
	id_text(id_random(), id);
	(void)snprintf(lifetime, sizeof(lifetime), "%lld", (long long)expires_us);
	code = ctl_run(ctl, SQL_CAMPAIGN_CREATE,
		(const char *const[]){tenant, id, ctl->arguments[0], content, NULL,
			ctl_option(ctl, "pool", "default"), ctl_option(ctl, "priority", "10"),
			ctl_option(ctl, "weight", "100"), NULL, NULL,
			expires_us > 0 ? lifetime : NULL, ctl_option(ctl, "on-in-doubt", "retry"),
			ctl_option(ctl, "stream", "default"), "{}"});
	if (code == 0) {
		ctl_print("%s\n", id);
	}
	return code;
}

static int change(struct ctl *ctl, enum sql_id statement, const char *refused)
{
	char tenant[ID_TEXT + 1];
	char id[ID_TEXT + 1];
	int code = find(ctl, tenant, id);

	code = code != 0
		? code
		: ctl_run(ctl, statement,
			  (const char *const[]){tenant, id, ctl_option(ctl, "reason", "")});
	if (code != 0) {
		return code;
	}
	if (pg_sync_rows(ctl->pg) == 0) {
		return ctl_fail(EX_DATAERR, "campaign '%s' %s", ctl->arguments[0], refused);
	}
	ctl_print("%s\n", pg_sync_text(ctl->pg, 0, 0));
	return 0;
}

/* Who gave the command: by their own name also behind sudo. */
static void add_person(const struct ctl *ctl, struct buf *json)
{
	const char *name = ctl_option(ctl, "by", getenv("SUDO_USER"));
	const struct passwd *user = getpwuid(geteuid());
	char host[HOST_NAME_MAX + 1] = "";
	struct buf person;

	buf_init(&person, 0);
	(void)gethostname(host, sizeof(host) - 1);
	if (name == NULL) {
		name = user != NULL ? user->pw_name : "somebody";
	}
	buf_add_format(&person, "%s@%s", name, host);
	codec_json(json, buf_slice(&person));
	buf_clear(&person);
}

/* What is kept with the campaign: what preflight said, and who started it all the same. */
static int note(struct ctl *ctl, const char *tenant, const char *id, const char *verdict)
{
	const char *why = ctl_option(ctl, "force", NULL);
	struct buf json;
	int code;

	buf_init(&json, 0);
	buf_add_format(&json, "{\"verdict\":\"%s\",\"at\":\"", verdict);
	time_add_rfc3339(&json, time_wall_us());
	buf_add_text(&json, "\",\"by\":");
	add_person(ctl, &json);
	if (why != NULL) {
		buf_add_text(&json, ",\"forced\":");
		codec_json(&json, slice_of(why));
	}
	buf_add_byte(&json, '}');
	code = ctl_run(
		ctl, SQL_CAMPAIGN_PREFLIGHT, (const char *const[]){tenant, id, buf_string(&json)});
	buf_clear(&json);
	return code;
}

static int refuse(int code, const char *verdict)
{
	if (strcmp(verdict, "not checked") == 0) {
		return code;
	}
	return ctl_fail(code,
		"not started: %s; --force WHY starts it all the same, and is kept with it",
		code == EX_TEMPFAIL ? "the DNS did not answer all questions, try again"
				    : "do what stands behind =>, then start it again");
}

int campaign_start(struct ctl *ctl)
{
	static const char *const refused = "is no draft: it was started before (resume?)";
	const char *why = ctl_option(ctl, "force", NULL);
	char tenant[ID_TEXT + 1];
	char id[ID_TEXT + 1];
	const char *verdict = "";
	int code = find(ctl, tenant, id);

	if (why != NULL && slice_trim(slice_of(why)).n == 0) {
		return ctl_fail(
			EX_USAGE, "--force needs a reason, which is kept with the campaign");
	}
	code = code != 0 ? code
			 : ctl_run(ctl, SQL_CAMPAIGN_SHOW, (const char *const[]){tenant, id});
	if (code != 0) {
		return code;
	}
	if (strcmp(pg_sync_text(ctl->pg, 0, COLUMN_STATE), "draft") != 0) {
		return ctl_fail(EX_DATAERR, "campaign '%s' %s", ctl->arguments[0], refused);
	}
	code = ctl_preflight_campaign(ctl, tenant, id, &verdict);
	if (code != 0 && why == NULL) {
		return refuse(code, verdict);
	}
	code = note(ctl, tenant, id, verdict);
	return code != 0 ? code : change(ctl, SQL_CAMPAIGN_START, refused);
}

int campaign_pause(struct ctl *ctl)
{
	return change(ctl, SQL_CAMPAIGN_PAUSE, "is not running");
}

int campaign_resume(struct ctl *ctl)
{
	return change(ctl, SQL_CAMPAIGN_RESUME, "is not paused");
}

int campaign_finish(struct ctl *ctl)
{
	return change(ctl, SQL_CAMPAIGN_FINISH, "has ended already");
}

int campaign_cancel(struct ctl *ctl)
{
	return change(ctl, SQL_CAMPAIGN_CANCEL, "has ended already");
}

static int64_t number_at(struct ctl *ctl, size_t row, int column)
{
	return strtoll(pg_sync_text(ctl->pg, row, column), NULL, 10);
}

static void print_bar(int64_t done, int64_t all)
{
	int filled = all > 0 ? (int)(done * 40 / all) : 0;

	ctl_print("  [%.*s%*s] %lld of %lld have ended\n", filled,
		"########################################", 40 - filled, "", (long long)done,
		(long long)all);
}

static const char *member(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text != NULL ? text : "?";
}

/* Only what is out of the ordinary: that it was started in spite of preflight. */
static void print_forced(const char *text)
{
	json_t *note = json_loads(text, 0, NULL);

	if (json_object_get(note, "forced") != NULL) {
		ctl_line("  forced past preflight (%s) by %s at %s: %s", member(note, "verdict"),
			member(note, "by"), member(note, "at"), member(note, "forced"));
	}
	json_decref(note);
}

static int64_t print_campaign(struct ctl *ctl, size_t row)
{
	int64_t all = number_at(ctl, row, COLUMN_COMMITTED);
	int64_t open = 0;

	ctl_line("%s  %s  %s%s%s", pg_sync_text(ctl->pg, row, 1), pg_sync_text(ctl->pg, row, 2),
		pg_sync_text(ctl->pg, row, 3), pg_sync_text(ctl->pg, row, 4)[0] != '\0' ? ": " : "",
		pg_sync_text(ctl->pg, row, 4));
	for (size_t i = 0; i < ARRAY_LEN(states); i++) {
		int64_t n = number_at(ctl, row, COLUMN_STATES + (int)i);

		open += i < 3 ? n : 0;
		if (n != 0) {
			ctl_print("  %-12s %12lld\n", states[i], (long long)n);
		}
	}
	ctl_print("  %-12s %12lld\n", "committed", (long long)all);
	if (number_at(ctl, row, COLUMN_DUPLICATES) != 0) {
		ctl_print("  possible duplicates: %lld\n",
			(long long)number_at(ctl, row, COLUMN_DUPLICATES));
	}
	print_forced(pg_sync_text(ctl->pg, row, COLUMN_PREFLIGHT));
	if (isatty(STDOUT_FILENO) != 0) {
		print_bar(all - open, all);
	}
	return open;
}

static void print_json(struct ctl *ctl, size_t row)
{
	struct buf json;

	buf_init(&json, 0);
	buf_add_format(&json, "{\"id\":\"%s\",\"state\":\"%s\",\"committed\":%s",
		pg_sync_text(ctl->pg, row, 1), pg_sync_text(ctl->pg, row, 3),
		pg_sync_text(ctl->pg, row, COLUMN_COMMITTED));
	for (size_t i = 0; i < ARRAY_LEN(states); i++) {
		buf_add_format(&json, ",\"%s\":%s", states[i],
			pg_sync_text(ctl->pg, row, COLUMN_STATES + (int)i));
	}
	buf_add_format(&json, ",\"possible_duplicates\":%s",
		pg_sync_text(ctl->pg, row, COLUMN_DUPLICATES));
	if (!pg_sync_is_null(ctl->pg, row, COLUMN_PREFLIGHT)) {
		buf_add_format(
			&json, ",\"preflight\":%s", pg_sync_text(ctl->pg, row, COLUMN_PREFLIGHT));
	}
	buf_add_byte(&json, '}');
	ctl_json(buf_slice(&json));
	buf_clear(&json);
}

static int show(struct ctl *ctl, const char *tenant, const char *id, int64_t *ret_open)
{
	bool json = ctl_option(ctl, "json", NULL) != NULL;
	int code = ctl_run(ctl, SQL_CAMPAIGN_SHOW, (const char *const[]){tenant, id});

	*ret_open = 0;
	for (size_t i = 0; code == 0 && i < pg_sync_rows(ctl->pg); i++) {
		if (json) {
			print_json(ctl, i);
		} else {
			*ret_open += print_campaign(ctl, i);
		}
	}
	if (code == 0 && id != NULL && !json) {
		code = ctl_tell_holds(ctl, tenant, id);
	}
	(void)fflush(stdout);
	return code;
}

int campaign_show(struct ctl *ctl)
{
	bool watch = ctl_option(ctl, "watch", NULL) != NULL;
	char tenant[ID_TEXT + 1];
	char id[ID_TEXT + 1];
	int64_t open;
	int code = ctl->count == 0 ? ctl_tenant(ctl, ctl_option(ctl, "tenant", NULL), tenant)
				   : find(ctl, tenant, id);

	if (code != 0) {
		return code;
	}
	while ((code = show(ctl, tenant, ctl->count == 0 ? NULL : id, &open)) == 0 && watch &&
		open > 0) {
		(void)sleep(1);
	}
	return code;
}
