/*
 * When each pool was told of last, in seconds and one, by its name.
 *
 * The names are those of campaigns, and whoever writes campaigns could make up any number
 * of them.  So there is an end to how many are remembered; beyond it all are news once
 * more, which costs a line each.
 */
#include "barren.h"

#include "base/time.h"
#include "parts.h"

#define REMEMBERED_MOST 10000

static int64_t now_s(const struct worker *worker)
{
	return loop_now_us(worker->loop) / TIME_SECOND_US + 1;
}

bool barren_is_news(const struct worker *worker, struct slice pool)
{
	int64_t told_s = (intptr_t)map_get(worker->equipment->barren, pool);

	return told_s == 0 || now_s(worker) - told_s >= BARREN_US / TIME_SECOND_US;
}

void barren_told(struct worker *worker, struct slice pool)
{
	struct map **barren = &worker->equipment->barren;

	if (map_count(*barren) >= REMEMBERED_MOST) {
		map_free(barren);
		*barren = map_new();
	}
	(void)map_put(*barren, pool, (void *)(intptr_t)now_s(worker));
}
