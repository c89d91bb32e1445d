/*
 * Did you mean: the offered word with the least edit distance, if that is at most a
 * third of the length.  The distance counts insertions, deletions, replacements and
 * swaps of neighbours (optimal string alignment), which are what typing errors are.
 *
 * Words longer than WORD_MAX are never near: keys are short, and that bounds the
 * three rows of the table, so that nothing has to be allocated.
 */
#include "base/nearest.h"

#include <string.h>

enum { WORD_MAX = 64 };

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* One row of the table: the costs of turning a's first i characters into b's first j. */
static void fill_row(struct slice a, struct slice b, size_t i, size_t rows[3][WORD_MAX + 1])
{
	const size_t *before = rows[(i + 1) % 3]; /* i - 2 */
	const size_t *above = rows[(i + 2) % 3];  /* i - 1 */
	size_t *row = rows[i % 3];

	row[0] = i;
	for (size_t j = 1; j <= b.n; j++) {
		size_t change = a.p[i - 1] == b.p[j - 1] ? 0 : 1;

		row[j] = least(least(above[j] + 1, row[j - 1] + 1), above[j - 1] + change);
		if (i > 1 && j > 1 && a.p[i - 1] == b.p[j - 2] && a.p[i - 2] == b.p[j - 1]) {
			row[j] = least(row[j], before[j - 2] + 1);
		}
	}
}

static size_t distance(struct slice a, struct slice b)
{
	size_t rows[3][WORD_MAX + 1] = {0};

	for (size_t j = 0; j <= b.n; j++) {
		rows[0][j] = j;
	}
	for (size_t i = 1; i <= a.n; i++) {
		fill_row(a, b, i, rows);
	}
	return rows[a.n % 3][b.n];
}

void nearest_init(struct nearest *nearest, struct slice text)
{
	*nearest = (struct nearest){text, NULL, 0};
}

void nearest_offer(struct nearest *nearest, const char *word)
{
	struct slice other = slice_of(word);
	size_t longer = nearest->text.n > other.n ? nearest->text.n : other.n;
	size_t d;

	if (longer > WORD_MAX) {
		return;
	}
	d = distance(nearest->text, other);
	if (d * 3 <= longer && (nearest->best == NULL || d < nearest->distance)) {
		nearest->best = word;
		nearest->distance = d;
	}
}
