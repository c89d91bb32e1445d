/*
 * Patterns and templates: how a few lines of YAML make thousands of domains.
 *
 * A pattern is read from left to right each time it is used.  It has no compiled
 * form: it is short, and plain names (the many) are found in a map before any
 * pattern is tried.  A range matches a decimal number without leading zeros, so
 * a name is matched in one way only; a star gives back as little as it can.
 */
#include "pattern.h"

struct range {
	uint64_t low;
	uint64_t high;
	size_t length; /* of "[low-high]" in the pattern */
};

#define RANGE_MAX UINT64_C(1000000000)

static bool range_read(struct slice pattern, struct range *ret_range)
{
	size_t end = slice_find(pattern, ']');
	struct slice inner;
	struct slice low;

	if (pattern.n == 0 || pattern.p[0] != '[' || end == pattern.n) {
		return false;
	}
	inner = slice_make(pattern.p + 1, end - 1);
	if (!slice_split(&inner, '-', &low)) {
		return false;
	}
	ret_range->length = end + 1;
	return slice_number(low, RANGE_MAX, &ret_range->low) &&
		slice_number(inner, RANGE_MAX, &ret_range->high) &&
		ret_range->low <= ret_range->high;
}

const char *pattern_fault(struct slice pattern)
{
	unsigned captures = 0;

	if (pattern.n == 0) {
		return "is empty; write a name or a pattern such as d[1-50].test";
	}
	for (size_t i = 0; i < pattern.n; i++) {
		struct range range = {.length = 1};

		if (pattern.p[i] == '[' && !range_read(slice_from(pattern, i), &range)) {
			return "has a bad range; write it as [1-50], low number first";
		}
		captures += pattern.p[i] == '[' || pattern.p[i] == '*' ? 1 : 0;
		i += range.length - 1;
	}
	return captures > PATTERN_CAPTURES ? "has more than four ranges and stars" : NULL;
}

bool pattern_is_plain(struct slice pattern)
{
	return slice_find(pattern, '[') == pattern.n && !pattern_has_star(pattern);
}

bool pattern_has_star(struct slice pattern)
{
	return slice_find(pattern, '*') != pattern.n;
}

static size_t digits_length(struct slice s)
{
	size_t n = 0;

	while (n < s.n && s.p[n] >= '0' && s.p[n] <= '9') {
		n++;
	}
	return n;
}

static size_t number_length(struct slice s, const struct range *range)
{
	size_t n = digits_length(s);
	uint64_t value;

	if (n == 0 || (n > 1 && s.p[0] == '0') ||
		!slice_number(slice_first(s, n), RANGE_MAX, &value)) {
		return 0;
	}
	return value >= range->low && value <= range->high ? n : 0;
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + 'a' - 'A') : c;
}

static bool match_rest(struct slice pattern, struct slice name, struct captures *caps);

static bool match_star(struct slice pattern, struct slice name, struct captures *caps)
{
	unsigned mine = caps->count++;

	for (size_t n = 0; n <= name.n; n++) {
		caps->count = mine + 1;
		caps->at[mine] = slice_first(name, n);
		if (match_rest(slice_from(pattern, 1), slice_from(name, n), caps)) {
			return true;
		}
	}
	return false;
}

static bool match_range(struct slice *pattern, struct slice *name, struct captures *caps)
{
	struct range range = {0};
	size_t taken = range_read(*pattern, &range) ? number_length(*name, &range) : 0;

	if (taken > 0) {
		caps->at[caps->count++] = slice_first(*name, taken);
	}
	*pattern = slice_from(*pattern, range.length);
	*name = slice_from(*name, taken);
	return taken > 0;
}

static bool match_letter(struct slice *pattern, struct slice *name)
{
	bool equal = name->n > 0 && lower(pattern->p[0]) == lower(name->p[0]);

	*pattern = slice_from(*pattern, 1);
	*name = slice_from(*name, 1);
	return equal;
}

/* The captures were counted by pattern_fault() when the pattern was read. */
static bool match_rest(struct slice pattern, struct slice name, struct captures *caps)
{
	bool ok = true;

	while (ok && pattern.n > 0) {
		if (pattern.p[0] == '*') {
			return match_star(pattern, name, caps);
		}
		ok = pattern.p[0] == '[' ? match_range(&pattern, &name, caps)
					 : match_letter(&pattern, &name);
	}
	return ok && name.n == 0;
}

bool pattern_match(struct slice pattern, struct slice name, struct captures *ret_captures)
{
	ret_captures->count = 0;
	return match_rest(pattern, name, ret_captures);
}

uint64_t pattern_count(struct slice pattern)
{
	uint64_t count = 1;

	for (size_t i = 0; i < pattern.n && count < RANGE_MAX; i++) {
		struct range range;

		if (range_read(slice_from(pattern, i), &range)) {
			count *= range.high - range.low + 1;
			i += range.length - 1;
		}
	}
	return count < RANGE_MAX ? count : RANGE_MAX;
}

void pattern_nth(
	struct slice pattern, uint64_t n, struct buf *ret_name, struct captures *ret_captures)
{
	size_t starts[PATTERN_CAPTURES];
	struct range range;

	buf_reset(ret_name);
	ret_captures->count = 0;
	for (size_t i = 0; i < pattern.n; i++) {
		struct slice rest = slice_from(pattern, i);

		if (!range_read(rest, &range)) {
			buf_add_byte(ret_name, pattern.p[i]);
			continue;
		}
		rest = slice_from(rest, range.length);
		starts[ret_captures->count] = ret_name->n;
		buf_add_number(ret_name,
			range.low + n / pattern_count(rest) % (range.high - range.low + 1));
		ret_captures->at[ret_captures->count].n = ret_name->n - starts[ret_captures->count];
		ret_captures->count++;
		i += range.length - 1;
	}
	for (unsigned i = 0; i < ret_captures->count; i++) {
		ret_captures->at[i].p = ret_name->p + starts[i];
	}
}

static bool reckon(uint64_t *value, char op, uint64_t operand)
{
	switch (op) {
	case '+':
		*value += operand;
		return true;
	case '-':
		*value -= operand > *value ? *value : operand;
		return true;
	case '*':
		*value *= operand;
		return true;
	case '/':
		*value = operand == 0 ? 0 : *value / operand;
		return true;
	case '%':
		*value = operand == 0 ? 0 : *value % operand;
		return true;
	default:
		return false;
	}
}

/* One "{1/250+1}": the captured text itself, or a number when there is arithmetic. */
static bool expression_add(struct buf *out, struct slice inner, const struct captures *captures)
{
	struct slice text;
	uint64_t value = 0;
	uint64_t operand;

	if (inner.n == 0 || inner.p[0] < '1' || (unsigned)(inner.p[0] - '0') > captures->count) {
		return false;
	}
	text = captures->at[inner.p[0] - '1'];
	inner = slice_from(inner, 1);
	if (inner.n == 0) {
		buf_add(out, text);
		return true;
	}
	(void)slice_number(text, RANGE_MAX, &value); /* what a star took counts as 0 */
	while (inner.n > 0) {
		size_t digits = digits_length(slice_from(inner, 1));

		if (!slice_number(slice_make(inner.p + 1, digits), RANGE_MAX, &operand) ||
			!reckon(&value, inner.p[0], operand)) {
			return false;
		}
		inner = slice_from(inner, digits + 1);
	}
	buf_add_number(out, value);
	return true;
}

static bool expand(struct buf *out, struct slice text, const struct captures *captures)
{
	while (text.n > 0) {
		size_t open = slice_find(text, '{');
		size_t end;

		buf_add(out, slice_first(text, open));
		text = slice_from(text, open);
		if (text.n == 0) {
			break;
		}
		end = slice_find(text, '}');
		if (end == text.n ||
			!expression_add(out, slice_make(text.p + 1, end - 1), captures)) {
			return false;
		}
		text = slice_from(text, end + 1);
	}
	return true;
}

const char *template_fault(struct slice text, unsigned captures)
{
	struct captures ones = {.count = captures};
	struct buf out;
	bool ok;

	for (unsigned i = 0; i < captures; i++) {
		ones.at[i] = SLICE("1");
	}
	buf_init(&out, 0);
	ok = expand(&out, text, &ones);
	buf_clear(&out);
	return ok ? NULL
		  : "uses {…} wrongly; {1} is the first range or star, {1%250+1} reckons with it";
}

void template_add(struct buf *out, struct slice text, const struct captures *captures)
{
	(void)expand(out, text, captures);
}
