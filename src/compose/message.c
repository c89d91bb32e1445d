/*
 * From content and job to a message: who it is for, what its header says, then the
 * parts (body.c), or the stored ones of a raw message.
 *
 * Purity is the point: nothing here reads a clock or draws a number.  What has to be
 * unique derives from the job id, what has to be secret from the token keys, so that
 * an attempt tomorrow on another worker gives the same bytes and one message stays
 * one message for its receiver.
 */
#include "compose/message.h"

#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/time.h"
#include "body.h"
#include "fields.h"
#include "mail/header.h"
#include "mail/verp.h"
#include "run.h"

enum {
	ROOM_BYTES = 64 * 1024, /* headers and MIME around what templates make */
	SIGNATURE_BYTES = 2048, /* left of HEADER_BLOCK_MAX for a signer */
};

static const char no_host_name[] = "is not a host name";

/* SenderId of Feedback-ID: as Google has it. */
static bool is_sender_id(struct slice id)
{
	for (size_t i = 0; i < id.n; i++) {
		if (id.p[i] <= ' ' || id.p[i] > '~' || id.p[i] == ':') {
			return false;
		}
	}
	return id.n >= 5 && id.n <= 15;
}

const char *compose_setting_fault(enum compose_setting setting, struct slice value)
{
	char domain[ADDRESS_DOMAIN_MAX + 1];

	if (value.n == 0 && setting != COMPOSE_BOUNCE_DOMAIN) {
		return NULL;
	}
	if (setting == COMPOSE_SENDER_ID) {
		return is_sender_id(value) ? NULL
					   : "must have 5 to 15 characters, no blank and no ':'";
	}
	return address_parse_domain(value, domain) == ADDRESS_OK ? NULL : no_host_name;
}

void message_init(struct message *message)
{
	*message = (struct message){0};
	buf_init(&message->bytes, 0);
}

void message_clear(struct message *message)
{
	buf_clear(&message->bytes);
}

struct slice message_headers(const struct message *message)
{
	return slice_first(buf_slice(&message->bytes), message->header_bytes);
}

struct slice message_body(const struct message *message)
{
	return slice_from(buf_slice(&message->bytes), message->header_bytes + 2);
}

struct composer *composer_new(struct token_ring *ring, size_t output_max_bytes)
{
	struct composer *c = MEM_NEW(struct composer);

	c->ring = ring;
	c->output_max_bytes = output_max_bytes;
	c->arena = arena_new(0);
	buf_init(&c->scratch, output_max_bytes);
	buf_init(&c->canonical, 0);
	return c;
}

void composer_free(struct composer **composer)
{
	struct composer *c = *composer;

	if (c == NULL) {
		return;
	}
	arena_free(&c->arena);
	buf_clear(&c->scratch);
	buf_clear(&c->canonical);
	mem_free(c);
	*composer = NULL;
}

/* What the template makes of this job's values, trimmed; borrowed until the next. */
static struct slice value_of(struct run *run, const struct template *template, const char *field)
{
	struct buf *scratch = &run->composer->scratch;

	buf_reset(scratch);
	if (template != NULL) {
		run_template(run, template, field, scratch);
	}
	return slice_trim(buf_slice(scratch));
}

static void check(struct run *run, enum header_fault fault, const char *field)
{
	if (fault != HEADER_OK) {
		run_fail_by(run, FAILURE_COMPOSE,
			fault == HEADER_LONG ? MESSAGE_CAUSE_HEADER_SIZE : MESSAGE_CAUSE_VALUE,
			"%s: %s", field, header_fault_text(fault));
	}
}

static void add_mailbox(struct run *run, const char *field, const struct address *address,
	const struct template *name)
{
	struct slice display = value_of(run, name, field);

	check(run, header_add_mailbox(&run->message->bytes, field, display, address), field);
	run->message->utf8 |= address->utf8;
}

static void add_text(struct run *run, const char *field, const struct template *template)
{
	check(run, header_add_text(&run->message->bytes, field, value_of(run, template, field)),
		field);
}

/* A field of the app: as it is where it can stand so, because it may be structured. */
static void add_custom(struct run *run, const struct named_template *h)
{
	struct slice value = value_of(run, h->value, h->name);
	struct buf *out = &run->message->bytes;
	enum header_fault fault = HEADER_ENCODING;

	if (value.n == 0) {
		return;
	}
	if (slice_search(value, SLICE("=?")) == value.n &&
		slice_search(value, SLICE("  ")) == value.n) {
		fault = header_add_plain(out, h->name, value);
	}
	if (fault == HEADER_ENCODING || fault == HEADER_LONG) {
		fault = header_add_text(out, h->name, value);
	}
	check(run, fault, h->name);
}

static void add_date(struct run *run)
{
	struct buf *out = &run->message->bytes;

	buf_add(out, SLICE("Date: "));
	time_add_rfc5322(out, run->input->first_us);
	buf_add(out, SLICE("\r\n"));
}

static void add_message_id(struct run *run)
{
	struct buf *out = &run->message->bytes;

	buf_add(out, SLICE("Message-ID: <"));
	id_add(out, run->input->job);
	buf_add_byte(out, '@');
	buf_add_text(out, content_from_domain(run->content));
	buf_add(out, SLICE(">\r\n"));
}

static struct slice unsubscribe_url(struct run *run)
{
	struct buf *out = &run->composer->scratch;
	struct slice url;

	if (run->content->unsubscribe_url != NULL) {
		url = value_of(run, run->content->unsubscribe_url, "unsubscribe.url");
		if (!is_unsubscribe_url(url)) {
			run_fail_by(run, FAILURE_COMPOSE, MESSAGE_CAUSE_VALUE,
				"unsubscribe.url: it must be one https address");
		}
		return url;
	}
	buf_reset(out);
	if (run->domain[0] != '\0') {
		buf_add(out, SLICE("https://"));
		buf_add_text(out, run->domain);
		buf_add(out, SLICE("/u/"));
		buf_add_text(out, run->unsubscribe);
	}
	return buf_slice(out);
}

static void add_mailto(struct run *run, struct buf *out)
{
	buf_add(out, SLICE("mailto:"));
	buf_add_text(out, run->unsubscribe);
	buf_add_byte(out, '@');
	buf_add(out, address_domain(&run->message->mail_from));
	buf_add(out, SLICE("?subject=unsubscribe"));
}

/*
 * RFC 2369 and RFC 8058; the latter only where there is an https address.  On one line
 * while that is short enough, for there are readers that do not unfold; else between the
 * two addresses.
 */
static void add_list_unsubscribe(struct run *run, const struct raw_parts *present)
{
	struct slice url = run->unsubscribe_url;
	struct buf *out = &run->message->bytes;
	enum header_fault fault;
	struct buf value;

	buf_init(&value, HEADER_FIELD_MAX);
	if (url.n > 0) {
		buf_add_byte(&value, '<');
		buf_add(&value, url);
		buf_add(&value, SLICE(">, "));
	}
	buf_add_byte(&value, '<');
	add_mailto(run, &value);
	buf_add_byte(&value, '>');
	fault = value.spoiled ? HEADER_LONG
			      : header_add_line(out, "List-Unsubscribe", buf_slice(&value));
	if (fault == HEADER_LONG && !value.spoiled) {
		fault = header_add_plain(out, "List-Unsubscribe", buf_slice(&value));
	}
	check(run, fault, "List-Unsubscribe");
	if (url.n > 0 && !present->has_list_unsubscribe_post) {
		buf_add(out, SLICE("List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"));
	}
	buf_clear(&value);
}

/* campaign:tenant:kind:SenderId, for the mailbox providers' feedback statistics. */
static void add_feedback_id(struct run *run)
{
	struct slice sender = run->input->settings->feedback_sender;
	struct buf *out = &run->composer->scratch;
	const char *fault = compose_setting_fault(COMPOSE_SENDER_ID, sender);

	if (fault != NULL) {
		run_fail(run, FAILURE_COMPOSE, "sender id '%.*s' %s", (int)sender.n, sender.p,
			fault);
		return;
	}
	buf_reset(out);
	id_add(out, run->input->campaign);
	buf_add_byte(out, ':');
	id_add(out, run->input->tenant);
	buf_add_text(out, run->content->marketing ? ":marketing:" : ":transactional:");
	buf_add(out, sender);
	check(run, header_add_plain(&run->message->bytes, "Feedback-ID", buf_slice(out)),
		"Feedback-ID");
}

/* What both kinds of content get beside their own fields. */
static void add_list_fields(struct run *run, const struct raw_parts *present)
{
	const struct content *c = run->content;
	struct buf *out = &run->message->bytes;

	if (c->marketing && !present->has_list_unsubscribe) {
		add_list_unsubscribe(run, present);
	}
	if (c->list_id.n > 0 && !present->has_list_id) {
		check(run, header_add_phrase_id(out, "List-ID", c->list_name, c->list_id),
			"List-ID");
	}
	if (run->input->settings->feedback_sender.n > 0 && !present->has_feedback_id) {
		add_feedback_id(run);
	}
	if (!c->marketing && !present->has_auto_submitted) {
		buf_add(out, SLICE("Auto-Submitted: auto-generated\r\n"));
	}
}

static void write_structured(struct run *run)
{
	const struct variant *v = run->variant;
	struct buf *out = &run->message->bytes;

	add_mailbox(run, "From", &v->from.address, v->from.name);
	add_mailbox(run, "To", &run->message->recipient, v->to_name);
	if (v->reply_to.set) {
		add_mailbox(run, "Reply-To", &v->reply_to.address, v->reply_to.name);
	}
	add_text(run, "Subject", v->subject);
	add_date(run);
	add_message_id(run);
	add_list_fields(run, &run->content->parts);
	for (size_t i = 0; i < v->header_count; i++) {
		add_custom(run, &v->headers[i]);
	}
	buf_add(out, SLICE("MIME-Version: 1.0\r\n"));
	if (run->failure == FAILURE_NONE) {
		run_body(run);
	}
}

/* The app's own To stands for its one recipient, whom it may know by name. */
static void add_raw_to(struct run *run)
{
	const struct raw_parts *parts = &run->content->parts;
	struct address recipient = address_normalise(&run->message->recipient);

	if (parts->to.n > 0 &&
		slice_equal(address_text(&parts->to_address), address_text(&recipient))) {
		buf_add(&run->message->bytes, parts->to);
	} else {
		add_mailbox(run, "To", &run->message->recipient, NULL);
	}
}

static void write_raw(struct run *run)
{
	const struct raw_parts *parts = &run->content->parts;
	struct message *m = run->message;

	buf_add(&m->bytes, parts->headers);
	m->utf8 = run->variant->from.address.utf8;
	add_raw_to(run);
	add_date(run);
	add_message_id(run);
	add_list_fields(run, parts);
	m->header_bytes = m->bytes.n;
	buf_add(&m->bytes, SLICE("\r\n"));
	buf_add(&m->bytes, parts->body);
}

/* By weight, from bits of the job id that are random in every UUID. */
static size_t pick_variant(const struct content *content, struct id job)
{
	uint64_t bits = 0;
	uint64_t at;
	size_t i = 0;

	for (size_t b = 8; b < sizeof(job.bytes); b++) {
		bits = bits << 8 | job.bytes[b];
	}
	bits = (bits ^ bits >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	bits = (bits ^ bits >> 27) * UINT64_C(0x94d049bb133111eb);
	at = (bits ^ bits >> 31) % content->weight;
	while (at >= content->variants[i].weight) {
		at -= content->variants[i].weight;
		i++;
	}
	return i;
}

static void choose_variant(struct run *run)
{
	size_t variant = run->input->variant;

	if (variant == COMPOSE_VARIANT_BY_JOB) {
		variant = pick_variant(run->content, run->input->job);
	} else if (variant >= run->content->variant_count) {
		run_fail(run, FAILURE_COMPOSE, "variant %zu: the content has %zu", variant,
			run->content->variant_count);
		variant = 0;
	}
	run->message->variant = variant;
	run->variant = &run->content->variants[variant];
}

static void set_addresses(struct run *run)
{
	const struct compose_input *in = run->input;
	struct message *m = run->message;
	enum address_fault fault = address_parse(in->recipient, &m->recipient);
	char token[TOKEN_TEXT + 1];

	if (fault != ADDRESS_OK) {
		run_fail(run, FAILURE_BAD_ADDRESS, "recipient: %s", address_fault_text(fault));
	} else if (m->recipient.literal) {
		run_fail(run, FAILURE_BAD_ADDRESS, "recipient: address literals are not sent to");
	}
	if (!token_make(run->composer->ring, in->token_key, TOKEN_RETURN_PATH, in->tenant, in->job,
		    token) ||
		!token_make(run->composer->ring, in->token_key, TOKEN_UNSUBSCRIBE, in->tenant,
			in->job, run->unsubscribe)) {
		run_fail(run, FAILURE_COMPOSE, "token key %u is not configured", in->token_key);
	} else if (!verp_make(token, in->settings->bounce_domain, &m->mail_from)) {
		run_fail(run, FAILURE_COMPOSE, "bounce domain '%.*s' %s",
			(int)in->settings->bounce_domain.n, in->settings->bounce_domain.p,
			no_host_name);
	}
	run->domain[0] = '\0';
	if (in->settings->tracking_domain.n > 0 &&
		address_parse_domain(in->settings->tracking_domain, run->domain) != ADDRESS_OK) {
		run_fail(run, FAILURE_COMPOSE, "tracking domain '%.*s' %s",
			(int)in->settings->tracking_domain.n, in->settings->tracking_domain.p,
			no_host_name);
	}
}

static void parse_vars(struct run *run)
{
	struct value_fault fault;

	if (slice_trim(run->input->vars).n == 0) {
		return;
	}
	run->vars = value_parse(run->composer->arena, run->input->vars, &fault);
	if (run->vars == NULL) {
		run_fail_by(run, FAILURE_COMPOSE, MESSAGE_CAUSE_VALUE,
			"merge variables: not JSON at octet %zu: %s", fault.at, fault.text);
	} else if (run->vars->kind != VALUE_OBJECT) {
		run_fail_by(run, FAILURE_COMPOSE, MESSAGE_CAUSE_VALUE,
			"merge variables: they must be a JSON object");
	}
}

static struct value *add_system(struct arena *arena, struct value *object, struct slice name)
{
	struct value *v = arena_get(arena, sizeof(*v));

	v->kind = VALUE_STRING;
	v->name = name;
	v->next = object->first;
	object->first = v;
	object->count++;
	return v;
}

/* {{penguin.job}} and its like; last the link, whose template may hold the others. */
static void make_system(struct run *run)
{
	struct arena *arena = run->composer->arena;
	struct value *root = arena_get(arena, sizeof(*root));
	struct value *ours = add_system(arena, root, SLICE("penguin"));
	struct buf *scratch = &run->composer->scratch;
	struct slice url;
	char id[ID_TEXT + 1];

	root->kind = VALUE_OBJECT;
	ours->kind = VALUE_OBJECT;
	add_system(arena, ours, SLICE("email"))->text = address_text(&run->message->recipient);
	id_text(run->input->job, id);
	add_system(arena, ours, SLICE("job"))->text = arena_slice(arena, slice_of(id));
	id_text(run->input->campaign, id);
	add_system(arena, ours, SLICE("campaign"))->text = arena_slice(arena, slice_of(id));
	run->system = root;
	run->unsubscribe_url = arena_slice(arena, unsubscribe_url(run));
	url = run->unsubscribe_url;
	if (url.n == 0) {
		buf_reset(scratch);
		add_mailto(run, scratch);
		url = arena_slice(arena, buf_slice(scratch));
	}
	add_system(arena, ours, SLICE("unsubscribe_url"))->text = url;
}

static void start(struct run *run)
{
	struct message *m = run->message;

	arena_reset(run->composer->arena);
	buf_reset(&m->bytes);
	m->bytes.max = run->composer->output_max_bytes + run->content->attachment_bytes +
		run->content->parts.headers.n + run->content->parts.body.n + ROOM_BYTES;
	m->header_bytes = 0;
	m->utf8 = false;
	m->fault[0] = '\0';
	m->cause = MESSAGE_CAUSE_OTHER;
	choose_variant(run);
	set_addresses(run);
	parse_vars(run);
}

static void finish(struct run *run)
{
	struct message *m = run->message;

	if (m->bytes.spoiled) {
		run_fail(run, FAILURE_TOO_LARGE, "the message is too large");
	} else if (m->header_bytes > HEADER_BLOCK_MAX - SIGNATURE_BYTES) {
		run_fail_by(run, FAILURE_COMPOSE, MESSAGE_CAUSE_HEADER_SIZE,
			"its header has more than %d octets", HEADER_BLOCK_MAX - SIGNATURE_BYTES);
	}
	if (run->failure != FAILURE_NONE) {
		buf_reset(&m->bytes);
		m->header_bytes = 0;
	}
}

enum failure composer_make(struct composer *composer, const struct content *content,
	const struct compose_input *input, struct message *message)
{
	struct run run = {
		.composer = composer,
		.content = content,
		.input = input,
		.message = message,
		.failure = FAILURE_NONE,
	};

	start(&run);
	if (run.failure == FAILURE_NONE) {
		make_system(&run);
	}
	if (run.failure == FAILURE_NONE && content->raw) {
		write_raw(&run);
	} else if (run.failure == FAILURE_NONE) {
		write_structured(&run);
	}
	finish(&run);
	return run.failure;
}
