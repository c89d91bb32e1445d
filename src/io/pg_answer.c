/*
 * Reading answers.  Results come as text; what is asked for as a number, a uuid or
 * a boolean is what the statement's head promises, so a cell that is not one is a
 * bug of ours or a schema that is not ours: it reads as 0, and the caller's guards
 * (an id that is zero, a state that is unknown) hold.
 */
#include "pg_private.h"

#include <stdlib.h>

static const PGresult *result_of(const struct pg_answer *answer, size_t statement)
{
	const struct pg_request *request = answer->results;

	if (request == NULL || statement >= request->statements_count) {
		return NULL;
	}
	return request->statements[statement].result;
}

size_t pg_rows(const struct pg_answer *answer, size_t statement)
{
	return (size_t)PQntuples(result_of(answer, statement)); /* 0 of NULL */
}

bool pg_is_null(const struct pg_answer *answer, size_t statement, size_t row, int column)
{
	return PQgetisnull(result_of(answer, statement), (int)row, column) != 0;
}

struct slice pg_text(const struct pg_answer *answer, size_t statement, size_t row, int column)
{
	const PGresult *result = result_of(answer, statement);

	return slice_make(PQgetvalue(result, (int)row, column),
		(size_t)PQgetlength(result, (int)row, column));
}

int64_t pg_number(const struct pg_answer *answer, size_t statement, size_t row, int column)
{
	struct slice text = pg_text(answer, statement, row, column);

	return text.n > 0 ? strtoll(text.p, NULL, 10) : 0; /* libpq ends each with a NUL */
}

double pg_real(const struct pg_answer *answer, size_t statement, size_t row, int column)
{
	struct slice text = pg_text(answer, statement, row, column);

	return text.n > 0 ? strtod(text.p, NULL) : 0;
}

bool pg_bool(const struct pg_answer *answer, size_t statement, size_t row, int column)
{
	return slice_equal(pg_text(answer, statement, row, column), SLICE("t"));
}

struct id pg_id(const struct pg_answer *answer, size_t statement, size_t row, int column)
{
	struct id id = {{0}};

	if (!id_parse(pg_text(answer, statement, row, column), &id)) {
		return (struct id){{0}};
	}
	return id;
}

uint64_t pg_affected(const struct pg_answer *answer, size_t statement)
{
	PGresult *result = (PGresult *)(uintptr_t)result_of(answer, statement);

	return result != NULL ? strtoull(PQcmdTuples(result), NULL, 10) : 0;
}

/*
 * By SQLSTATE: a class of two characters, or a whole one.  Everything else is ours
 * to mend: the server would say it again.
 */
enum pg_status pg_error_status(struct slice sqlstate)
{
	static const struct slice again[] = {
		SLICE("25006"), /* read-only: a standby, for now */
		SLICE("40"),    /* serialization, deadlock */
		SLICE("53"),    /* out of disk, memory, connections */
		SLICE("55P03"), /* lock_timeout */
		SLICE("57"),    /* shutdown, statement_timeout */
		SLICE("58"),    /* the server's own I/O */
	};

	/* A pooler says so when it lost the server, which may have gone on and committed. */
	if (sqlstate.n == 0 || slice_starts(sqlstate, SLICE("08"))) {
		return PG_UNKNOWN;
	}
	for (size_t i = 0; i < ARRAY_LEN(again); i++) {
		if (slice_starts(sqlstate, again[i])) {
			return PG_TRY_LATER;
		}
	}
	return PG_REFUSED;
}

struct slice pg_error_sqlstate(const PGresult *error)
{
	return slice_of(PQresultErrorField(error, PG_DIAG_SQLSTATE));
}

struct slice pg_error_text(const PGresult *error)
{
	struct slice text = slice_of(PQresultErrorField(error, PG_DIAG_MESSAGE_PRIMARY));

	return text.n > 0 ? text : slice_trim(slice_of(PQresultErrorMessage(error)));
}

struct pg_answer pg_request_answer(struct pg_request *request)
{
	struct pg_answer answer = {.status = PG_DONE, .results = request};

	if (request->error != NULL) {
		answer.sqlstate = pg_error_sqlstate(request->error);
		answer.text = pg_error_text(request->error);
		answer.status = pg_error_status(answer.sqlstate);
	}
	return answer;
}
