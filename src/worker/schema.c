/*
 * A statement that the schema does not fit is refused, and what is refused is given up
 * where it is one job's: results of a journal would be lost that way.  So a worker begins
 * with the number of the last migration.  One that is too low or too high is named with
 * what to do, once a minute, and asked for again each second: somebody is migrating.
 *
 * Who applied the migrations by hand may have noted none: then the statements must tell.
 */
#include "schema.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/time.h"
#include "sql/statements.h"

#define AGAIN_US TIME_SECOND_US
#define TELL_US (60 * TIME_SECOND_US)

struct schema {
	struct worker *worker;
	struct timer again;
	bool asking;
	bool gone;
	int64_t told_us; /* 0 = nothing was to be told yet */
	void (*on_right)(void *owner);
	void *owner;
};

static int64_t needed(void)
{
	return sql_migrations[sql_migrations_count - 1].number;
}

static bool is_news(struct schema *schema)
{
	int64_t now_us = loop_now_us(schema->worker->loop);

	if (schema->told_us != 0 && now_us - schema->told_us < TELL_US) {
		return false;
	}
	schema->told_us = now_us;
	return true;
}

static void tell_number(int64_t has)
{
	const char *text = has == 0
		? "there is no schema of ours in this database: run 'penguinctl migrate up', or "
		  "name the right one in postgres.dsn; nothing is done until then"
		: has < needed()
		? "the database is older than this program: run 'penguinctl migrate up'; nothing "
		  "is done until then"
		: "the database is newer than this program: install the version that migrated it; "
		  "nothing is done until then";

	log_error(NULL, "schema_differs", "has=%lld needs=%lld text=%s", (long long)has,
		(long long)needed(), log_quote(slice_of(text)));
}

static void tell_refusal(const struct pg_answer *answer)
{
	bool rights = slice_equal(answer->sqlstate, SLICE("42501"));

	if (!rights &&
		(slice_starts(answer->sqlstate, SLICE("42P01")) ||
			slice_starts(answer->sqlstate, SLICE("3F000")))) {
		tell_number(0);
		return;
	}
	log_error(NULL, rights ? "no_rights" : "postgres_refused", "sqlstate=%s why=%s text=%s",
		log_quote(answer->sqlstate), log_quote(answer->text),
		log_quote(rights
				? SLICE("the login of postgres.dsn lacks rights: GRANT penguin_mta "
					"TO it, and run 'penguinctl migrate up' if there is no "
					"such role")
				: SLICE("asked for the last migration")));
}

/* 0 = none is noted. */
static int64_t highest(const struct pg_answer *answer)
{
	int64_t found = 0;

	for (size_t row = 0; row < pg_rows(answer, 0); row++) {
		int64_t number = pg_number(answer, 0, row, 0);

		found = number > found ? number : found;
	}
	return found;
}

static bool is_right(struct schema *schema, const struct pg_answer *answer)
{
	int64_t has = answer->status == PG_DONE ? highest(answer) : 0;

	if (answer->status == PG_DONE && (has == needed() || has == 0)) {
		return true;
	}
	if (answer->status == PG_DONE && is_news(schema)) {
		tell_number(has);
	} else if (answer->status == PG_REFUSED && is_news(schema)) {
		tell_refusal(answer);
	}
	return false;
}

static void on_answer(void *owner, const struct pg_answer *answer)
{
	struct schema *schema = owner;

	schema->asking = false;
	if (schema->gone) {
		mem_free(schema);
	} else if (is_right(schema, answer)) {
		schema->on_right(schema->owner);
	} else {
		timer_set(&schema->again, loop_now_us(schema->worker->loop) + AGAIN_US);
	}
}

static void on_again(void *owner)
{
	struct schema *schema = owner;
	struct pg_request *request = pg_request_new();

	pg_statement(request, sql_statements[SQL_MIGRATION_LIST].text);
	schema->asking = true;
	pg_send(schema->worker->pg, &request, 0, on_answer, schema);
}

struct schema *schema_ask(struct worker *worker, void (*on_right)(void *owner), void *owner)
{
	struct schema *schema = MEM_NEW(struct schema);

	schema->worker = worker;
	schema->on_right = on_right;
	schema->owner = owner;
	timer_init(&schema->again, worker->loop, on_again, schema);
	on_again(schema);
	return schema;
}

void schema_free(struct schema **schema)
{
	struct schema *gone = *schema;

	if (gone == NULL) {
		return;
	}
	*schema = NULL;
	timer_stop(&gone->again);
	gone->gone = true;
	if (!gone->asking) {
		mem_free(gone);
	}
}
