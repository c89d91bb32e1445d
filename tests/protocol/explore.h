/*
 * Walks through every state that a model can reach, breadth first, so that the way to a
 * fault is a shortest one; then looks whether the end can still be reached from each of
 * them by steps that need no luck.  Knows nothing of what the states mean.
 */
#ifndef PROTOCOL_EXPLORE_H
#define PROTOCOL_EXPLORE_H

#include <stdbool.h>
#include <stddef.h>

enum { EXPLORE_WHY = 4096 };

struct explore_step {
	unsigned char action;
	unsigned char node;
	unsigned char choice;
};

struct explore_model {
	size_t state_bytes; /* a multiple of 8; compared octet by octet */
	unsigned actions;
	unsigned nodes;
	const char *(*name)(unsigned action);
	unsigned (*choices)(unsigned action); /* each is tried with each node */
	/* Changes the state; false where the step is not possible now. */
	bool (*take)(void *model, void *state, struct explore_step step);
	/* Behind each step: NULL, or what is wrong now. */
	const char *(*check)(void *model, const void *state);
	bool (*is_end)(const void *state);
	/* Whether the step that was taken last is one that may never come. */
	bool (*was_luck)(void *model);
	void *model;
};

struct explore_result {
	size_t states;
	size_t steps;
	const char *fault;     /* NULL: none was found */
	char way[EXPLORE_WHY]; /* to it, one step a word */
};

void explore(const struct explore_model *model, const void *first, struct explore_result *ret);

#endif
