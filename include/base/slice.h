/*
 * A borrowed view of bytes: no NUL is promised behind it and none is forbidden in
 * it.  Whoever made the bytes owns them.  An empty slice may have p == NULL.
 */
#ifndef BASE_SLICE_H
#define BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct slice {
	const char *p;
	size_t n;
};

#define SLICE(literal) ((struct slice){"" literal, sizeof(literal) - 1})

/* Of a C string; NULL gives the empty slice. */
struct slice slice_of(const char *text);

static inline struct slice slice_make(const char *p, size_t n)
{
	return (struct slice){p, n};
}

bool slice_equal(struct slice a, struct slice b);
int slice_compare(struct slice a, struct slice b); /* memcmp order, shorter first */

/* ASCII letters compare without case; other bytes as they are. */
bool slice_equal_nocase(struct slice a, struct slice b);
bool slice_starts(struct slice s, struct slice prefix);
bool slice_starts_nocase(struct slice s, struct slice prefix);
bool slice_ends(struct slice s, struct slice suffix);
bool slice_ends_nocase(struct slice s, struct slice suffix);

/* Offset of the first (last) such byte, or s.n when there is none. */
size_t slice_find(struct slice s, char c);
size_t slice_find_last(struct slice s, char c);
size_t slice_search(struct slice s, struct slice needle);

/* From `from` to the end; from > n gives the empty slice.  At most n bytes. */
struct slice slice_from(struct slice s, size_t from);
struct slice slice_first(struct slice s, size_t n);

/* Without spaces, tabs, CR and LF at both ends. */
struct slice slice_trim(struct slice s);

/*
 * Takes the part up to the separator off *rest and returns it; the separator goes
 * too.  The last part leaves *rest empty with p == NULL; then false.
 */
bool slice_split(struct slice *rest, char separator, struct slice *ret_part);

/* Decimal digits only, no sign, no blanks; false when empty or above max. */
bool slice_number(struct slice s, uint64_t max, uint64_t *ret_value);

/* A NUL-ended copy on the heap, for library borders. */
char *slice_string(struct slice s);

#endif
