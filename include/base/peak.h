/*
 * How much memory this program has held at most.  getrusage() is no answer: its figure
 * outlives exec(), so a small program that a large one started seems large.
 */
#ifndef BASE_PEAK_H
#define BASE_PEAK_H

#include <stdint.h>

/* KiB, of which pages were touched; 0 where the system does not tell. */
int64_t peak_memory_kib(void);

#endif
