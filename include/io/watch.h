/*
 * Waits for a descriptor of somebody else's to become readable (or its other end to go),
 * for libraries and children that have one.  Once: on_ready is called in a later turn of
 * the loop and ends the watch.
 */
#ifndef IO_WATCH_H
#define IO_WATCH_H

#include "base/err.h"
#include "io/loop.h"

struct watch;

/* The descriptor stays open until on_ready or watch_stop(). */
MUST_USE struct err watch_start(struct loop *loop, int fd, void (*on_ready)(void *owner),
	void *owner, struct watch **ret_watch);

/* Never calls back; *watch may be NULL.  Not needed behind on_ready. */
void watch_stop(struct watch **watch);

#endif
