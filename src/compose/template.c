/*
 * The compiler.  One pass over the text: static text up to the next tag, then the
 * tag.  The subtle part of Mustache is "standalone" tags: a section, comment,
 * partial or delimiter tag with nothing but blanks around it takes its whole line
 * with it, and a standalone partial hands its indentation to each of the partial's
 * lines.  Both are decided on the source: a line that holds another tag has a
 * character that is no blank.
 *
 * A partial is compiled once for each (name, indentation); a partial that includes
 * itself finds its own entry, and the machine's depth limit ends the recursion.  Growing
 * indentations would make new entries for ever: their number is bounded.
 */
#include "template.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "program.h"

enum {
	PROGRAMS_MAX = 200,
	NAME_MAX_BYTES = 200,
	HEAD_MAX = 200, /* static text up to its first line end that is encoded on the way */
};

struct compiler {
	const struct template_options *options;
	struct template *template;
	struct template_fault *fault;
	bool failed;
	size_t programs;
};

/* One text under compilation. */
struct source {
	struct compiler *compiler;
	struct slice name; /* of the partial */
	struct slice text;
	size_t at;
	struct slice open; /* delimiters */
	struct slice close;
	struct op *ops;
	size_t count;
	size_t cap;
	size_t sections[PROGRAM_DEPTH_MAX]; /* indices of the open ones */
	size_t places[PROGRAM_DEPTH_MAX];   /* where they stand in the text */
	size_t depth;
};

struct tag {
	char sigil;        /* # ^ / ! > = & or 0 */
	struct slice body; /* trimmed */
	size_t from;       /* offset of the opening delimiter */
	size_t to;         /* offset behind the closing delimiter */
};

static const struct program *compile_partial(
	struct source *s, const struct tag *tag, struct slice indent);

__attribute__((format(printf, 3, 4))) static bool fail(
	struct source *s, size_t at, const char *format, ...)
{
	struct template_fault *fault = s->compiler->fault;
	struct slice before = slice_first(s->text, at);
	size_t line_start = slice_find_last(before, '\n');
	va_list args;
	int n = 0;

	if (s->compiler->failed) {
		return false;
	}
	s->compiler->failed = true;
	fault->line = 1;
	for (size_t i = 0; i < before.n; i++) {
		fault->line += before.p[i] == '\n';
	}
	fault->column = line_start == before.n ? at + 1 : at - line_start;
	if (s->name.n > 0) {
		n = snprintf(fault->text, sizeof(fault->text),
			"in partial '%.*s': ", (int)(s->name.n > 60 ? 60 : s->name.n), s->name.p);
	}
	va_start(args, format);
	(void)vsnprintf(fault->text + n, sizeof(fault->text) - (size_t)n, format, args);
	va_end(args);
	return false;
}

static struct op *add_op(struct source *s, enum op_kind kind)
{
	if (s->count == s->cap) {
		s->cap = s->cap == 0 ? 16 : 2 * s->cap;
		s->ops = mem_grow(s->ops, s->cap, sizeof(*s->ops));
	}
	s->ops[s->count] = (struct op){.kind = kind};
	return &s->ops[s->count++];
}

/* Encodes what is static: all behind the first line end, or all of a long line. */
static void encode_static(struct source *s, struct op *op)
{
	size_t head = slice_find(op->text, '\n') + 1;
	struct slice tail;
	struct buf coded;

	if (head > op->text.n) {
		head = op->text.n > HEAD_MAX ? 0 : op->text.n;
	} else if (head > HEAD_MAX) {
		head = 0;
	}
	tail = slice_from(op->text, head);
	if (tail.n == 0) {
		return;
	}
	buf_init(&coded, 0);
	qp_init(&op->after);
	qp_add(&op->after, &coded, tail);
	op->coded = arena_slice(s->compiler->template->arena, buf_slice(&coded));
	op->text = slice_first(op->text, head);
	buf_clear(&coded);
}

static void add_text(struct source *s, struct slice text)
{
	struct op *op;

	if (text.n == 0) {
		return;
	}
	op = add_op(s, OP_TEXT);
	op->text = text;
	if (s->compiler->options->quoted_printable) {
		encode_static(s, op);
	}
	op->text = arena_slice(s->compiler->template->arena, op->text);
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static size_t count_char(struct slice s, char c)
{
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++) {
		n += s.p[i] == c;
	}
	return n;
}

/* `a.b.c`, or `.` for the implicit iterator. */
static bool set_path(struct source *s, struct op *op, const struct tag *tag)
{
	struct arena *arena = s->compiler->template->arena;
	struct slice rest = tag->body;
	struct slice part;
	struct slice *path;

	if (slice_equal(rest, SLICE("."))) {
		return true;
	}
	rest = arena_slice(arena, rest);
	path = arena_array(arena, count_char(rest, '.') + 1, sizeof(*path));
	while (slice_split(&rest, '.', &part)) {
		if (part.n == 0) {
			return fail(s, tag->from, "name '%.*s' has an empty part between dots",
				(int)tag->body.n, tag->body.p);
		}
		path[op->path_length++] = part;
	}
	op->path = path;
	return true;
}

static bool check_name(struct source *s, const struct tag *tag)
{
	if (tag->body.n == 0) {
		return fail(s, tag->from, "the tag is empty: put a name into it or remove it");
	}
	if (tag->body.n > NAME_MAX_BYTES) {
		return fail(s, tag->from,
			"the name has more than %d octets: is '%.*s' missing before?",
			NAME_MAX_BYTES, (int)s->close.n, s->close.p);
	}
	for (size_t i = 0; i < tag->body.n; i++) {
		if ((unsigned char)tag->body.p[i] <= ' ') {
			return fail(s, tag->from,
				"name '%.*s' has a blank: lambdas and helpers do not exist here",
				(int)tag->body.n, tag->body.p);
		}
	}
	return true;
}

static bool add_section(struct source *s, const struct tag *tag)
{
	struct op *op;

	if (s->depth == PROGRAM_DEPTH_MAX) {
		return fail(s, tag->from, "more than %d sections are nested", PROGRAM_DEPTH_MAX);
	}
	s->sections[s->depth] = s->count;
	s->places[s->depth++] = tag->from;
	op = add_op(s, tag->sigil == '#' ? OP_SECTION : OP_INVERTED);
	op->text = tag->body;
	return set_path(s, op, tag);
}

static bool end_section(struct source *s, const struct tag *tag)
{
	struct op *start;

	if (s->depth == 0) {
		return fail(s, tag->from,
			"'%.*s' closes no section: remove it, or open {{#%.*s}} before",
			(int)tag->body.n, tag->body.p, (int)tag->body.n, tag->body.p);
	}
	start = &s->ops[s->sections[s->depth - 1]];
	if (!slice_equal(start->text, tag->body)) {
		return fail(s, tag->from,
			"section '%.*s' is closed by '%.*s': close it with {{/%.*s}} first",
			(int)start->text.n, start->text.p, (int)tag->body.n, tag->body.p,
			(int)start->text.n, start->text.p);
	}
	s->depth--;
	start->end = s->count;
	start->text = (struct slice){NULL, 0};
	add_op(s, OP_END);
	return true;
}

/* {{=<% %>=}}: the body is without its equals signs by now. */
static bool set_delimiters(struct source *s, const struct tag *tag)
{
	size_t gap = 0;
	struct slice open;
	struct slice close;

	while (gap < tag->body.n && !is_blank(tag->body.p[gap])) {
		gap++;
	}
	open = slice_first(tag->body, gap);
	close = slice_trim(slice_from(tag->body, gap));
	if (open.n == 0 || close.n == 0 || slice_find(close, ' ') < close.n ||
		slice_find(tag->body, '=') < tag->body.n) {
		return fail(s, tag->from, "delimiters are two words without '=': {{=<%% %%>=}}");
	}
	s->open = open;
	s->close = close;
	return true;
}

/* Blanks that stand alone before the tag on its line; SIZE_MAX when more does. */
static size_t blanks_before(const struct source *s, const struct tag *tag)
{
	size_t at = tag->from;

	while (at > 0 && is_blank(s->text.p[at - 1])) {
		at--;
	}
	return at == 0 || s->text.p[at - 1] == '\n' ? tag->from - at : SIZE_MAX;
}

/* Offset behind the tag's line when only blanks follow; SIZE_MAX when more does. */
static size_t line_after(const struct source *s, const struct tag *tag)
{
	size_t at = tag->to;

	while (at < s->text.n && is_blank(s->text.p[at])) {
		at++;
	}
	if (at == s->text.n) {
		return at;
	}
	if (s->text.p[at] == '\r' && at + 1 < s->text.n) {
		at++;
	}
	return s->text.p[at] == '\n' ? at + 1 : SIZE_MAX;
}

static bool add_value(struct source *s, const struct tag *tag)
{
	struct op *op = add_op(s, OP_VALUE);

	op->escape = tag->sigil == '\0' && s->compiler->options->html;
	return set_path(s, op, tag);
}

static bool add_partial(struct source *s, const struct tag *tag, struct slice indent)
{
	const struct program *partial = compile_partial(s, tag, indent);

	if (partial == NULL) {
		return false;
	}
	add_op(s, OP_PARTIAL)->partial = partial;
	return true;
}

static bool add_tag(struct source *s, const struct tag *tag, struct slice indent)
{
	if (tag->sigil == '!') {
		return true;
	}
	if (tag->sigil == '=') {
		return set_delimiters(s, tag);
	}
	if (!check_name(s, tag)) {
		return false;
	}
	switch (tag->sigil) {
	case '#':
	case '^':
		return add_section(s, tag);
	case '/':
		return end_section(s, tag);
	case '>':
		return add_partial(s, tag, indent);
	default:
		return add_value(s, tag);
	}
}

/* The tag that starts at `from`; its kind decides what it is closed by. */
static bool scan_tag(struct source *s, size_t from, struct tag *ret_tag)
{
	struct slice rest = slice_from(s->text, from + s->open.n);
	char sigil = rest.n > 0 ? rest.p[0] : '\0';
	bool triple = sigil == '{';
	size_t skip = sigil != '\0' && strchr("#^/!>=&{", sigil) != NULL;
	size_t length;
	struct buf closing;

	rest = slice_from(rest, skip);
	buf_init(&closing, 0);
	if (triple || sigil == '=') {
		buf_add_byte(&closing, triple ? '}' : '=');
	}
	buf_add(&closing, s->close);
	length = slice_search(rest, buf_slice(&closing));
	*ret_tag = (struct tag){
		.sigil = triple ? '&' : (char)(skip == 1 ? sigil : '\0'),
		.body = slice_trim(slice_first(rest, length)),
		.from = from,
		.to = from + s->open.n + skip + length + closing.n,
	};
	if (length == rest.n) {
		(void)fail(s, from, "the tag is not closed: add '%s'", buf_string(&closing));
	}
	buf_clear(&closing);
	return length < rest.n;
}

/* Static text up to the tag, then the tag; a standalone one takes its line along. */
static bool compile_tag(struct source *s, const struct tag *tag)
{
	size_t before = blanks_before(s, tag);
	size_t after = line_after(s, tag);
	bool standalone =
		tag->sigil != '\0' && tag->sigil != '&' && before != SIZE_MAX && after != SIZE_MAX;
	size_t text_end = standalone ? tag->from - before : tag->from;
	struct slice indent = {NULL, 0};

	if (text_end > s->at) {
		add_text(s, slice_make(s->text.p + s->at, text_end - s->at));
	}
	if (standalone) {
		indent = slice_make(s->text.p + text_end, before);
	}
	s->at = standalone ? after : tag->to;
	return add_tag(s, tag, indent);
}

static bool compile_text(struct source *s)
{
	for (;;) {
		size_t from = s->at + slice_search(slice_from(s->text, s->at), s->open);
		struct tag tag;

		if (from >= s->text.n) {
			break;
		}
		if (!scan_tag(s, from, &tag) || !compile_tag(s, &tag)) {
			return false;
		}
	}
	add_text(s, slice_from(s->text, s->at));
	if (s->depth > 0) {
		struct slice name = s->ops[s->sections[s->depth - 1]].text;

		return fail(s, s->places[s->depth - 1],
			"section '%.*s' is not closed: add {{/%.*s}}", (int)name.n, name.p,
			(int)name.n, name.p);
	}
	return true;
}

/* Compiles the text into a program that is on the template's list already. */
static bool compile_program(struct compiler *c, struct program *program, struct slice text)
{
	struct source *s = MEM_NEW(struct source);
	bool valid;

	s->compiler = c;
	s->name = program->name;
	s->text = text;
	s->open = SLICE("{{");
	s->close = SLICE("}}");
	valid = compile_text(s);
	if (valid && s->count > 0) {
		struct op *ops = arena_array(c->template->arena, s->count, sizeof(*ops));

		memcpy(ops, s->ops, s->count * sizeof(*ops));
		program->ops = ops;
		program->count = s->count;
	}
	mem_free(s->ops);
	mem_free(s);
	return valid;
}

static struct program *add_program(struct compiler *c, struct slice name, struct slice indent)
{
	struct program *p = arena_get(c->template->arena, sizeof(*p));

	p->name = arena_slice(c->template->arena, name);
	p->indent = arena_slice(c->template->arena, indent);
	p->next = c->template->programs;
	c->template->programs = p;
	c->programs++;
	return p;
}

/* The partial's text with the indentation before each line. */
static void add_indented(struct buf *out, struct slice text, struct slice indent)
{
	while (text.n > 0) {
		struct slice line = slice_first(text, slice_find(text, '\n') + 1);

		buf_add(out, indent);
		buf_add(out, line);
		text = slice_from(text, line.n);
	}
}

static const struct program *compile_partial(
	struct source *s, const struct tag *tag, struct slice indent)
{
	struct compiler *c = s->compiler;
	struct slice text = {NULL, 0};
	struct program *program;
	struct buf indented;

	for (program = c->template->programs; program != NULL; program = program->next) {
		if (slice_equal(program->name, tag->body) && slice_equal(program->indent, indent)) {
			return program;
		}
	}
	if (c->programs == PROGRAMS_MAX) {
		(void)fail(s, tag->from, "more than %d partials, or one that indents itself",
			PROGRAMS_MAX);
		return NULL;
	}
	if (c->options->on_partial == NULL ||
		!c->options->on_partial(c->options->owner, tag->body, &text)) {
		(void)fail(s, tag->from,
			"there is no content '%.*s' for this partial: add that first",
			(int)tag->body.n, tag->body.p);
		return NULL;
	}
	program = add_program(c, tag->body, indent);
	buf_init(&indented, 0);
	add_indented(&indented, text, indent);
	if (!compile_program(c, program, buf_slice(&indented))) {
		program = NULL;
	}
	buf_clear(&indented);
	return program;
}

struct template *template_new(struct slice source, const struct template_options *options,
	struct template_fault *ret_fault)
{
	struct template *template = MEM_NEW(struct template);
	struct compiler c = {options, template, ret_fault, false, 0};
	struct program *main;

	template->arena = arena_new(0);
	template->quoted_printable = options->quoted_printable;
	main = add_program(&c, (struct slice){NULL, 0}, (struct slice){NULL, 0});
	template->main = main;
	if (!compile_program(&c, main, source)) {
		template_free(&template);
	}
	return template;
}

void template_free(struct template **template)
{
	if (*template != NULL) {
		arena_free(&(*template)->arena);
		mem_free(*template);
		*template = NULL;
	}
}

size_t template_bytes(const struct template *template)
{
	return sizeof(*template) + arena_bytes(template->arena);
}
