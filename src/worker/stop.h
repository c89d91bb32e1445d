/*
 * The end of a worker, step by step.
 */
#ifndef WORKER_STOP_H
#define WORKER_STOP_H

#include "parts.h"

/* Something went that a stop may be waiting for.  Costs nothing while running. */
void stop_look(struct worker *worker);

void stop_free(struct stop **stop);

#endif
