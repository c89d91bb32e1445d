/* A compilation under way. */
#ifndef SRC_COMPOSE_BUILDER_H
#define SRC_COMPOSE_BUILDER_H

#include "compiled.h"

struct builder {
	const struct content_source *source;
	struct content *content;
	struct arena *scratch; /* JSON trees */
	struct buf *faults;
	bool failed;
};

/* Appends `field: text` as a line to the faults. */
void builder_fault(struct builder *builder, const char *field, const char *format, ...)
	PRINTF_LIKE(3, 4);

#endif
