/*
 * The names in a journal's directory.
 */
#ifndef SPOOL_FILES_H
#define SPOOL_FILES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/slice.h"

struct spool_file {
	uint64_t number;
	bool done;
	uint64_t bytes; /* of the file */
	int64_t changed_us;
};

/* Oldest first; to be freed with mem_free().  Other names are passed over. */
MUST_USE struct err files_list(
	struct slice directory, struct spool_file **ret_files, size_t *ret_count);

/* Removes what a process that died was making. */
void files_remove_drafts(struct slice directory);

/* On the heap. */
char *files_path(struct slice directory, uint64_t number, bool done);

/* NUMBER.seg becomes NUMBER.done. */
MUST_USE struct err files_done(struct slice directory, uint64_t number);

/* Removes done files that are older than keep_us, or that make them all more than keep_bytes. */
void files_expire(struct slice directory, uint64_t keep_bytes, int64_t keep_us, int64_t wall_us);

/* Removes the done file that is the oldest, for its space. */
void files_drop_oldest(struct slice directory);

#endif
