/* The types of values: how each is read, written and called.  Rows in value.c. */
#ifndef CONFIG_TYPE_H
#define CONFIG_TYPE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/slice.h"
#include "config/schema.h"

struct value_input {
	const struct config_key *key;
	struct slice text;
	const char *file; /* paths are relative to it; NULL = as they are */
	struct arena *arena;
};

struct value_type {
	const char *word;    /* "duration" */
	const char *expects; /* "'abc' is no ..." */
	size_t size;
	bool (*read)(const struct value_input *in, void *at);
	void (*write)(const struct config_key *key, struct buf *out, const void *at);
	bool (*below)(const void *a, const void *b); /* NULL = has no order */
};

/* Large enough for a value of any type but section and table. */
union value_space {
	double number;
	int64_t integer;
	const char *text;
	struct {
		int64_t numbers[4];
	} largest;
};

const struct value_type *value_type(enum config_type type);

/* Reads one value and holds it to the key's bounds; on false `problem` says what is wrong. */
bool value_read(const struct value_input *in, void *at, struct buf *problem);

/* Adds a text so that YAML reads it as that text: in quotes where it needs them. */
void value_quote(struct buf *out, struct slice text);

/* Readers and writers of names and addresses (value_net.c). */
bool value_read_host(const struct value_input *in, void *at);
bool value_read_host_port(const struct value_input *in, void *at);
bool value_read_ipv4(const struct value_input *in, void *at);
bool value_read_ipv6(const struct value_input *in, void *at);
bool value_read_address_port(const struct value_input *in, void *at);
bool value_read_network(const struct value_input *in, void *at);
void value_write_host_port(const struct config_key *key, struct buf *out, const void *at);
void value_write_address(const struct config_key *key, struct buf *out, const void *at);
void value_write_address_port(const struct config_key *key, struct buf *out, const void *at);
void value_write_network(const struct config_key *key, struct buf *out, const void *at);

#endif
