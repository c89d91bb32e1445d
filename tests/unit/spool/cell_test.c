/* What is at hand is found by whoever comes next, whatever the one before died of. */
#include <criterion/criterion.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "fixture.h"
#include "no_leaks.h"
#include "spool/cell.h"

TestSuite(cell, .fini = no_leaks);

static const struct id boot = {{1}};

static struct cell *opened(const char *place, struct id of_boot)
{
	struct cell *cell = NULL;
	struct buf why;

	buf_init(&why, 0);
	cr_assert(cell_open(slice_of(place), of_boot, &cell, &why), "%s", buf_string(&why));
	buf_clear(&why);
	return cell;
}

static struct cell_job job_of(uint8_t n)
{
	return (struct cell_job){numbered(1, n), numbered(2, n), numbered(3, n)};
}

/* Another process has this at hand when it is killed. */
static void die_at(const char *place, uint8_t n, enum cell_stage stage, int by)
{
	int status;
	pid_t child = fork();

	if (child == 0) {
		struct cell *cell = opened(place, boot);
		struct cell_job job = job_of(n);

		cell_begin(cell, numbered(9, n));
		for (uint8_t other = 100; other < 110; other++) {
			struct cell_job before = job_of(other);

			cell_mark(cell, &before, CELL_SIGN);
			cell_unmark(cell);
		}
		if (stage != CELL_NOTHING) {
			cell_mark(cell, &job, stage);
		}
		(void)signal(by, SIG_DFL);
		(void)raise(by);
		_exit(0);
	}
	cr_assert_eq(waitpid(child, &status, 0), child);
	cr_assert(WIFSIGNALED(status));
}

Test(cell, a_new_one_names_nothing)
{
	char place[64];
	struct cell_left left;
	struct cell *cell;

	make_place(place);
	cell = opened(place, boot);
	cr_assert_not(cell_left(cell, &left));
	cell_close(&cell);
	cell_close(&cell);
	remove_place(place);
}

Test(cell, survives_a_kill_and_a_fault)
{
	static const int signals[] = {SIGKILL, SIGSEGV};
	char place[64];

	make_place(place);
	for (size_t i = 0; i < ARRAY_LEN(signals); i++) {
		uint8_t n = (uint8_t)(i + 1);
		struct cell_job job = job_of(n);
		struct cell_left left;
		struct cell *cell;

		die_at(place, n, CELL_COMPOSE, signals[i]);
		cell = opened(place, boot);
		cr_assert(cell_left(cell, &left));
		cr_assert_eq(left.stage, CELL_COMPOSE);
		cr_assert(id_equal(left.worker, numbered(9, n)));
		cr_assert_eq(memcmp(&left.job, &job, sizeof(job)), 0);
		cell_close(&cell);
	}
	remove_place(place);
}

Test(cell, is_empty_between_two_jobs)
{
	char place[64];
	struct cell_left left;
	struct cell *cell;

	make_place(place);
	die_at(place, 1, CELL_NOTHING, SIGKILL);
	cell = opened(place, boot);
	cr_assert_not(cell_left(cell, &left));
	cell_close(&cell);
	remove_place(place);
}

Test(cell, an_end_in_order_leaves_nothing_of_ours_and_all_of_the_one_before)
{
	char place[64];
	struct cell_job job = job_of(2);
	struct cell_left left;
	struct cell *cell;

	make_place(place);
	die_at(place, 1, CELL_SESSION, SIGKILL);
	cell = opened(place, boot);
	cell_close(&cell); /* before anybody was told */
	cell = opened(place, boot);
	cr_assert(cell_left(cell, &left));
	cell_begin(cell, numbered(9, 2));
	cr_assert_not(cell_left(cell, &left));
	cell_mark(cell, &job, CELL_SIGN);
	cr_assert(cell_left(cell, &left));
	cell_close(&cell);
	cell = opened(place, boot);
	cr_assert_not(cell_left(cell, &left));
	cell_close(&cell);
	remove_place(place);
}

Test(cell, another_boot_and_a_foreign_file_are_not_looked_at)
{
	static const struct id unknown = {{0}};
	struct cell_left left;
	char place[64];
	char path[80];
	struct cell *cell;
	struct stat st;
	FILE *file;

	make_place(place);
	(void)snprintf(path, sizeof(path), "%s/at-hand", place);
	die_at(place, 1, CELL_SESSION, SIGKILL);
	cell = opened(place, (struct id){{2}});
	cr_assert_not(cell_left(cell, &left));
	cell_close(&cell);
	cell = opened(place, unknown);
	cr_assert_not(cell_left(cell, &left));
	cell_close(&cell);
	file = fopen(path, "we");
	cr_assert_not_null(file);
	for (int i = 0; i < 5000; i++) {
		(void)fputc(0xff, file);
	}
	(void)fclose(file);
	cell = opened(place, boot);
	cr_assert_not(cell_left(cell, &left));
	cell_close(&cell);
	cr_assert_eq(stat(path, &st), 0);
	cr_assert_eq(st.st_size, 4096);
	cr_assert_gt(st.st_blocks, 0);
	remove_place(place);
}

Test(cell, says_why_it_cannot_be_made)
{
	struct cell *cell = NULL;
	struct buf why;

	buf_init(&why, 0);
	cr_assert_not(cell_open(SLICE("/nowhere"), boot, &cell, &why));
	cr_assert_not_null(strstr(buf_string(&why), "/nowhere/at-hand: No such file"));
	buf_clear(&why);
}

Test(cell, every_stage_has_a_word)
{
	for (int stage = CELL_NOTHING + 1; stage < CELL_STAGES; stage++) {
		cr_assert_not_null(cell_stage_word((enum cell_stage)stage));
		cr_assert_neq(cell_stage_word((enum cell_stage)stage)[0], '\0');
	}
}
