/*
 * Contents on request.  A version never changes, so whoever asks may keep it for ever;
 * nothing is kept here.  An answer that does not come is waited for: without its
 * content a job stays at hand, under its lease, and goes back to Postgres in the end.
 *
 * Raw messages are bytea, which crosses as hexadecimal digits.
 */
#include "intake_private.h"

#include "intake/content.h"

#include "base/codec.h"
#include "base/log.h"
#include "base/mem.h"

struct wish {
	struct id content;
	int version;
	bool partial;
	void (*on_content)(void *owner, const struct content_row *row);
	void *owner;
};

/* bytea in its hexadecimal form, \x6869; false when it is not. */
static bool read_raw(struct slice text, struct buf *out)
{
	return slice_starts(text, SLICE("\\x")) && codec_hex_decode(out, slice_from(text, 2));
}

static bool on_content_read(struct intake *intake, const struct pg_answer *answer, void *context)
{
	struct wish *wish = context;
	struct content_row row = {.content = wish->content, .version = wish->version};
	struct buf raw;

	if (intake_try_again(answer, "content_read")) {
		return true;
	}
	buf_init(&raw, 0);
	if (answer->status == PG_DONE && pg_rows(answer, 0) > 0) {
		row.raw = slice_equal(pg_text(answer, 0, 0, 1), SLICE("raw"));
		row.found = !row.raw || read_raw(pg_text(answer, 0, 0, 3), &raw);
		row.body = row.raw ? buf_slice(&raw) : pg_text(answer, 0, 0, 2);
		row.created_us = wish->partial ? 0 : pg_number(answer, 0, 0, 4);
	}
	wish->on_content(wish->owner, &row);
	buf_clear(&raw);
	(void)intake;
	return false;
}

void intake_content(struct intake *intake, const struct id *tenant, const struct id *content,
	int version, void (*on_content)(void *owner, const struct content_row *row), void *owner)
{
	struct pg_request *request = intake_request(SQL_CONTENT_READ);
	struct wish *wish = MEM_NEW(struct wish);

	*wish = (struct wish){*content, version, false, on_content, owner};
	pg_add_id(request, tenant);
	pg_add_id(request, content);
	pg_add_number(request, version);
	intake_ask(intake, &request, 0, on_content_read, wish);
}

void intake_partial(struct intake *intake, const struct id *tenant, struct slice name,
	int64_t as_of_us, void (*on_content)(void *owner, const struct content_row *row),
	void *owner)
{
	struct pg_request *request = intake_request(SQL_CONTENT_PARTIALS);
	struct wish *wish = MEM_NEW(struct wish);

	*wish = (struct wish){.partial = true, .on_content = on_content, .owner = owner};
	pg_add_id(request, tenant);
	pg_array(request);
	pg_item_text(request, name);
	pg_array_end(request);
	pg_add_number(request, as_of_us);
	intake_ask(intake, &request, 0, on_content_read, wish);
}
