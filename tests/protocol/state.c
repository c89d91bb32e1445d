/*
 * Numbers of terms, batches, tokens and attempts say nothing but which is which, so they
 * are given anew in an order that does not depend on what came before; what nothing knows
 * of any more goes.  Without this there would be twenty times as many states.
 */
#include "state.h"

#include <stdlib.h>
#include <string.h>

static bool term_in_use(const struct state *s, unsigned term)
{
	unsigned node;
	bool used = process_of(s, term, &node);

	for (unsigned b = 0; b < BATCHES; b++) {
		used = used || s->batches[b].owner == term + 1;
	}
	for (unsigned n = 0; n < NODES; n++) {
		for (unsigned i = 0; i < ITEMS; i++) {
			const struct item *item = &s->nodes[n].items[i];

			used = used || (item->kind != KIND_NONE && item->term == term);
		}
	}
	return used;
}

/* An attempt that nothing can come of any more; without a crash to come, also in the journal. */
static void tidy_item(struct item *item, bool over)
{
	if (over && (item->confirmed || item->kind == KIND_BACK)) {
		item->written = DEPTH_NONE;
	}
	if (!item->memory && item->written == DEPTH_NONE) {
		memset(item, 0, sizeof(*item));
	}
}

/* Ids count only by their order, and rows only where somebody may report the id again. */
static void tidy_attempts(struct state *s, unsigned m)
{
	struct message *message = &s->messages[m];
	unsigned in_items = 0;
	unsigned used;
	unsigned rank[16] = {0};
	unsigned rows = 0;

	for (unsigned n = 0; n < NODES; n++) {
		for (unsigned i = 0; i < ITEMS; i++) {
			const struct item *item = &s->nodes[n].items[i];

			in_items |= item->kind != KIND_NONE && item->message == m
				? bit(item->attempt)
				: 0;
		}
	}
	used = (in_items | bit(message->final) | bit(message->evidence)) & ~1U;
	message->attempts = 0;
	for (unsigned id = 1; id < 16; id++) {
		if ((used & bit(id)) != 0) {
			rank[id] = ++message->attempts;
			rows |= (message->rows & in_items & bit(id)) != 0 ? bit(rank[id]) : 0;
		}
	}
	message->rows = rows & 0xffff;
	message->final = rank[message->final] & 15;
	message->evidence = rank[message->evidence] & 15;
	for (unsigned n = 0; n < NODES; n++) {
		for (unsigned i = 0; i < ITEMS; i++) {
			struct item *item = &s->nodes[n].items[i];

			if (item->kind != KIND_NONE && item->message == m) {
				item->attempt = rank[item->attempt] & 15;
			}
		}
	}
	while (message->copies > 1 && message->excuses > 0) {
		message->copies--;
		message->excuses--;
	}
}

static int compare_items(const void *a, const void *b)
{
	const struct item *x = a;
	const struct item *y = b;
	int order = (int)y->kind - (int)x->kind;

	order = order != 0 ? order : (int)x->message - (int)y->message;
	order = order != 0 ? order : (int)x->attempt - (int)y->attempt;
	return order != 0 ? order : (int)x->token - (int)y->token;
}

static int compare_claims(const void *a, const void *b)
{
	return (int)((const struct claim *)b)->token - (int)((const struct claim *)a)->token;
}

/* Gives a name a new one; 0 stays. */
static unsigned rename(uint8_t *names, unsigned old, unsigned *next)
{
	if (old != 0 && names[old] == 0) {
		names[old] = (uint8_t)++ * next;
	}
	return names[old];
}

/* The term of a node's process has the node's number. */
static void tidy_terms(struct state *s)
{
	struct term terms[TERMS] = {{0}};
	unsigned known[NODES] = {0};
	unsigned to[TERMS] = {0};
	unsigned next = NODES;

	for (unsigned i = 0; i < TERMS; i++) {
		unsigned n;

		if (s->terms[i].state == TERM_NONE || !term_in_use(s, i)) {
			continue;
		}
		to[i] = process_of(s, i, &n) ? n : next++;
		if (to[i] >= TERMS) {
			abort(); /* TERMS is too small */
		}
		terms[to[i]] = s->terms[i];
		terms[to[i]].left = to[i] < NODES ? s->terms[i].left : LEFT_NONE;
		for (n = 0; n < NODES; n++) {
			known[n] |= (s->nodes[n].known & bit(i)) != 0 ? bit(to[i]) : 0;
		}
	}
	memcpy(s->terms, terms, sizeof(terms));
	for (unsigned b = 0; b < BATCHES; b++) {
		struct batch *batch = &s->batches[b];

		batch->owner = batch->owner != 0 ? (to[batch->owner - 1] + 1) & 7 : 0;
	}
	for (unsigned n = 0; n < NODES; n++) {
		struct node *node = &s->nodes[n];

		node->known = (uint8_t)known[n];
		node->term = node->phase == PHASE_RUNNING ? (uint8_t)n : 0;
		for (unsigned i = 0; i < ITEMS; i++) {
			node->items[i].term = to[node->items[i].term] & 7;
		}
		for (unsigned i = 0; i < CLAIMS; i++) {
			node->claims[i].term = to[node->claims[i].term] & 7;
		}
	}
}

static int compare_batches(const void *a, const void *b)
{
	const struct batch *x = *(const struct batch *const *)a;
	const struct batch *y = *(const struct batch *const *)b;
	int order = (int)y->members - (int)x->members;

	return order != 0 ? order : (int)y->owner - (int)x->owner;
}

/* Batches in the order of their members, tokens in the order of batches, then of items. */
static void tidy_batches(struct state *s)
{
	const struct batch *order[BATCHES];
	struct batch batches[BATCHES];
	uint8_t places[BATCHES];
	uint8_t tokens[TOKENS + 1] = {0};
	unsigned next = 0;

	for (unsigned b = 0; b < BATCHES; b++) {
		order[b] = &s->batches[b];
	}
	qsort(order, BATCHES, sizeof(order[0]), compare_batches);
	for (unsigned b = 0; b < BATCHES; b++) {
		places[order[b] - s->batches] = (uint8_t)b;
		batches[b] = *order[b];
		batches[b].token = rename(tokens, order[b]->token, &next) & 15;
	}
	memcpy(s->batches, batches, sizeof(batches));
	for (unsigned n = 0; n < NODES; n++) {
		struct node *node = &s->nodes[n];

		for (unsigned i = 0; i < ITEMS; i++) {
			struct item *item = &node->items[i];

			item->batch = item->kind != KIND_NONE ? places[item->batch] & 7 : 0;
			item->token = rename(tokens, item->token, &next) & 15;
		}
		for (unsigned i = 0; i < CLAIMS; i++) {
			struct claim *claim = &node->claims[i];

			claim->batch = claim->token != 0 ? places[claim->batch] & 7 : 0;
			claim->token = rename(tokens, claim->token, &next) & 15;
		}
		for (unsigned m = 0; m < MESSAGES; m++) {
			node->hands[m].token = rename(tokens, node->hands[m].token, &next) & 15;
		}
	}
}

static void sort_places(struct state *s)
{
	for (unsigned n = 0; n < NODES; n++) {
		struct node *node = &s->nodes[n];

		qsort(node->items, ITEMS, sizeof(node->items[0]), compare_items);
		qsort(node->claims, CLAIMS, sizeof(node->claims[0]), compare_claims);
	}
}

void state_tidy(struct state *s, bool over)
{
	for (unsigned n = 0; n < NODES; n++) {
		for (unsigned i = 0; i < ITEMS; i++) {
			tidy_item(&s->nodes[n].items[i], over);
		}
	}
	for (unsigned m = 0; m < MESSAGES; m++) {
		tidy_attempts(s, m);
	}
	tidy_terms(s);
	sort_places(s);
	tidy_batches(s);
	sort_places(s);
}
