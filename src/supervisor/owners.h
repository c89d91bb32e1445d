/*
 * The sources of the node and the workers that have them.  A source that moves is first
 * left by the one, who lets its connections end and gives its address back, and only then
 * given to the other.
 */
#ifndef SUPERVISOR_OWNERS_H
#define SUPERVISOR_OWNERS_H

#include "team.h"

struct owners *owners_new(struct supervisor *supervisor);
void owners_free(struct owners **owners); /* accepts NULL */

/* The sources of this configuration, shared out anew: whoever works hears what changes. */
void owners_follow(struct owners *owners, const struct config *config);

/* It was started, and knows of nothing yet; or it has ended, and holds nothing. */
void owners_on_started(struct owners *owners, size_t seat);
void owners_on_ended(struct owners *owners, size_t seat);

/* It says so. */
void owners_on_owned(struct owners *owners, size_t seat, struct slice source);
void owners_on_released(struct owners *owners, size_t seat, struct slice source);

/* How many there are, and of how many a worker has said that it may send from them. */
size_t owners_count(const struct owners *owners);
size_t owners_usable(const struct owners *owners);

#endif
