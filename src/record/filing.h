/*
 * Jobs that go back to the queue, and how they are put together into batches.  Pure.
 */
#ifndef RECORD_FILING_H
#define RECORD_FILING_H

#include <stddef.h>
#include <stdint.h>

#include "io/pg.h"
#include "model/job.h"

enum { FILING_BATCH_MAX = 500 };

struct filing {
	struct job *job;
	int attempts;          /* made so far */
	int64_t due_us;        /* wall clock; 0 = as soon as claimed */
	int64_t not_before_us; /* wall clock, of the batch it goes to */
	int64_t file_by_us;    /* monotonic */
	char *source;          /* owned; of the last attempt, or "" */
	char *tag;             /* owned */
	bool retrying;         /* else waiting */
	bool refiled;
	struct id to;  /* the batch it goes to */
	void *receipt; /* of the attempt before, or NULL */
};

struct filings {
	struct filing *items;
	size_t count;
	size_t cap;
};

void filings_clear(struct filings *filings);
void filings_add(struct filings *filings, const struct filing *take);

/*
 * Retries that are due at about the same time belong together: the later, the coarser.
 * At or after due_us.
 */
int64_t filing_bucket_us(int64_t due_us, int64_t now_us);

/* Puts alike next to each other, by tenant first, and names each one's new batch. */
void filings_group(struct filings *filings, int64_t wall_us);

/* The parameters of SQL_RETRY_FILE for [from, to); at least one. */
void filings_write(const struct filings *filings, size_t from, size_t to, const struct id *worker,
	struct pg_request *request);

#endif
