/*
 * Postgres is away, and how a worker comes back from that.  It goes on for
 * lease.autonomy; then nothing is sent, and what was open ends.  Behind such a pause
 * connections and jobs grow over lease.ramp, so that neither receivers nor Postgres meet
 * a whole fleet in one moment.
 */
#ifndef WORKER_AWAY_H
#define WORKER_AWAY_H

#include "parts.h"

struct away *away_new(struct worker *worker);
void away_free(struct away **away); /* accepts NULL */

void away_on_lost(struct away *away); /* the connection to Postgres */
void away_on_back(struct away *away);

/* For so long that nothing may be sent?  Asked wherever something is about to be. */
bool away_too_long(struct away *away);

/* Of so many, how many jobs may be held, and how many connections open: at least one. */
unsigned away_jobs(const struct away *away, unsigned most);
size_t away_connections(const struct away *away, size_t most);

#endif
