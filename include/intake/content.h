/*
 * What intake/ fetches when it is asked: contents; and what it is told of domains.
 */
#ifndef INTAKE_CONTENT_H
#define INTAKE_CONTENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/id.h"
#include "base/slice.h"

struct intake;

/*
 * Content of a version, from Postgres: on_content once, later.  kind "template" or
 * "raw"; found false = there is none.  body lives for the call.
 */
struct content_row {
	bool found;
	bool raw;
	struct slice body;
	struct id content;
	int version;
	int64_t created_us; /* wall clock; partials are read as of then */
};
void intake_content(struct intake *intake, const struct id *tenant, const struct id *content,
	int version, void (*on_content)(void *owner, const struct content_row *row), void *owner);

/*
 * The content of the tenant that has this name, the newest of as_of_us: a partial.  For the
 * same bytes at every attempt that is created_us of the content which names it, also where
 * partials name others.  version is 0 in the row.
 */
void intake_partial(struct intake *intake, const struct id *tenant, struct slice name,
	int64_t as_of_us, void (*on_content)(void *owner, const struct content_row *row),
	void *owner);

/* What a tenant's mail taught of a domain, for those who enqueue; written now and then. */
void intake_learn(struct intake *intake, const struct id *tenant, struct slice domain,
	struct slice provider, struct slice site);

#endif
