/*
 * Content as an object: its life, and what is asked of it.
 *
 * It is compiled once a version and shared by all who send it, a job at hand included,
 * so it lives until the last of them lets go, whatever a reload brought meanwhile.
 */
#include "compose/content.h"

#include "base/mem.h"
#include "readers.h"

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
