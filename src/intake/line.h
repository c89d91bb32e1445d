/*
 * The tenants whose inbox has something in it, and when it is whose turn.  One that
 * could not be served rests and gives way to others.  Pure.
 */
#ifndef INTAKE_LINE_H
#define INTAKE_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/id.h"

enum { LINE_PLACES = 16 };

struct line {
	struct turn {
		struct id tenant;
		int64_t due_us;
	} turns[LINE_PLACES]; /* in the order of their turns, but for those who rest */
	size_t count;
};

/* Unless the tenant is in it already, or all places are taken by tenants who do not rest. */
void line_join(struct line *line, const struct id *tenant, int64_t now_us);

/* Whose turn it is: the first in the line from here on.  NULL: nobody's. */
const struct id *line_call(struct line *line, int64_t now_us);

/* The first leaves, or goes to the end until its time comes again. */
void line_leave(struct line *line);
void line_return(struct line *line, int64_t due_us);

/* When to call next; INT64_MAX: nobody is there. */
int64_t line_due_us(const struct line *line);

#endif
