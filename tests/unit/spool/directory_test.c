/* A journal's directory: one process has it, and it is on a disk that remembers. */
#include <criterion/criterion.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "fixture.h"
#include "no_leaks.h"
#include "spool/directory.h"

TestSuite(directory, .fini = no_leaks);

Test(directory, is_made_and_locked)
{
	struct directory *directory;
	struct directory *second = NULL;
	char place[64];
	struct stat st;
	struct buf why;

	make_place(place);
	buf_init(&why, 0);
	cr_assert(directory_open(slice_of(place), SLICE("w0"), false, &directory, &why), "%s",
		buf_string(&why));
	cr_assert(slice_ends(directory_path(directory), SLICE("/w0")));
	cr_assert_eq(stat(directory_path(directory).p, &st), 0);
	cr_assert_eq(st.st_mode & 0777U, 0700U);
	cr_assert_not(directory_open(slice_of(place), SLICE("w0"), false, &second, &why));
	cr_assert_not_null(strstr(buf_string(&why), "another penguin-mta uses it"));
	directory_close(&directory);
	buf_reset(&why);
	cr_assert(directory_open(slice_of(place), SLICE("w0"), false, &second, &why));
	directory_close(&second);
	directory_close(&second);
	buf_clear(&why);
	remove_place(place);
}

Test(directory, the_lock_goes_with_a_process_that_is_killed)
{
	struct directory *directory = NULL;
	char place[64];
	struct buf why;
	int ready[2];
	char byte;
	pid_t child;

	make_place(place);
	buf_init(&why, 0);
	cr_assert_eq(pipe(ready), 0);
	child = fork();
	if (child == 0) {
		if (directory_open(slice_of(place), SLICE("w0"), false, &directory, &why)) {
			(void)!write(ready[1], "x", 1);
			(void)pause();
		}
		_exit(1);
	}
	cr_assert_eq(read(ready[0], &byte, 1), 1);
	cr_assert_not(directory_open(slice_of(place), SLICE("w0"), false, &directory, &why));
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	cr_assert(directory_open(slice_of(place), SLICE("w0"), false, &directory, &why));
	directory_close(&directory);
	buf_clear(&why);
	close(ready[0]);
	close(ready[1]);
	remove_place(place);
}

Test(directory, memory_is_refused_where_it_shall_be_durable)
{
	struct directory *directory = NULL;
	char place[] = "/dev/shm/penguin-spool-XXXXXX";
	struct buf why;

	cr_assert_not_null(mkdtemp(place));
	buf_init(&why, 0);
	cr_assert_not(directory_open(slice_of(place), SLICE("w0"), true, &directory, &why));
	cr_assert_not_null(strstr(buf_string(&why), "tmpfs"), "%s", buf_string(&why));
	cr_assert_not_null(strstr(buf_string(&why), "spool.sync"), "the remedy");
	buf_reset(&why);
	cr_assert(directory_open(slice_of(place), SLICE("w0"), false, &directory, &why));
	directory_close(&directory);
	buf_clear(&why);
	remove_place(place);
}

Test(directory, what_cannot_be_made_is_told_with_its_place)
{
	struct directory *directory = NULL;
	struct buf why;

	buf_init(&why, 0);
	cr_assert_not(directory_open(SLICE("/proc/nowhere"), SLICE("w0"), false, &directory, &why));
	cr_assert_not_null(strstr(buf_string(&why), "spool.directory: cannot make /proc/nowhere"));
	cr_assert_null(directory);
	buf_clear(&why);
}
