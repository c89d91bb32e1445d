/*
 * The embedded statements: every one is there, names its parameters without a gap, and
 * names its tenant unless its tables belong to all.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "no_leaks.h"
#include "sql/statements.h"

TestSuite(statements, .fini = no_leaks);

Test(statements, each_is_embedded_under_its_name)
{
	for (int i = 0; i < SQL_STATEMENTS; i++) {
		const struct sql_statement *s = &sql_statements[i];
		char head[80];

		cr_assert_not_null(s->name, "statement %d", i);
		(void)snprintf(head, sizeof(head), "/* %s */\n", s->name);
		cr_expect_eq(strncmp(s->text, head, strlen(head)), 0, "%s", s->name);
		cr_expect(strstr(s->text, "--") == NULL, "%s carries a comment", s->name);
		cr_expect(strchr(s->text, ';') == NULL || strncmp(s->name, "maintain_", 9) == 0,
			"%s is more than one statement", s->name);
	}
	cr_expect_str_eq(sql_statements[SQL_CLAIM].name, "claim");
	cr_expect_str_eq(sql_statements[SQL_MIGRATION_NOTE].name, "migration_note");
}

Test(statements, parameters_are_counted)
{
	cr_expect_eq(sql_statements[SQL_CLAIM].parameters, 10);
	cr_expect_eq(sql_statements[SQL_REPORT].parameters, 27);
	cr_expect_eq(sql_statements[SQL_FEED_START].parameters, 0);
	for (int i = 0; i < SQL_STATEMENTS; i++) {
		const struct sql_statement *s = &sql_statements[i];
		char last[16];
		char beyond[16];

		(void)snprintf(last, sizeof(last), "$%d", s->parameters);
		(void)snprintf(beyond, sizeof(beyond), "$%d", s->parameters + 1);
		cr_expect(s->parameters == 0 || strstr(s->text, last), "%s", s->name);
		cr_expect_null(strstr(s->text, s->parameters == 0 ? "$" : beyond), "%s", s->name);
	}
}

Test(statements, migrations_are_in_order)
{
	cr_assert_geq(sql_migrations_count, 3);
	for (size_t i = 0; i < sql_migrations_count; i++) {
		cr_expect_eq(sql_migrations[i].number, (int)i + 1);
		cr_expect_eq(strlen(sql_migrations[i].checksum), 64);
	}
	cr_expect_str_eq(sql_migrations[0].name, "schema");
	cr_expect_not(sql_migrations[0].optional);
	cr_expect(sql_migrations[1].optional);
}
