/*
 * Two maps that change places.
 *
 * To forget single entries by age would take a clock and an order for each; two
 * generations need neither.  Whoever rotates decides how long something is known:
 * between one interval and two.
 */
#include "generations.h"

static void forget(struct map **map, void (*drop)(void *value))
{
	size_t at = 0;
	struct slice key;
	void *value;

	while (map_next(*map, &at, &key, &value)) {
		drop(value);
	}
	map_free(map);
}

void generations_open(struct generations *generations)
{
	for (size_t i = 0; i < GENERATIONS; i++) {
		generations->maps[i] = map_new();
	}
}

void generations_free(struct generations *generations, void (*drop)(void *value))
{
	for (size_t i = 0; i < GENERATIONS; i++) {
		forget(&generations->maps[i], drop);
	}
}

void generations_rotate(struct generations *generations, void (*drop)(void *value))
{
	forget(&generations->maps[OLDER], drop);
	generations->maps[OLDER] = generations->maps[NEWER];
	generations->maps[NEWER] = map_new();
}

const void *generations_get(const struct generations *generations, struct slice key)
{
	const void *newer = map_get(generations->maps[NEWER], key);

	return newer != NULL ? newer : map_get(generations->maps[OLDER], key);
}
