/* A row of an import, whatever file it came from; for enqueue.c. */
#ifndef CTL_JSONL_H
#define CTL_JSONL_H

#include "base/buf.h"
#include "base/slice.h"

/* Empty where the file has none.  vars is a JSON object. */
struct import_row {
	struct slice email;
	struct slice id;
	struct slice engagement;
	struct slice vars;
};

struct jsonl;

/* Working memory for lines; `email` and so on stay until the next jsonl_read(). */
struct jsonl *jsonl_new(void);
void jsonl_free(struct jsonl **jsonl);

/*
 * One line: {"email": "...", "id": "...", "engagement": 0.5, "vars": {...}}, all but
 * email optional.  NULL, or what is wrong with it.
 */
const char *jsonl_read(struct jsonl *jsonl, struct slice line, struct import_row *ret_row);

#endif
