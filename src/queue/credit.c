/*
 * Water-filling, twice.  Raise one level: each tenant is granted up to level x weight
 * jobs, counting those it holds, and never more than it wants; the highest level
 * that the credit can pay is found by bisection.  What a tenant cannot use goes to
 * the others, and a tenant that holds much is granted little.
 *
 * Within a tenant the same among its asks, all alike: who asks for little gets it, however
 * many ask, and what that leaves is shared evenly by those that ask for much.
 */
#include "queue/credit.h"

#include <stdbool.h>
#include <stdint.h>

#include "base/map.h"
#include "base/mem.h"

/* A tenant, or one of its asks. */
struct part {
	unsigned weight;
	unsigned held;
	uint64_t wanted;
	uint64_t granted;
};

/* The asks of one tenant in a class, as a chain in the order asked. */
struct group {
	size_t first;
	size_t last;
	size_t count;
};

struct sharing {
	struct credit_ask *asks;
	size_t *next; /* of the same group, parallel to the asks */
	struct group *groups;
	struct part *tenants; /* parallel to the groups */
	struct part *parts;   /* of one group at a time */
	size_t count;         /* of groups */
};

static uint64_t fill(const struct part *part, uint64_t level)
{
	uint64_t share = level * part->weight;

	if (share <= part->held) {
		return 0;
	}
	share -= part->held;
	return share < part->wanted ? share : part->wanted;
}

static uint64_t cost(const struct part *parts, size_t count, uint64_t level)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < count; i++) {
		sum += fill(&parts[i], level);
	}
	return sum;
}

static uint64_t level_for(const struct part *parts, size_t count, uint64_t credit)
{
	uint64_t low = 0;
	uint64_t high = UINT32_MAX;

	while (low < high) {
		uint64_t middle = high - (high - low) / 2;

		if (cost(parts, count, middle) <= credit) {
			low = middle;
		} else {
			high = middle - 1;
		}
	}
	return low;
}

static uint64_t spread(struct part *parts, size_t count, uint64_t credit)
{
	uint64_t level = level_for(parts, count, credit);
	uint64_t granted = 0;

	for (size_t i = 0; i < count; i++) {
		parts[i].granted = fill(&parts[i], level);
		granted += parts[i].granted;
	}
	/* The rest is less than one more level: one job each, in the order asked. */
	for (size_t i = 0; i < count && granted < credit; i++) {
		if (fill(&parts[i], level + 1) > parts[i].granted) {
			parts[i].granted++;
			granted++;
		}
	}
	return granted;
}

static void join(struct sharing *sharing, struct map *index, size_t at)
{
	const struct credit_ask *ask = &sharing->asks[at];
	struct group *group = map_get(index, id_slice(&ask->tenant));

	if (group == NULL) {
		sharing->tenants[sharing->count] = (struct part){
			.weight = ask->weight > 0 ? ask->weight : 1,
			.held = ask->held,
		};
		group = &sharing->groups[sharing->count++];
		*group = (struct group){.first = at, .last = at};
		map_put(index, id_slice(&ask->tenant), group);
	}
	sharing->next[group->last] = at;
	group->last = at;
	group->count++;
	sharing->tenants[group - sharing->groups].wanted += ask->wanted;
}

static void group_class(struct sharing *sharing, size_t count, bool urgent)
{
	struct map *index = map_new();

	sharing->count = 0;
	for (size_t i = 0; i < count; i++) {
		if ((sharing->asks[i].priority == 0) == urgent) {
			join(sharing, index, i);
		}
	}
	map_free(&index);
}

static void share_group(struct sharing *sharing, const struct group *group, uint64_t credit)
{
	size_t at = group->first;

	for (size_t i = 0; i < group->count; i++) {
		sharing->parts[i] = (struct part){.weight = 1, .wanted = sharing->asks[at].wanted};
		at = sharing->next[at];
	}
	(void)spread(sharing->parts, group->count, credit);
	at = group->first;
	for (size_t i = 0; i < group->count; i++) {
		sharing->asks[at].granted = (unsigned)sharing->parts[i].granted;
		at = sharing->next[at];
	}
}

static unsigned share_class(struct sharing *sharing, size_t count, bool urgent, unsigned credit)
{
	uint64_t granted;

	group_class(sharing, count, urgent);
	granted = spread(sharing->tenants, sharing->count, credit);
	for (size_t i = 0; i < sharing->count; i++) {
		share_group(sharing, &sharing->groups[i], sharing->tenants[i].granted);
	}
	return (unsigned)granted;
}

void credit_share(struct credit_ask *asks, size_t count, unsigned credit, unsigned limit)
{
	size_t room = count > 0 ? count : 1;
	unsigned reserved = limit / 10;
	struct sharing sharing = {
		.asks = asks,
		.next = mem_array(room, sizeof(*sharing.next)),
		.groups = mem_array(room, sizeof(*sharing.groups)),
		.tenants = mem_array(room, sizeof(*sharing.tenants)),
		.parts = mem_array(room, sizeof(*sharing.parts)),
	};

	credit -= share_class(&sharing, count, true, credit);
	(void)share_class(&sharing, count, false, credit > reserved ? credit - reserved : 0);
	mem_free(sharing.next);
	mem_free(sharing.groups);
	mem_free(sharing.tenants);
	mem_free(sharing.parts);
}
