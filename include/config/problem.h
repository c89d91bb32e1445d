/*
 * What is wrong with a configuration, told all at once:
 *
 *	penguin-mta.yaml:12:3: unknown key 'max_conections', did you mean 'max_connections'?
 *	  max_conections: 20
 *	  ^
 *
 * Each message names the remedy.  Whatever the file holds, the text is printable
 * UTF-8, and its size is bounded: the first 100 problems are shown, all are counted.
 */
#ifndef CONFIG_PROBLEM_H
#define CONFIG_PROBLEM_H

#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

#define CONFIG_PROBLEMS_SHOWN 100u

/* A file as it was read; whoever made it keeps it as long as its places are used. */
struct config_file {
	const char *name;
	struct slice text;
};

/* Line and column count from 1, columns in characters.  Line 0 = the file as a whole. */
struct config_place {
	const struct config_file *file;
	unsigned line;
	unsigned column;
};

struct config_problems {
	struct buf text; /* ready to be printed, each line with its newline */
	size_t count;
};

void config_problems_init(struct config_problems *problems);
void config_problems_clear(struct config_problems *problems);

/* One sentence without a full stop or newline; values of the file may be pasted in as they are. */
void config_problem_add(struct config_problems *problems, struct config_place place,
	const char *format, ...) PRINTF_LIKE(3, 4);

/* The place of a byte of the file, where only its offset is known. */
struct config_place config_place_at(const struct config_file *file, size_t offset);

#endif
