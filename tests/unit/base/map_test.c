/* The hash map: against itself at size, with graves, and while it is walked. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "base/err.h"
#include "base/map.h"
#include "no_leaks.h"

TestSuite(map, .fini = no_leaks);

#define MANY 100000

static int values[MANY];

/* Keys of 1 to about 40 bytes: near and far ones. */
static struct slice make_key(int i, char *room, size_t size)
{
	int n = snprintf(
		room, size, i % 2 == 0 ? "%x" : "a-longer-key-that-is-far-%d", (unsigned)i);

	return slice_make(room, (size_t)n);
}

Test(map, holds_many)
{
	struct map *map = map_new();
	char room[64];

	for (int i = 0; i < MANY; i++) {
		cr_assert_null(map_put(map, make_key(i, room, sizeof(room)), &values[i]));
	}
	cr_assert_eq(map_count(map), MANY);
	for (int i = 0; i < MANY; i++) {
		cr_assert_eq(map_get(map, make_key(i, room, sizeof(room))), &values[i]);
	}
	for (int i = 0; i < MANY; i += 3) {
		cr_assert_eq(map_remove(map, make_key(i, room, sizeof(room))), &values[i]);
		cr_assert_null(map_remove(map, make_key(i, room, sizeof(room))));
	}
	for (int i = 0; i < MANY; i++) {
		void *want = i % 3 == 0 ? NULL : &values[i];

		cr_assert_eq(map_get(map, make_key(i, room, sizeof(room))), want);
	}
	cr_assert_eq(map_count(map), MANY - (MANY + 2) / 3);
	map_free(&map);
	cr_assert_null(map);
	map_free(&map);
}

Test(map, put_returns_what_was_there)
{
	struct map *map = map_new();

	cr_assert_null(map_put(map, SLICE("k"), &values[0]));
	cr_assert_eq(map_put(map, SLICE("k"), &values[1]), &values[0]);
	cr_assert_eq(map_get(map, SLICE("k")), &values[1]);
	cr_assert_eq(map_count(map), 1);
	map_free(&map);
}

Test(map, tells_keys_apart)
{
	static const struct slice keys[] = {
		{NULL, 0},
		{"\0", 1},
		{"\0\0", 2},
		{"a", 1},
		{"a\0", 2},
		{"0123456789abcde", 15},
		{"0123456789abcdef", 16},
		{"0123456789abcdefg", 17},
		{"0123456789abcdefh", 17},
	};
	struct map *map = map_new();

	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		cr_assert_null(map_get(map, keys[i]), "%zu", i);
		cr_assert_null(map_put(map, keys[i], &values[i]), "%zu", i);
	}
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		cr_assert_eq(map_get(map, keys[i]), &values[i], "%zu", i);
	}
	cr_assert_eq(map_get(map, SLICE("")), &values[0]);
	map_free(&map);
}

/* What comes and goes for ever leaves no graves that a lookup could get lost in. */
Test(map, comes_and_goes)
{
	struct map *map = map_new();
	char room[64];

	for (int i = 0; i < MANY; i++) {
		map_put(map, make_key(i, room, sizeof(room)), &values[i]);
		if (i >= 10) {
			cr_assert_eq(map_remove(map, make_key(i - 10, room, sizeof(room))),
				&values[i - 10]);
		}
		cr_assert_null(map_get(map, SLICE("not there")));
	}
	cr_assert_eq(map_count(map), 10);
	map_free(&map);
}

Test(map, walk_sees_each_once_and_may_remove)
{
	struct map *map = map_new();
	static int seen[1000];
	struct slice key;
	char room[64];
	void *value;
	size_t at = 0;

	for (int i = 0; i < 1000; i++) {
		map_put(map, make_key(i, room, sizeof(room)), &seen[i]);
	}
	while (map_next(map, &at, &key, &value)) {
		int i = (int)((int *)value - seen);

		seen[i]++;
		cr_assert(slice_equal(key, make_key(i, room, sizeof(room))));
		if (i % 2 == 0) {
			cr_assert_eq(map_remove(map, make_key(i, room, sizeof(room))), value);
		}
	}
	cr_assert_eq(map_count(map), 500);
	for (int i = 0; i < 1000; i++) {
		cr_assert_eq(seen[i], 1);
	}
	map_free(&map);
}

Test(map, hash_is_the_same_for_the_same_bytes)
{
	char copy[] = "example.com";

	cr_assert_eq(map_hash(SLICE("example.com")), map_hash(slice_make(copy, 11)));
	cr_assert_neq(map_hash(SLICE("example.com")), map_hash(SLICE("example.org")));
	cr_assert_eq(map_hash(SLICE("")), map_hash((struct slice){NULL, 0}));
}
