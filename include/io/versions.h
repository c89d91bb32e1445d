/* Which libraries this program runs with, and which it was built with. */
#ifndef IO_VERSIONS_H
#define IO_VERSIONS_H

#include "base/buf.h"

/* One line a library: "libuv 1.44.2 (built with 1.44.2)". */
void io_versions(struct buf *out);

#endif
