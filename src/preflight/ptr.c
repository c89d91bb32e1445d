/*
 * PTR names that say "a customer's line" rather than "a mail server": those with the
 * whole address in them, and those with a word for dynamic lines.  Receivers keep
 * lists of patterns; these are what all of them have in common, so that a name that
 * passes here is not certain to pass there, but one that fails here is certain to hurt.
 */
#include <stdio.h>

#include "checks.h"
#include "mail/suffix.h"

static const struct slice words[] = {
	{"adsl", 4},
	{"broadband", 9},
	{"catv", 4},
	{"dhcp", 4},
	{"dialin", 6},
	{"dialup", 6},
	{"dsl", 3},
	{"dyn", 3},
	{"dynamic", 7},
	{"dynip", 5},
	{"ppp", 3},
	{"pppoe", 5},
	{"residential", 11},
	{"unallocated", 11},
	{"unassigned", 10},
	{"vdsl", 4},
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_telling(struct slice word)
{
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (slice_equal_nocase(word, words[i])) {
			return true;
		}
	}
	return false;
}

/*
 * Words are runs of letters, so dhcp12 and adsl-1 count, and dynamo does not; a
 * company may have one for its own name.
 */
static bool has_word(struct slice name)
{
	size_t start = 0;

	name = slice_first(name, name.n - suffix_organisation(name).n);
	for (size_t i = 0; i <= name.n; i++) {
		if (i < name.n && is_word(name.p[i])) {
			continue;
		}
		if (is_telling(slice_from(slice_first(name, i), start))) {
			return true;
		}
		start = i + 1;
	}
	return false;
}

/* The numbers in it, in order; at most max. */
static size_t numbers_in(struct slice name, uint64_t *numbers, size_t max)
{
	size_t count = 0;
	size_t i = 0;

	while (i < name.n && count < max) {
		size_t end = i;

		while (end < name.n && is_digit(name.p[end])) {
			end++;
		}
		if (end > i &&
			slice_number(slice_from(slice_first(name, end), i), UINT32_MAX,
				&numbers[count])) {
			count++;
		}
		i = end > i ? end : i + 1;
	}
	return count;
}

static bool has_octets(struct slice name, const uint8_t *octets)
{
	uint64_t numbers[32];
	size_t count = numbers_in(name, numbers, ARRAY_LEN(numbers));

	for (size_t at = 0; at + 4 <= count; at++) {
		unsigned same = 0;
		unsigned turned = 0;

		for (size_t i = 0; i < 4; i++) {
			same += numbers[at + i] == octets[i] ? 1 : 0;
			turned += numbers[at + i] == octets[3 - i] ? 1 : 0;
		}
		if (same == 4 || turned == 4) {
			return true;
		}
	}
	return false;
}

/* c0000207, or 192000002007. */
static bool has_run(struct slice name, const uint8_t *octets)
{
	char text[16];
	bool found;

	(void)snprintf(
		text, sizeof(text), "%02x%02x%02x%02x", octets[0], octets[1], octets[2], octets[3]);
	found = slice_search(name, slice_of(text)) < name.n;
	(void)snprintf(
		text, sizeof(text), "%03u%03u%03u%03u", octets[0], octets[1], octets[2], octets[3]);
	return found || slice_search(name, slice_of(text)) < name.n;
}

/* All 32 nibbles in order, whatever stands between them; or all groups, without their zeros. */
static bool has_groups(struct slice name, const uint8_t *octets)
{
	char text[48];
	struct buf bare;
	bool found;

	buf_init(&bare, 0);
	for (size_t i = 0; i < name.n; i++) {
		if (is_digit(name.p[i]) || is_word(name.p[i])) {
			buf_add_byte(&bare, name.p[i]);
		}
	}
	for (size_t i = 0; i < 16; i++) {
		(void)snprintf(text + 2 * i, 3, "%02x", octets[i]);
	}
	found = slice_search(buf_slice(&bare), slice_of(text)) < bare.n;
	buf_reset(&bare);
	for (size_t i = 0; i < 16; i += 2) {
		buf_add_format(
			&bare, "%s%x", i > 0 ? "-" : "", (unsigned)octets[i] << 8 | octets[i + 1]);
	}
	found = found || slice_search(name, buf_slice(&bare)) < name.n;
	buf_clear(&bare);
	return found;
}

bool ptr_is_generic(struct slice name, const union endpoint *address)
{
	if (has_word(name)) {
		return true;
	}
	if (address->any.sa_family == AF_INET6) {
		return has_groups(name, address->v6.sin6_addr.s6_addr);
	}
	return has_octets(name, (const uint8_t *)&address->v4.sin_addr) ||
		has_run(name, (const uint8_t *)&address->v4.sin_addr);
}
