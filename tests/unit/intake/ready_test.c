/*
 * What is thought to be ready comes, grows and goes.
 */
#include "../../../src/intake/ready.h"

#include <criterion/criterion.h>

#include "no_leaks.h"

TestSuite(ready, .fini = no_leaks);

static struct ready kind(uint8_t tenant, const char *tag, int priority)
{
	struct ready kind = {.pool = SLICE("default"), .tag = slice_of(tag), .priority = priority};

	kind.tenant.bytes[0] = tenant;
	return kind;
}

static size_t count(const struct ready_set *set)
{
	size_t count = 0;

	(void)ready_set_list(set, &count);
	return count;
}

static unsigned jobs(const struct ready_set *set, const struct ready *of)
{
	size_t n = 0;
	const struct ready *kinds = ready_set_list(set, &n);

	for (size_t i = 0; i < n; i++) {
		if (id_equal(kinds[i].tenant, of->tenant) && slice_equal(kinds[i].tag, of->tag) &&
			kinds[i].priority == of->priority && kinds[i].careful == of->careful) {
			return kinds[i].jobs;
		}
	}
	return 0;
}

Test(ready, kinds_differ_by_every_part)
{
	struct ready_set *set = ready_set_new(100);
	struct ready kinds[] = {kind(1, "gmail", 10), kind(2, "gmail", 10), kind(1, "yahoo", 10),
		kind(1, "gmail", 0), kind(3, "gmail", 10), kind(3, "gmail", 10)};

	kinds[5].careful = true;
	for (int round = 0; round < 3; round++) {
		for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
			ready_set_note(set, &kinds[i], (unsigned)i + 1);
		}
	}
	cr_expect_eq(count(set), ARRAY_LEN(kinds));
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		cr_expect_eq(jobs(set, &kinds[i]), i + 1);
	}
	ready_set_free(&set);
}

Test(ready, a_claim_tells_whether_there_is_more)
{
	struct ready_set *set = ready_set_new(100);
	struct ready a = kind(1, "gmail", 10);
	struct ready b = kind(1, "yahoo", 10);

	ready_set_note(set, &a, 40);
	ready_set_note(set, &b, 40);
	ready_set_claimed(set, &a, 40, 40);
	ready_set_claimed(set, &b, 40, 39);
	cr_expect_gt(jobs(set, &a), 40, "all that was asked for came: there may be more");
	cr_expect_eq(jobs(set, &b), 0, "used up");
	ready_set_claimed(set, &b, 1, 1); /* unknown by now: no harm */
	cr_expect_eq(count(set), 1);
	ready_set_free(&set);
}

Test(ready, a_sweep_removes_what_it_does_not_see)
{
	struct ready_set *set = ready_set_new(1000);

	for (int i = 0; i < 200; i++) {
		struct ready k = kind((uint8_t)i, "gmail", 10);

		ready_set_note(set, &k, 0);
	}
	ready_set_sweep_start(set);
	for (int i = 0; i < 200; i += 3) {
		struct ready k = kind((uint8_t)i, "gmail", 10);

		ready_set_note(set, &k, 0);
	}
	ready_set_sweep_end(set);
	cr_expect_eq(count(set), 67);
	for (int i = 0; i < 200; i++) {
		struct ready k = kind((uint8_t)i, "gmail", 10);

		cr_expect_eq(jobs(set, &k) > 0, i % 3 == 0, "%d", i);
	}
	ready_set_free(&set);
}

Test(ready, bounded)
{
	struct ready_set *set = ready_set_new(3);

	for (int i = 0; i < 10; i++) {
		struct ready k = kind((uint8_t)i, "gmail", 10);

		ready_set_note(set, &k, 1);
	}
	cr_expect_eq(count(set), 3);
	ready_set_free(&set);
}
