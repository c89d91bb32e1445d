/* Memory: zeroed, never NULL, and no product that overflows. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdint.h>

#include "base/mem.h"
#include "no_leaks.h"

TestSuite(mem, .fini = no_leaks);

Test(mem, is_zeroed)
{
	char *p = mem_new(1000);
	int *array = mem_array(50, sizeof(int));

	for (size_t i = 0; i < 1000; i++) {
		cr_assert_eq(p[i], 0);
	}
	for (size_t i = 0; i < 50; i++) {
		cr_assert_eq(array[i], 0);
	}
	mem_free(p);
	mem_free(array);
	mem_free(NULL);
}

Test(mem, sizes_of_zero_are_memory_too)
{
	void *blocks[] = {mem_new(0), mem_array(0, 8), mem_array(8, 0), mem_grow(NULL, 0, 8),
		mem_grow(mem_new(10), 0, 1)};

	for (size_t i = 0; i < sizeof(blocks) / sizeof(blocks[0]); i++) {
		cr_expect_not_null(blocks[i], "%zu", i);
		mem_free(blocks[i]);
	}
}

Test(mem, grow_keeps_what_was_there)
{
	char *p = mem_copy("abc", 3);

	p = mem_grow(p, 100000, 1);
	cr_assert_str_eq(p, "abc");
	mem_free(p);
}

Test(mem, copies_end_with_nul)
{
	char *part = mem_copy("abcdef", 3);
	char *empty = mem_copy(NULL, 0);
	char *text = mem_string("text");

	cr_expect_str_eq(part, "abc");
	cr_expect_str_eq(empty, "");
	cr_expect_str_eq(text, "text");
	mem_free(part);
	mem_free(empty);
	mem_free(text);
}

Test(mem, overflow_aborts, .signal = SIGABRT)
{
	volatile size_t half = SIZE_MAX / 2;

	mem_free(mem_array(half, 3));
}

Test(mem, growing_over_the_top_aborts, .signal = SIGABRT)
{
	volatile size_t half = SIZE_MAX / 2;

	mem_free(mem_grow(NULL, half, 3));
}
