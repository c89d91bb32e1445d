/*
 * States lie one behind the other in the order in which they were found, and are looked up
 * by an open hash of their numbers.  Each remembers the step that found it, which gives the
 * way to it; all steps that need no luck are kept for the question whether the end can be
 * reached, which is walked backwards from the ends.
 */
#include "explore.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

enum { STEPS_SHOWN = 64 };

struct origin {
	uint32_t from;
	struct explore_step step;
};

struct edge {
	uint32_t from;
	uint32_t to;
};

struct exploration {
	const struct explore_model *model;
	char *states;
	struct origin *origins;
	uint32_t *table; /* number of a state + 1; 0 = free */
	struct edge *edges;
	size_t count;
	size_t cap;
	size_t table_mask;
	size_t edges_count;
	size_t edges_cap;
	char *next; /* the state that a step makes */
};

static char *state_of(const struct exploration *e, size_t number)
{
	return e->states + number * e->model->state_bytes;
}

static uint64_t hash(const char *bytes, size_t n)
{
	uint64_t value = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i + 8 <= n; i += 8) {
		uint64_t word;

		memcpy(&word, bytes + i, sizeof(word));
		value = (value ^ word) * UINT64_C(0x9e3779b97f4a7c15);
		value ^= value >> 29;
	}
	return value;
}

static size_t slot_of(const struct exploration *e, const char *state)
{
	size_t n = e->model->state_bytes;
	size_t slot = hash(state, n) & e->table_mask;

	while (e->table[slot] != 0 && memcmp(state_of(e, e->table[slot] - 1), state, n) != 0) {
		slot = (slot + 1) & e->table_mask;
	}
	return slot;
}

static void grow(struct exploration *e)
{
	e->cap = e->cap == 0 ? 4096 : e->cap * 2;
	e->states = mem_grow(e->states, e->cap, e->model->state_bytes);
	e->origins = mem_grow(e->origins, e->cap, sizeof(e->origins[0]));
	mem_free(e->table);
	e->table_mask = e->cap * 2 - 1;
	e->table = mem_array(e->cap * 2, sizeof(e->table[0]));
	for (size_t i = 0; i < e->count; i++) {
		e->table[slot_of(e, state_of(e, i))] = (uint32_t)i + 1;
	}
}

/* The number of a state, new or known. */
static uint32_t find(struct exploration *e, const char *state, struct origin origin)
{
	size_t slot;

	if (e->count == e->cap) {
		grow(e);
	}
	slot = slot_of(e, state);
	if (e->table[slot] == 0) {
		memcpy(state_of(e, e->count), state, e->model->state_bytes);
		e->origins[e->count] = origin;
		e->table[slot] = (uint32_t)++e->count;
	}
	return e->table[slot] - 1;
}

static void note_edge(struct exploration *e, uint32_t from, uint32_t to)
{
	if (e->edges_count == e->edges_cap) {
		e->edges_cap = e->edges_cap == 0 ? 4096 : e->edges_cap * 2;
		e->edges = mem_grow(e->edges, e->edges_cap, sizeof(e->edges[0]));
	}
	e->edges[e->edges_count++] = (struct edge){from, to};
}

/* From the first state to this one, then the step that was taken from it. */
static void tell_way(
	const struct exploration *e, uint32_t number, const struct origin *last, char *ret_way)
{
	struct origin steps[STEPS_SHOWN];
	size_t count = 0;
	size_t n = 0;

	if (last != NULL) {
		steps[count++] = *last;
	}
	while (number != 0 && count < STEPS_SHOWN) {
		steps[count++] = e->origins[number];
		number = e->origins[number].from;
	}
	ret_way[0] = '\0';
	while (count > 0 && n < EXPLORE_WHY) {
		const struct explore_step *step = &steps[--count].step;

		n += (size_t)snprintf(ret_way + n, EXPLORE_WHY - n, "%c:%s.%u ", 'A' + step->node,
			e->model->name(step->action), step->choice);
	}
}

/* False where the step is wrong. */
static bool take(struct exploration *e, uint32_t from, const struct origin *origin,
	struct explore_result *ret)
{
	const struct explore_model *model = e->model;
	uint32_t to;

	memcpy(e->next, state_of(e, from), model->state_bytes);
	if (!model->take(model->model, e->next, origin->step)) {
		return true;
	}
	ret->steps++;
	ret->fault = model->check(model->model, e->next);
	if (ret->fault != NULL) {
		tell_way(e, from, origin, ret->way);
		return false;
	}
	to = find(e, e->next, *origin);
	if (to != from && !model->was_luck(model->model)) {
		note_edge(e, from, to);
	}
	return true;
}

static bool take_all(struct exploration *e, uint32_t from, struct explore_result *ret)
{
	const struct explore_model *model = e->model;

	for (unsigned action = 0; action < model->actions; action++) {
		unsigned choices = model->choices(action);

		for (unsigned i = 0; i < model->nodes * choices; i++) {
			struct origin origin = {from,
				{(unsigned char)action, (unsigned char)(i / choices),
					(unsigned char)(i % choices)}};

			if (!take(e, from, &origin, ret)) {
				return false;
			}
		}
	}
	return true;
}

/* Whence steps lead to a state: froms[first[to]] .. froms[first[to + 1] - 1]. */
static void sort_edges(const struct exploration *e, uint32_t *first, uint32_t *froms)
{
	for (size_t i = 0; i < e->edges_count; i++) {
		first[e->edges[i].to + 1]++;
	}
	for (size_t i = 0; i < e->count; i++) {
		first[i + 1] += first[i];
	}
	for (size_t i = 0; i < e->edges_count; i++) {
		froms[first[e->edges[i].to]++] = e->edges[i].from;
	}
	memmove(first + 1, first, e->count * sizeof(first[0]));
	first[0] = 0;
}

/* Backwards from the ends: whoever is not met can never reach one. */
static void find_stuck(const struct exploration *e, struct explore_result *ret)
{
	const struct explore_model *model = e->model;
	uint32_t *first = mem_array(e->count + 2, sizeof(*first));
	uint32_t *froms = mem_array(e->edges_count + 1, sizeof(*froms));
	bool *reaches = mem_array(e->count, sizeof(*reaches));
	uint32_t *queue = mem_array(e->count, sizeof(*queue));
	size_t count = 0;
	size_t stuck = 0;

	sort_edges(e, first, froms);
	for (size_t i = 0; i < e->count; i++) {
		if (model->is_end(state_of(e, i))) {
			reaches[i] = true;
			queue[count++] = (uint32_t)i;
		}
	}
	for (size_t at = 0; at < count; at++) {
		for (uint32_t i = first[queue[at]]; i < first[queue[at] + 1]; i++) {
			uint32_t from = froms[i];

			if (!reaches[from]) {
				reaches[from] = true;
				queue[count++] = from;
			}
		}
	}
	while (stuck < e->count && reaches[stuck]) {
		stuck++;
	}
	if (stuck < e->count) {
		ret->fault = "a message is stuck";
		tell_way(e, (uint32_t)stuck, NULL, ret->way);
	}
	mem_free(first);
	mem_free(froms);
	mem_free(reaches);
	mem_free(queue);
}

void explore(const struct explore_model *model, const void *first, struct explore_result *ret)
{
	struct exploration e = {.model = model};
	size_t at = 0;

	*ret = (struct explore_result){.fault = NULL};
	e.next = mem_array(1, model->state_bytes);
	(void)find(&e, first, (struct origin){.from = 0});
	while (at < e.count && take_all(&e, (uint32_t)at, ret)) {
		at++;
	}
	ret->states = e.count;
	if (ret->fault == NULL) {
		find_stuck(&e, ret);
	}
	mem_free(e.next);
	mem_free(e.states);
	mem_free(e.origins);
	mem_free(e.table);
	mem_free(e.edges);
}
