/*
 * Reading a YAML map into a struct by a table: one row a key.  All errors of a
 * file are gathered, each as file:line:column with the remedy.
 */
#ifndef WORLD_FIELDS_H
#define WORLD_FIELDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "config/yaml.h"

/* How the value is written, and what it becomes at the row's offset. */
enum field_kind {
	FIELD_TEXT,     /* struct slice */
	FIELD_PATTERN,  /* struct slice that pattern.h can use */
	FIELD_TEXTS,    /* struct texts: a list, or one text */
	FIELD_DURATION, /* int64_t microseconds, scaled: 20ms, 1h30m */
	FIELD_NUMBER,   /* uint64_t */
	FIELD_RATE,     /* struct config_rate, its period scaled: 100/m, 20/30m burst 5 */
	FIELD_SPAN,     /* struct span: 3, 2-5, 10+ */
	FIELD_SHARE,    /* uint32_t parts in a million: 2.5% */
	FIELD_FLAG,     /* bool */
	FIELD_WORD,     /* unsigned: place in `words` */
	FIELD_WORDS,    /* uint32_t: a bit for each place in `words` */
	FIELD_HEX,      /* struct slice of the bytes */
	FIELD_OTHER,    /* `read` knows */
	FIELD_SKIP,     /* read elsewhere */
};

struct texts {
	struct slice *at;
	size_t count;
};

struct span {
	uint64_t low;
	uint64_t high; /* 0 = not given: everything is within */
};

bool span_holds(const struct span *span, uint64_t value);

struct reader {
	struct arena *arena;
	double scale; /* of durations */
	struct config_problems *problems;
};

struct field {
	const char *name;
	enum field_kind kind;
	size_t offset;
	const char *const *words; /* ended by NULL */
	void (*read)(struct reader *reader, const struct config_node *node, void *at);
};

void fields_read(struct reader *reader, const struct config_node *map, const struct field *fields,
	size_t count, void *into);

/* The items of a list of maps, each read by the same table into an array of `size` each. */
void *fields_read_list(struct reader *reader, const struct config_node *node, size_t size,
	void (*read)(struct reader *reader, const struct config_node *node, void *into),
	size_t *ret_count);

/* Text of the file as arguments of a problem: "%.*s". */
#define SHOW(slice) (int)(slice).n, (slice).p

#endif
