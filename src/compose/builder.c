/*
 * What is wrong with a content, for whoever wrote it.
 *
 * Compiling goes on after a fault, so all of them are seen at once; one is enough for
 * the content to be refused.
 */
#include "builder.h"

#include <stdarg.h>

void builder_fault(struct builder *builder, const char *field, const char *format, ...)
{
	va_list args;

	builder->failed = true;
	buf_add_text(builder->faults, field);
	buf_add(builder->faults, SLICE(": "));
	va_start(args, format);
	buf_add_format_list(builder->faults, format, args);
	va_end(args);
	buf_add_byte(builder->faults, '\n');
}
