/*
 * How requests are written, and what the server's errors mean; connections are
 * tested against a real server in tests/system/pg.
 */
#include "io/pg.h"

#include <criterion/criterion.h>

#include "base/mem.h"
#include "no_leaks.h"

TestSuite(pg, .fini = no_leaks);

static void check(const struct pg_request *request, size_t parameter, const char *want)
{
	struct slice got = pg_parameter_text(request, parameter);

	cr_expect(slice_equal(got, slice_of(want)), "parameter %zu: got %.*s, want %s", parameter,
		(int)got.n, got.p, want);
}

Test(pg, array_texts_are_quoted)
{
	static const struct {
		const char *label;
		struct slice item;
		const char *want;
	} rows[] = {
		{"plain", SLICE("gmail"), "{\"gmail\"}"},
		{"empty", SLICE(""), "{\"\"}"},
		{"the word null", SLICE("NULL"), "{\"NULL\"}"},
		{"comma and braces", SLICE("a,{b}"), "{\"a,{b}\"}"},
		{"quote", SLICE("say \"hi\""), "{\"say \\\"hi\\\"\"}"},
		{"backslash at the end", SLICE("C:\\"), "{\"C:\\\\\"}"},
		{"only escapes", SLICE("\\\"\\"), "{\"\\\\\\\"\\\\\"}"},
		{"blanks", SLICE("  x "), "{\"  x \"}"},
		{"beyond ascii", SLICE("jos\xc3\xa9"), "{\"jos\xc3\xa9\"}"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct pg_request *request = pg_request_new();

		pg_statement(request, "SELECT $1");
		pg_array(request);
		pg_item_text(request, rows[i].item);
		pg_array_end(request);
		check(request, 0, rows[i].want);
		pg_request_drop(&request);
		cr_expect_null(request, "%s", rows[i].label);
	}
}

Test(pg, scalars_and_arrays_of_every_kind)
{
	struct pg_request *request = pg_request_new();
	struct id id;

	cr_assert(id_parse(SLICE("018f2b5e-7c00-7abc-8def-0123456789ab"), &id));
	pg_statement(request, "SELECT $1, $2, $3, $4, $5, $6");
	pg_add_null(request);
	pg_add_text(request, SLICE("it's"));
	pg_add_number(request, INT64_MIN);
	pg_add_bool(request, true);
	pg_add_id(request, &id);
	pg_array(request);
	pg_array_end(request);
	pg_statement(request, "SELECT $1, $2, $3");
	pg_array(request);
	pg_item_number(request, -7);
	pg_item_null(request);
	pg_item_number(request, 12);
	pg_array_end(request);
	pg_array(request);
	pg_item_id(request, &id);
	pg_item_id(request, &id);
	pg_array_end(request);
	pg_array(request);
	pg_item_bool(request, false);
	pg_item_bool(request, true);
	pg_array_end(request);

	cr_expect_null(pg_parameter_text(request, 0).p, "null is no text");
	check(request, 1, "it's");
	check(request, 2, "-9223372036854775808");
	check(request, 3, "t");
	check(request, 4, "018f2b5e-7c00-7abc-8def-0123456789ab");
	check(request, 5, "{}");
	check(request, 6, "{-7,NULL,12}");
	check(request, 7,
		"{018f2b5e-7c00-7abc-8def-0123456789ab,018f2b5e-7c00-7abc-8def-0123456789ab}");
	check(request, 8, "{f,t}");
	pg_request_drop(&request);
}

/* Nobody listens there: requests wait, are answered once, and the owner hears of it. */
struct seen {
	struct loop *loop;
	struct pg *pg;
	int down;
	int answers;
	enum pg_status status;
	bool inside;
};

static void on_down(void *owner, struct slice why)
{
	struct seen *seen = owner;

	cr_expect_gt(why.n, 0);
	seen->down++;
}

static void on_answer(void *owner, const struct pg_answer *answer)
{
	struct seen *seen = owner;

	cr_expect_not(seen->inside, "answered from within pg_send()");
	seen->answers++;
	seen->status = answer->status;
	if (seen->answers == 2) {
		loop_stop(seen->loop);
	}
}

static void ask(struct seen *seen, int64_t wait_us)
{
	struct pg_request *request = pg_request_new();

	pg_statement(request, "SELECT 1");
	seen->inside = true;
	pg_send(seen->pg, &request, wait_us, on_answer, seen);
	seen->inside = false;
}

static void on_close_due(void *owner)
{
	struct seen *seen = owner;

	cr_expect_eq(seen->answers, 1);
	cr_expect_eq(seen->status, PG_TRY_LATER, "waited long enough");
	pg_close(&seen->pg);
}

Test(pg, waits_for_a_server_as_long_as_asked)
{
	static const struct pg_events events = {.on_down = on_down};
	struct pg_settings settings = {.dsn = SLICE("host=/nonexistent/socket dbname=x")};
	struct seen seen = {.loop = loop_new()};
	struct timer closing;

	seen.pg = pg_open(seen.loop, &settings, &events, &seen);
	timer_init(&closing, seen.loop, on_close_due, &seen);
	timer_set(&closing, loop_now_us(seen.loop) + 300000);
	ask(&seen, 50000);
	ask(&seen, 0);
	loop_run(seen.loop);
	cr_expect_eq(seen.answers, 2);
	cr_expect_eq(seen.status, PG_UNKNOWN, "closed");
	cr_expect_eq(seen.down, 1, "told once, not at each attempt");
	loop_drain(seen.loop);
	loop_free(&seen.loop);
}
