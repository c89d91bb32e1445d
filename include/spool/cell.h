/*
 * What a worker is at work on right now, where its successor finds it: one page of a
 * file that is mapped into memory, so that a word costs a store or two and no system
 * call, and stays when the process dies, whatever of.  It need not outlive the
 * machine: what an earlier boot left is not looked at.
 *
 * Named here when a worker died, a job may be what it died of; twice, and it is.
 */
#ifndef SPOOL_CELL_H
#define SPOOL_CELL_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/id.h"
#include "base/slice.h"

/* The numbers are in the file: one is added, never changed. */
enum cell_stage {
	CELL_NOTHING = 0,
	CELL_CLAIM = 1,   /* what Postgres says of it is looked at */
	CELL_COMPOSE = 2, /* the message and its envelope are made */
	CELL_SIGN = 3,
	CELL_SESSION = 4, /* it goes out, or what its receiver says is looked at */
	CELL_STAGES,
};

const char *cell_stage_word(enum cell_stage stage);

struct cell_job {
	struct id tenant;
	struct id campaign;
	struct id job;
};

struct cell;

/*
 * DIRECTORY/at-hand, made where it is missing; the directory is ours (spool/directory.h).
 * False with a reason in why.
 */
MUST_USE bool cell_open(
	struct slice directory, struct id boot, struct cell **ret_cell, struct buf *why);

/* An end in order: nothing is at hand.  What was left by another stays, until cell_begin(). */
void cell_close(struct cell **cell); /* accepts NULL */

/* What the worker before this one died at; false: of nothing that is known. */
struct cell_left {
	struct id worker;
	struct cell_job job;
	enum cell_stage stage;
};
bool cell_left(const struct cell *cell, struct cell_left *ret_left);

/* From here on it is this worker's: what was left is forgotten. */
void cell_begin(struct cell *cell, struct id worker);

void cell_mark(struct cell *cell, const struct cell_job *job, enum cell_stage stage);
void cell_unmark(struct cell *cell);

#endif
