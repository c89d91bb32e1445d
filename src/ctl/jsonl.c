/*
 * A line of JSON as a row of an import.  Unknown names are refused: a merge variable
 * beside "vars" instead of in it would be lost without a word, and a million messages
 * would greet nobody.
 *
 * Numbers in vars keep their value, not their spelling; penguin-content(7) says how they
 * are shown.
 */
#include "jsonl.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct jsonl {
	json_t *root;
	char *vars;
	char engagement[40];
	char fault[160];
};

struct jsonl *jsonl_new(void)
{
	return MEM_NEW(struct jsonl);
}

static void forget(struct jsonl *jsonl)
{
	json_decref(jsonl->root);
	free(jsonl->vars); /* jansson's */
	jsonl->root = NULL;
	jsonl->vars = NULL;
}

void jsonl_free(struct jsonl **jsonl)
{
	if (*jsonl != NULL) {
		forget(*jsonl);
		mem_free(*jsonl);
		*jsonl = NULL;
	}
}

static struct slice text_of(const json_t *value)
{
	return slice_make(json_string_value(value), json_string_length(value));
}

static const char *take(
	struct jsonl *jsonl, const char *name, json_t *value, struct import_row *row)
{
	if (strcmp(name, "email") == 0 && json_is_string(value)) {
		row->email = text_of(value);
	} else if (strcmp(name, "id") == 0 && json_is_string(value)) {
		row->id = text_of(value);
	} else if (strcmp(name, "engagement") == 0 && json_is_number(value)) {
		(void)snprintf(jsonl->engagement, sizeof(jsonl->engagement), "%.9g",
			json_number_value(value));
		row->engagement = slice_of(jsonl->engagement);
	} else if (strcmp(name, "vars") == 0 && json_is_object(value)) {
		jsonl->vars = json_dumps(value, JSON_COMPACT | JSON_REAL_PRECISION(17));
		row->vars = slice_of(jsonl->vars);
	} else {
		(void)snprintf(jsonl->fault, sizeof(jsonl->fault),
			"'%.60s' is not known or of the wrong type: email, id (texts), "
			"engagement (number), vars (object)",
			name);
		return jsonl->fault;
	}
	return NULL;
}

const char *jsonl_read(struct jsonl *jsonl, struct slice line, struct import_row *ret_row)
{
	struct import_row row = {.vars = SLICE("{}")};
	const char *fault = NULL;
	json_error_t error;
	const char *name;
	json_t *value;

	forget(jsonl);
	jsonl->root = json_loadb(line.p, line.n, JSON_REJECT_DUPLICATES, &error);
	if (!json_is_object(jsonl->root)) {
		(void)snprintf(jsonl->fault, sizeof(jsonl->fault), "it is no JSON object: %.100s",
			jsonl->root == NULL ? error.text : "another value");
		return jsonl->fault;
	}
	json_object_foreach(jsonl->root, name, value)
	{
		fault = fault == NULL ? take(jsonl, name, value, &row) : fault;
	}
	*ret_row = row;
	return fault == NULL && row.email.n == 0 ? "it has no 'email'" : fault;
}
