/*
 * What a site is worth is derived from its lanes, whenever it is asked for; only how far a
 * site is that comes back is counted, and it begins anew with each failure.
 *
 * Like a TCP sender's slow start: each message that the site took lets it hold a few more,
 * so that what it holds grows by a factor with each round.
 */
#include "shape/place.h"

#include "base/mem.h"
#include "parts.h"

#define ROOM_STEP 4    /* for each message that it took */
#define ROOM_FULL 1000 /* from here on its share says enough */

void place_join(struct shape *shape, struct lane *lane, struct slice site)
{
	struct place *place = map_get(shape->places, site);

	if (place == NULL) {
		place = MEM_NEW(struct place);
		place->site = slice_make(mem_copy(site.p, site.n), site.n);
		list_init(&place->lanes);
		map_put(shape->places, site, place);
	}
	lane->place = place;
	list_push(&place->lanes, &lane->beside);
}

void place_leave(struct shape *shape, struct lane *lane)
{
	struct place *place = lane->place;

	list_remove(&place->lanes, &lane->beside);
	if (place->lanes.count == 0) {
		map_remove(shape->places, place->site);
		mem_free((void *)place->site.p);
		mem_free(place);
	}
}

bool provider_is_silent(const struct provider *provider, int64_t now_us, int64_t patience_us)
{
	return provider->opening_us != 0 && now_us - provider->opening_us > patience_us;
}

static int64_t wait_of(const struct lane *lane, int64_t now_us)
{
	return lane->away_until_us > now_us ? lane->away_until_us - now_us : 0;
}

static enum standing standing_of(const struct lane *lane, int64_t now_us, int64_t patience_us)
{
	if (lane_is_away(lane, now_us) || lane_is_silent(lane, now_us, patience_us)) {
		return STANDING_SILENT;
	}
	return lane->worked ? STANDING_WELL : STANDING_NEW;
}

/* One lane that works is enough; else it is tried over the first that may be. */
void shape_ask_place(const struct shape *shape, struct slice site, int64_t now_us,
	int64_t patience_us, struct place_answer *ret_answer)
{
	const struct place *place = map_get(shape->places, site);

	*ret_answer = (struct place_answer){.room = UINT32_MAX, .wait_us = INT64_MAX};
	if (place == NULL) {
		ret_answer->wait_us = 0;
		return;
	}
	for (const struct list_link *link = list_first(&place->lanes);
		link != NULL && ret_answer->standing != STANDING_WELL;
		link = list_next(&place->lanes, link)) {
		const struct lane *lane = LIST_OWNER(link, struct lane, beside);
		enum standing standing = standing_of(lane, now_us, patience_us);
		int64_t wait_us = wait_of(lane, now_us);

		if (standing != STANDING_NEW) {
			ret_answer->standing = standing;
		}
		if (wait_us < ret_answer->wait_us) {
			ret_answer->wait_us = wait_us;
		}
		ret_answer->provider = lane->usage->provider;
	}
	if (ret_answer->standing == STANDING_SILENT) {
		ret_answer->room = PLACE_PROBE;
	} else if (place->room != 0) {
		ret_answer->room = place->room;
	}
}

void place_failed(struct place *place, int64_t now_us)
{
	for (const struct list_link *link = list_first(&place->lanes); link != NULL;
		link = list_next(&place->lanes, link)) {
		const struct lane *lane = LIST_OWNER(link, struct lane, beside);

		if (standing_of(lane, now_us, INT64_MAX) == STANDING_WELL) {
			return;
		}
	}
	place->room = PLACE_PROBE;
}

void place_worked(struct place *place)
{
	if (place->room != 0) {
		place->room += ROOM_STEP;
	}
	if (place->room >= ROOM_FULL) {
		place->room = 0;
	}
}
