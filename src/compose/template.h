/*
 * Mustache (the spec's interpolation, sections, inverted sections, comments,
 * partials and delimiters; no lambdas), compiled once and run for every message.
 *
 * Where the output is quoted-printable, static text is encoded when it is compiled,
 * so that running costs a copy for it and an encoder only for what varies.  A run is
 * bounded in output, steps and depth whatever the template and the values are.
 */
#ifndef SRC_COMPOSE_TEMPLATE_H
#define SRC_COMPOSE_TEMPLATE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/slice.h"
#include "value.h"

struct template;

struct template_options {
	bool html;             /* {{x}} is escaped for HTML; else it stands as it is */
	bool quoted_printable; /* the output is encoded */

	/* Text of a partial; false = not known (a fault).  Valid during template_new(). */
	bool (*on_partial)(void *owner, struct slice name, struct slice *ret_text);
	void *owner;
};

struct template_fault {
	size_t line; /* from 1; of the template, or of the partial named in `text` */
	size_t column;
	char text[200]; /* what is wrong, and the remedy */
};

/* NULL on a fault.  The source is not needed afterwards. */
struct template *template_new(struct slice source, const struct template_options *options,
	struct template_fault *ret_fault);
void template_free(struct template **template);
size_t template_bytes(const struct template *template);

enum template_result {
	TEMPLATE_OK,
	TEMPLATE_STEPS, /* more steps than any mail needs: a loop */
	TEMPLATE_DEPTH, /* sections and partials nested too deeply: a recursion */
	TEMPLATE_SIZE,  /* `out` has reached its bound */
};

/* For people: "runs too long". */
const char *template_result_text(enum template_result result);

/*
 * Appends to `out`.  A name is looked up in `vars` first, then in `system` (what we
 * provide); both may be NULL.  Quoted-printable output ends without a line end of
 * its own unless the template ends with one.
 */
enum template_result template_run(const struct template *template, const struct value *vars,
	const struct value *system, struct buf *out);

#endif
