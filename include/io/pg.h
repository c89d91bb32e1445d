/*
 * Postgres on the loop: libpq without blocking, in pipeline mode, with unnamed
 * statements only, so that a pooler in transaction mode may stand between.  It
 * connects by itself and again after a loss, with a growing, jittered pause; host
 * names are resolved off the loop.
 *
 * A request is one transaction of one or more statements: all of them happen, or
 * none.  Each is answered exactly once, never from within pg_send().  Requests are
 * done in the order they were sent.
 */
#ifndef IO_PG_H
#define IO_PG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/id.h"
#include "base/slice.h"
#include "io/loop.h"

struct pg;
struct pg_request;

enum pg_status {
	PG_DONE,
	PG_REFUSED, /* the server says no, and would again: see pg_answer.text */
	PG_TRY_LATER, /* serialization, deadlock, shutdown, read-only, out of resources: nothing happened */
	PG_UNKNOWN, /* the connection went before the answer: it may or may not have happened */
};

struct pg_settings {
	struct slice dsn;         /* a libpq connection string or URI */
	struct slice password;    /* empty = as the string says */
	struct slice application; /* application_name */
	/*
	 * A request that is not answered for so long costs the connection.  It is no
	 * session setting, for a pooler would keep it: give the role one of its own.
	 */
	int64_t statement_timeout_us; /* 0 = 60 s */
	int64_t connect_timeout_us;   /* 0 = 10 s */
};

struct pg_events {
	void (*on_up)(void *owner);
	void (*on_down)(void *owner, struct slice why);
	void (*on_notice)(void *owner, struct slice channel, struct slice payload); /* NOTIFY */
};

struct pg *pg_open(struct loop *loop, const struct pg_settings *settings,
	const struct pg_events *events, void *owner);
/* What waits is answered PG_UNKNOWN first, in a later turn. */
void pg_close(struct pg **pg);
bool pg_is_up(const struct pg *pg);

/* LISTEN on each new connection; names of ours only. */
void pg_listen(struct pg *pg, const char *channel);

/* The text is borrowed and must live for ever (sql/statements.h). */
struct pg_request *pg_request_new(void);
void pg_request_drop(struct pg_request **take);                  /* one that was never sent */
void pg_statement(struct pg_request *request, const char *text); /* the next statement */

/* Parameters of the last statement, in order. */
void pg_add_null(struct pg_request *request);
void pg_add_text(struct pg_request *request, struct slice text); /* valid UTF-8 without NUL */
void pg_add_number(struct pg_request *request, int64_t value);
void pg_add_bool(struct pg_request *request, bool value);
void pg_add_id(struct pg_request *request, const struct id *id);

/*
 * An array parameter, element by element: pg_array(r); pg_item_text(r, a);
 * pg_item_text(r, b); pg_array_end(r);
 */
void pg_array(struct pg_request *request);
void pg_item_null(struct pg_request *request);
void pg_item_text(struct pg_request *request, struct slice text);
void pg_item_number(struct pg_request *request, int64_t value);
void pg_item_bool(struct pg_request *request, bool value);
void pg_item_id(struct pg_request *request, const struct id *id);
void pg_array_end(struct pg_request *request);

/* The n-th parameter (0-based, over all statements) as it was written, for tests. */
struct slice pg_parameter_text(const struct pg_request *request, size_t parameter);

struct pg_answer {
	enum pg_status status;
	struct slice text;     /* of the server's error, or why the connection went */
	struct slice sqlstate; /* five characters, or empty */
	void *results;         /* pg_rows() and the like read it */
};

/*
 * Takes the request.  While there is no connection it waits (at most wait_us, then
 * PG_TRY_LATER; 0 = for ever).  on_answer may be NULL: nobody wants to know.
 */
void pg_send(struct pg *pg, struct pg_request **take, int64_t wait_us,
	void (*on_answer)(void *owner, const struct pg_answer *answer), void *owner);

/*
 * From within on_answer only: sends the same request once more, at the end of the
 * line and not before pause_us.  There will be another answer.  For requests that may
 * run twice without harm.
 */
void pg_again(struct pg *pg, const struct pg_answer *answer, int64_t pause_us);

/* Of the n-th statement of the request (0-based), for the call of on_answer. */
size_t pg_rows(const struct pg_answer *answer, size_t statement);
bool pg_is_null(const struct pg_answer *answer, size_t statement, size_t row, int column);
struct slice pg_text(const struct pg_answer *answer, size_t statement, size_t row, int column);
int64_t pg_number(const struct pg_answer *answer, size_t statement, size_t row, int column);
double pg_real(const struct pg_answer *answer, size_t statement, size_t row, int column);
bool pg_bool(const struct pg_answer *answer, size_t statement, size_t row, int column);
struct id pg_id(const struct pg_answer *answer, size_t statement, size_t row, int column);
uint64_t pg_affected(
	const struct pg_answer *answer, size_t statement); /* the command tag's number */

#endif
