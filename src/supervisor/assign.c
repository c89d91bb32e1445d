/*
 * Every worker is to have the same number, and a few of them one more: those that have
 * most already, so that the fewest have to move.  What is free goes to whoever has
 * least, so that neighbours in the file, which are of one pool as a rule, spread.
 */
#include "assign.h"

#include "base/mem.h"

static void count_all(const size_t *owners, size_t count, size_t workers, size_t *has)
{
	for (size_t i = 0; i < count; i++) {
		if (owners[i] < workers) {
			has[owners[i]]++;
		}
	}
}

/* Of those that may have no more than `each` yet. */
static size_t most(const size_t *has, const size_t *may, size_t workers, size_t each)
{
	size_t best = workers;

	for (size_t w = 0; w < workers; w++) {
		if (may[w] == each && (best == workers || has[w] > has[best])) {
			best = w;
		}
	}
	return best;
}

/* The quotas: `extra` of the workers, those with most, may have one more than `each`. */
static void share_out(const size_t *has, size_t count, size_t workers, size_t *may)
{
	size_t each = count / workers;
	size_t extra = count % workers;

	for (size_t w = 0; w < workers; w++) {
		may[w] = each;
	}
	for (; extra > 0; extra--) {
		may[most(has, may, workers, each)]++;
	}
}

static size_t least(const size_t *has, const size_t *may, size_t workers)
{
	size_t best = workers;

	for (size_t w = 0; w < workers; w++) {
		if (has[w] < may[w] && (best == workers || has[w] < has[best])) {
			best = w;
		}
	}
	return best;
}

void assign_sources(size_t *owners, size_t count, size_t workers)
{
	size_t *has = mem_array(workers, sizeof(*has));
	size_t *may = mem_array(workers, sizeof(*may));

	count_all(owners, count, workers, has);
	share_out(has, count, workers, may);
	for (size_t i = count; i-- > 0;) { /* the last in the file are the first to go */
		if (owners[i] < workers && has[owners[i]] > may[owners[i]]) {
			has[owners[i]]--;
			owners[i] = ASSIGN_NONE;
		}
	}
	for (size_t i = 0; i < count; i++) {
		if (owners[i] >= workers) {
			owners[i] = least(has, may, workers);
			has[owners[i]]++;
		}
	}
	mem_free(may);
	mem_free(has);
}
