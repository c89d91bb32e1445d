/*
 * A JSON reader for values that are read once and then looked at: no copies but of
 * strings with escapes, no hash tables (merge variables are a handful), all nodes in
 * the caller's arena.  Composing parses one such object a message, which is why it
 * is not a general library's tree with a heap object a node.
 *
 * Recursive to a fixed depth; strict as RFC 8259 (no comments, no trailing commas).
 */
#include "value.h"

#include <string.h>

#include "base/buf.h"
#include "base/codec.h"
#include "base/err.h"

struct reader {
	struct arena *arena;
	const char *p;
	const char *end;
	const char *start;
	const char *fault; /* NULL while all is well */
	unsigned depth;
};

static bool read_value(struct reader *r, struct value *ret_value);

static bool fail(struct reader *r, const char *text)
{
	if (r->fault == NULL) {
		r->fault = text;
	}
	return false;
}

static char peek(const struct reader *r)
{
	return r->p < r->end ? *r->p : '\0';
}

static void skip_blanks(struct reader *r)
{
	while (r->p < r->end && (*r->p == ' ' || *r->p == '\n' || *r->p == '\t' || *r->p == '\r')) {
		r->p++;
	}
}

static bool take(struct reader *r, char c)
{
	if (peek(r) != c) {
		return false;
	}
	r->p++;
	return true;
}

static bool read_hex4(struct reader *r, uint32_t *ret_unit)
{
	uint32_t unit = 0;

	for (int i = 0; i < 4; i++) {
		char c = peek(r);
		int digit = c >= '0' && c <= '9' ? c - '0'
			: c >= 'a' && c <= 'f'   ? c - 'a' + 10
			: c >= 'A' && c <= 'F'   ? c - 'A' + 10
						 : -1;

		if (digit < 0) {
			return fail(r, "\\u needs four hex digits");
		}
		unit = unit << 4 | (uint32_t)digit;
		r->p++;
	}
	*ret_unit = unit;
	return true;
}

static bool is_high(uint32_t unit)
{
	return unit >= 0xd800 && unit < 0xdc00;
}

/* Behind `\u`; a pair of surrogates is one code point. */
static bool read_point(struct reader *r, struct buf *out)
{
	const char *back;
	uint32_t unit;
	uint32_t low = 0;

	if (!read_hex4(r, &unit)) {
		return false;
	}
	back = r->p;
	if (is_high(unit) && take(r, '\\') && take(r, 'u')) {
		if (!read_hex4(r, &low)) {
			return false;
		}
		if (low >= 0xdc00 && low < 0xe000) {
			codec_utf8_add(out, 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00));
			return true;
		}
	}
	r->p = back;
	codec_utf8_add(out, unit >= 0xd800 && unit < 0xe000 ? 0xfffd : unit);
	return true;
}

static bool read_escape(struct reader *r, struct buf *out)
{
	static const char from[] = "\"\\/bfnrt";
	static const char to[] = "\"\\/\b\f\n\r\t";
	char c = peek(r);
	const char *found;

	if (take(r, 'u')) {
		return read_point(r, out);
	}
	found = c == '\0' ? NULL : strchr(from, c);
	if (found == NULL) {
		return fail(r, "not an escape of JSON");
	}
	buf_add_byte(out, to[found - from]);
	r->p++;
	return true;
}

/* Up to the next quote or backslash. */
static struct slice plain_run(struct reader *r)
{
	const char *from = r->p;

	while (r->p < r->end && *r->p != '"' && *r->p != '\\' && (unsigned char)*r->p >= ' ') {
		r->p++;
	}
	return slice_make(from, (size_t)(r->p - from));
}

static bool read_escaped(struct reader *r, struct slice run, struct buf *text)
{
	buf_add(text, run);
	while (peek(r) == '\\') {
		r->p++;
		if (!read_escape(r, text)) {
			return false;
		}
		buf_add(text, plain_run(r));
	}
	return true;
}

static bool read_string(struct reader *r, struct slice *ret_text)
{
	struct buf text;
	bool valid;

	if (!take(r, '"')) {
		return fail(r, "a string in double quotes is expected");
	}
	*ret_text = plain_run(r);
	if (peek(r) == '\\') {
		buf_init(&text, 0);
		valid = read_escaped(r, *ret_text, &text);
		*ret_text = valid ? arena_slice(r->arena, buf_slice(&text)) : *ret_text;
		buf_clear(&text);
		if (!valid) {
			return false;
		}
	}
	if (!take(r, '"')) {
		return fail(r,
			r->p < r->end ? "a control character stands in a string"
				      : "a string is not closed");
	}
	return true;
}

static size_t skip_digits(struct reader *r)
{
	const char *from = r->p;

	while (peek(r) >= '0' && peek(r) <= '9') {
		r->p++;
	}
	return (size_t)(r->p - from);
}

static bool read_number(struct reader *r, struct value *ret_value)
{
	const char *from = r->p;
	bool valid;

	(void)take(r, '-');
	valid = take(r, '0') || skip_digits(r) > 0;
	if (valid && take(r, '.')) {
		valid = skip_digits(r) > 0;
	}
	if (valid && (take(r, 'e') || take(r, 'E'))) {
		(void)(take(r, '+') || take(r, '-'));
		valid = skip_digits(r) > 0;
	}
	if (!valid) {
		return fail(r, "a value is expected");
	}
	ret_value->kind = VALUE_NUMBER;
	ret_value->text = slice_make(from, (size_t)(r->p - from));
	return true;
}

static bool read_word(struct reader *r, struct value *ret_value)
{
	static const struct {
		struct slice word;
		enum value_kind kind;
	} words[] = {
		{{"null", 4}, VALUE_NULL},
		{{"false", 5}, VALUE_FALSE},
		{{"true", 4}, VALUE_TRUE},
	};

	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (slice_starts(slice_make(r->p, (size_t)(r->end - r->p)), words[i].word)) {
			r->p += words[i].word.n;
			ret_value->kind = words[i].kind;
			return true;
		}
	}
	return fail(r, "a value is expected");
}

static bool read_member(struct reader *r, struct value *ret_value)
{
	if (!read_string(r, &ret_value->name)) {
		return false;
	}
	skip_blanks(r);
	return take(r, ':') ? read_value(r, ret_value) : fail(r, "':' is expected");
}

/* Behind the opening bracket. */
static bool read_list(struct reader *r, struct value *ret_value, char closing)
{
	const struct value **tail = &ret_value->first;

	skip_blanks(r);
	if (take(r, closing)) {
		return true;
	}
	for (;;) {
		struct value *v = arena_get(r->arena, sizeof(*v));

		skip_blanks(r);
		if (!(closing == '}' ? read_member(r, v) : read_value(r, v))) {
			return false;
		}
		*tail = v;
		tail = &v->next;
		ret_value->count++;
		skip_blanks(r);
		if (take(r, closing)) {
			return true;
		}
		if (!take(r, ',')) {
			return fail(r, "',' or the closing bracket is expected");
		}
	}
}

static bool read_nested(struct reader *r, struct value *ret_value, char closing)
{
	bool valid;

	if (r->depth == VALUE_DEPTH_MAX) {
		return fail(r, "nested too deeply");
	}
	r->depth++;
	valid = read_list(r, ret_value, closing);
	r->depth--;
	return valid;
}

static bool read_value(struct reader *r, struct value *ret_value)
{
	skip_blanks(r);
	switch (peek(r)) {
	case '{':
		r->p++;
		ret_value->kind = VALUE_OBJECT;
		return read_nested(r, ret_value, '}');
	case '[':
		r->p++;
		ret_value->kind = VALUE_ARRAY;
		return read_nested(r, ret_value, ']');
	case '"':
		ret_value->kind = VALUE_STRING;
		return read_string(r, &ret_value->text);
	case 'n':
	case 'f':
	case 't':
		return read_word(r, ret_value);
	default:
		return read_number(r, ret_value);
	}
}

const struct value *value_parse(
	struct arena *arena, struct slice json, struct value_fault *ret_fault)
{
	const char *p = json.p != NULL ? json.p : ""; /* an empty file has no bytes to point at */
	struct reader r = {arena, p, p + json.n, p, NULL, 0};
	struct value *v = arena_get(arena, sizeof(*v));

	if (!codec_is_utf8(json)) {
		*ret_fault = (struct value_fault){0, "it is not valid UTF-8"};
		return NULL;
	}
	if (read_value(&r, v)) {
		skip_blanks(&r);
		if (r.p < r.end) {
			(void)fail(&r, "something follows the value");
		}
	}
	if (r.fault != NULL) {
		*ret_fault = (struct value_fault){(size_t)(r.p - r.start), r.fault};
		return NULL;
	}
	return v;
}

const struct value *value_get(const struct value *object, struct slice name)
{
	const struct value *found = NULL;

	if (object == NULL || object->kind != VALUE_OBJECT) {
		return NULL;
	}
	for (const struct value *v = object->first; v != NULL; v = v->next) {
		if (slice_equal(v->name, name)) {
			found = v;
		}
	}
	return found;
}
