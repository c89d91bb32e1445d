/*
 * compose/template and compose/value: `template NUL json`.  Any template that
 * compiles runs to an end within its bounds, and its quoted-printable output is
 * lines of 7-bit text.
 */
#include "template.h"

#include <stdint.h>
#include <stdlib.h>

#define OUT_MAX (1 << 18)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
	if (!holds) {
		abort();
	}
}

/* Every partial is the same small text, which includes itself. */
static bool on_partial(void *owner, struct slice name, struct slice *ret_text)
{
	(void)owner;
	*ret_text = SLICE("{{a}}\n  {{#b}}{{>p}}{{/b}}\n");
	return name.n < 4;
}

static void check_encoded(struct slice text)
{
	size_t column = 0;

	for (size_t i = 0; i < text.n; i++) {
		unsigned char c = (unsigned char)text.p[i];

		check((c >= ' ' && c <= '~') || c == '\t' || c == '\r' || c == '\n');
		check(c != '\r' || (i + 1 < text.n && text.p[i + 1] == '\n'));
		check(c != '\n' || (i > 0 && text.p[i - 1] == '\r'));
		column = c == '\n' ? 0 : column + 1;
		check(column <= 77);
	}
}

static void run(struct slice source, const struct value *vars, bool quoted_printable)
{
	struct template_options options = {
		.html = true, .quoted_printable = quoted_printable, .on_partial = on_partial};
	struct template_fault fault = {0};
	struct template *t = template_new(source, &options, &fault);
	struct buf out;

	if (t == NULL) {
		check(fault.line > 0 && fault.column > 0 && fault.text[0] != '\0');
		return;
	}
	buf_init(&out, OUT_MAX);
	if (template_run(t, vars, NULL, &out) == TEMPLATE_OK && quoted_printable) {
		check_encoded(buf_slice(&out));
	}
	buf_clear(&out);
	template_free(&t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice source = slice_make((const char *)data, size);
	struct arena *arena = arena_new(0);
	const struct value *vars = NULL;
	size_t nul = slice_find(source, '\0');
	struct value_fault fault = {0};

	if (nul < source.n) {
		vars = value_parse(arena, slice_from(source, nul + 1), &fault);
		check(vars != NULL || (fault.text != NULL && fault.at <= source.n));
	}
	run(slice_first(source, nul), vars, true);
	run(slice_first(source, nul), vars, false);
	arena_free(&arena);
	return 0;
}
