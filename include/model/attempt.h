/*
 * An attempt: one try at one job, with all that the attempts table and the
 * delivery log say of it.  Slices are borrowed for the call that hands it over.
 */
#ifndef MODEL_ATTEMPT_H
#define MODEL_ATTEMPT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/id.h"
#include "base/slice.h"
#include "model/evidence.h"
#include "model/job.h"
#include "model/outcome.h"
#include "model/verdict.h"

/* The path that was taken; empty slices where the attempt did not get so far. */
struct route {
	struct slice pool;
	struct slice source;
	struct slice source_address; /* numeric, without port */
	struct slice provider;
	struct slice site;
	struct slice mx;         /* host name */
	struct slice mx_address; /* numeric, without port */
	struct slice session;    /* id of the connection, for the log */
	struct slice tls_version;
	struct slice tls_cipher;
};

struct attempt {
	struct id id;
	const struct job *job;
	int number; /* 1 for the first */
	struct evidence evidence;
	struct verdict verdict;
	enum outcome state; /* the job's after it */
	struct route route;
	struct slice mail_from;
	struct slice recipient; /* as it went over the wire */
	uint64_t size_bytes;
	int64_t at_us; /* wall clock, when it ended */
	int64_t duration_us;
	int64_t due_us;          /* wall clock of the next attempt, where state is RETRYING */
	bool possible_duplicate; /* an earlier attempt may have been delivered */
	bool bytes_differ;       /* from those of the attempt before: a pinned key is gone */
	void *receipt;           /* whose it is waits to hear that Postgres has it; NULL = nobody */
};

#endif
