/* Memory that lives and dies together. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdalign.h>
#include <stdint.h>

#include "base/arena.h"
#include "no_leaks.h"

TestSuite(arena, .fini = no_leaks);

/* All pieces are aligned, zeroed and apart from each other, whatever their sizes. */
Test(arena, pieces_do_not_touch)
{
	struct arena *arena = arena_new(256);
	unsigned char *pieces[400];

	for (int round = 0; round < 3; round++) {
		for (size_t i = 0; i < 400; i++) {
			pieces[i] = arena_get(arena, i);
			cr_assert_eq((uintptr_t)pieces[i] % alignof(max_align_t), 0);
			for (size_t k = 0; k < i; k++) {
				cr_assert_eq(pieces[i][k], 0, "round %d piece %zu", round, i);
			}
			memset(pieces[i], (int)(i % 255 + 1), i);
		}
		for (size_t i = 0; i < 400; i++) {
			for (size_t k = 0; k < i; k++) {
				cr_assert_eq(pieces[i][k], i % 255 + 1);
			}
		}
		arena_reset(arena);
	}
	arena_free(&arena);
	cr_assert_null(arena);
	arena_free(&arena);
}

Test(arena, reset_gives_back_all_but_the_first_chunk)
{
	struct arena *arena = arena_new(0);
	size_t fresh = arena_bytes(arena);

	for (int i = 0; i < 100; i++) {
		arena_get(arena, 1000);
		arena_get(arena, 100000);
	}
	cr_expect_gt(arena_bytes(arena), fresh + 100 * 100000);
	arena_reset(arena);
	cr_expect_eq(arena_bytes(arena), fresh);
	arena_get(arena, 1000);
	cr_expect_eq(arena_bytes(arena), fresh);
	arena_free(&arena);
}

Test(arena, large_pieces_leave_the_current_chunk_in_use)
{
	struct arena *arena = arena_new(4096);
	char *first = arena_get(arena, 16);
	size_t before;

	arena_get(arena, 100000);
	before = arena_bytes(arena);
	cr_expect_eq((char *)arena_get(arena, 16), first + 16);
	cr_expect_eq(arena_bytes(arena), before);
	arena_free(&arena);
}

Test(arena, copies)
{
	struct arena *arena = arena_new(64);
	struct slice copy = arena_slice(arena, slice_first(SLICE("abcdef"), 3));

	cr_expect(slice_equal(copy, SLICE("abc")));
	cr_expect_eq(copy.p[3], '\0');
	cr_expect_str_eq(arena_string(arena, (struct slice){NULL, 0}), "");
	cr_expect_not_null(arena_array(arena, 10, 8));
	arena_free(&arena);
}

Test(arena, overflow_aborts, .signal = SIGABRT)
{
	struct arena *arena = arena_new(0);

	arena_array(arena, SIZE_MAX / 2, 3);
}
