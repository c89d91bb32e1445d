/*
 * What the world wrote down: the ledger (a line for every accepted final dot and
 * recipient), the events (optional) and the mailboxes (optional).
 *
 * Lines gather during a turn of the loop and are written by ledger_flush(), before
 * any reply of that turn goes out: who has seen a 250 finds its line in the file.
 */
#ifndef WORLD_LEDGER_H
#define WORLD_LEDGER_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

struct ledger;

struct ledger_paths {
	const char *ledger;    /* appended to */
	const char *events;    /* NULL = none */
	const char *mailboxes; /* a directory, NULL = none */
};

/* *ret_path is the one that could not be opened. */
MUST_USE struct err ledger_open(
	const struct ledger_paths *paths, struct ledger **ret_ledger, const char **ret_path);
void ledger_close(struct ledger **ledger); /* flushes */

/*
 * A line under construction: begin, add members, end.  Only one at a time; NULL from
 * the event one when nobody asked for events.
 */
struct buf *ledger_begin(struct ledger *ledger);
struct buf *ledger_begin_event(struct ledger *ledger, const char *event);
void ledger_end(struct buf *line);

void json_text(struct buf *line, const char *key, struct slice value);
void json_number(struct buf *line, const char *key, uint64_t value);
void json_null_or_text(struct buf *line, const char *key, struct slice value);

/* An error (a full disk) is final for the caller: a world that forgets is worth nothing. */
MUST_USE struct err ledger_flush(struct ledger *ledger);

bool ledger_wants_mail(const struct ledger *ledger);

/* Stores DIR/domain/recipient/SEQ.eml; slashes and leading dots in names become '_'. */
MUST_USE struct err ledger_store(
	struct ledger *ledger, struct slice domain, struct slice recipient, struct slice message);

#endif
