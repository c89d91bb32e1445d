/*
 * Attempts on their way to Postgres: rows of small values, their texts in one buffer.
 * Pure.
 */
#ifndef RECORD_ROWS_H
#define RECORD_ROWS_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "io/pg.h"
#include "model/attempt.h"

struct rows;

struct rows *rows_new(void);
void rows_free(struct rows **rows);
void rows_reset(struct rows *rows); /* empties; keeps the memory */

size_t rows_count(const struct rows *rows);

void rows_add(struct rows *rows, const struct attempt *attempt);

/* A job that ended without an attempt; `id` is of the row. */
void rows_add_skip(struct rows *rows, const struct job *job, const struct id *id,
	enum outcome state, struct slice reason, int64_t at_us);

/* By tenant, otherwise as they came. */
void rows_sort(struct rows *rows);
const struct id *rows_tenant(const struct rows *rows, size_t at);

/* The attempt's, where its row is all that there is to confirm; NULL for a retry. */
void *rows_receipt(const struct rows *rows, size_t at);

/* The parameters of SQL_REPORT for the rows [from, to). */
void rows_write(const struct rows *rows, size_t from, size_t to, const struct id *worker,
	struct pg_request *request);

#endif
