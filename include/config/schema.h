/*
 * A schema says what may stand in a configuration: one row a key.  Everything that
 * knows keys reads these rows: the reader below, --check-config, --dump-config, the
 * diff at a reload and the test that the manual has every key.
 *
 * Rows name their bounds and defaults as text, in the words of the file ("15m"), and
 * those pass the same reader as the file's values.
 */
#ifndef CONFIG_SCHEMA_H
#define CONFIG_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/buf.h"
#include "config/problem.h"
#include "config/yaml.h"

enum config_type {
	CONFIG_BOOL,      /* bool */
	CONFIG_COUNT,     /* uint32_t */
	CONFIG_PORT,      /* uint16_t, not 0 */
	CONFIG_SIZE,      /* uint64_t bytes */
	CONFIG_DURATION,  /* int64_t us */
	CONFIG_NUMBER,    /* double */
	CONFIG_SHARE,     /* double, 0..1, written "5%" or 0.05 */
	CONFIG_RATE,      /* struct config_rate */
	CONFIG_ENUM,      /* an enum, in the order of `words` */
	CONFIG_STRING,    /* const char * */
	CONFIG_NAME,      /* const char *: a name within the configuration */
	CONFIG_PATH,      /* const char *: relative to the file it stands in */
	CONFIG_HOST,      /* const char *: a host or domain name, made lower case */
	CONFIG_HOST_PORT, /* struct config_endpoint */
	CONFIG_IPV4,      /* struct config_address, like those below */
	CONFIG_IPV6,
	CONFIG_ADDRESS_PORT,
	CONFIG_NETWORK,
	CONFIG_SECTION, /* the struct of `schema`, in place */
	CONFIG_TABLE,   /* struct config_table: names, each with the struct of `schema` */
	CONFIG_TYPES,
};

enum {
	CONFIG_LIST = 1, /* several values: struct config_list of the type; one needs no brackets */
	CONFIG_REQUIRED = 2,  /* there is no default: it must be given */
	CONFIG_SHORTHAND = 4, /* of a table: `name: value` sets the entry's first key */
	CONFIG_RESTART = 8,   /* a reload does not apply it; the manual says "restart" */
	CONFIG_LOCAL = 16, /* the machine's own, with all below it: other nodes may have another */
};

struct config_list {
	void *items;
	size_t count;
};

/* The struct of an entry begins with `const char *name`. */
struct config_table {
	void **items;
	size_t count;
};

struct config_schema;

struct config_key {
	const char *name;
	enum config_type type;
	size_t offset;
	const char *fallback; /* the default; NULL = unset (zeroed) */
	const char *min;      /* NULL = no bound but the type's */
	const char *max;
	const char *unit;
	const char *doc;          /* a sentence */
	const char *const *words; /* of CONFIG_ENUM, NULL-ended */
	const struct config_schema *schema;
	unsigned flags;
};

struct config_schema {
	const struct config_key *keys;
	size_t count;
	size_t size; /* of the struct */
};

/* What each key came to, in the order of the schema; sections and entries have a row too. */
struct config_setting {
	const struct config_key *key;
	const char *path; /* dotted; a name with other characters than [a-zA-Z0-9_-] in quotes */
	const char *name; /* the last part of it */
	const char *
		text; /* in the file's words, always in the same form; NULL = unset, or a section */
	struct config_place place; /* file NULL = the default */
	const void *at;            /* the value, or the struct of an entry; NULL for a section */
	unsigned depth;
};

struct config_settings {
	struct config_setting *items; /* on the heap: config_settings_clear() */
	size_t count;
	size_t cap;
};

struct config_reader {
	struct arena *arena; /* everything that is read lives here */
	struct config_problems *problems;
	struct config_settings *settings;
};

/*
 * Reads the mapping into `object`, a zeroed struct of the schema, and notes all
 * that is wrong with it.  NULL for node = nothing was given.
 */
void config_read(struct config_reader *reader, const struct config_schema *schema,
	const struct config_node *node, void *object);

void config_settings_clear(struct config_settings *settings);

/* The setting of the value (or entry) at this address; NULL when there is none. */
const struct config_setting *config_settings_find(
	const struct config_settings *settings, const void *at);

/* Writes the texts again, after values that were unset have been given what they imply. */
void config_settings_refresh(struct config_settings *settings, struct arena *arena);

/*
 * One row a key, tab between: path, type, range, unit, default, doc, and what a change
 * needs (reload or restart).  A table's names are NAME; a key that must be given has "(required)" for a default.
 */
void config_schema_dump(const struct config_schema *schema, struct buf *out);

#endif
