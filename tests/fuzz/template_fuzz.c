/*
 * compose/template and compose/value: `template NUL json`.  Any template that
 * compiles runs to an end within its bounds, and does the same again.  Its
 * quoted-printable output is lines of 7-bit text that a reader decodes to what it is
 * without encoding; text without a tag is its own output; and where everything is
 * escaped, no value brings a character of HTML's syntax in.
 */
#include "template.h"

#include <string.h>

#include "fuzz.h"

enum { OUT_MAX = 4096 };

static struct buf plain;
static struct buf coded;
static struct buf twice;

/* `gro` includes itself, deeper indented each time (slow, so its name is rare); `r` itself. */
static bool on_partial(void *owner, struct slice name, struct slice *ret_text)
{
	(void)owner;
	if (slice_equal(name, SLICE("gro"))) {
		*ret_text = SLICE("{{#b}}\n {{>gro}}\n{{/b}}\n");
	} else if (slice_equal(name, SLICE("r"))) {
		*ret_text = SLICE("{{a}}{{#b}}{{>r}}{{/b}}");
	} else {
		*ret_text = SLICE("{{a}}\n{{#b}}c{{/b}}\n");
	}
	return name.n < 4;
}

static void check_encoded(struct slice text)
{
	size_t column = 0;

	for (size_t i = 0; i < text.n; i++) {
		unsigned char c = (unsigned char)text.p[i];

		must((c >= ' ' && c <= '~') || c == '\t' || c == '\r' || c == '\n');
		must(c != '\r' || (i + 1 < text.n && text.p[i + 1] == '\n'));
		must(c != '\n' || (i > 0 && text.p[i - 1] == '\r'));
		must(c != '\r' || i == 0 || (text.p[i - 1] != ' ' && text.p[i - 1] != '\t'));
		must(c != '.' || column > 0);
		column = c == '\n' ? 0 : column + 1;
		must(column <= 77);
	}
}

static unsigned hex_value(char c)
{
	must((c >= '0' && c <= '9') || (c >= 'A' && c <= 'F'));
	return (unsigned)(c <= '9' ? c - '0' : c - 'A' + 10);
}

/* Reads the next octet of quoted-printable, -1 at the end. */
static int next_decoded(struct slice text, size_t *at)
{
	while (*at + 2 < text.n && text.p[*at] == '=' && text.p[*at + 1] == '\r') {
		*at += 3;
	}
	if (*at == text.n) {
		return -1;
	}
	if (text.p[*at] == '=') {
		must(*at + 2 < text.n);
		*at += 3;
		return (int)(hex_value(text.p[*at - 2]) << 4 | hex_value(text.p[*at - 1]));
	}
	return (unsigned char)text.p[(*at)++];
}

/* Line ends of the plain output, CR, LF or both, are CRLF in the encoded one. */
static void check_same(struct slice encoded, struct slice text)
{
	size_t at = 0;

	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] == '\r' || text.p[i] == '\n') {
			must(next_decoded(encoded, &at) == '\r');
			must(next_decoded(encoded, &at) == '\n');
			i += text.p[i] == '\r' && i + 1 < text.n && text.p[i + 1] == '\n';
		} else {
			must(next_decoded(encoded, &at) == (unsigned char)text.p[i]);
		}
	}
	must(next_decoded(encoded, &at) == -1);
}

static struct template *compile(struct slice source, bool quoted_printable)
{
	struct template_options options = {
		.html = true, .quoted_printable = quoted_printable, .on_partial = on_partial};
	struct template_fault fault = {0};
	struct template *t = template_new(source, &options, &fault);

	must(t != NULL || (fault.line > 0 && fault.column > 0 && fault.text[0] != '\0'));
	must(t == NULL || template_bytes(t) > 0);
	return t;
}

static enum template_result run(const struct template *t, const struct value *vars, struct buf *out)
{
	enum template_result result;

	out->max = OUT_MAX;
	buf_reset(out);
	result = template_run(t, vars, NULL, out);
	must(template_result_text(result)[0] != '\0');
	must((result == TEMPLATE_SIZE) == out->spoiled || result == TEMPLATE_STEPS ||
		result == TEMPLATE_DEPTH);
	return result;
}

static size_t count(struct slice text, char c)
{
	size_t n = 0;

	for (size_t i = 0; i < text.n; i++) {
		n += text.p[i] == c;
	}
	return n;
}

/* All that the text of a template can bring to the output is what is in it, and in its partials. */
static void check_escaped(struct slice source, const struct value *vars)
{
	if (vars == NULL || source.n == 0 || slice_find(source, '{') == source.n ||
		slice_search(source, SLICE("{{{")) < source.n ||
		slice_find(source, '&') < source.n || slice_find(source, '#') < source.n ||
		slice_find(source, '>') < source.n || slice_find(source, '=') < source.n) {
		return;
	}
	must(count(buf_slice(&plain), '<') <= count(source, '<'));
	must(count(buf_slice(&plain), '"') <= count(source, '"'));
	must(count(buf_slice(&plain), '>') == 0);
}

static void check_template(struct slice source, const struct value *vars)
{
	struct template *t = compile(source, false);
	struct template *qp = compile(source, true);
	enum template_result result;

	must((t == NULL) == (qp == NULL));
	if (t == NULL) {
		return;
	}
	result = run(t, vars, &plain);
	if (result == TEMPLATE_OK) {
		must(run(t, vars, &twice) == TEMPLATE_OK);
		must(slice_equal(buf_slice(&plain), buf_slice(&twice)));
		must(slice_search(source, SLICE("{{")) < source.n ||
			slice_equal(buf_slice(&plain), source));
		check_escaped(source, vars);
	}
	if (run(qp, vars, &coded) == TEMPLATE_OK) {
		must(result == TEMPLATE_OK);
		check_encoded(buf_slice(&coded));
		check_same(buf_slice(&coded), buf_slice(&plain));
	} else {
		must(result != TEMPLATE_OK || coded.spoiled);
	}
	template_free(&t);
	template_free(&qp);
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
		must(vars != NULL || (fault.text != NULL && fault.at <= source.n));
	}
	check_template(slice_first(source, nul), vars);
	arena_free(&arena);
	return 0;
}
