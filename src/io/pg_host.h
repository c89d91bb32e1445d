/*
 * The hosts of a connection string as addresses, found on a thread: libpq itself
 * would block the loop while it asks DNS.  Every connection asks anew, because a
 * failover changes the name's address.
 */
#ifndef IO_PG_HOST_H
#define IO_PG_HOST_H

#include <stdbool.h>

#include "base/slice.h"
#include "io/loop.h"

/* Parallel lists as libpq takes them, separated by commas. */
struct pg_hosts {
	char *hosts;
	char *addresses;
	char *ports;
};

struct pg_lookup;

/* NULL when the string names no host that needs a lookup (sockets, numeric addresses). */
struct pg_lookup *pg_lookup_start(struct loop *loop, struct slice dsn,
	void (*on_hosts)(void *owner, const struct pg_hosts *hosts), void *owner);

/* on_hosts is not called any more. */
void pg_lookup_cancel(struct pg_lookup **lookup);

#endif
