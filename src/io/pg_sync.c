/*
 * Postgres for programs that may wait: penguinctl.  libpq's blocking calls with unnamed
 * statements, so that a pooler in transaction mode may stand between.
 *
 * The invariant: there is at most one result, and it belongs to the last statement.
 */
#include "io/pg_sync.h"

#include <libpq-fe.h>
#include <string.h>

#include "base/mem.h"

struct pg_sync {
	PGconn *connection;
	PGresult *result;
	char state[6];
};

static void add_message(struct buf *why, const char *text)
{
	buf_add(why, slice_trim(slice_of(text)));
}

static void ignore_notice(void *owner, const PGresult *result)
{
	(void)owner;
	(void)result;
}

struct pg_sync *pg_sync_open(const char *dsn, struct buf *why)
{
	const char *const names[] = {
		"dbname", "fallback_application_name", "connect_timeout", NULL};
	const char *const values[] = {dsn, "penguinctl", "10", NULL};
	struct pg_sync *pg = MEM_NEW(struct pg_sync);

	pg->connection = PQconnectdbParams(names, values, 1);
	if (PQstatus(pg->connection) != CONNECTION_OK) {
		add_message(why, PQerrorMessage(pg->connection));
		pg_sync_close(&pg);
		return NULL;
	}
	(void)PQsetClientEncoding(pg->connection, "UTF8");
	(void)PQsetNoticeReceiver(pg->connection, ignore_notice, NULL);
	return pg;
}

void pg_sync_close(struct pg_sync **pg)
{
	if (*pg == NULL) {
		return;
	}
	PQclear((*pg)->result);
	PQfinish((*pg)->connection);
	mem_free(*pg);
	*pg = NULL;
}

static bool take(struct pg_sync *pg, PGresult *result, struct buf *why)
{
	ExecStatusType status = PQresultStatus(result);
	const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);

	PQclear(pg->result);
	pg->result = result;
	memset(pg->state, 0, sizeof(pg->state));
	if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK) {
		return true;
	}
	if (state != NULL) {
		memcpy(pg->state, state, strnlen(state, sizeof(pg->state) - 1));
	}
	add_message(why, message != NULL ? message : PQerrorMessage(pg->connection));
	return false;
}

bool pg_sync_run(
	struct pg_sync *pg, const char *text, const char *const *values, int count, struct buf *why)
{
	return take(
		pg, PQexecParams(pg->connection, text, count, NULL, values, NULL, NULL, 0), why);
}

bool pg_sync_script(struct pg_sync *pg, const char *text, struct buf *why)
{
	return take(pg, PQexec(pg->connection, text), why);
}

const char *pg_sync_state(const struct pg_sync *pg)
{
	return pg->state;
}

size_t pg_sync_rows(const struct pg_sync *pg)
{
	return (size_t)PQntuples(pg->result);
}

bool pg_sync_is_null(const struct pg_sync *pg, size_t row, int column)
{
	return PQgetisnull(pg->result, (int)row, column) != 0;
}

const char *pg_sync_text(const struct pg_sync *pg, size_t row, int column)
{
	return PQgetvalue(pg->result, (int)row, column);
}

int pg_sync_columns(const struct pg_sync *pg)
{
	return PQnfields(pg->result);
}

const char *pg_sync_column(const struct pg_sync *pg, int column)
{
	return PQfname(pg->result, column);
}

/* Type ids of pg_type.dat: they never change. */
enum pg_sync_type pg_sync_type(const struct pg_sync *pg, int column)
{
	switch (PQftype(pg->result, column)) {
	case 16:
		return PG_SYNC_BOOL;
	case 20:   /* int8 */
	case 21:   /* int2 */
	case 23:   /* int4 */
	case 700:  /* float4 */
	case 701:  /* float8 */
	case 1700: /* numeric */
		return PG_SYNC_NUMBER;
	default:
		return PG_SYNC_TEXT;
	}
}

const char *pg_sync_affected(const struct pg_sync *pg)
{
	return PQcmdTuples(pg->result);
}

void pg_sync_add_item(struct buf *array, struct slice item)
{
	buf_add_text(array, array->n > 1 ? ",\"" : "\"");
	for (size_t i = 0; i < item.n; i++) {
		if (item.p[i] == '"' || item.p[i] == '\\') {
			buf_add_byte(array, '\\');
		}
		buf_add_byte(array, item.p[i]);
	}
	buf_add_byte(array, '"');
}
