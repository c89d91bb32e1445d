/* compose/value: strict JSON, numbers as written. */
#include "value.h"

#include <criterion/criterion.h>

#include "base/buf.h"
#include "base/err.h"
#include "no_leaks.h"

TestSuite(value, .fini = no_leaks);

static const struct {
	const char *label;
	struct slice json;
	enum value_kind kind;
	struct slice text;
} good[] = {
	{"null", SLICE("null"), VALUE_NULL, SLICE("")},
	{"true", SLICE(" true "), VALUE_TRUE, SLICE("")},
	{"false", SLICE("false"), VALUE_FALSE, SLICE("")},
	{"integer", SLICE("-12"), VALUE_NUMBER, SLICE("-12")},
	{"trailing zero stays", SLICE("1.10"), VALUE_NUMBER, SLICE("1.10")},
	{"exponent", SLICE("1e+9"), VALUE_NUMBER, SLICE("1e+9")},
	{"string", SLICE("\"a\""), VALUE_STRING, SLICE("a")},
	{"escapes", SLICE("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""), VALUE_STRING,
		SLICE("\"\\/\b\f\n\r\t")},
	{"code point", SLICE("\"\\u00e9x\""), VALUE_STRING, SLICE("\xc3\xa9x")},
	{"pair", SLICE("\"\\ud83d\\udc27\""), VALUE_STRING, SLICE("\xf0\x9f\x90\xa7")},
	{"lone high", SLICE("\"\\ud83dx\""), VALUE_STRING, SLICE("\xef\xbf\xbdx")},
	{"high and no low", SLICE("\"\\ud83d\\u0041\""), VALUE_STRING,
		SLICE("\xef\xbf\xbd"
		      "A")},
	{"lone low", SLICE("\"\\udc27\""), VALUE_STRING, SLICE("\xef\xbf\xbd")},
	{"nul", SLICE("\"a\\u0000b\""), VALUE_STRING, SLICE("a\0b")},
	{"array", SLICE("[ ]"), VALUE_ARRAY, SLICE("")},
	{"object", SLICE("{ }"), VALUE_OBJECT, SLICE("")},
};

static const struct {
	const char *label;
	struct slice json;
	size_t at;
} bad[] = {
	{"empty", SLICE(""), 0},
	{"nothing at all", {NULL, 0}, 0},
	{"trailing comma", SLICE("[1,]"), 3},
	{"no comma", SLICE("[1 2]"), 3},
	{"no colon", SLICE("{\"a\" 1}"), 5},
	{"no quotes", SLICE("{a:1}"), 1},
	{"single quotes", SLICE("'a'"), 0},
	{"leading zero", SLICE("01"), 1},
	{"bare dot", SLICE("1."), 2},
	{"bare exponent", SLICE("1e"), 2},
	{"plus", SLICE("+1"), 0},
	{"open string", SLICE("\"abc"), 4},
	{"control in a string", SLICE("\"a\nb\""), 2},
	{"bad escape", SLICE("\"\\x\""), 2},
	{"bad hex", SLICE("\"\\u12g4\""), 5},
	{"two values", SLICE("1 2"), 2},
	{"open array", SLICE("[1"), 2},
	{"half a word", SLICE("tru"), 0},
	{"not UTF-8", SLICE("\"\xff\""), 0},
	{"nul byte", SLICE("\0"), 0},
};

Test(value, parse)
{
	struct arena *arena = arena_new(0);

	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		struct value_fault fault = {0};
		const struct value *v = value_parse(arena, good[i].json, &fault);

		cr_assert_not_null(v, "%s: %s", good[i].label, fault.text);
		cr_expect(v->kind == good[i].kind, "%s", good[i].label);
		cr_expect(slice_equal(v->text, good[i].text), "%s", good[i].label);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct value_fault fault = {0};

		cr_expect_null(value_parse(arena, bad[i].json, &fault), "%s", bad[i].label);
		cr_expect(fault.at == bad[i].at, "%s at %zu", bad[i].label, fault.at);
		cr_expect_not_null(fault.text, "%s", bad[i].label);
	}
	arena_free(&arena);
}

Test(value, members)
{
	struct arena *arena = arena_new(0);
	struct value_fault fault;
	const struct value *v =
		value_parse(arena, SLICE("{\"a\":{\"b\":[1,\"x\",{}]},\"c\":1,\"c\":2}"), &fault);
	const struct value *b = value_get(value_get(v, SLICE("a")), SLICE("b"));

	cr_assert_not_null(b);
	cr_expect(b->count == 3);
	cr_expect(slice_equal(b->first->next->text, SLICE("x")));
	cr_expect(slice_equal(value_get(v, SLICE("c"))->text, SLICE("2")), "the last of equals");
	cr_expect_null(value_get(v, SLICE("d")));
	cr_expect_null(value_get(b, SLICE("a")), "not an object");
	cr_expect_null(value_get(NULL, SLICE("a")));
	arena_free(&arena);
}

Test(value, depth)
{
	struct arena *arena = arena_new(0);
	struct value_fault fault;
	struct buf json;

	buf_init(&json, 0);
	for (int depth = 1; depth <= VALUE_DEPTH_MAX + 1; depth++) {
		buf_reset(&json);
		for (int i = 0; i < depth; i++) {
			buf_add_byte(&json, '[');
		}
		for (int i = 0; i < depth; i++) {
			buf_add_byte(&json, ']');
		}
		cr_expect((value_parse(arena, buf_slice(&json), &fault) != NULL) ==
			(depth <= VALUE_DEPTH_MAX));
	}
	buf_clear(&json);
	arena_free(&arena);
}
