/*
 * The path of an attempt for its record.  The texts of addresses live in the way: on
 * the caller's stack, for the call that records them.
 */
#ifndef WORKER_WAY_H
#define WORKER_WAY_H

#include "parts.h"

struct way {
	struct buf source;
	struct buf mx;
};

void way_init(struct way *way);
void way_clear(struct way *way);

/* As far as it is known without a connection. */
struct route way_route(const struct outlet *outlet, const struct plan *plan);
void way_add_session(struct way *way, struct session *session, struct route *route);

#endif
