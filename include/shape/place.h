/*
 * What all lanes to a site know of it together: whoever claims jobs asks how many it may
 * hold.  A site that takes none holds a few, to learn when it is back, and then more with
 * each message it took.  The sites of a provider are so many doors of one house: while none
 * of them opens, all of them count as one.
 */
#ifndef SHAPE_PLACE_H
#define SHAPE_PLACE_H

#include <stdint.h>

#include "shape/shape.h"

/* Jobs of a site that takes none: one to try it with, and the next. */
#define PLACE_PROBE 2

enum standing {
	STANDING_NEW,    /* nobody knows yet */
	STANDING_WELL,   /* a lane to it works */
	STANDING_SILENT, /* all that were tried failed, or wait for longer than `patience_us` */
};

struct place_answer {
	enum standing standing;
	unsigned room;   /* jobs it may hold, whatever its share; UINT32_MAX = its share */
	int64_t wait_us; /* STANDING_SILENT: when it may be tried again; 0 = now */
	struct provider *provider; /* NULL: none, or not known */
};

void shape_ask_place(const struct shape *shape, struct slice site, int64_t now_us,
	int64_t patience_us, struct place_answer *ret_answer);

/* It has been tried for longer than that, over whatever site, and nothing was ready since. */
bool provider_is_silent(const struct provider *provider, int64_t now_us, int64_t patience_us);

#endif
