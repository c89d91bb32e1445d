/*
 * compose/message: `body NUL json`, the body as raw and as structured content.  A second
 * NUL and lines may follow, each a letter and its value: r recipient, b bounce domain,
 * t tracking domain, f feedback sender, k another key, v the variant.  {{>part}} is there.
 * Whatever compiles and composes is canonical: CRLF lines of at most 998 octets,
 * 7-bit, one header block that reads back, one From.  What we generated is taken
 * apart by two parsers, a strict one of our own (RFC 2045, 2046) and GMime: both must
 * find the same parts, with the same types and the same decoded octets.
 */
#include "compose/message.h"

#include <gmime/gmime.h>
#include <string.h>

#include "base/codec.h"
#include "base/err.h"
#include "fuzz.h"
#include "mail/header.h"

enum { DEPTH_MAX = 4 };

static void check_lines(const struct message *m)
{
	struct slice text = buf_slice(&m->bytes);
	struct slice line;

	must(slice_ends(text, SLICE("\r\n")));
	must(m->utf8 || slice_find(text, '\0') == text.n);
	text = slice_first(text, text.n - 1);
	while (slice_split(&text, '\n', &line)) {
		must(line.n <= HEADER_LINE_MAX + 1 && slice_find(line, '\r') + 1 == line.n);
		for (size_t i = 0; i < line.n && !m->utf8; i++) {
			must((unsigned char)line.p[i] < 0x80);
		}
	}
}

/* Of another sending, or of other people. */
static const struct slice others[] = {SLICE("Bcc"), SLICE("Cc"), SLICE("Received"),
	SLICE("DKIM-Signature"), SLICE("ARC-Seal"), SLICE("Return-Path"), SLICE("Delivered-To"),
	SLICE("Resent-To")};

static void check_headers(const struct message *m, const struct compose_input *input, bool raw)
{
	const struct compose_settings *settings = input->settings;
	struct slice block = message_headers(m);
	struct header_field f;
	unsigned from = 0;
	unsigned feedback = 0;
	unsigned clicks = 0;
	unsigned https = 0;
	unsigned ours[3] = {0};

	while (header_next(&block, &f)) {
		from += slice_equal_nocase(f.name, SLICE("From"));
		for (size_t i = 0; i < ARRAY_LEN(others); i++) {
			must(!slice_equal_nocase(f.name, others[i]));
		}
		ours[0] += slice_equal_nocase(f.name, SLICE("To"));
		ours[1] += slice_equal_nocase(f.name, SLICE("Date"));
		ours[2] += slice_equal_nocase(f.name, SLICE("Message-ID"));
		feedback += slice_equal_nocase(f.name, SLICE("Feedback-ID"));
		clicks += slice_equal_nocase(f.name, SLICE("List-Unsubscribe-Post"));
		https += slice_equal_nocase(f.name, SLICE("List-Unsubscribe")) &&
			slice_search(f.value, SLICE("<https://")) < f.value.n;
	}
	must(block.n == 0 && from == 1 && ours[0] == 1 && ours[1] == 1 && ours[2] == 1);
	must(feedback == 1 || settings->feedback_sender.n == 0);
	must(clicks <= https || raw); /* whose own it is */
	must(slice_equal(slice_from(buf_slice(&m->bytes), m->header_bytes + 2), message_body(m)));
	must(m->recipient.length > 0 && !m->recipient.literal && m->mail_from.length > 0);
}

/* ---- our parser: one line a leaf, `type length:octets` ---- */

struct entity {
	struct slice type;
	struct slice encoding;
	struct slice boundary;
	struct slice body;
};

static struct slice boundary_of(struct slice value)
{
	size_t at = slice_search(value, SLICE("boundary=\""));
	struct slice rest = slice_from(value, at + 10);

	must(at < value.n && slice_find(rest, '"') < rest.n);
	return slice_first(rest, slice_find(rest, '"'));
}

static struct entity read_entity(struct slice text)
{
	struct entity e = {.type = SLICE("text/plain"), .encoding = SLICE("7bit")};
	size_t end = slice_search(text, SLICE("\r\n\r\n"));
	struct slice block = slice_first(text, end + 2);
	struct header_field f;

	must(end < text.n);
	while (header_next(&block, &f)) {
		struct slice value = slice_trim(f.value);

		if (slice_equal_nocase(f.name, SLICE("Content-Transfer-Encoding"))) {
			e.encoding = value;
		}
		if (slice_equal_nocase(f.name, SLICE("Content-Type"))) {
			e.type = slice_trim(slice_first(value, slice_find(value, ';')));
			if (slice_starts_nocase(value, SLICE("multipart/"))) {
				e.boundary = boundary_of(value);
			}
		}
	}
	must(block.n == 0);
	e.body = slice_from(text, end + 4);
	return e;
}

static unsigned hex_value(char c)
{
	must((c >= '0' && c <= '9') || (c >= 'A' && c <= 'F'));
	return (unsigned)(c <= '9' ? c - '0' : c - 'A' + 10);
}

static void decode_quoted_printable(struct slice text, struct buf *out)
{
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] != '=') {
			buf_add_byte(out, text.p[i]);
			continue;
		}
		must(i + 2 < text.n);
		if (text.p[i + 1] != '\r') {
			buf_add_byte(out,
				(char)(hex_value(text.p[i + 1]) << 4 | hex_value(text.p[i + 2])));
		}
		i += 2;
	}
}

static void add_leaf(struct buf *out, struct slice type, struct slice octets)
{
	for (size_t i = 0; i < type.n; i++) {
		char c = type.p[i];

		buf_add_byte(out, (char)(c >= 'A' && c <= 'Z' ? c + 32 : c));
	}
	buf_add_format(out, " %zu:", octets.n);
	buf_add(out, octets);
	buf_add_byte(out, '\n');
}

static void leaf(const struct entity *e, struct buf *out)
{
	struct buf octets;

	buf_init(&octets, 0);
	if (slice_equal_nocase(e->encoding, SLICE("quoted-printable"))) {
		decode_quoted_printable(e->body, &octets);
	} else if (slice_equal_nocase(e->encoding, SLICE("base64"))) {
		must(codec_base64_decode(&octets, e->body));
	} else {
		must(slice_equal_nocase(e->encoding, SLICE("7bit")));
		buf_add(&octets, e->body);
	}
	add_leaf(out, e->type, buf_slice(&octets));
	buf_clear(&octets);
}

/* The text up to the line `--boundary` with `end` behind it goes off *rest; so does the line. */
static struct slice part_before(struct slice *rest, struct slice boundary, const char *end)
{
	struct slice part;
	struct buf line;
	size_t at;

	buf_init(&line, 0);
	buf_add_text(&line, "\r\n--");
	buf_add(&line, boundary);
	buf_add_text(&line, end);
	buf_add_text(&line, "\r\n");
	at = slice_search(*rest, buf_slice(&line));
	must(at < rest->n);
	part = slice_first(*rest, at);
	*rest = slice_from(*rest, at + line.n);
	buf_clear(&line);
	return part;
}

static void read_parts(struct slice text, unsigned depth, struct buf *out)
{
	struct entity e = read_entity(text);
	struct slice rest;
	struct slice last;
	struct buf line;

	if (e.boundary.n == 0) {
		leaf(&e, out);
		return;
	}
	must(depth < DEPTH_MAX && e.boundary.n <= 70);
	must(slice_equal_nocase(e.encoding, SLICE("7bit")));
	/* The first delimiter has no line before it. */
	must(slice_starts(e.body, SLICE("--")));
	must(slice_starts(slice_from(e.body, 2), e.boundary));
	must(slice_starts(slice_from(e.body, 2 + e.boundary.n), SLICE("\r\n")));
	rest = slice_from(e.body, 4 + e.boundary.n);
	last = part_before(&rest, e.boundary, "--");
	must(rest.n == 0);
	buf_init(&line, 0);
	buf_add_text(&line, "\r\n--");
	buf_add(&line, e.boundary);
	buf_add_text(&line, "\r\n");
	while (slice_search(last, buf_slice(&line)) < last.n) {
		read_parts(part_before(&last, e.boundary, ""), depth + 1, out);
	}
	buf_clear(&line);
	read_parts(last, depth + 1, out);
}

/* ---- the same by GMime ---- */

static void gmime_leaf(GMimeObject *parent, GMimeObject *part, gpointer data)
{
	struct buf *out = data;
	GMimeContentType *type = g_mime_object_get_content_type(part);
	GMimeStream *octets;
	GByteArray *array;
	char *name;

	(void)parent;
	if (!GMIME_IS_PART(part)) {
		return;
	}
	octets = g_mime_stream_mem_new();
	if (g_mime_part_get_content(GMIME_PART(part)) != NULL) {
		must(g_mime_data_wrapper_write_to_stream(
			     g_mime_part_get_content(GMIME_PART(part)), octets) >= 0);
	}
	array = g_mime_stream_mem_get_byte_array(GMIME_STREAM_MEM(octets));
	name = g_mime_content_type_get_mime_type(type);
	add_leaf(out, slice_of(name), slice_make((const char *)array->data, array->len));
	g_free(name);
	g_object_unref(octets);
}

static void gmime_parts(struct slice text, struct buf *out)
{
	GMimeStream *stream = g_mime_stream_mem_new_with_buffer(text.p, text.n);
	GMimeParser *parser = g_mime_parser_new_with_stream(stream);
	GMimeMessage *message = g_mime_parser_construct_message(parser, NULL);
	GMimeObject *top;

	must(message != NULL);
	must(internet_address_list_length(g_mime_message_get_from(message)) == 1);
	top = g_mime_message_get_mime_part(message);
	must(top != NULL);
	if (GMIME_IS_MULTIPART(top)) {
		g_mime_multipart_foreach(GMIME_MULTIPART(top), gmime_leaf, out);
	} else {
		gmime_leaf(NULL, top, out);
	}
	g_object_unref(message);
	g_object_unref(parser);
	g_object_unref(stream);
}

static void check_parts(const struct message *m)
{
	static bool begun;
	struct buf ours;
	struct buf theirs;

	if (!begun) {
		g_mime_init();
		begun = true;
	}
	buf_init(&ours, 0);
	buf_init(&theirs, 0);
	read_parts(buf_slice(&m->bytes), 0, &ours);
	gmime_parts(buf_slice(&m->bytes), &theirs);
	must(ours.n > 0 && slice_equal(buf_slice(&ours), buf_slice(&theirs)));
	buf_clear(&ours);
	buf_clear(&theirs);
}

static bool on_partial(void *owner, struct slice name, struct slice *ret_body)
{
	(void)owner;
	*ret_body = slice_equal(name, SLICE("part"))
		? SLICE("{\"text\": \"part {{n}}\\n\", \"html\": \"<i>{{n}}</i>\"}")
		: SLICE("[");
	return slice_starts(name, SLICE("p"));
}

static void choose(
	struct compose_input *input, struct compose_settings *settings, struct slice line)
{
	struct slice value = slice_from(line, 1);
	uint64_t variant;

	if (slice_starts(line, SLICE("r"))) {
		input->recipient = value;
	} else if (slice_starts(line, SLICE("b"))) {
		settings->bounce_domain = value;
	} else if (slice_starts(line, SLICE("t"))) {
		settings->tracking_domain = value;
	} else if (slice_starts(line, SLICE("f"))) {
		settings->feedback_sender = value;
	} else if (slice_starts(line, SLICE("k"))) {
		input->token_key = 2;
	} else if (slice_starts(line, SLICE("v")) && slice_number(value, 100, &variant)) {
		input->variant = (size_t)variant;
	}
}

static void compose(struct slice body, bool raw, struct compose_input *input)
{
	static struct token_ring *ring;
	static struct composer *composer;
	struct content_source source = {.body = body, .raw = raw, .on_partial = on_partial};
	struct content *content;
	struct message message;
	struct buf faults;

	if (ring == NULL) {
		ring = token_ring_new();
		composer = composer_new(ring, 1 << 16);
		must(!err_is(token_ring_add(ring, 1, SLICE("the secret of the fuzz target"))));
	}
	buf_init(&faults, 1 << 18);
	message_init(&message);
	content = content_new(&source, &faults);
	must((content == NULL) == (faults.n > 0));
	if (content != NULL && composer_make(composer, content, input, &message) == FAILURE_NONE) {
		check_lines(&message);
		check_headers(&message, input, raw);
		must(message.variant < content_variants(content));
		if (!raw) {
			check_parts(&message);
		}
	} else {
		must(message.bytes.n == 0 && (content == NULL || message.fault[0] != '\0'));
	}
	message_clear(&message);
	content_unref(&content);
	buf_clear(&faults);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice text = slice_make((const char *)data, size);
	struct compose_settings settings = {
		.bounce_domain = SLICE("b.example"), .tracking_domain = SLICE("t.example")};
	struct compose_input input = {
		.settings = &settings,
		.recipient = SLICE("ann@example.org"),
		.variant = COMPOSE_VARIANT_BY_JOB,
		.token_key = 1,
	};
	size_t nul = slice_find(text, '\0');
	struct slice rest;
	struct slice line;

	input.vars = slice_from(text, nul + 1);
	rest = slice_from(input.vars, slice_find(input.vars, '\0') + 1);
	input.vars = slice_first(input.vars, slice_find(input.vars, '\0'));
	while (slice_split(&rest, '\n', &line)) {
		choose(&input, &settings, line);
	}
	compose(slice_first(text, nul), false, &input);
	compose(slice_first(text, nul), true, &input);
	return 0;
}
