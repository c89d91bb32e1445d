/*
 * Content as an object: its life, its faults, and the tables of header names that both
 * kinds of content share.  Compiling goes on after a fault, so that whoever wrote the
 * content sees all of them at once.
 */
#include "compose/content.h"

#include <stdarg.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "compiled.h"

static const char from_us[] = "penguin-mta sets it";
static const char of_transport[] = "it belongs to the servers on the way";

static const struct {
	struct slice name;
	const char *why;
} reserved[] = {
	{{"From", 4}, "use 'from'"},
	{{"Sender", 6}, "the From address is the only sender"},
	{{"Reply-To", 8}, "use 'reply_to'"},
	{{"To", 2}, "the recipient is the job's; use 'to_name' for the name"},
	{{"Cc", 2}, "one message has one recipient"},
	{{"Bcc", 3}, "one message has one recipient"},
	{{"Subject", 7}, "use 'subject'"},
	{{"Date", 4}, from_us},
	{{"Message-ID", 10}, from_us},
	{{"MIME-Version", 12}, from_us},
	{{"List-Unsubscribe", 16}, from_us},
	{{"List-Unsubscribe-Post", 21}, from_us},
	{{"List-ID", 7}, "use 'list_id'"},
	{{"Feedback-ID", 11}, from_us},
	{{"Auto-Submitted", 14}, "use 'kind'"},
	{{"DKIM-Signature", 14}, from_us},
	{{"DomainKey-Signature", 19}, from_us},
	{{"Return-Path", 11}, of_transport},
	{{"Received", 8}, of_transport},
	{{"Authentication-Results", 22}, of_transport},
};

static const struct {
	struct slice prefix;
	const char *why;
} reserved_prefixes[] = {
	{{"Content-", 8}, from_us},
	{{"ARC-", 4}, of_transport},
	{{"Resent-", 7}, of_transport},
};

static const struct slice singles[] = {
	{"From", 4},
	{"Date", 4},
	{"Sender", 6},
	{"Reply-To", 8},
	{"To", 2},
	{"Cc", 2},
	{"Message-ID", 10},
	{"In-Reply-To", 11},
	{"References", 10},
	{"Subject", 7},
	{"MIME-Version", 12},
	{"Content-Type", 12},
	{"List-ID", 7},
	{"Content-Transfer-Encoding", 25},
	{"Content-Disposition", 19},
	{"Feedback-ID", 11},
	{"List-Unsubscribe", 16},
	{"List-Unsubscribe-Post", 21},
	{"Auto-Submitted", 14},
};

const char *reserved_header(struct slice name)
{
	for (size_t i = 0; i < ARRAY_LEN(reserved); i++) {
		if (slice_equal_nocase(name, reserved[i].name)) {
			return reserved[i].why;
		}
	}
	for (size_t i = 0; i < ARRAY_LEN(reserved_prefixes); i++) {
		if (slice_starts_nocase(name, reserved_prefixes[i].prefix)) {
			return reserved_prefixes[i].why;
		}
	}
	return NULL;
}

bool is_single_header(struct slice name)
{
	for (size_t i = 0; i < ARRAY_LEN(singles); i++) {
		if (slice_equal_nocase(name, singles[i])) {
			return true;
		}
	}
	return false;
}

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

static void variant_clear(struct variant *v)
{
	template_free(&v->from.name);
	template_free(&v->reply_to.name);
	template_free(&v->to_name);
	template_free(&v->subject);
	template_free(&v->text.template);
	template_free(&v->html.template);
	for (size_t i = 0; i < v->header_count; i++) {
		template_free(&v->headers[i].value);
	}
}

struct content *content_new(const struct content_source *source, struct buf *faults)
{
	struct content *content = MEM_NEW(struct content);
	struct builder builder = {source, content, arena_new(0), faults, false};

	content->refs = 1;
	content->arena = arena_new(0);
	content->raw = source->raw;
	content->marketing = true;
	if (source->body.n > CONTENT_BYTES_MAX) {
		builder_fault(&builder, "content", "it has more than %u bytes", CONTENT_BYTES_MAX);
	} else if (source->raw) {
		raw_compile(&builder);
	} else {
		structured_compile(&builder);
	}
	arena_free(&builder.scratch);
	if (builder.failed) {
		content_unref(&content);
	}
	return content;
}

struct content *content_ref(struct content *content)
{
	content->refs++;
	return content;
}

bool content_is_shared(const struct content *content)
{
	return content->refs > 1;
}

void content_unref(struct content **content)
{
	struct content *c = *content;

	*content = NULL;
	if (c == NULL || --c->refs > 0) {
		return;
	}
	for (size_t i = 0; i < c->variant_count; i++) {
		variant_clear(&c->variants[i]);
	}
	template_free(&c->unsubscribe_url);
	arena_free(&c->arena);
	mem_free(c);
}

static size_t bytes_of(const struct template *template)
{
	return template == NULL ? 0 : template_bytes(template);
}

size_t content_bytes(const struct content *content)
{
	size_t n = sizeof(*content) + arena_bytes(content->arena);

	for (size_t i = 0; i < content->variant_count; i++) {
		const struct variant *v = &content->variants[i];

		n += bytes_of(v->from.name) + bytes_of(v->reply_to.name) + bytes_of(v->to_name) +
			bytes_of(v->subject) + bytes_of(v->text.template) +
			bytes_of(v->html.template);
		for (size_t j = 0; j < v->header_count; j++) {
			n += bytes_of(v->headers[j].value);
		}
	}
	return n;
}

size_t content_variants(const struct content *content)
{
	return content->variant_count;
}

struct slice content_variant_name(const struct content *content, size_t variant)
{
	return content->variants[variant].name;
}

const char *content_from_domain(const struct content *content)
{
	const struct address *from = &content->variants[0].from.address;

	return from->text + from->local_length + 1;
}

bool content_is_marketing(const struct content *content)
{
	return content->marketing;
}
