/*
 * What is thought to be ready: kinds of due work, noted by polls and sweeps, taken
 * off when a claim found less than it asked for.  Pure.
 */
#ifndef INTAKE_READY_H
#define INTAKE_READY_H

#include <stddef.h>
#include <stdint.h>

#include "intake/intake.h"

struct ready_set;

struct ready_set *ready_set_new(size_t max);
void ready_set_free(struct ready_set **set);

/* Adds a kind, or marks it as seen; jobs 0 = unknown.  Beyond max new ones are not taken. */
void ready_set_note(struct ready_set *set, const struct ready *kind, unsigned jobs);

/* A full sweep begins; at its end go the kinds that it has not seen, nor anybody since. */
void ready_set_sweep_start(struct ready_set *set);
void ready_set_sweep_end(struct ready_set *set);

/* All of them; valid until the next change. */
const struct ready *ready_set_list(const struct ready_set *set, size_t *ret_count);

/* A claim asked for `asked` and got `got`: the guess grows, or the kind goes. */
void ready_set_claimed(
	struct ready_set *set, const struct ready *kind, unsigned asked, unsigned got);

#endif
