/*
 * A binary heap of pointers: children of place i (1-based) are 2i and 2i + 1.
 * A node knows its place, so that any node moves or leaves in log n.
 * Invariant: no node's key is below its parent's.
 */
#include "base/heap.h"

#include "base/mem.h"

void heap_init(struct heap *heap)
{
	*heap = (struct heap){0};
}

void heap_clear(struct heap *heap)
{
	for (size_t i = 0; i < heap->count; i++) {
		heap->nodes[i]->place = 0;
	}
	mem_free(heap->nodes);
	heap_init(heap);
}

static void put(struct heap *heap, struct heap_node *node, size_t place)
{
	heap->nodes[place - 1] = node;
	node->place = place;
}

static size_t rise(struct heap *heap, size_t place, int64_t key)
{
	while (place > 1 && heap->nodes[place / 2 - 1]->key > key) {
		put(heap, heap->nodes[place / 2 - 1], place);
		place /= 2;
	}
	return place;
}

static size_t sink(struct heap *heap, size_t place, int64_t key)
{
	size_t child;

	while ((child = place * 2) <= heap->count) {
		if (child < heap->count && heap->nodes[child]->key < heap->nodes[child - 1]->key) {
			child++;
		}
		if (heap->nodes[child - 1]->key >= key) {
			break;
		}
		put(heap, heap->nodes[child - 1], place);
		place = child;
	}
	return place;
}

/* The place is free, or the node's own: finds the right one for its key. */
static void settle(struct heap *heap, struct heap_node *node, size_t place)
{
	size_t risen = rise(heap, place, node->key);

	put(heap, node, risen < place ? risen : sink(heap, place, node->key));
}

void heap_set(struct heap *heap, struct heap_node *node, int64_t key)
{
	node->key = key;
	if (node->place == 0) {
		if (heap->count == heap->cap) {
			heap->cap = heap->cap > 0 ? heap->cap * 2 : 16;
			heap->nodes = mem_grow(heap->nodes, heap->cap, sizeof(*heap->nodes));
		}
		heap->count++;
		settle(heap, node, heap->count);
	} else {
		settle(heap, node, node->place);
	}
}

void heap_remove(struct heap *heap, struct heap_node *node)
{
	size_t place = node->place;
	struct heap_node *last;

	if (place == 0) {
		return;
	}
	last = heap->nodes[--heap->count];
	node->place = 0;
	if (last != node) {
		settle(heap, last, place);
	}
}

struct heap_node *heap_top(const struct heap *heap)
{
	return heap->count > 0 ? heap->nodes[0] : NULL;
}

struct heap_node *heap_pop(struct heap *heap)
{
	struct heap_node *node = heap_top(heap);

	if (node != NULL) {
		heap_remove(heap, node);
	}
	return node;
}
