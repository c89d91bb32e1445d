/*
 * supervisor/assign: nobody has two more than another, and nothing moves that need not.
 */
#include "assign.h"

#include <criterion/criterion.h>
#include <string.h>

#include "base/err.h"
#include "no_leaks.h"

TestSuite(assign, .fini = no_leaks);

enum { MOST = 12 };

/* Sources as letters: 'a' is the first worker's, '-' nobody's. */
static void read_owners(const char *text, size_t *owners)
{
	for (size_t i = 0; text[i] != '\0'; i++) {
		owners[i] = text[i] == '-' ? ASSIGN_NONE : (size_t)(text[i] - 'a');
	}
}

Test(assign, rows)
{
	static const struct {
		const char *label;
		size_t workers;
		const char *before;
		const char *after;
	} rows[] = {
		{"nothing to share", 2, "", ""},
		{"one worker has all", 1, "---", "aaa"},
		{"neighbours spread", 2, "----", "abab"},
		{"more workers than sources", 4, "--", "ab"},
		{"what is even stays", 2, "aabb", "aabb"},
		{"uneven by one is even", 2, "aaabb", "aaabb"},
		{"a new source goes to who has least", 2, "aab-", "aabb"},
		{"one worker more takes from all", 3, "aaabbb", "aacbbc"},
		{"one worker less is shared out", 2, "aabbcc", "aabbab"},
		{"who has most keeps the one more", 3, "bbbb", "bbac"},
		{"only the last go", 2, "aaaaaa", "aaabbb"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		size_t owners[MOST];
		size_t want[MOST];
		size_t count = strlen(rows[i].before);

		read_owners(rows[i].before, owners);
		read_owners(rows[i].after, want);
		assign_sources(owners, count, rows[i].workers);
		for (size_t s = 0; s < count; s++) {
			cr_expect_eq(owners[s], want[s], "%s: source %zu is %zu's", rows[i].label,
				s, owners[s]);
		}
	}
}

static size_t moved(const size_t *before, const size_t *after, size_t count, size_t workers)
{
	size_t n = 0;

	for (size_t i = 0; i < count; i++) {
		n += before[i] < workers && before[i] != after[i];
	}
	return n;
}

static void count(const size_t *owners, size_t sources, size_t *has)
{
	memset(has, 0, MOST * sizeof(*has));
	for (size_t i = 0; i < sources; i++) {
		has[owners[i]]++;
	}
}

/* The least that must move: what each has beyond its quota, where who has most may have most. */
static size_t least_moves(const size_t *has, size_t sources, size_t workers)
{
	size_t extra = sources % workers;
	size_t n = 0;

	for (size_t w = 0; w < workers; w++) {
		size_t each = sources / workers;

		if (has[w] > each && extra > 0) {
			extra--;
			each++;
		}
		n += has[w] > each ? has[w] - each : 0;
	}
	return n;
}

/* Every way in which six sources may be with three workers or nobody, shared among 1 to 4. */
Test(assign, sup_S1_sup_S2_is_even_and_moves_the_fewest)
{
	for (size_t code = 0; code < 4096; code++) {
		for (size_t workers = 1; workers <= 4; workers++) {
			size_t before[6], after[6], has[MOST] = {0}, got[MOST];

			for (size_t i = 0; i < 6; i++) {
				before[i] = (code >> (2 * i)) & 3;
				before[i] = before[i] == 3 ? ASSIGN_NONE : before[i];
				after[i] = before[i];
				if (before[i] < workers) {
					has[before[i]]++;
				}
			}
			assign_sources(after, 6, workers);
			count(after, 6, got);
			for (size_t w = 0; w < workers; w++) {
				cr_assert(got[w] == 6 / workers ||
					got[w] == 6 / workers + (6 % workers > 0));
			}
			cr_assert_eq(moved(before, after, 6, workers), least_moves(has, 6, workers),
				"%zx among %zu", code, workers);
		}
	}
}
