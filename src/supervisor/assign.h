/*
 * Which worker is to have which source.  Pure.
 */
#ifndef SUPERVISOR_ASSIGN_H
#define SUPERVISOR_ASSIGN_H

#include <stddef.h>

#define ASSIGN_NONE ((size_t)-1)

/*
 * owners[i] is the worker that has source i, or ASSIGN_NONE (or a worker that is no more);
 * on return the one that is to have it.  No worker has two more than another, and no
 * source moves that need not.
 */
void assign_sources(size_t *owners, size_t count, size_t workers);

#endif
