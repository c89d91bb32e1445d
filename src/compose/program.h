/*
 * What a template compiles to: a list of operations for each text (the template and
 * every partial it uses), shared by the compiler and the machine that runs it.
 */
#ifndef SRC_COMPOSE_PROGRAM_H
#define SRC_COMPOSE_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/slice.h"
#include "mail/mime.h"

#define PROGRAM_DEPTH_MAX 64 /* sections, and partials in partials */

enum op_kind {
	OP_TEXT,
	OP_VALUE,
	OP_SECTION,
	OP_INVERTED,
	OP_END, /* of either */
	OP_PARTIAL,
};

struct op {
	enum op_kind kind;
	bool escape;              /* OP_VALUE: for HTML */
	size_t end;               /* sections: index of their OP_END */
	struct slice text;        /* OP_TEXT: to be encoded on the way, if at all */
	struct slice coded;       /* OP_TEXT: encoded already, from the start of a line */
	struct qp after;          /* OP_TEXT: where `coded` leaves the line */
	const struct slice *path; /* a.b.c as three; none = the implicit iterator */
	size_t path_length;
	const struct program *partial;
};

struct program {
	struct slice name;   /* of the partial; empty for the template itself */
	struct slice indent; /* put before each of its lines */
	const struct op *ops;
	size_t count;
	struct program *next;
};

struct template
{
	struct arena *arena; /* all but this struct */
	bool quoted_printable;
	struct program *programs; /* the template itself is the last of the list */
	const struct program *main;
};

#endif
