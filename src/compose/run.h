/* One message under composition: what message.c (headers) and body.c (parts) share. */
#ifndef SRC_COMPOSE_RUN_H
#define SRC_COMPOSE_RUN_H

#include "base/arena.h"
#include "compiled.h"
#include "compose/message.h"

struct composer {
	struct token_ring *ring;
	size_t output_max_bytes;
	struct arena *arena; /* merge variables, and what we provide beside them */
	struct buf scratch;  /* a header's value, a text before base64 */
	struct buf canonical;
};

struct run {
	struct composer *composer;
	const struct content *content;
	const struct variant *variant;
	const struct compose_input *input;
	struct message *message;
	const struct value *vars;
	const struct value *system;
	char domain[ADDRESS_DOMAIN_MAX + 1]; /* tracking domain, or "" */
	char unsubscribe[TOKEN_TEXT + 1];
	struct slice unsubscribe_url; /* https, where there is one; in the arena */
	enum failure failure;
};

/* Notes the first failure, for people in message->fault. */
void run_fail(struct run *run, enum failure failure, const char *format, ...) PRINTF_LIKE(3, 4);

/* The same, when it is about something that message->cause has a word for. */
void run_fail_by(struct run *run, enum failure failure, enum message_cause cause,
	const char *format, ...) PRINTF_LIKE(4, 5);

/* Runs a template into `out`; `field` names it in a fault. */
void run_template(
	struct run *run, const struct template *template, const char *field, struct buf *out);

#endif
