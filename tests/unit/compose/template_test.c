/* compose/template: Mustache, its faults with their places, and what bounds a run. */
#include "template.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/err.h"
#include "no_leaks.h"

TestSuite(template, .fini = no_leaks);

struct fixture {
	const struct value *partials;
	bool missing_is_empty;
};

static bool on_partial(void *owner, struct slice name, struct slice *ret_text)
{
	const struct fixture *f = owner;
	const struct value *v = value_get(f->partials, name);

	*ret_text = v == NULL ? (struct slice){NULL, 0} : v->text;
	return v != NULL || f->missing_is_empty;
}

static void read_file(const char *path, struct buf *out)
{
	FILE *file = fopen(path, "rb");

	cr_assert_not_null(file, "%s: %s", path, strerror(errno));
	for (;;) {
		char *room = buf_reserve(out, 65536);
		size_t n = fread(room, 1, 65536, file);

		if (n == 0) {
			break;
		}
		buf_commit(out, n);
	}
	(void)fclose(file);
}

static void run_case(const char *file, const struct value *row)
{
	struct fixture fixture = {value_get(row, SLICE("partials")), true};
	struct template_options options = {
		.html = true, .on_partial = on_partial, .owner = &fixture};
	struct slice name = value_get(row, SLICE("name"))->text;
	struct slice expected = value_get(row, SLICE("expected"))->text;
	struct template_fault fault = {0};
	struct template *t;
	struct buf out;

	t = template_new(value_get(row, SLICE("template"))->text, &options, &fault);
	cr_assert_not_null(t, "%s: %.*s: %s", file, (int)name.n, name.p, fault.text);
	buf_init(&out, 0);
	cr_expect(template_run(t, value_get(row, SLICE("data")), NULL, &out) == TEMPLATE_OK);
	cr_expect(slice_equal(buf_slice(&out), expected), "%s: %.*s:\n%s\ninstead of\n%.*s", file,
		(int)name.n, name.p, buf_string(&out), (int)expected.n, expected.p);
	buf_clear(&out);
	template_free(&t);
}

static size_t run_file(const char *directory, const char *file)
{
	struct arena *arena = arena_new(0);
	struct value_fault fault = {0};
	const struct value *root;
	struct buf json;
	char path[1000];
	size_t count = 0;

	(void)snprintf(path, sizeof(path), "%s/%s", directory, file);
	buf_init(&json, 0);
	read_file(path, &json);
	root = value_parse(arena, buf_slice(&json), &fault);
	cr_assert_not_null(root, "%s at %zu: %s", path, fault.at, fault.text);
	root = value_get(root, SLICE("tests"));
	cr_assert(root != NULL && root->first != NULL, "%s has no tests", path);
	for (const struct value *row = root->first; row != NULL; row = row->next) {
		run_case(file, row);
		count++;
	}
	buf_clear(&json);
	arena_free(&arena);
	return count;
}

Test(template, official_cases)
{
	static const struct {
		const char *file;
		size_t count;
	} files[] = {
		{"comments.json", 12},
		{"delimiters.json", 14},
		{"interpolation.json", 40},
		{"inverted.json", 22},
		{"partials.json", 11},
		{"sections.json", 30},
	};
	DIR *dir = opendir(TEST_SOURCE_ROOT "/../shared/mustache");

	if (dir == NULL) {
		cr_skip_test("the official cases are not at ../shared/mustache");
	}
	(void)closedir(dir);
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		size_t count = run_file(TEST_SOURCE_ROOT "/../shared/mustache", files[i].file);

		cr_expect(count >= files[i].count, "%s has only %zu", files[i].file, count);
	}
}

Test(template, project_cases)
{
	static const char *const files[] = {
		"names.json", "sections.json", "lines.json", "partials.json", "delimiters.json"};

	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		cr_expect(run_file(TEST_SOURCE_ROOT "/tests/data/mustache", files[i]) >= 8);
	}
}

static const struct {
	const char *label;
	const char *text;
	size_t line;
	size_t column;
	const char *fault;
} faults[] = {
	{"tag not closed", "a\nb {{name", 2, 3, "the tag is not closed: add '}}'"},
	{"triple not closed", "{{{name}}", 1, 1, "the tag is not closed: add '}}}'"},
	{"section not closed", "x\n {{#offers}}\n", 2, 2,
		"section 'offers' is not closed: add {{/offers}}"},
	{"inner section not closed", "{{#a}}\n{{^b}}\n{{/a}}", 3, 1,
		"section 'b' is closed by 'a': close it with {{/b}} first"},
	{"nothing to close", "{{/a}}", 1, 1,
		"'a' closes no section: remove it, or open {{#a}} before"},
	{"empty tag", "{{ }}", 1, 1, "the tag is empty: put a name into it or remove it"},
	{"helper", "{{upper name}}", 1, 1,
		"name 'upper name' has a blank: lambdas and helpers do not exist here"},
	{"dots", "{{a..b}}", 1, 1, "name 'a..b' has an empty part between dots"},
	{"delimiters", "{{=<%=}}", 1, 1, "delimiters are two words without '=': {{=<% %>=}}"},
	{"partial", "\n{{>footer}}", 2, 1,
		"there is no content 'footer' for this partial: add that first"},
	{"fault in a partial", "{{>bad}}", 2, 1,
		"in partial 'bad': section 'x' is not closed: add {{/x}}"},
};

Test(template, faults_have_a_place_and_a_remedy)
{
	struct value bad = {.kind = VALUE_STRING, .name = SLICE("bad"), .text = SLICE("\n{{#x}}")};
	struct value partials = {.kind = VALUE_OBJECT, .first = &bad};
	struct fixture fixture = {&partials, false};
	struct template_options options = {.on_partial = on_partial, .owner = &fixture};

	for (size_t i = 0; i < ARRAY_LEN(faults); i++) {
		struct template_fault fault = {0};
		struct template *t = template_new(slice_of(faults[i].text), &options, &fault);

		cr_expect_null(t, "%s", faults[i].label);
		cr_expect(fault.line == faults[i].line && fault.column == faults[i].column,
			"%s: %zu:%zu", faults[i].label, fault.line, fault.column);
		cr_expect_str_eq(fault.text, faults[i].fault, "%s", faults[i].label);
		template_free(&t);
	}
}

struct limits_row {
	const char *label;
	const char *template;
	const char *partial; /* named p */
	enum template_result result;
};

static enum template_result run_limited(
	const struct limits_row *row, struct slice vars_json, size_t max)
{
	struct value p = {.kind = VALUE_STRING, .name = SLICE("p"), .text = slice_of(row->partial)};
	struct value partials = {.kind = VALUE_OBJECT, .first = &p};
	struct fixture fixture = {&partials, false};
	struct template_options options = {
		.quoted_printable = true, .on_partial = on_partial, .owner = &fixture};
	struct arena *arena = arena_new(0);
	struct value_fault value_fault;
	struct template_fault fault = {0};
	const struct value *vars = value_parse(arena, vars_json, &value_fault);
	struct template *t = template_new(slice_of(row->template), &options, &fault);
	enum template_result result;
	struct buf out;

	cr_assert_not_null(vars, "%s", row->label);
	cr_assert_not_null(t, "%s: %s", row->label, fault.text);
	buf_init(&out, max);
	result = template_run(t, vars, NULL, &out);
	buf_clear(&out);
	template_free(&t);
	arena_free(&arena);
	return result;
}

Test(template, threat_C17_runs_are_bounded)
{
	static const struct limits_row rows[] = {
		{"small", "{{#l}}x{{/l}}", "", TEMPLATE_OK},
		{"a billion turns",
			"{{#l}}{{#l}}{{#l}}{{#l}}{{#l}}{{#l}}{{#l}}{{#l}}{{#l}}{{/l}}{{/l}}{{/l}}{{/l}}{{/l}}"
			"{{/l}}{{/l}}{{/l}}{{/l}}",
			"", TEMPLATE_STEPS},
		{"a partial in itself", "{{>p}}", "x{{>p}}", TEMPLATE_DEPTH},
		{"a partial in itself, twice", "{{>p}}", "{{>p}}{{>p}}", TEMPLATE_DEPTH},
		{"sections in a partial", "{{>p}}", "{{#l}}{{>p}}{{/l}}", TEMPLATE_DEPTH},
		{"too large",
			"{{#l}}{{#l}}{{#l}}{{#l}}a long text of many characters{{/l}}{{/l}}{{/l}}"
			"{{/l}}",
			"", TEMPLATE_SIZE},
	};
	struct slice vars = SLICE("{\"l\":[1,2,3,4,5,6,7,8,9,10]}");

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		clock_t begun = clock();

		cr_expect(
			run_limited(&rows[i], vars, 100000) == rows[i].result, "%s", rows[i].label);
		/* 50 ms, and ten times that under the sanitizers */
		cr_expect_lt(clock() - begun, CLOCKS_PER_SEC / 2, "%s: %ld us", rows[i].label,
			(long)(clock() - begun));
		cr_expect_not_null(template_result_text(rows[i].result));
	}
}

Test(template, large_objects_cost_steps)
{
	static const struct limits_row row = {
		"lookups", "{{#l}}{{#l}}{{#l}}{{nothing}}{{/l}}{{/l}}{{/l}}", "", TEMPLATE_STEPS};
	struct buf json;

	buf_init(&json, 0);
	buf_add_text(&json, "{\"l\":[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20]");
	for (int i = 0; i < 20000; i++) {
		buf_add_format(&json, ",\"k%d\":%d", i, i);
	}
	buf_add_text(&json, "}");
	cr_expect(run_limited(&row, buf_slice(&json), 0) == TEMPLATE_STEPS);
	buf_clear(&json);
}

Test(template, partial_that_indents_itself)
{
	struct value p = {.kind = VALUE_STRING, .name = SLICE("p"), .text = SLICE("x\n  {{>p}}\n")};
	struct value partials = {.kind = VALUE_OBJECT, .first = &p};
	struct fixture fixture = {&partials, false};
	struct template_options options = {.on_partial = on_partial, .owner = &fixture};
	struct template_fault fault = {0};

	cr_expect_null(template_new(SLICE("{{>p}}"), &options, &fault));
	cr_expect(strstr(fault.text, "indents itself") != NULL, "%s", fault.text);
}

/* What was encoded at compile time and what is encoded on the way make one text. */
Test(template, quoted_printable_is_seamless)
{
	static const struct {
		const char *label;
		const char *template;
		const char *out;
	} rows[] = {
		{"plain", "a {{v}} b", "a x=3Dy b"},
		{"line ends", "a\n{{v}}\r\nb\rc", "a\r\nx=3Dy\r\nb\r\nc"},
		{"blank before a line end", "{{b}}\nz", "=20\r\nz"},
		{"blank at the end", "z{{b}}", "z=20"},
		{"dot", "{{e}}.\n.{{v}}", "=2E\r\n=2Ex=3Dy"},
		{"static after a value's line end", "{{n}}.", "a\r\n=2E"},
		{"carriage return and line feed meet", "{{r}}\nb", "a\r\nb"},
	};
	struct slice json = SLICE("{\"v\":\"x=y\",\"b\":\" \",\"n\":\"a\\n\",\"r\":\"a\\r\"}");
	struct template_options options = {.quoted_printable = true};
	struct arena *arena = arena_new(0);
	struct value_fault value_fault;
	const struct value *vars = value_parse(arena, json, &value_fault);

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct template_fault fault = {0};
		struct template *t = template_new(slice_of(rows[i].template), &options, &fault);
		struct buf out;

		cr_assert_not_null(t, "%s", fault.text);
		buf_init(&out, 0);
		cr_expect(template_run(t, vars, NULL, &out) == TEMPLATE_OK);
		cr_expect_str_eq(buf_string(&out), rows[i].out, "%s", rows[i].label);
		buf_clear(&out);
		template_free(&t);
	}
	arena_free(&arena);
}

Test(template, system_names_stand_behind_vars)
{
	struct template_options options = {.html = false};
	struct template_fault fault = {0};
	struct arena *arena = arena_new(0);
	struct value_fault value_fault;
	const struct value *vars = value_parse(arena, SLICE("{\"a\":\"var\"}"), &value_fault);
	const struct value *system =
		value_parse(arena, SLICE("{\"a\":\"sys\",\"b\":\"<sys>\"}"), &value_fault);
	struct template *t = template_new(SLICE("{{a}} {{b}}"), &options, &fault);
	struct buf out;

	buf_init(&out, 0);
	cr_expect(template_run(t, vars, system, &out) == TEMPLATE_OK);
	cr_expect_str_eq(buf_string(&out), "var <sys>");
	buf_reset(&out);
	cr_expect(template_run(t, NULL, NULL, &out) == TEMPLATE_OK);
	cr_expect_str_eq(buf_string(&out), " ");
	cr_expect(template_bytes(t) > 0);
	buf_clear(&out);
	template_free(&t);
	arena_free(&arena);
}
