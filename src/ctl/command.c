/*
 * What all commands do: find their arguments, reach the database, look names up, and say
 * what went wrong.  Nothing that came from elsewhere reaches the terminal as it is: control
 * characters could rewrite what an operator reads.
 */
#include "command.h"
#include "config/config.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/codec.h"

const char *ctl_option(const struct ctl *ctl, const char *name, const char *otherwise)
{
	for (size_t i = 0; i < ctl->options_count; i++) {
		if (strcmp(ctl->options[i].name, name) == 0) {
			return ctl->options[i].value;
		}
	}
	return otherwise;
}

bool ctl_number(const struct ctl *ctl, const char *name, uint64_t *value)
{
	const char *text = ctl_option(ctl, name, NULL);

	return text == NULL || slice_number(slice_of(text), 1000000000, value);
}

/* Whether it ended with a line end. */
static bool PRINTF_LIKE(3, 0) say(FILE *to, bool one_line, const char *format, va_list args)
{
	struct buf raw;
	struct buf line;
	struct slice rest;
	struct slice part;
	bool ended;

	buf_init(&raw, 0);
	buf_init(&line, 0);
	buf_add_format_list(&raw, format, args);
	rest = buf_slice(&raw);
	while (!one_line && slice_split(&rest, '\n', &part)) {
		codec_printable(&line, part, 1u << 20);
		buf_add_text(&line, rest.p != NULL ? "\n" : "");
	}
	if (one_line) {
		codec_printable(&line, rest, 1u << 20);
		buf_add_byte(&line, '\n');
	}
	(void)fputs(buf_string(&line), to);
	ended = slice_ends(buf_slice(&raw), SLICE("\n"));
	buf_clear(&line);
	buf_clear(&raw);
	return ended;
}

int ctl_fail(int code, const char *format, ...)
{
	va_list args;

	(void)fputs("penguinctl: ", stderr);
	va_start(args, format);
	if (!say(stderr, false, format, args)) {
		(void)fputc('\n', stderr);
	}
	va_end(args);
	return code;
}

void ctl_print(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)say(stdout, false, format, args);
	va_end(args);
}

void ctl_line(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)say(stdout, true, format, args);
	va_end(args);
}

void ctl_json(struct slice json)
{
	struct buf line;

	buf_init(&line, 0);
	codec_json_line(&line, json);
	(void)fwrite(line.p, 1, line.n, stdout);
	buf_clear(&line);
}

int ctl_connect(struct ctl *ctl)
{
	struct buf why;
	int code = 0;

	if (ctl->pg != NULL) {
		return 0;
	}
	if (ctl->dsn == NULL) {
		return ctl_fail(EX_USAGE, "which database? give -d DSN, or set PENGUIN_DSN");
	}
	buf_init(&why, 0);
	ctl->pg = pg_sync_open(ctl->dsn, &why);
	if (ctl->pg == NULL) {
		code = ctl_fail(EX_UNAVAILABLE, "cannot reach Postgres: %s", buf_string(&why));
	}
	buf_clear(&why);
	return code;
}

int ctl_config(const char *path, const struct config **ret_config)
{
	struct buf problems;
	int code = 0;

	buf_init(&problems, 0);
	if (!config_load(path, ret_config, &problems)) {
		(void)fputs(buf_string(&problems), stderr);
		code = EX_CONFIG;
	}
	buf_clear(&problems);
	return code;
}

int ctl_need_config(struct ctl *ctl)
{
	if (ctl->config != NULL) {
		return 0;
	}
	if (access(CTL_CONFIG, F_OK) != 0) {
		return ctl_fail(EX_CONFIG,
			"sources, keys and resolvers are not known here: give -c CONFIG (there "
			"is no " CTL_CONFIG ")");
	}
	return ctl_config(CTL_CONFIG, &ctl->config);
}

static int code_of(const char *state)
{
	if (state[0] == '\0') {
		return EX_UNAVAILABLE;
	}
	if (strcmp(state, "42501") == 0) {
		return EX_NOPERM;
	}
	if (strncmp(state, "40", 2) == 0 || strncmp(state, "53", 2) == 0 ||
		strncmp(state, "57", 2) == 0) {
		return EX_TEMPFAIL;
	}
	return EX_DATAERR;
}

int ctl_refused(struct ctl *ctl, const char *doing, struct buf *why)
{
	const char *state = pg_sync_state(ctl->pg);
	bool bare = strcmp(state, "42P01") == 0 || strcmp(state, "3F000") == 0;

	return ctl_fail(bare ? EX_CONFIG : code_of(state), "%s: %s%s", doing, buf_string(why),
		bare ? "; run 'penguinctl migrate up' first" : "");
}

int ctl_run(struct ctl *ctl, enum sql_id id, const char *const *values)
{
	const struct sql_statement *statement = &sql_statements[id];
	struct buf why;
	int code = ctl_connect(ctl);

	if (code != 0) {
		return code;
	}
	buf_init(&why, 0);
	if (!pg_sync_run(ctl->pg, statement->text, values, statement->parameters, &why)) {
		code = ctl_refused(ctl, statement->name, &why);
	}
	buf_clear(&why);
	return code;
}

int ctl_script(struct ctl *ctl, const char *text)
{
	struct buf why;
	int code = 0;

	buf_init(&why, 0);
	if (!pg_sync_script(ctl->pg, text, &why)) {
		code = ctl_refused(ctl, "Postgres", &why);
	}
	buf_clear(&why);
	return code;
}

int ctl_tenant(struct ctl *ctl, const char *name, char ret_id[ID_TEXT + 1])
{
	struct id id;
	bool by_id;
	int code;

	by_id = name != NULL && id_parse(slice_of(name), &id);
	code = ctl_run(ctl, SQL_TENANT_LIST,
		(const char *const[]){by_id ? name : NULL, by_id ? NULL : name});
	if (code != 0) {
		return code;
	}
	if (name == NULL && pg_sync_rows(ctl->pg) != 1) {
		return ctl_fail(EX_USAGE, "which tenant? give --tenant NAME");
	}
	if (pg_sync_rows(ctl->pg) != 1) {
		return ctl_fail(EX_DATAERR,
			pg_sync_rows(ctl->pg) == 0
				? "there is no tenant '%s'; see 'penguinctl tenant list'"
				: "more than one tenant is called '%s': give its id",
			name);
	}
	memcpy(ret_id, pg_sync_text(ctl->pg, 0, 0), ID_TEXT + 1);
	return 0;
}

/* Its row stays at hand, as row 0 or not: so callers that show it ask again by id. */
int ctl_campaign(struct ctl *ctl, const char *tenant, const char *name, char ret_id[ID_TEXT + 1],
	int64_t *ret_created_us)
{
	size_t found = 0;
	int code;

	if (name == NULL) {
		return ctl_fail(EX_USAGE, "which campaign? give --campaign NAME");
	}
	code = ctl_run(ctl, SQL_CAMPAIGN_SHOW, (const char *const[]){tenant, NULL});
	if (code != 0) {
		return code;
	}
	for (size_t i = 0; i < pg_sync_rows(ctl->pg); i++) {
		if (strcmp(pg_sync_text(ctl->pg, i, 1), name) != 0 &&
			strcmp(pg_sync_text(ctl->pg, i, 2), name) != 0) {
			continue;
		}
		found++;
		memcpy(ret_id, pg_sync_text(ctl->pg, i, 1), ID_TEXT + 1);
		*ret_created_us = strtoll(pg_sync_text(ctl->pg, i, 10), NULL, 10);
	}
	if (found == 1) {
		return 0;
	}
	return ctl_fail(EX_DATAERR,
		found == 0 ? "the tenant has no campaign '%s'"
			   : "more than one campaign is called '%s': give its id",
		name);
}

int ctl_read_file(const char *path, size_t max, struct buf *out)
{
	FILE *file = fopen(path, "rbe");
	char block[16384];
	size_t n;
	int code = 0;

	if (file == NULL) {
		return ctl_fail(EX_NOINPUT, "cannot open %s: %s", path, err_text(err_system()));
	}
	while ((n = fread(block, 1, sizeof(block), file)) > 0 && out->n <= max) {
		buf_add(out, slice_make(block, n));
	}
	if (ferror(file) != 0 || out->n > max) {
		code = ctl_fail(EX_NOINPUT, "cannot read %s: %s", path,
			out->n > max ? "it is too large" : err_text(err_system()));
	}
	(void)fclose(file);
	return code;
}
