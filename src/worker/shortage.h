/*
 * What this node lacks for sending: a clock to go by, room in the journal, memory, open
 * files.  None of it is a receiver's or a job's doing, so none of it is an attempt: jobs
 * wait, nothing more is claimed, and it goes on by itself when the lack is over.
 */
#ifndef WORKER_SHORTAGE_H
#define WORKER_SHORTAGE_H

#include "parts.h"

struct shortages;

struct shortages *shortages_new(struct worker *worker);
void shortages_start(struct shortages *shortages); /* when all parts of the worker are there */
void shortages_free(struct shortages **shortages); /* accepts NULL */

/* The kernel refused a socket: no descriptor, no port, no memory.  Its word is for the log. */
void shortages_socket(struct worker *worker, const char *source, struct slice text);

/*
 * False while the clocks of this node and of Postgres are so far apart that one of them must
 * be wrong, and nobody here knows which.  Then nothing is signed and no lifetime ends.
 */
bool shortages_clock_agrees(const struct worker *worker);

/* Connections that may be open: limits.connections, or what open files there may be. */
bool shortages_room_for_socket(const struct worker *worker);

#endif
