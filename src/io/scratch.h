/*
 * Buffers that all connections of a loop share: bytes rest in them only while one
 * event is handled, so that a quiet connection owns none.
 */
#ifndef SRC_IO_SCRATCH_H
#define SRC_IO_SCRATCH_H

#include <stddef.h>

#include "base/buf.h"

struct loop;

#define SCRATCH_BYTES ((size_t)65536)

struct scratch {
	char *read;        /* as it came from the socket */
	char *plain;       /* decrypted */
	struct buf cipher; /* encrypted, about to be written */
};

struct scratch *loop_scratch(struct loop *loop);

#endif
