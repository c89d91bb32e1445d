/*
 * The parameters of a report: parallel arrays, whatever is in the rows.
 */
#include "../../../src/record/rows.h"

#include <criterion/criterion.h>

#include "no_leaks.h"
#include "sample.h"
#include "sql/statements.h"

TestSuite(rows, .fini = no_leaks);

static void check(const struct pg_request *request, size_t number, const char *want)
{
	struct slice got = pg_parameter_text(request, number - 1);

	cr_expect(slice_equal(got, slice_of(want)), "$%zu: got %.*s, want %s", number, (int)got.n,
		got.p, want);
}

Test(rows, columns_are_those_of_the_statement)
{
	struct sample s;
	struct rows *rows = rows_new();
	struct pg_request *request = pg_request_new();
	struct id worker = sample_id("44444444-4444-4444-8444-444444444444");
	struct id id = sample_id("019ab3f0-0000-7000-8000-000000000006");

	sample_init(&s);
	struct attempt attempt = sample_attempt(&s);

	attempt.route.source_address = SLICE("fe80::1%eth0"); /* no inet: left out */
	rows_add(rows, &attempt);
	rows_add_skip(rows, &s.job, &id, OUTCOME_SUPPRESSED, SLICE("bounce"), SAMPLE_WALL_US);
	cr_expect_eq(rows_count(rows), 2);
	pg_statement(request, "report");
	rows_write(rows, 0, 2, &worker, request);
	cr_expect_eq(sql_statements[SQL_REPORT].parameters, 27);
	check(request, 1,
		"{11111111-1111-4111-8111-111111111111,11111111-1111-4111-8111-111111111111}");
	check(request, 5, "{2,0}");
	check(request, 6, "{\"bounced\",\"suppressed\"}");
	check(request, 7, "{\"invalid-recipient\",\"suppressed\"}");
	check(request, 10, "{\"rcpt\",\"\"}");
	check(request, 11, "{550,0}");
	check(request, 12, "{\"5.1.1\",\"\"}");
	check(request, 14, "{\"RCPT TO\",\"\"}");
	check(request, 18, "{\"2001:db8::9\",NULL}");
	check(request, 20, "{NULL,NULL}");
	check(request, 23, "{1047,0}");
	check(request, 25, "44444444-4444-4444-8444-444444444444");
	check(request, 27, "{12,0}");
	pg_request_drop(&request);
	rows_free(&rows);
}

/* penguin-sql(7) says what each is; 2 is added by the statement. */
Test(rows, flags)
{
	static const struct {
		const char *label;
		enum action action;
		enum outcome state;
		bool possible_duplicate, bytes_differ;
		const char *want;
	} table[] = {
		{"delivered", ACTION_DELIVER, OUTCOME_DELIVERED, false, false, "{0}"},
		{"delivered behind a doubt", ACTION_DELIVER, OUTCOME_DELIVERED, true, false, "{1}"},
		{"deferred behind a doubt", ACTION_RETRY, OUTCOME_RETRYING, true, false, "{1}"},
		{"with other bytes", ACTION_DELIVER, OUTCOME_DELIVERED, false, true, "{8}"},
		{"in doubt, again", ACTION_DOUBT, OUTCOME_RETRYING, false, false, "{16}"},
		{"in doubt, held", ACTION_DOUBT, OUTCOME_IN_DOUBT, false, false, "{0}"},
		{"in doubt, assumed", ACTION_DOUBT, OUTCOME_DELIVERED, false, false, "{4}"},
		{"in doubt twice", ACTION_DOUBT, OUTCOME_RETRYING, true, false, "{17}"},
	};
	struct id worker = id_random();
	struct sample s;

	sample_init(&s);
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct attempt attempt = sample_attempt(&s);
		struct rows *rows = rows_new();
		struct pg_request *request = pg_request_new();

		attempt.verdict.action = table[i].action;
		attempt.state = table[i].state;
		attempt.possible_duplicate = table[i].possible_duplicate;
		attempt.bytes_differ = table[i].bytes_differ;
		rows_add(rows, &attempt);
		pg_statement(request, "report");
		rows_write(rows, 0, 1, &worker, request);
		cr_expect(slice_equal(pg_parameter_text(request, 23), slice_of(table[i].want)),
			"%s: %.*s", table[i].label, (int)pg_parameter_text(request, 23).n,
			pg_parameter_text(request, 23).p);
		pg_request_drop(&request);
		rows_free(&rows);
	}
}

/* Each tenant's rows stand together, in the order they came. */
Test(rows, sorted_by_tenant)
{
	enum { ROWS = 60 };
	struct sample s[3];
	struct rows *rows = rows_new();

	for (unsigned i = 0; i < 3; i++) {
		sample_init(&s[i]);
		s[i].tenant.id.bytes[0] = (uint8_t)(9 - i);
	}
	for (unsigned i = 0; i < ROWS; i++) {
		struct id id = id_make(SAMPLE_WALL_US / 1000);

		rows_add_skip(rows, &s[i % 3].job, &id, OUTCOME_FAILED, SLICE("x"), i);
	}
	rows_sort(rows);
	for (size_t i = 1; i < ROWS; i++) {
		cr_expect_leq(rows_tenant(rows, i - 1)->bytes[0], rows_tenant(rows, i)->bytes[0]);
	}
	struct pg_request *request = pg_request_new();
	struct id worker = id_random();

	pg_statement(request, "report");
	rows_write(rows, 0, 4, &worker, request);
	check(request, 26, "{2,5,8,11}");
	pg_request_drop(&request);
	rows_free(&rows);
}
