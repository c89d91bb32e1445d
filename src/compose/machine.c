/*
 * The machine that runs a compiled template for one message.
 *
 * Sections nest by recursion, which compile-time and run-time limits bound; the
 * context stack is a fixed array of the same depth.  Every operation counts as a
 * step, as does every turn of a section, so that neither a hostile template nor
 * hostile values can hold the worker up: a run that goes over a limit ends there.
 */
#include "program.h"
#include "template.h"

enum {
	STEPS_MAX = 500000,
	CONTEXTS = 2 * PROGRAM_DEPTH_MAX,
};

struct machine {
	struct buf *out;
	struct qp qp;
	bool quoted_printable;
	const struct value *contexts[CONTEXTS]; /* innermost last */
	size_t depth;
	size_t calls; /* of run(), nested */
	size_t steps;
	enum template_result result;
};

static void run(struct machine *m, const struct program *program, size_t from, size_t to);

const char *template_result_text(enum template_result result)
{
	static const char *const texts[] = {
		[TEMPLATE_OK] = "is complete",
		[TEMPLATE_STEPS] = "runs too long: it loops over too many values",
		[TEMPLATE_DEPTH] = "nests sections or partials too deeply",
		[TEMPLATE_SIZE] = "makes a message that is too large",
	};

	return texts[result];
}

static void put(struct machine *m, struct slice text)
{
	if (m->quoted_printable) {
		qp_add(&m->qp, m->out, text);
	} else {
		buf_add(m->out, text);
	}
}

static struct slice entity_for(char c)
{
	switch (c) {
	case '&':
		return SLICE("&amp;");
	case '<':
		return SLICE("&lt;");
	case '>':
		return SLICE("&gt;");
	case '"':
		return SLICE("&quot;");
	case '\'':
		return SLICE("&#39;");
	default:
		return (struct slice){NULL, 0};
	}
}

static void put_escaped(struct machine *m, struct slice text)
{
	size_t from = 0;

	for (size_t i = 0; i < text.n; i++) {
		struct slice entity = entity_for(text.p[i]);

		if (entity.n > 0) {
			put(m, slice_make(text.p + from, i - from));
			put(m, entity);
			from = i + 1;
		}
	}
	put(m, slice_from(text, from));
}

/* Looking through a large object costs steps as well. */
static const struct value *get(struct machine *m, const struct value *object, struct slice name)
{
	m->steps += object->count / 16;
	return value_get(object, name);
}

static const struct value *find_first(struct machine *m, struct slice name)
{
	const struct value *v = NULL;

	for (size_t i = m->depth; i > 0 && v == NULL; i--) {
		v = get(m, m->contexts[i - 1], name);
	}
	return v;
}

/* Only the first part of a dotted name is looked for outwards. */
static const struct value *find(struct machine *m, const struct op *op)
{
	const struct value *v;

	if (op->path_length == 0) {
		return m->depth > 0 ? m->contexts[m->depth - 1] : NULL;
	}
	v = find_first(m, op->path[0]);
	for (size_t i = 1; i < op->path_length && v != NULL; i++) {
		v = get(m, v, op->path[i]);
	}
	return v;
}

/* null, false, the empty list and, as mail merges expect, the empty text. */
static bool is_falsy(const struct value *v)
{
	return v == NULL || v->kind == VALUE_NULL || v->kind == VALUE_FALSE ||
		(v->kind == VALUE_ARRAY && v->first == NULL) ||
		(v->kind == VALUE_STRING && v->text.n == 0);
}

static void put_value(struct machine *m, const struct op *op)
{
	const struct value *v = find(m, op);
	struct slice text = {NULL, 0};

	if (v == NULL) {
		return;
	}
	if (v->kind == VALUE_STRING || v->kind == VALUE_NUMBER) {
		text = v->text;
	} else if (v->kind == VALUE_TRUE) {
		text = SLICE("true");
	} else if (v->kind == VALUE_FALSE) {
		text = SLICE("false");
	}
	if (op->escape) {
		put_escaped(m, text);
	} else {
		put(m, text);
	}
}

static void put_text(struct machine *m, const struct op *op)
{
	put(m, op->text);
	if (op->coded.n > 0) {
		qp_break(&m->qp, m->out);
		buf_add(m->out, op->coded);
		m->qp = op->after;
	}
}

static void run_with(
	struct machine *m, const struct program *program, size_t at, const struct value *context)
{
	if (m->depth == CONTEXTS) {
		m->result = TEMPLATE_DEPTH;
		return;
	}
	m->contexts[m->depth++] = context;
	run(m, program, at + 1, program->ops[at].end);
	m->depth--;
}

static void run_section(struct machine *m, const struct program *program, size_t at)
{
	const struct value *v = find(m, &program->ops[at]);

	if (is_falsy(v)) {
		return;
	}
	if (v->kind != VALUE_ARRAY) {
		run_with(m, program, at, v);
		return;
	}
	for (v = v->first; v != NULL && m->result == TEMPLATE_OK; v = v->next) {
		m->steps++;
		run_with(m, program, at, v);
	}
}

static size_t run_op(struct machine *m, const struct program *program, size_t at)
{
	const struct op *op = &program->ops[at];

	switch (op->kind) {
	case OP_TEXT:
		put_text(m, op);
		return at + 1;
	case OP_VALUE:
		put_value(m, op);
		return at + 1;
	case OP_SECTION:
		run_section(m, program, at);
		return op->end + 1;
	case OP_INVERTED:
		if (is_falsy(find(m, op))) {
			run(m, program, at + 1, op->end);
		}
		return op->end + 1;
	case OP_PARTIAL:
		run(m, op->partial, 0, op->partial->count);
		return at + 1;
	case OP_END:
		break;
	}
	return at + 1;
}

static void run(struct machine *m, const struct program *program, size_t from, size_t to)
{
	if (m->calls == CONTEXTS) {
		m->result = TEMPLATE_DEPTH;
		return;
	}
	m->calls++;
	while (from < to && m->result == TEMPLATE_OK) {
		from = run_op(m, program, from);
		if (++m->steps > STEPS_MAX) {
			m->result = TEMPLATE_STEPS;
		} else if (m->out->spoiled) {
			m->result = TEMPLATE_SIZE;
		}
	}
	m->calls--;
}

enum template_result template_run(const struct template *template, const struct value *vars,
	const struct value *system, struct buf *out)
{
	struct machine m = {.out = out, .quoted_printable = template->quoted_printable};

	qp_init(&m.qp);
	if (system != NULL) {
		m.contexts[m.depth++] = system;
	}
	if (vars != NULL) {
		m.contexts[m.depth++] = vars;
	}
	run(&m, template->main, 0, template->main->count);
	if (template->quoted_printable) {
		qp_end(&m.qp, out);
	}
	return m.result == TEMPLATE_OK && out->spoiled ? TEMPLATE_SIZE : m.result;
}
