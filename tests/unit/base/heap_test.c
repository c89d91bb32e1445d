/* The heap, against a plain search for the smallest key. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "base/heap.h"
#include "no_leaks.h"

TestSuite(heap, .fini = no_leaks);

#define NODES 200
#define STEPS 20000

static int64_t smallest(const struct heap_node *nodes, size_t *ret_count)
{
	int64_t key = INT64_MAX;

	*ret_count = 0;
	for (size_t i = 0; i < NODES; i++) {
		if (heap_holds(&nodes[i])) {
			*ret_count += 1;
			key = nodes[i].key < key ? nodes[i].key : key;
		}
	}
	return key;
}

/* Random sets, moves, removals and pops: the top is always the smallest of those in it. */
Test(heap, top_is_smallest)
{
	static struct heap_node nodes[NODES];
	struct heap heap;
	unsigned seed = 7;

	heap_init(&heap);
	for (int step = 0; step < STEPS; step++) {
		struct heap_node *node = &nodes[(size_t)rand_r(&seed) % NODES];
		size_t count;
		int64_t key;

		switch (rand_r(&seed) % 4) {
		case 0:
			heap_remove(&heap, node);
			cr_assert(!heap_holds(node));
			break;
		case 1:
			node = heap_pop(&heap);
			cr_assert(node == NULL || !heap_holds(node));
			break;
		default:
			heap_set(&heap, node, rand_r(&seed) % 1000 - 500);
			cr_assert(heap_holds(node));
			break;
		}
		key = smallest(nodes, &count);
		cr_assert_eq(heap.count, count);
		cr_assert(count == 0 ? heap_top(&heap) == NULL : heap_top(&heap)->key == key);
	}
	heap_clear(&heap);
	for (size_t i = 0; i < NODES; i++) {
		cr_assert(!heap_holds(&nodes[i]));
	}
}

Test(heap, pops_in_order)
{
	static struct heap_node nodes[NODES];
	struct heap heap;
	int64_t last = INT64_MIN;

	heap_init(&heap);
	heap_set(&heap, &nodes[0], INT64_MAX);
	heap_set(&heap, &nodes[1], INT64_MIN);
	for (size_t i = 2; i < NODES; i++) {
		heap_set(&heap, &nodes[i], (int64_t)(i * 7919 % NODES));
	}
	for (size_t i = 0; i < NODES; i++) {
		struct heap_node *node = heap_pop(&heap);

		cr_assert_geq(node->key, last);
		last = node->key;
	}
	cr_assert_null(heap_pop(&heap));
	heap_clear(&heap);
}
