/*
 * The names of our sources, as receivers see them: PTR, its way back, EHLO.
 */
#ifndef WORKER_IDENTITIES_H
#define WORKER_IDENTITIES_H

#include "parts.h"

struct identities;

/* on_told: for each source, when a look begins and when it has ended. */
struct identities *identities_new(
	struct worker *worker, void (*on_told)(void *owner, struct slice source), void *owner);
void identities_free(struct identities **identities);

/* Looks at all sources of the configuration that is in force: at the start, after a reload. */
void identities_look(struct identities *identities);

/* Why the source is out of use, or NULL.  Lives until the next look has ended. */
const char *identities_fault(const struct identities *identities, struct slice source);

#endif
