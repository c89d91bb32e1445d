/*
 * Compiling a content as a worker will: its partials are asked for by name, each as it
 * was at the given instant.
 *
 * The bodies of partials are kept until the content is compiled, because the compiler
 * borrows them; a question that Postgres refuses ends it with its exit code.
 */
#include <stdio.h>

#include "base/mem.h"
#include "command.h"

struct partials {
	struct ctl *ctl;
	const char *tenant;
	int64_t as_of_us;
	char **bodies;
	size_t count;
	int code;
};

static bool on_partial(void *owner, struct slice name, struct slice *ret_body)
{
	struct partials *partials = owner;
	struct ctl *ctl = partials->ctl;
	struct buf names;
	char as_of[32];
	bool found = false;

	(void)snprintf(as_of, sizeof(as_of), "%lld", (long long)partials->as_of_us);
	buf_init(&names, 0);
	buf_add_byte(&names, '{');
	pg_sync_add_item(&names, name);
	buf_add_byte(&names, '}');
	partials->code = ctl_run(ctl, SQL_CONTENT_PARTIALS,
		(const char *const[]){partials->tenant, buf_string(&names), as_of});
	if (partials->code == 0 && pg_sync_rows(ctl->pg) == 1 && !pg_sync_is_null(ctl->pg, 0, 2)) {
		char *body = mem_string(pg_sync_text(ctl->pg, 0, 2));

		partials->bodies =
			mem_grow(partials->bodies, partials->count + 1, sizeof(*partials->bodies));
		partials->bodies[partials->count++] = body;
		*ret_body = slice_of(body);
		found = true;
	}
	buf_clear(&names);
	return found;
}

int ctl_compile(struct ctl *ctl, const char *tenant, const struct ctl_content *content,
	struct content **ret_content, struct buf *faults)
{
	struct partials partials = {.ctl = ctl, .tenant = tenant, .as_of_us = content->as_of_us};
	const struct content_source source = {content->body, content->raw, on_partial, &partials};

	*ret_content = content_new(&source, faults);
	for (size_t i = 0; i < partials.count; i++) {
		mem_free(partials.bodies[i]);
	}
	mem_free(partials.bodies);
	return partials.code;
}
