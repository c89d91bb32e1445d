/*
 * What a configuration brings along and sessions borrow: it lives until the last
 * outlet that was made under it is gone.
 */
#ifndef WORKER_EQUIPMENT_H
#define WORKER_EQUIPMENT_H

#include "parts.h"

/* NULL with a reason in why. */
struct equipment *equipment_new(const struct config *config, struct buf *why);
struct equipment *equipment_ref(struct equipment *equipment);
void equipment_unref(struct equipment **equipment);

/* Of a relay; NULL when it needs none. */
const char *equipment_password(
	const struct equipment *equipment, const struct config_source *source);

#endif
