/*
 * penguinctl migrate: the schema, up to what this program knows.  Each migration is a
 * transaction together with its note, under an advisory lock of that transaction, so that
 * two who run it at once do each step once, also through a pooler.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "command.h"

static const char begin[] = "BEGIN; SELECT pg_advisory_xact_lock(7306092511)";

enum state {
	STATE_NEW,
	STATE_APPLIED,
	STATE_SKIPPED,
	STATE_CHANGED, /* applied, but with another text */
	STATE_NEWER,   /* the database is ahead of this program */
};

/* Where a migration stands; within or without a transaction. */
static int read_state(struct ctl *ctl, size_t at, enum state *ret_state)
{
	int code = ctl_script(ctl, "SELECT to_regclass('penguin.schema_migrations')");

	*ret_state = STATE_NEW;
	if (code != 0 || pg_sync_is_null(ctl->pg, 0, 0)) {
		return code;
	}
	code = ctl_run(ctl, SQL_MIGRATION_LIST, NULL);
	for (size_t i = 0; code == 0 && i < pg_sync_rows(ctl->pg); i++) {
		long number = strtol(pg_sync_text(ctl->pg, i, 0), NULL, 10);

		if (number > (long)sql_migrations_count) {
			*ret_state = STATE_NEWER;
			return 0;
		}
		if (number != sql_migrations[at].number) {
			continue;
		}
		if (strcmp(pg_sync_text(ctl->pg, i, 3), "skipped") == 0) {
			*ret_state = STATE_SKIPPED;
		} else {
			*ret_state = strcmp(pg_sync_text(ctl->pg, i, 2),
					     sql_migrations[at].checksum) == 0
				? STATE_APPLIED
				: STATE_CHANGED;
		}
	}
	return code;
}

static int note(struct ctl *ctl, const struct sql_migration *migration, const char *state)
{
	char number[16];

	(void)snprintf(number, sizeof(number), "%d", migration->number);
	return ctl_run(ctl, SQL_MIGRATION_NOTE,
		(const char *const[]){number, migration->name, migration->checksum, state});
}

static int note_skipped(struct ctl *ctl, const struct sql_migration *migration, struct buf *why)
{
	int code;

	if (!migration->optional || pg_sync_state(ctl->pg)[0] == '\0') {
		return ctl_refused(ctl, migration->name, why);
	}
	ctl_print("%s skipped: %s (it is optional)\n", migration->name, buf_string(why));
	code = ctl_script(ctl, "ROLLBACK");
	code = code != 0 ? code : ctl_script(ctl, begin);
	code = code != 0 ? code : note(ctl, migration, "skipped");
	return code != 0 ? code : ctl_script(ctl, "COMMIT");
}

static int apply(struct ctl *ctl, const struct sql_migration *migration)
{
	struct buf why;
	int code;

	buf_init(&why, 0);
	if (!pg_sync_script(ctl->pg, migration->text, &why)) {
		code = note_skipped(ctl, migration, &why);
	} else {
		code = note(ctl, migration, "applied");
		code = code != 0 ? code : ctl_script(ctl, "COMMIT");
		if (code == 0) {
			ctl_print("%s applied\n", migration->name);
		}
	}
	buf_clear(&why);
	return code;
}

static int step(struct ctl *ctl, size_t at)
{
	enum state state;
	int code = ctl_script(ctl, begin);

	code = code != 0 ? code : read_state(ctl, at, &state);
	if (code != 0) {
		return code;
	}
	switch (state) {
	case STATE_NEWER:
		return ctl_fail(EX_CONFIG,
			"the database is newer than this penguinctl, which knows "
			"%zu migrations: use the newer program",
			sql_migrations_count);
	case STATE_CHANGED:
		return ctl_fail(EX_CONFIG,
			"migration %s was applied with another text: it is from "
			"another build; restore that one",
			sql_migrations[at].name);
	case STATE_APPLIED:
		return ctl_script(ctl, "COMMIT");
	default:
		return apply(ctl, &sql_migrations[at]);
	}
}

/* One partition a transaction: each locks the DEFAULT partition for a moment. */
static int make_partitions(struct ctl *ctl)
{
	size_t made = 0;
	int code;

	while ((code = ctl_run(ctl, SQL_MAINTAIN_MISSING, (const char *const[]){"14"})) == 0 &&
		pg_sync_rows(ctl->pg) > 0) {
		char *ddl = slice_string(slice_of(pg_sync_text(ctl->pg, 0, 1)));

		code = ctl_script(ctl, ddl);
		free(ddl);
		if (code != 0) {
			return code;
		}
		made++;
	}
	if (code == 0) {
		ctl_print("%zu partitions made, 14 days ahead\n", made);
	}
	return code;
}

/* What the last statement says is kept though it is old: the way out is in an operator's hands. */
static void tell_kept(struct ctl *ctl)
{
	size_t kept = pg_sync_rows(ctl->pg);

	if (kept > 0) {
		ctl_print(
			"%zu old partitions kept, the first %s: campaigns made on those days have "
			"not ended; 'penguinctl campaign finish' ends one\n",
			kept, pg_sync_text(ctl->pg, 0, 0));
	}
}

static int drop_partitions(struct ctl *ctl, const char *keep)
{
	int code;

	while ((code = ctl_run(ctl, SQL_MAINTAIN_EXPIRED, (const char *const[]){keep, keep})) ==
			0 &&
		pg_sync_rows(ctl->pg) > 0 && !pg_sync_is_null(ctl->pg, 0, 1)) {
		char *ddl = slice_string(slice_of(pg_sync_text(ctl->pg, 0, 1)));

		ctl_print("dropping %s\n", pg_sync_text(ctl->pg, 0, 0));
		code = ctl_script(ctl, ddl);
		free(ddl);
		if (code != 0) {
			return code;
		}
	}
	if (code == 0) {
		tell_kept(ctl);
	}
	return code;
}

/* Rows in a DEFAULT partition mean that this ran too late, or ids of a wrong time. */
static int tell_default(struct ctl *ctl)
{
	int code = ctl_run(ctl, SQL_MAINTAIN_DEFAULT, NULL);

	for (size_t i = 0; code == 0 && i < pg_sync_rows(ctl->pg); i++) {
		if (strcmp(pg_sync_text(ctl->pg, i, 1), "0") != 0) {
			(void)ctl_fail(0,
				"%s rows in the DEFAULT partition of %s: run maintain daily, and "
				"make ids of the present time",
				pg_sync_text(ctl->pg, i, 1), pg_sync_text(ctl->pg, i, 0));
		}
	}
	return code;
}

/* What only workers write, and nobody reads any more. */
static int forget_old(struct ctl *ctl)
{
	int code = ctl_run(ctl, SQL_MAINTAIN_LIMITS, (const char *const[]){NULL});

	return code != 0 ? code : ctl_run(ctl, SQL_MAINTAIN_QUARANTINE, NULL);
}

int maintain(struct ctl *ctl)
{
	const char *keep = ctl_option(ctl, "keep", NULL);
	uint64_t days;
	int code;

	if (keep != NULL && (!slice_number(slice_of(keep), 36500, &days) || days == 0)) {
		return ctl_fail(EX_USAGE, "--keep is a number of days from 1 on");
	}
	code = make_partitions(ctl);
	if (code == 0 && keep != NULL) {
		code = drop_partitions(ctl, keep);
	}
	if (code == 0) {
		code = forget_old(ctl);
	}
	return code != 0 ? code : tell_default(ctl);
}

int migrate_up(struct ctl *ctl)
{
	int code = ctl_connect(ctl);

	for (size_t i = 0; code == 0 && i < sql_migrations_count; i++) {
		code = step(ctl, i);
	}
	return code != 0 ? code : make_partitions(ctl);
}

int migrate_status(struct ctl *ctl)
{
	static const char *const words[] = {"to do", "applied", "skipped", "changed", "newer"};
	int code = ctl_connect(ctl);

	for (size_t i = 0; code == 0 && i < sql_migrations_count; i++) {
		enum state state = STATE_NEW;

		code = read_state(ctl, i, &state);
		if (code == 0) {
			ctl_print("%-24s %s%s\n", sql_migrations[i].name, words[state],
				sql_migrations[i].optional ? " (optional)" : "");
		}
	}
	return code;
}

int migrate_print(struct ctl *ctl)
{
	(void)ctl;
	for (size_t i = 0; i < sql_migrations_count; i++) {
		const struct sql_migration *migration = &sql_migrations[i];

		(void)printf("-- %s\nBEGIN;\n%s\n"
			     "INSERT INTO penguin.schema_migrations (number, name, checksum) "
			     "VALUES (%d, '%s', '%s');\nCOMMIT;\n",
			migration->name, migration->text, migration->number, migration->name,
			migration->checksum);
	}
	return EX_OK;
}
