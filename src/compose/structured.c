/*
 * Structured content: the JSON object of penguin-content(7) to templates and parts.
 *
 * A variant is the base object with some members replaced; each is compiled whole,
 * so that the composer never asks which of two places something is in.  What every
 * message needs in the same form (attachments) is encoded here, once.
 */
#include <stdio.h>

#include "attachments.h"
#include "base/err.h"
#include "fields.h"
#include "mail/header.h"
#include "members.h"
#include "readers.h"

enum {
	VARIANTS_MAX = 20,
	HEADERS_MAX = 30,
	WEIGHT_MAX = 10000,
	FIELD_BYTES = 120,
};

/* One object under compilation: the base, or a variant over it. */
struct layer {
	struct builder *builder;
	const struct value *base;
	const struct value *over; /* NULL for the base itself */
	const char *where;        /* for faults: "content", "variants[1]" */
	const char *prefix;       /* before a key of it: "", "variants[1]." */
};

static const struct slice known_keys[] = {
	{"from", 4},
	{"reply_to", 8},
	{"to_name", 7},
	{"subject", 7},
	{"text", 4},
	{"html", 4},
	{"headers", 7},
	{"list_id", 7},
	{"attachments", 11},
	{"variants", 8},
	{"kind", 4},
	{"unsubscribe", 11},
};

static const struct slice mailbox_keys[] = {{"email", 5}, {"name", 4}};
static const struct slice list_id_keys[] = {{"id", 2}, {"name", 4}};
static const struct slice unsubscribe_keys[] = {{"url", 3}};
static const struct slice variant_keys[] = {
	{"name", 4},
	{"weight", 6},
	{"from", 4},
	{"reply_to", 8},
	{"to_name", 7},
	{"subject", 7},
	{"text", 4},
	{"html", 4},
	{"headers", 7},
};

/* So in a variant a null takes away what the base has. */
static const struct value *get(const struct layer *l, const char *name)
{
	const struct value *over = value_get(l->over, slice_of(name));

	return over != NULL ? member_get(l->over, name) : member_get(l->base, name);
}

/* The text of a partial that stands in a part of the same kind. */
struct partials {
	struct builder *builder;
	bool html;
};

static bool on_partial(void *owner, struct slice name, struct slice *ret_text)
{
	const struct partials *p = owner;
	const struct content_source *source = p->builder->source;
	const struct value *v;
	struct value_fault fault;
	struct slice body;

	if (source->on_partial == NULL || !source->on_partial(source->owner, name, &body)) {
		return false;
	}
	v = value_parse(p->builder->scratch, body, &fault);
	v = value_get(v, p->html ? SLICE("html") : SLICE("text"));
	if (v == NULL || v->kind != VALUE_STRING) {
		return false;
	}
	*ret_text = v->text;
	return true;
}

static struct template *compile(struct builder *b, const char *field, struct slice text,
	const struct template_options *options)
{
	struct partials partials = {b, options->html};
	struct template_options with_partials = *options;
	struct template_fault fault;
	struct template *t;
	char place[FIELD_BYTES + 50];

	with_partials.on_partial = on_partial;
	with_partials.owner = &partials;
	t = template_new(text, &with_partials, &fault);
	if (t == NULL) {
		(void)snprintf(place, sizeof(place), "%s:%zu:%zu", field, fault.line, fault.column);
		builder_fault(b, place, "%s", fault.text);
	}
	return t;
}

static bool has_control(struct slice text)
{
	for (size_t i = 0; i < text.n; i++) {
		if ((unsigned char)text.p[i] < ' ' || text.p[i] == 0x7f) {
			return true;
		}
	}
	return false;
}

/* A template whose output stands in a header. */
static struct template *compile_header(struct builder *b, const char *field, const struct value *v)
{
	static const struct template_options options = {.html = false};

	if (v == NULL) {
		return NULL;
	}
	if (v->kind != VALUE_STRING) {
		builder_fault(b, field, "it must be a text");
		return NULL;
	}
	if (has_control(v->text)) {
		builder_fault(
			b, field, "a header is one line: remove line ends and control characters");
		return NULL;
	}
	return compile(b, field, v->text, &options);
}

static void compile_part(
	const struct layer *l, const char *name, bool html, struct text_part *ret_part)
{
	const struct value *v = get(l, name);
	struct template_options options = {.html = html};
	char field[FIELD_BYTES];

	(void)snprintf(field, sizeof(field), "%s%s", l->prefix, name);
	if (v == NULL) {
		return;
	}
	if (v->kind != VALUE_STRING) {
		builder_fault(l->builder, field, "it must be a text");
		return;
	}
	ret_part->encoding = mime_encoding_for(v->text);
	options.quoted_printable = ret_part->encoding == MIME_QUOTED_PRINTABLE;
	ret_part->template = compile(l->builder, field, v->text, &options);
}

/* "a@b" or {"email": "a@b", "name": "..."} */
static void compile_mailbox(const struct layer *l, const char *name, struct mailbox *ret_mailbox)
{
	const struct value *v = get(l, name);
	const struct value *email =
		v != NULL && v->kind == VALUE_OBJECT ? value_get(v, SLICE("email")) : v;
	enum address_fault fault;
	char field[FIELD_BYTES];

	if (v == NULL) {
		return;
	}
	(void)snprintf(field, sizeof(field), "%s%s", l->prefix, name);
	if (email == NULL || email->kind != VALUE_STRING) {
		builder_fault(l->builder, field,
			"it must be an address, or an object with 'email' and 'name'");
		return;
	}
	fault = address_parse(email->text, &ret_mailbox->address);
	if (fault != ADDRESS_OK) {
		builder_fault(l->builder, field, "'%.*s': %s", (int)email->text.n, email->text.p,
			address_fault_text(fault));
	} else if (ret_mailbox->address.literal) {
		builder_fault(l->builder, field, "the domain must be a name, not an address");
	}
	if (v->kind == VALUE_OBJECT) {
		members_check(l->builder, v, field, mailbox_keys, ARRAY_LEN(mailbox_keys));
	}
	ret_mailbox->set = true;
	ret_mailbox->name = compile_header(l->builder, field, member_get(v, "name"));
}

static void compile_one_header(
	const struct layer *l, const struct value *v, struct variant *variant)
{
	struct named_template *h = &variant->headers[variant->header_count];
	const char *why = reserved_header(v->name);
	char field[FIELD_BYTES];

	(void)snprintf(field, sizeof(field), "%sheaders.%.*s", l->prefix,
		(int)(v->name.n > 60 ? 60 : v->name.n), v->name.p);
	if (!header_is_name(v->name)) {
		builder_fault(l->builder, field, "not a header name: letters, digits and hyphens");
		return;
	}
	if (why != NULL) {
		builder_fault(l->builder, field, "it may not be set here: %s", why);
		return;
	}
	for (size_t i = 0; i < variant->header_count; i++) {
		if (slice_equal_nocase(slice_of(variant->headers[i].name), v->name)) {
			builder_fault(l->builder, field, "it is there twice");
			return;
		}
	}
	if (v->kind == VALUE_NULL) {
		return;
	}
	h->value = compile_header(l->builder, field, v);
	if (h->value != NULL) {
		h->name = arena_string(l->builder->content->arena, v->name);
		variant->header_count++;
	}
}

static void compile_headers(const struct layer *l, struct variant *variant)
{
	const struct value *v = get(l, "headers");
	char field[FIELD_BYTES];

	if (v == NULL) {
		return;
	}
	if (v->kind != VALUE_OBJECT || v->count > HEADERS_MAX) {
		(void)snprintf(field, sizeof(field), "%sheaders", l->prefix);
		builder_fault(
			l->builder, field, "it must be an object of at most %d texts", HEADERS_MAX);
		return;
	}
	variant->headers =
		arena_array(l->builder->content->arena, v->count + 1, sizeof(*variant->headers));
	for (v = v->first; v != NULL; v = v->next) {
		compile_one_header(l, v, variant);
	}
}

static void compile_variant(const struct layer *l, struct variant *variant)
{
	char field[FIELD_BYTES];

	compile_mailbox(l, "from", &variant->from);
	compile_mailbox(l, "reply_to", &variant->reply_to);
	(void)snprintf(field, sizeof(field), "%sto_name", l->prefix);
	variant->to_name = compile_header(l->builder, field, get(l, "to_name"));
	(void)snprintf(field, sizeof(field), "%ssubject", l->prefix);
	variant->subject = compile_header(l->builder, field, get(l, "subject"));
	compile_part(l, "text", false, &variant->text);
	compile_part(l, "html", true, &variant->html);
	compile_headers(l, variant);
	if (get(l, "from") == NULL) {
		(void)snprintf(field, sizeof(field), "%sfrom", l->prefix);
		builder_fault(
			l->builder, field, "it is missing: {\"email\": \"news@example.org\"}");
	}
	if (get(l, "subject") == NULL) {
		(void)snprintf(field, sizeof(field), "%ssubject", l->prefix);
		builder_fault(l->builder, field, "it is missing");
	}
	if (get(l, "text") == NULL && get(l, "html") == NULL) {
		builder_fault(l->builder, l->where, "it has neither 'text' nor 'html'");
	}
}

static unsigned weight_of(struct builder *b, const char *field, const struct value *v)
{
	uint64_t weight = 1;

	v = member_get(v, "weight");
	if (v != NULL && (v->kind != VALUE_NUMBER || !slice_number(v->text, WEIGHT_MAX, &weight))) {
		builder_fault(b, field, "'weight' must be a whole number from 0 to %d", WEIGHT_MAX);
	}
	return (unsigned)weight;
}

static struct slice name_of(struct builder *b, const char *field, const struct value *v)
{
	v = value_get(v, SLICE("name"));
	if (v == NULL || v->kind != VALUE_STRING || v->text.n == 0 || v->text.n > 64 ||
		has_control(v->text)) {
		builder_fault(b, field, "it needs a 'name' of at most 64 octets");
		return (struct slice){NULL, 0};
	}
	return arena_slice(b->content->arena, v->text);
}

static void check_from_domains(struct builder *b)
{
	const struct content *c = b->content;
	struct slice first = address_domain(&c->variants[0].from.address);

	for (size_t i = 1; i < c->variant_count; i++) {
		if (!slice_equal(first, address_domain(&c->variants[i].from.address))) {
			builder_fault(b, "variants", "all must have the same domain in 'from'");
			return;
		}
	}
}

static void compile_listed_variants(
	struct builder *b, const struct value *base, const struct value *list)
{
	struct content *c = b->content;
	char prefix[40];

	for (const struct value *v = list->first; v != NULL; v = v->next) {
		struct variant *variant = &c->variants[c->variant_count];
		char field[30];
		struct layer layer = {b, base, v, field, prefix};

		(void)snprintf(field, sizeof(field), "variants[%zu]", c->variant_count);
		(void)snprintf(prefix, sizeof(prefix), "%s.", field);
		c->variant_count++;
		if (v->kind != VALUE_OBJECT) {
			builder_fault(b, field, "it must be an object");
			continue;
		}
		members_check(b, v, field, variant_keys, ARRAY_LEN(variant_keys));
		variant->name = name_of(b, field, v);
		variant->weight = weight_of(b, field, v);
		c->weight += variant->weight;
		compile_variant(&layer, variant);
	}
}

static void compile_variants(struct builder *b, const struct value *base)
{
	const struct value *list = member_get(base, "variants");
	struct content *c = b->content;

	if (list == NULL || (list->kind == VALUE_ARRAY && list->count == 0)) {
		struct layer layer = {b, base, NULL, "content", ""};

		c->variants = arena_get(c->arena, sizeof(*c->variants));
		c->variant_count = 1;
		c->weight = c->variants[0].weight = 1;
		compile_variant(&layer, &c->variants[0]);
		return;
	}
	if (list->kind != VALUE_ARRAY || list->count > VARIANTS_MAX) {
		builder_fault(
			b, "variants", "it must be a list of at most %d objects", VARIANTS_MAX);
		return;
	}
	c->variants = arena_array(c->arena, list->count, sizeof(*c->variants));
	compile_listed_variants(b, base, list);
	if (c->weight == 0) {
		builder_fault(b, "variants", "at least one must have a 'weight' above 0");
	}
	check_from_domains(b);
}

/* "id" or {"id": "...", "name": "..."}; the id is like a domain name (RFC 2919 section 2). */
static void compile_list_id(struct builder *b, const struct value *base)
{
	const struct value *v = member_get(base, "list_id");
	struct slice id;
	struct buf probe;

	if (v == NULL) {
		return;
	}
	if (v->kind == VALUE_OBJECT) {
		members_check(b, v, "list_id", list_id_keys, ARRAY_LEN(list_id_keys));
		if (!members_are_texts(b, "list_id", v)) {
			return;
		}
	}
	id = v->kind == VALUE_STRING ? v->text : member_text(v, "id");
	buf_init(&probe, 0);
	if (header_add_phrase_id(&probe, "List-ID", member_text(v, "name"), id) != HEADER_OK ||
		id.n > 255) {
		builder_fault(b, "list_id",
			"it must be an id like news.example.org, or an object with "
			"such an 'id' and a 'name'");
	} else {
		b->content->list_id = arena_slice(b->content->arena, id);
		b->content->list_name = arena_slice(b->content->arena, member_text(v, "name"));
	}
	buf_clear(&probe);
}

static void compile_kind(struct builder *b, const struct value *base)
{
	const struct value *v = member_get(base, "kind");
	struct slice kind = member_text(base, "kind");

	b->content->marketing = !slice_equal(kind, SLICE("transactional"));
	if (v != NULL && b->content->marketing && !slice_equal(kind, SLICE("marketing"))) {
		builder_fault(
			b, "kind", "it must be \"marketing\" (the default) or \"transactional\"");
	}
}

/* Where in the file, as people count. */
static void fault_in_json(struct builder *builder, const struct value_fault *fault)
{
	struct slice before = slice_first(builder->source->body, fault->at);
	size_t line_start = slice_find_last(before, '\n');
	size_t line = 1;
	char place[64];

	for (size_t i = 0; i < before.n; i++) {
		line += before.p[i] == '\n';
	}
	(void)snprintf(place, sizeof(place), "content:%zu:%zu", line,
		line_start == before.n ? fault->at + 1 : fault->at - line_start);
	builder_fault(builder, place, "not JSON: %s", fault->text);
}

static void compile_unsubscribe(struct builder *b, const struct value *base)
{
	const struct value *v = member_get(base, "unsubscribe");
	struct slice url;

	if (v == NULL) {
		return;
	}
	if (member_get(v, "url") == NULL) {
		builder_fault(b, "unsubscribe", "it must be an object with a 'url'");
		return;
	}
	members_check(b, v, "unsubscribe", unsubscribe_keys, ARRAY_LEN(unsubscribe_keys));
	url = member_text(v, "url");
	if (slice_search(url, SLICE("{{")) == url.n && !is_unsubscribe_url(url)) {
		builder_fault(b, "unsubscribe.url", "it must be one https address");
		return;
	}
	b->content->unsubscribe_url = compile_header(b, "unsubscribe.url", member_get(v, "url"));
}

void structured_compile(struct builder *builder)
{
	struct value_fault fault;
	const struct value *base = value_parse(builder->scratch, builder->source->body, &fault);

	if (base == NULL) {
		fault_in_json(builder, &fault);
		return;
	}
	if (base->kind != VALUE_OBJECT) {
		builder_fault(builder, "content", "it must be a JSON object");
		return;
	}
	members_check(builder, base, "content", known_keys, ARRAY_LEN(known_keys));
	compile_kind(builder, base);
	compile_list_id(builder, base);
	attachments_compile(builder, base);
	compile_variants(builder, base);
	compile_unsubscribe(builder, base);
}
