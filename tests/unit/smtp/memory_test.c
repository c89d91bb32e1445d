/* What sessions remember of hosts: for a while, and not more than they can bear. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "no_leaks.h"

/* An inner header of src/smtp. */
#include "../../../src/smtp/memory.h"

TestSuite(memory, .fini = no_leaks);

Test(memory, smtp_T4_dns_D9_is_over_in_time)
{
	struct memory *memory = memory_new();

	cr_assert(!memory_has(memory, SLICE("mx.test"), 0));
	memory_add(memory, SLICE("mx.test"), 100, 0);
	cr_assert(memory_has(memory, SLICE("mx.test"), 100));
	cr_assert(!memory_has(memory, SLICE("mx.test"), 101));
	cr_assert(!memory_has(memory, SLICE("mx2.test"), 50));
	memory_add(memory, SLICE("mx.test"), 200, 100);
	cr_assert(memory_has(memory, SLICE("mx.test"), 150), "again");
	memory_free(&memory);
	cr_assert_null(memory);
	memory_free(&memory);
}

static void add_numbers(struct memory *memory, int from, int to, int64_t until_us, int64_t now_us)
{
	char name[32];

	for (int i = from; i < to; i++) {
		(void)snprintf(name, sizeof(name), "mx%d.test", i);
		memory_add(memory, slice_of(name), until_us, now_us);
	}
}

Test(memory, is_bounded)
{
	struct memory *memory = memory_new();

	add_numbers(memory, 0, 9999, 100, 0);
	memory_add(memory, SLICE("kept.test"), 300, 0);
	add_numbers(memory, 20000, 20001, 300, 200);
	cr_assert(memory_has(memory, SLICE("kept.test"), 200), "only what was over went");
	cr_assert(!memory_has(memory, SLICE("mx1.test"), 50));
	add_numbers(memory, 30000, 40000, 300, 200);
	cr_assert(!memory_has(memory, SLICE("kept.test"), 200), "nothing was over: all went");
	cr_assert(memory_has(memory, SLICE("mx39999.test"), 200));
	memory_free(&memory);
}
