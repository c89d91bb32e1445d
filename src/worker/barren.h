/*
 * Pools that have no source in use here.  Another node may have one, so their jobs are left
 * to be claimed by it; one job of each kind a minute is claimed all the same, for somebody has to say
 * that nothing of that pool goes out from here.
 */
#ifndef WORKER_BARREN_H
#define WORKER_BARREN_H

#include <stdbool.h>

#include "base/slice.h"

#define BARREN_US (INT64_C(60) * 1000000)

struct worker;

/* Whether it was not told within the last minute. */
bool barren_is_news(const struct worker *worker, struct slice pool);
void barren_told(struct worker *worker, struct slice pool);

#endif
