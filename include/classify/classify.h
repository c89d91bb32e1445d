/*
 * What a reply or a failure means and what becomes of the job.  Decided by one
 * table of rules; the reply's first digit says "again or not", the enhanced code
 * says what it is about (bounce categories), the phase says whom it concerns.
 */
#ifndef CLASSIFY_CLASSIFY_H
#define CLASSIFY_CLASSIFY_H

#include "base/slice.h"
#include "model/evidence.h"
#include "model/verdict.h"

/* `provider` is the provider's name in the configuration; empty = none. */
struct verdict classify(const struct evidence *evidence, struct slice provider);

#endif
