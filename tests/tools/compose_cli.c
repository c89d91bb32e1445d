/*
 * compose_cli: composes messages for system tests.
 *
 * A JSON object a line on standard input: `content` (an object) or `raw` (a text),
 * `partials` (name to content), `vars`, `recipient`, `job`, `first_us`, `bounce`,
 * `tracking`, `feedback`, `variant`; all but one of the first two may be missing.  `vars`
 * may be an object, or a text that is handed over as it is.
 * A JSON object a line on standard output: `faults`, or `failure` and `fault`, or
 * `message`, `header_bytes`, `mail_from`, `utf8`, `variant`.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/id.h"
#include "compose/message.h"

#define LINE_MAX_BYTES (64u << 20)

struct tool {
	struct token_ring *ring;
	struct composer *composer;
	struct message message;
};

static struct slice text_of(json_t *row, const char *key, const char *otherwise)
{
	json_t *v = json_object_get(row, key);

	return json_is_string(v) ? slice_make(json_string_value(v), json_string_length(v))
				 : slice_of(otherwise);
}

static struct id id_of(json_t *row, const char *key, const char *otherwise)
{
	struct id id;

	if (!id_parse(text_of(row, key, otherwise), &id)) {
		fprintf(stderr, "compose_cli: %s is no UUID\n", key);
		exit(2);
	}
	return id;
}

/* The partial's body is dumped into the row, so that it lives as long as the row does. */
static bool on_partial(void *owner, struct slice name, struct slice *ret_body)
{
	json_t *partials = json_object_get(owner, "partials");
	char *key = slice_string(name);
	json_t *body = json_object_get(partials, key);
	char *dump = body == NULL ? NULL : json_dumps(body, JSON_COMPACT);

	if (dump != NULL) {
		json_object_set_new(partials, "", json_string(dump));
		*ret_body = slice_of(json_string_value(json_object_get(partials, "")));
	}
	free(dump);
	free(key);
	return body != NULL;
}

static struct content *compile(json_t *row, struct buf *faults)
{
	json_t *object = json_object_get(row, "content");
	char *dump = object == NULL ? NULL : json_dumps(object, JSON_COMPACT | JSON_ENSURE_ASCII);
	struct content_source source = {
		.body = dump == NULL ? text_of(row, "raw", "") : slice_of(dump),
		.raw = dump == NULL,
		.on_partial = on_partial,
		.owner = row,
	};
	struct content *content = content_new(&source, faults);

	free(dump);
	return content;
}

static json_t *report(const struct message *m)
{
	struct slice bytes = buf_slice(&m->bytes);

	return json_pack("{s:s%,s:I,s:s,s:s,s:b,s:I}", "message", bytes.p, bytes.n, "header_bytes",
		(json_int_t)m->header_bytes, "mail_from", m->mail_from.text, "recipient",
		m->recipient.text, "utf8", (int)m->utf8, "variant", (json_int_t)m->variant);
}

static json_t *compose(struct tool *tool, json_t *row, const struct content *content)
{
	json_t *vars = json_object_get(row, "vars");
	char *dump = vars == NULL || json_is_string(vars) ? NULL : json_dumps(vars, JSON_COMPACT);
	json_t *variant = json_object_get(row, "variant");
	json_t *first = json_object_get(row, "first_us");
	struct compose_settings settings = {
		.bounce_domain = text_of(row, "bounce", "bounce.example.org"),
		.tracking_domain = text_of(row, "tracking", ""),
		.feedback_sender = text_of(row, "feedback", ""),
	};
	struct compose_input input = {
		.settings = &settings,
		.tenant = id_of(row, "tenant", "0192f3a0-0000-7000-8000-00000000000a"),
		.campaign = id_of(row, "campaign", "0192f3a0-0000-7000-8000-00000000000b"),
		.job = id_of(row, "job", "0192f3a0-1234-7abc-8def-0123456789ab"),
		.recipient = text_of(row, "recipient", "ann@example.net"),
		.vars = dump == NULL ? text_of(row, "vars", "") : slice_of(dump),
		.first_us = first == NULL ? INT64_C(1764000000000000) : json_integer_value(first),
		.variant = variant == NULL ? COMPOSE_VARIANT_BY_JOB
					   : (size_t)json_integer_value(variant),
		.token_key = token_ring_newest(tool->ring),
	};
	enum failure failure = composer_make(tool->composer, content, &input, &tool->message);

	free(dump);
	if (failure != FAILURE_NONE) {
		return json_pack("{s:s,s:s}", "failure", failure_word(failure), "fault",
			tool->message.fault);
	}
	return report(&tool->message);
}

static void answer(struct tool *tool, json_t *row)
{
	struct buf faults;
	struct content *content;
	json_t *out;

	buf_init(&faults, 0);
	content = compile(row, &faults);
	out = content == NULL ? json_pack("{s:s}", "faults", buf_string(&faults))
			      : compose(tool, row, content);
	if (out == NULL) {
		fprintf(stderr, "compose_cli: the output is no UTF-8\n");
		exit(2);
	}
	(void)json_dumpf(out, stdout, JSON_COMPACT | JSON_ENSURE_ASCII);
	(void)putchar('\n');
	(void)fflush(stdout);
	json_decref(out);
	content_unref(&content);
	buf_clear(&faults);
}

int main(void)
{
	struct tool tool = {.ring = token_ring_new()};
	char *line = NULL;
	size_t cap = 0;
	ssize_t n;

	if (err_is(token_ring_add(tool.ring, 1, SLICE("a secret of the tests only")))) {
		return 2;
	}
	tool.composer = composer_new(tool.ring, COMPOSER_OUTPUT_MAX);
	message_init(&tool.message);
	while ((n = getline(&line, &cap, stdin)) > 0 && n < LINE_MAX_BYTES) {
		json_error_t error;
		json_t *row = json_loadb(line, (size_t)n, JSON_ALLOW_NUL, &error);

		if (row == NULL) {
			fprintf(stderr, "compose_cli: %s\n", error.text);
			return 2;
		}
		answer(&tool, row);
		json_decref(row);
	}
	free(line);
	message_clear(&tool.message);
	composer_free(&tool.composer);
	token_ring_free(&tool.ring);
	return 0;
}
