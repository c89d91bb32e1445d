/*
 * Water-filling.  Raise one level: each tenant is granted up to level x weight
 * jobs, counting those it holds, and never more than it wants; the highest level
 * that the credit can pay is found by bisection.  What a tenant cannot use goes to
 * the others, and a tenant that holds much is granted little.
 */
#include "queue/credit.h"

#include <stdbool.h>
#include <stdint.h>

#include "base/id.h"

static unsigned fill(const struct credit_ask *ask, uint64_t level)
{
	uint64_t weight = ask->weight > 0 ? ask->weight : 1;
	uint64_t share = level * weight / (ask->siblings > 0 ? ask->siblings : 1);

	if (share <= ask->held) {
		return 0;
	}
	share -= ask->held;
	return share < ask->wanted ? (unsigned)share : ask->wanted;
}

static uint64_t cost(const struct credit_ask *asks, size_t count, bool urgent, uint64_t level)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < count; i++) {
		if ((asks[i].priority == 0) == urgent) {
			sum += fill(&asks[i], level);
		}
	}
	return sum;
}

static unsigned share_class(struct credit_ask *asks, size_t count, bool urgent, unsigned credit)
{
	uint64_t low = 0;
	uint64_t high = UINT32_MAX;
	unsigned granted = 0;

	while (low < high) {
		uint64_t middle = high - (high - low) / 2;

		if (cost(asks, count, urgent, middle) <= credit) {
			low = middle;
		} else {
			high = middle - 1;
		}
	}
	for (size_t i = 0; i < count; i++) {
		if ((asks[i].priority == 0) == urgent) {
			asks[i].granted = fill(&asks[i], low);
			granted += asks[i].granted;
		}
	}
	/* The rest is less than one more level: one job each, in the order asked. */
	for (size_t i = 0; i < count && granted < credit; i++) {
		if ((asks[i].priority == 0) == urgent &&
			fill(&asks[i], low + 1) > asks[i].granted) {
			asks[i].granted++;
			granted++;
		}
	}
	return granted;
}

void credit_share(struct credit_ask *asks, size_t count, unsigned credit, unsigned limit)
{
	unsigned reserved = limit / 10;

	credit -= share_class(asks, count, true, credit);
	share_class(asks, count, false, credit > reserved ? credit - reserved : 0);
}
