/*
 * Names for many: "d[1-50].test" stands for fifty names, "*" for any run of
 * characters (also none).  What a range or a star stood for is a capture, which
 * a template uses by its number from 1: "mx{1}.test", with arithmetic on numbers
 * from left to right: "127.1.{1/250}.{1%250+1}".  ASCII case does not matter.
 */
#ifndef WORLD_PATTERN_H
#define WORLD_PATTERN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"

#define PATTERN_CAPTURES 4

struct captures {
	struct slice at[PATTERN_CAPTURES];
	unsigned count;
};

/* NULL when the pattern can be used, else what is wrong with it, for people. */
const char *pattern_fault(struct slice pattern);
const char *template_fault(struct slice text, unsigned captures);

/* Neither range nor star: stands for itself. */
bool pattern_is_plain(struct slice pattern);
bool pattern_has_star(struct slice pattern);

/* The captures point into name (and so live as long). */
bool pattern_match(struct slice pattern, struct slice name, struct captures *ret_captures);

/*
 * How many names a pattern without a star stands for, and the n-th of them
 * (from 0, the last range runs fastest); the captures point into ret_name.
 */
uint64_t pattern_count(struct slice pattern);
void pattern_nth(
	struct slice pattern, uint64_t n, struct buf *ret_name, struct captures *ret_captures);

void template_add(struct buf *out, struct slice text, const struct captures *captures);

#endif
