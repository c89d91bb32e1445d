/*
 * Where registration ends: the public suffix list that libpsl has built in.  Domains
 * are lower-case A-labels without a final dot.
 */
#ifndef MAIL_SUFFIX_H
#define MAIL_SUFFIX_H

#include <stdbool.h>

#include "base/slice.h"

/* com, co.uk; any name of one label. */
bool suffix_is_public(struct slice domain);

/*
 * The organisational domain (RFC 7489 section 3.2): the public suffix and one label
 * more; a part of `domain`.  A public suffix is its own.
 */
struct slice suffix_organisation(struct slice domain);

#endif
