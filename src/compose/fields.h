/* Header fields: which may stand in content, and how often. */
#ifndef SRC_COMPOSE_FIELDS_H
#define SRC_COMPOSE_FIELDS_H

#include <stdbool.h>

#include "base/slice.h"

/* A field that we set ourselves or that may not stand in a campaign, and why; else NULL. */
const char *reserved_header(struct slice name);

/* At most once in a message (RFC 5322 section 3.6). */
bool is_single_header(struct slice name);

/* One https address, such as may stand in List-Unsubscribe. */
bool is_unsubscribe_url(struct slice url);

#endif
