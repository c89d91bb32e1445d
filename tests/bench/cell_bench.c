/*
 * cell_bench DIRECTORY: what it costs to say which job is at hand, and that it is no more,
 * in nanoseconds: ten million times, the median of eleven turns.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/time.h"
#include "spool/cell.h"

enum { TURNS = 11, TIMES = 10000000 };

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a;
	double y = *(const double *)b;

	return (x > y) - (x < y);
}

static double turn(struct cell *cell, struct cell_job *job)
{
	int64_t begun_us = time_cpu_us();

	for (unsigned i = 0; i < TIMES; i++) {
		job->job.bytes[0] = (uint8_t)i;
		cell_mark(cell, job, CELL_COMPOSE);
		cell_unmark(cell);
	}
	return (double)(time_cpu_us() - begun_us) * 1000 / TIMES;
}

int main(int argc, char **argv)
{
	struct cell_job job = {.tenant = {{1}}};
	struct id one = {{1}};
	struct cell *cell = NULL;
	double ns[TURNS];
	struct buf why;

	buf_init(&why, 0);
	if (!cell_open(slice_of(argc > 1 ? argv[1] : "."), one, &cell, &why)) {
		(void)fprintf(stderr, "cell_bench: %s\n", buf_string(&why));
		return 1;
	}
	cell_begin(cell, one);
	for (int i = 0; i < TURNS; i++) {
		ns[i] = turn(cell, &job);
	}
	qsort(ns, TURNS, sizeof(ns[0]), by_size);
	(void)printf(
		"at hand and not: %.1f ns (%.1f to %.1f)\n", ns[TURNS / 2], ns[0], ns[TURNS - 1]);
	cell_close(&cell);
	buf_clear(&why);
	return 0;
}
