/* The rows of an import that can be no jobs, in a file beside it: FILE.rejected.csv. */
#ifndef CTL_REJECTS_H
#define CTL_REJECTS_H

#include <stddef.h>

#include "base/slice.h"

struct rejects;

/* For the import of this file ("-" is standard input).  Those of an earlier run go. */
struct rejects *rejects_new(const char *of);
const char *rejects_path(const struct rejects *rejects);

/* An exit code.  The row goes from `line` to `last_line` (or less: it is of one line). */
int rejects_add(struct rejects *rejects, size_t line, size_t last_line, const char *reason,
	struct slice email);

/* An exit code: what was written may not have got to the disk. */
int rejects_free(struct rejects **rejects);

#endif
