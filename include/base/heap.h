/*
 * An intrusive binary heap: what is due first is on top.  A node with the same
 * key comes out in no set order.  A zeroed node is in no heap.
 */
#ifndef BASE_HEAP_H
#define BASE_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct heap_node {
	int64_t key;
	size_t place; /* 1-based; 0 = in no heap */
};

struct heap {
	struct heap_node **nodes;
	size_t count;
	size_t cap;
};

#define HEAP_OWNER(node, type, member) ((type *)(void *)((char *)(node)-offsetof(type, member)))

void heap_init(struct heap *heap);
void heap_clear(struct heap *heap); /* the nodes are the caller's */

/* Puts it in, or moves it where it is in already. */
void heap_set(struct heap *heap, struct heap_node *node, int64_t key);
void heap_remove(struct heap *heap, struct heap_node *node); /* no-op when it is not in */

/* NULL when empty. */
struct heap_node *heap_top(const struct heap *heap);
struct heap_node *heap_pop(struct heap *heap);

static inline bool heap_holds(const struct heap_node *node)
{
	return node->place != 0;
}

#endif
