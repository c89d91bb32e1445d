/*
 * A segment's number is its name, in 16 hex digits, so that names sort as they were
 * made.  What is done is told by the name alone: a start need not read it.  A file that
 * is being made has a draft's name until it is whole, so one that has its own name is of
 * full size; drafts of a process that died are removed at the next start.
 */
#include "files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/time.h"

#define LIVE ".seg"
#define DONE ".done"
#define DRAFT ".draft"

enum { DIGITS = 16 };

static bool parse_name(struct slice name, struct spool_file *ret_file)
{
	uint64_t number = 0;
	struct slice ending = slice_from(name, DIGITS);

	if (!slice_equal(ending, SLICE(LIVE)) && !slice_equal(ending, SLICE(DONE))) {
		return false;
	}
	for (size_t i = 0; i < DIGITS; i++) {
		char c = name.p[i];
		unsigned digit = c >= '0' && c <= '9' ? (unsigned)(c - '0')
			: c >= 'a' && c <= 'f'        ? (unsigned)(c - 'a') + 10
						      : DIGITS;

		if (digit == DIGITS) {
			return false;
		}
		number = number << 4 | digit;
	}
	*ret_file = (struct spool_file){.number = number, .done = slice_equal(ending, SLICE(DONE))};
	return number > 0;
}

static int by_number(const void *a, const void *b)
{
	const struct spool_file *x = a;
	const struct spool_file *y = b;

	return (x->number > y->number) - (x->number < y->number);
}

/* One that went meanwhile is none; of any other that cannot be looked at, errno is set. */
static bool add_file(int directory, const char *name, struct spool_file **files, size_t *count)
{
	struct spool_file file;
	struct stat st;

	if (!parse_name(slice_of(name), &file)) {
		return true;
	}
	if (fstatat(directory, name, &st, 0) < 0) {
		return errno == ENOENT;
	}
	file.bytes = (uint64_t)st.st_size;
	file.changed_us = (int64_t)st.st_mtim.tv_sec * TIME_SECOND_US;
	*files = mem_grow(*files, *count + 1, sizeof(**files));
	(*files)[(*count)++] = file;
	return true;
}

static DIR *open_directory(struct slice directory)
{
	char *path = slice_string(directory);
	DIR *dir = opendir(path);
	int error = errno;

	mem_free(path);
	errno = error;
	return dir;
}

struct err files_list(struct slice directory, struct spool_file **ret_files, size_t *ret_count)
{
	DIR *dir = open_directory(directory);
	struct spool_file *files = NULL;
	struct err err = ERR_OK;
	const struct dirent *entry;
	size_t count = 0;

	if (dir == NULL) {
		return err_system();
	}
	while (errno = 0, (entry = readdir(dir)) != NULL) {
		if (!add_file(dirfd(dir), entry->d_name, &files, &count)) {
			break;
		}
	}
	if (errno != 0) {
		err = err_system();
	}
	(void)closedir(dir);
	if (err_is(err)) {
		mem_free(files);
		return err;
	}
	if (count > 1) {
		qsort(files, count, sizeof(*files), by_number);
	}
	*ret_files = files;
	*ret_count = count;
	return ERR_OK;
}

void files_remove_drafts(struct slice directory)
{
	DIR *dir = open_directory(directory);
	const struct dirent *entry;

	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		if (slice_ends(slice_of(entry->d_name), SLICE(DRAFT))) {
			(void)unlinkat(dirfd(dir), entry->d_name, 0);
		}
	}
	if (dir != NULL) {
		(void)closedir(dir);
	}
}

char *files_path(struct slice directory, uint64_t number, bool done)
{
	struct buf path;
	char *copy;

	buf_init(&path, 0);
	buf_add(&path, directory);
	buf_add_format(&path, "/%016" PRIx64 "%s", number, done ? DONE : LIVE);
	copy = mem_string(buf_string(&path));
	buf_clear(&path);
	return copy;
}

struct err files_done(struct slice directory, uint64_t number)
{
	char *from = files_path(directory, number, false);
	char *to = files_path(directory, number, true);
	struct err err = rename(from, to) < 0 ? err_system() : ERR_OK;

	mem_free(from);
	mem_free(to);
	return err;
}

static void remove_done(struct slice directory, uint64_t number)
{
	char *path = files_path(directory, number, true);

	(void)unlink(path); /* what stays is tried again next time */
	mem_free(path);
}

/* So many of the oldest are more than may be kept. */
static size_t too_many(const struct spool_file *files, size_t count, uint64_t keep_bytes)
{
	uint64_t kept = 0;

	while (count > 0) {
		kept += files[count - 1].done ? files[count - 1].bytes : 0;
		if (kept > keep_bytes) {
			return count;
		}
		count--;
	}
	return 0;
}

/* Oldest first, and none before an older one: history with a hole is not read. */
void files_expire(struct slice directory, uint64_t keep_bytes, int64_t keep_us, int64_t wall_us)
{
	struct spool_file *files = NULL;
	size_t count = 0;
	size_t beyond;

	if (err_is(files_list(directory, &files, &count))) {
		return;
	}
	beyond = too_many(files, count, keep_bytes);
	for (size_t i = 0; i < count; i++) {
		if (files[i].done && i >= beyond && files[i].changed_us >= wall_us - keep_us) {
			break;
		}
		if (files[i].done) {
			remove_done(directory, files[i].number);
		}
	}
	mem_free(files);
}

void files_drop_oldest(struct slice directory)
{
	struct spool_file *files = NULL;
	size_t count = 0;
	size_t i = 0;

	if (err_is(files_list(directory, &files, &count))) {
		return;
	}
	while (i < count && !files[i].done) {
		i++;
	}
	if (i < count) {
		remove_done(directory, files[i].number);
	}
	mem_free(files);
}
