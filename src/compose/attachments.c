/*
 * The attachments of structured content.  Each is encoded here, once: every message gets
 * the same block of octets, and only the delimiter before it is the job's.  Base64
 * always: an attachment's octets are nobody's to look at, and 7-bit is what is sent.
 */
#include "attachments.h"

#include <stdio.h>
#include <string.h>

#include "base/codec.h"
#include "base/err.h"
#include "mail/header.h"
#include "members.h"

enum { ATTACHMENTS_MAX = 30 };

static const struct slice keys[] = {{"name", 4}, {"type", 4}, {"data", 4}, {"cid", 3}};

static bool is_content_id(struct slice cid)
{
	for (size_t i = 0; i < cid.n; i++) {
		char c = cid.p[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
			    strchr("._-@+", c) != NULL) ||
			c == '\0') {
			return false;
		}
	}
	return cid.n <= 200;
}

static enum header_fault add_part_headers(
	struct buf *out, struct slice type, struct slice name, struct slice cid)
{
	const char *disposition = cid.n > 0 ? "inline" : "attachment";
	enum header_fault fault =
		header_add_with_parameter(out, "Content-Type", type, "name", name);

	if (fault == HEADER_OK) {
		fault = header_add_with_parameter(
			out, "Content-Disposition", slice_of(disposition), "filename", name);
	}
	if (cid.n > 0) {
		buf_add(out, SLICE("Content-ID: <"));
		buf_add(out, cid);
		buf_add(out, SLICE(">\r\n"));
	}
	buf_add(out, SLICE("Content-Transfer-Encoding: base64\r\n\r\n"));
	return fault;
}

static void encode(struct builder *b, const struct value *v, const char *field)
{
	struct attachment *a = &b->content->attachments[b->content->attachment_count];
	struct slice name = member_text(v, "name");
	struct slice type = member_text(v, "type");
	struct slice cid = member_text(v, "cid");
	struct buf bytes;
	struct buf block;

	type = type.n > 0 ? type : SLICE("application/octet-stream");
	buf_init(&bytes, 0);
	buf_init(&block, 0);
	if (name.n == 0 || !mime_is_type(type) || !is_content_id(cid)) {
		builder_fault(b, field,
			"it needs a 'name', a 'type' like image/png, and for an image "
			"within the HTML a 'cid' of letters, digits and ._-@+");
	} else if (slice_starts_nocase(type, SLICE("multipart/")) ||
		slice_starts_nocase(type, SLICE("message/"))) {
		builder_fault(b, field, "a multipart or message cannot be attached in base64");
	} else if (!codec_base64_decode(&bytes, member_text(v, "data")) || bytes.n == 0) {
		builder_fault(b, field, "'data' must be base64 and not empty");
	} else if (add_part_headers(&block, type, name, cid) != HEADER_OK) {
		builder_fault(b, field, "'name' has control characters or is too long");
	} else {
		mime_add_base64(&block, buf_slice(&bytes));
		a->block = arena_slice(b->content->arena, buf_slice(&block));
		a->is_inline = cid.n > 0;
		b->content->attachment_bytes += block.n;
		b->content->attachment_count++;
	}
	buf_clear(&bytes);
	buf_clear(&block);
}

static void compile(struct builder *b, const struct value *v, const char *field)
{
	if (v->kind != VALUE_OBJECT) {
		builder_fault(b, field, "it must be an object");
		return;
	}
	members_check(b, v, field, keys, ARRAY_LEN(keys));
	if (members_are_texts(b, field, v)) {
		encode(b, v, field);
	}
}

void attachments_compile(struct builder *b, const struct value *base)
{
	const struct value *list = member_get(base, "attachments");
	size_t i = 0;

	if (list == NULL) {
		return;
	}
	if (list->kind != VALUE_ARRAY || list->count > ATTACHMENTS_MAX) {
		builder_fault(b, "attachments", "it must be a list of at most %d objects",
			ATTACHMENTS_MAX);
		return;
	}
	b->content->attachments =
		arena_array(b->content->arena, list->count + 1, sizeof(*b->content->attachments));
	for (const struct value *v = list->first; v != NULL; v = v->next) {
		char field[40];

		(void)snprintf(field, sizeof(field), "attachments[%zu]", i++);
		compile(b, v, field);
	}
}
