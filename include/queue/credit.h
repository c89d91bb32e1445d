/*
 * How many jobs of whom to claim: a worker's credit (the jobs it may hold) shared
 * fairly.  Transactional asks are served first and alone may use the last tenth;
 * the rest is shared by weight, counting what each tenant holds already, so that
 * one tenant's million does not keep another's hundred waiting.  The asks of a tenant
 * share what is the tenant's: who asks for little gets it, the others get equal parts.  Pure.
 */
#ifndef QUEUE_CREDIT_H
#define QUEUE_CREDIT_H

#include <stddef.h>

#include "base/id.h"

struct credit_ask {
	struct id tenant;
	int priority;
	unsigned weight;  /* 1..1000 */
	unsigned held;    /* jobs of this tenant at hand */
	unsigned wanted;  /* due in Postgres, cut to what shaping permits */
	unsigned granted; /* the answer */
};

/* `credit` jobs may come in all; `limit` is the worker's whole credit. */
void credit_share(struct credit_ask *asks, size_t count, unsigned credit, unsigned limit);

#endif
