/*
 * Postgres for programs without a loop: one connection, one statement at a time, and
 * the caller waits.  The rows of a statement stay until the next one.
 */
#ifndef IO_PG_SYNC_H
#define IO_PG_SYNC_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"

struct pg_sync;

/* NULL when it cannot be reached; why says so in the server's or libpq's words. */
struct pg_sync *pg_sync_open(const char *dsn, struct buf *why);
void pg_sync_close(struct pg_sync **pg);

/*
 * One statement with untyped text parameters (NULL: null).  False when the server refuses
 * it or is gone; then pg_sync_state() has the SQLSTATE, "" for a lost connection.
 */
MUST_USE bool pg_sync_run(struct pg_sync *pg, const char *text, const char *const *values,
	int count, struct buf *why);

/* Many commands at once, without parameters: migrations. */
MUST_USE bool pg_sync_script(struct pg_sync *pg, const char *text, struct buf *why);
const char *pg_sync_state(const struct pg_sync *pg);

size_t pg_sync_rows(const struct pg_sync *pg);
bool pg_sync_is_null(const struct pg_sync *pg, size_t row, int column);
/* NUL-ended; "" for null. */
const char *pg_sync_text(const struct pg_sync *pg, size_t row, int column);

/* The names of the columns, and what the command tag counts, e.g. rows updated. */
int pg_sync_columns(const struct pg_sync *pg);
const char *pg_sync_column(const struct pg_sync *pg, int column);

/* What a column holds, whatever a value of it looks like. */
enum pg_sync_type {
	PG_SYNC_TEXT, /* and all that is neither of the others */
	PG_SYNC_NUMBER,
	PG_SYNC_BOOL, /* its text is "t" or "f" */
};
enum pg_sync_type pg_sync_type(const struct pg_sync *pg, int column);

const char *pg_sync_affected(const struct pg_sync *pg);

/* One more element of an array parameter; the caller writes the braces. */
void pg_sync_add_item(struct buf *array, struct slice item);

#endif
