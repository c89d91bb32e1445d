/*
 * What the files of io/pg share: a request as it is built, queued and answered.
 */
#ifndef IO_PG_PRIVATE_H
#define IO_PG_PRIVATE_H

#include <libpq-fe.h>

#include "base/buf.h"
#include "base/list.h"
#include "io/pg.h"

struct pg_parameter {
	size_t at; /* of its text in `values` */
	bool null;
};

struct pg_statement {
	const char *text;
	size_t first; /* its first parameter */
	PGresult *result;
};

struct pg_request {
	struct list_link link;
	struct buf values; /* the parameters' texts, each with a NUL behind it */
	struct pg_parameter *parameters;
	size_t parameters_count;
	size_t parameters_cap;
	struct pg_statement *statements;
	size_t statements_count;
	size_t statements_cap;
	bool in_array;
	bool first_item;
	/* While it is queued. */
	int64_t ready_us; /* not to be sent before */
	int64_t wait_us;  /* how long it may wait; 0 = for ever */
	int64_t limit_us; /* not to be sent after; 0 = for ever */
	int64_t sent_us;
	void (*on_answer)(void *owner, const struct pg_answer *answer);
	void *owner;
	/* What came of it. */
	size_t answered; /* statements that have their result */
	PGresult *error; /* the server's first complaint */
};

void pg_request_free(struct pg_request **request);

/* Forgets the results, for sending it once more. */
void pg_request_rewind(struct pg_request *request);

/* Into `conn`, which is in pipeline mode, with the sync point behind it; false: see PQerrorMessage. */
bool pg_request_write(const struct pg_request *request, PGconn *conn);

/* What the server's complaint means. */
enum pg_status pg_error_status(struct slice sqlstate);

struct slice pg_error_sqlstate(const PGresult *error);
struct slice pg_error_text(const PGresult *error);

/* A whole answer of which every statement succeeded, or the error. */
struct pg_answer pg_request_answer(struct pg_request *request);

#endif
