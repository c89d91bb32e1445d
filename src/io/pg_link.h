/*
 * One connection to Postgres: made without blocking, watched by the loop, put into
 * pipeline mode.  What travels over it is pg.c's.  A link that is lost tells so once
 * and is then opened again by its owner, or not.
 */
#ifndef IO_PG_LINK_H
#define IO_PG_LINK_H

#include <libpq-fe.h>

#include "base/buf.h"
#include "io/loop.h"
#include "io/pg.h"

struct pg_link;

struct pg_link_events {
	void (*on_open)(void *owner);
	void (*on_input)(void *owner);                  /* libpq has taken in what came */
	void (*on_lost)(void *owner, struct slice why); /* nothing is left to close */
};

/* The settings must outlive it. */
struct pg_link *pg_link_new(struct loop *loop, const struct pg_settings *settings,
	const struct pg_link_events *events, void *owner);
void pg_link_free(struct pg_link **link); /* closes; from any callback */

void pg_link_open(struct pg_link *link); /* on_open or on_lost follows, in a later turn */
void pg_link_close(struct pg_link *link, struct slice why); /* on_lost follows at once */

/* NULL while it is not open. */
PGconn *pg_link_conn(const struct pg_link *link);

/* Writes out what libpq holds; the rest goes when the socket takes it. */
void pg_link_flush(struct pg_link *link);

#endif
