/*
 * Borrowed views of bytes.  The libc's mem* functions do the work; what is added
 * is that an empty slice may have no pointer, which they do not allow.  Case is
 * that of ASCII whatever the locale: protocols (RFC 5321 section 2.4) and domain
 * names know no other.
 */
#include "base/slice.h"

#include <string.h>

struct slice slice_of(const char *text)
{
	return text != NULL ? (struct slice){text, strlen(text)} : (struct slice){NULL, 0};
}

bool slice_equal(struct slice a, struct slice b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

int slice_compare(struct slice a, struct slice b)
{
	size_t common = a.n < b.n ? a.n : b.n;
	int order = common > 0 ? memcmp(a.p, b.p, common) : 0;

	if (order != 0) {
		return order;
	}
	return (a.n > b.n) - (a.n < b.n);
}

static unsigned char fold(char c)
{
	unsigned char byte = (unsigned char)c;

	return byte >= 'A' && byte <= 'Z' ? (unsigned char)(byte | 0x20) : byte;
}

bool slice_equal_nocase(struct slice a, struct slice b)
{
	if (a.n != b.n) {
		return false;
	}
	for (size_t i = 0; i < a.n; i++) {
		if (fold(a.p[i]) != fold(b.p[i])) {
			return false;
		}
	}
	return true;
}

bool slice_starts(struct slice s, struct slice prefix)
{
	return s.n >= prefix.n && slice_equal(slice_first(s, prefix.n), prefix);
}

bool slice_starts_nocase(struct slice s, struct slice prefix)
{
	return s.n >= prefix.n && slice_equal_nocase(slice_first(s, prefix.n), prefix);
}

bool slice_ends(struct slice s, struct slice suffix)
{
	return s.n >= suffix.n && slice_equal(slice_from(s, s.n - suffix.n), suffix);
}

bool slice_ends_nocase(struct slice s, struct slice suffix)
{
	return s.n >= suffix.n && slice_equal_nocase(slice_from(s, s.n - suffix.n), suffix);
}

size_t slice_find(struct slice s, char c)
{
	const char *at = s.n > 0 ? memchr(s.p, c, s.n) : NULL;

	return at != NULL ? (size_t)(at - s.p) : s.n;
}

size_t slice_find_last(struct slice s, char c)
{
	const char *at = s.n > 0 ? memrchr(s.p, c, s.n) : NULL;

	return at != NULL ? (size_t)(at - s.p) : s.n;
}

size_t slice_search(struct slice s, struct slice needle)
{
	const char *at;

	if (needle.n == 0) {
		return 0;
	}
	at = s.n > 0 ? memmem(s.p, s.n, needle.p, needle.n) : NULL;
	return at != NULL ? (size_t)(at - s.p) : s.n;
}

struct slice slice_from(struct slice s, size_t from)
{
	if (s.n == 0) {
		return s;
	}
	if (from > s.n) {
		from = s.n;
	}
	return (struct slice){s.p + from, s.n - from};
}

struct slice slice_first(struct slice s, size_t n)
{
	return (struct slice){s.p, n < s.n ? n : s.n};
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct slice slice_trim(struct slice s)
{
	while (s.n > 0 && is_blank(s.p[s.n - 1])) {
		s.n--;
	}
	while (s.n > 0 && is_blank(s.p[0])) {
		s.p++;
		s.n--;
	}
	return s;
}

bool slice_split(struct slice *rest, char separator, struct slice *ret_part)
{
	size_t at;

	if (rest->p == NULL) {
		return false;
	}
	at = slice_find(*rest, separator);
	*ret_part = slice_first(*rest, at);
	*rest = at < rest->n ? slice_from(*rest, at + 1) : (struct slice){NULL, 0};
	return true;
}

bool slice_number(struct slice s, uint64_t max, uint64_t *ret_value)
{
	uint64_t value = 0;

	if (s.n == 0) {
		return false;
	}
	for (size_t i = 0; i < s.n; i++) {
		uint64_t digit = (uint64_t)(unsigned char)s.p[i] - '0';

		if (digit > 9 || value > max / 10 || digit > max - value * 10) {
			return false;
		}
		value = value * 10 + digit;
	}
	*ret_value = value;
	return true;
}
