/* Records as a zone file wants them (RFC 1035 section 5), for people to publish. */
#ifndef MAIL_ZONE_H
#define MAIL_ZONE_H

#include "base/buf.h"
#include "base/slice.h"

/* NAME. IN TXT ( "..." "..." ): strings of at most 255 octets, their quotes and backslashes escaped. */
void zone_add_txt(struct buf *out, struct slice name, struct slice text);

#endif
