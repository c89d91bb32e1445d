/*
 * Raw content: an RFC 5322 message that the app made itself.  It is checked once and
 * then sent as it is, but for what is not of the message but of one sending of it: one
 * content serves all jobs of a campaign, so To, Date and Message-ID are made for each,
 * and what servers wrote on the way (Received, signatures) and other recipients (Cc,
 * Bcc) are dropped.  Line ends are made canonical, and a single text in 8-bit or with
 * long lines is re-encoded as quoted-printable.  A multipart that needs the same is
 * refused: its parts are the app's business, and guessing at them breaks messages.
 *
 * Merge tags are not interpreted here.  A message with Auto-Submitted is no campaign
 * mail and gets no List-Unsubscribe.
 */
#include <string.h>

#include "base/codec.h"
#include "base/err.h"
#include "fields.h"
#include "mail/header.h"
#include "readers.h"

#define HEADER_MAX (4 * HEADER_BLOCK_MAX) /* before fields are dropped */

struct raw {
	struct builder *builder;
	struct slice block;
	struct buf headers;
	struct slice content_type; /* values, trimmed; empty = there is none */
	struct slice encoding;
	bool has_from;
};

enum body_trouble {
	BODY_FINE,
	BODY_8BIT,
	BODY_NUL,
	BODY_LONG_LINE,
};

/* CR, LF and CRLF all become CRLF. */
static void add_canonical(struct buf *out, struct slice text)
{
	size_t from = 0;

	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] != '\r' && text.p[i] != '\n') {
			continue;
		}
		buf_add(out, slice_make(text.p + from, i - from));
		buf_add(out, SLICE("\r\n"));
		if (text.p[i] == '\r' && i + 1 < text.n && text.p[i + 1] == '\n') {
			i++;
		}
		from = i + 1;
	}
	buf_add(out, slice_from(text, from));
}

static enum body_trouble body_trouble(struct slice body)
{
	enum body_trouble trouble = BODY_FINE;
	size_t column = 0;

	for (size_t i = 0; i < body.n; i++) {
		if (body.p[i] == '\0') {
			return BODY_NUL;
		}
		if ((unsigned char)body.p[i] >= 0x80) {
			trouble = BODY_8BIT;
		}
		column = body.p[i] == '\n' || body.p[i] == '\r' ? 0 : column + 1;
		if (column > HEADER_LINE_MAX && trouble == BODY_FINE) {
			trouble = BODY_LONG_LINE;
		}
	}
	return trouble;
}

/* Ours to make, a trace of another sending, or somebody else's address. */
static bool is_dropped(struct slice name)
{
	static const struct slice names[] = {
		{"Date", 4},
		{"Message-ID", 10},
		{"Cc", 2},
		{"Bcc", 3},
		{"Received", 8},
		{"Return-Path", 11},
		{"Delivered-To", 12},
		{"X-Original-To", 13},
		{"Envelope-To", 11},
		{"Authentication-Results", 22},
		{"DKIM-Signature", 14},
		{"DomainKey-Signature", 19},
	};

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (slice_equal_nocase(name, names[i])) {
			return true;
		}
	}
	return slice_starts_nocase(name, SLICE("ARC-")) ||
		slice_starts_nocase(name, SLICE("Resent-"));
}

static void note_field(struct raw *raw, const struct header_field *f)
{
	struct raw_parts *parts = &raw->builder->content->parts;
	const struct {
		struct slice name;
		bool *seen;
	} noted[] = {
		{SLICE("List-Unsubscribe"), &parts->has_list_unsubscribe},
		{SLICE("List-Unsubscribe-Post"), &parts->has_list_unsubscribe_post},
		{SLICE("List-ID"), &parts->has_list_id},
		{SLICE("Feedback-ID"), &parts->has_feedback_id},
		{SLICE("Auto-Submitted"), &parts->has_auto_submitted},
	};

	for (size_t i = 0; i < ARRAY_LEN(noted); i++) {
		if (slice_equal_nocase(f->name, noted[i].name)) {
			*noted[i].seen = true;
		}
	}
	if (slice_equal_nocase(f->name, SLICE("Content-Type"))) {
		raw->content_type = slice_trim(f->value);
	} else if (slice_equal_nocase(f->name, SLICE("Content-Transfer-Encoding"))) {
		raw->encoding = slice_trim(f->value);
	}
}

static void note_from(struct raw *raw, struct slice value)
{
	struct builder *b = raw->builder;
	struct mailbox *from = &b->content->variants[0].from;

	raw->has_from = true;
	if (header_parse_mailbox(value, &from->address) != HEADER_OK || from->address.literal) {
		builder_fault(b, "From",
			"it must be one address, with or without a name: no list, no "
			"group, no comment");
	}
	from->set = true;
}

/* Anything but one address gives way to the recipient. */
static void note_to(struct raw *raw, const struct header_field *f)
{
	struct content *c = raw->builder->content;
	struct address address;

	if (header_parse_mailbox(f->value, &address) == HEADER_OK) {
		c->parts.to = arena_slice(c->arena, f->whole);
		c->parts.to_address = address_normalise(&address);
	}
}

static bool is_clean(struct slice whole)
{
	for (size_t i = 0; i + 2 < whole.n; i++) {
		unsigned char c = (unsigned char)whole.p[i];

		if (c >= 0x7f || (c < ' ' && c != '\t' && c != '\r' && c != '\n')) {
			return false;
		}
	}
	return body_trouble(whole) == BODY_FINE && whole.n <= HEADER_FIELD_MAX;
}

static bool is_repeated(struct slice before, struct slice name)
{
	struct header_field f;

	while (header_next(&before, &f)) {
		if (slice_equal_nocase(f.name, name)) {
			return true;
		}
	}
	return false;
}

static void take_field(struct raw *raw, const struct header_field *f)
{
	char name[80];

	memcpy(name, f->name.p, f->name.n);
	name[f->name.n] = '\0';
	if (is_single_header(f->name) &&
		is_repeated(
			slice_make(raw->block.p, (size_t)(f->whole.p - raw->block.p)), f->name)) {
		builder_fault(raw->builder, name, "it is there twice");
		return;
	}
	if (is_dropped(f->name)) {
		return;
	}
	if (!is_clean(f->whole)) {
		builder_fault(raw->builder, name,
			"it is too long, or has 8-bit or control characters: use "
			"encoded words (RFC 2047)");
		return;
	}
	if (slice_equal_nocase(f->name, SLICE("To"))) {
		note_to(raw, f);
		return;
	}
	if (slice_equal_nocase(f->name, SLICE("From"))) {
		note_from(raw, f->value);
	}
	note_field(raw, f);
	buf_add(&raw->headers, f->whole);
}

/* Takes the field out that a re-encoded body needs anew. */
static void drop_encoding(struct raw *raw)
{
	struct slice block = buf_slice(&raw->headers);
	struct header_field f;
	struct buf kept;

	buf_init(&kept, 0);
	while (header_next(&block, &f)) {
		if (!slice_equal_nocase(f.name, SLICE("Content-Transfer-Encoding"))) {
			buf_add(&kept, f.whole);
		}
	}
	buf_clear(&raw->headers);
	raw->headers = kept;
}

static void encode_body(struct raw *raw, struct buf *body)
{
	struct buf coded;
	struct qp qp;

	buf_init(&coded, 0);
	qp_init(&qp);
	qp_add(&qp, &coded, buf_slice(body));
	qp_end(&qp, &coded);
	buf_clear(body);
	*body = coded;
	drop_encoding(raw);
	buf_add(&raw->headers, SLICE("Content-Transfer-Encoding: quoted-printable\r\n"));
	if (!is_repeated(buf_slice(&raw->headers), SLICE("MIME-Version"))) {
		buf_add(&raw->headers, SLICE("MIME-Version: 1.0\r\n"));
	}
}

static void check_body(struct raw *raw, struct buf *body)
{
	static const char *const texts[] = {
		[BODY_8BIT] = "the body has 8-bit characters",
		[BODY_NUL] = "the body has NUL octets",
		[BODY_LONG_LINE] = "the body has lines of more than 998 octets",
	};
	enum body_trouble trouble = body_trouble(buf_slice(body));
	bool plain = raw->encoding.n == 0 || slice_equal_nocase(raw->encoding, SLICE("7bit")) ||
		slice_equal_nocase(raw->encoding, SLICE("8bit"));

	if (trouble != BODY_FINE && trouble != BODY_NUL && plain &&
		slice_starts_nocase(raw->content_type, SLICE("text/"))) {
		encode_body(raw, body);
	} else if (trouble != BODY_FINE) {
		builder_fault(raw->builder, "body",
			"%s: encode its parts as quoted-printable or base64", texts[trouble]);
	} else if (plain && slice_equal_nocase(raw->encoding, SLICE("8bit"))) {
		drop_encoding(raw);
	}
	if (!slice_ends(buf_slice(body), SLICE("\r\n"))) {
		buf_add(body, SLICE("\r\n"));
	}
}

static void take_message(struct raw *raw, struct slice text)
{
	struct content *c = raw->builder->content;
	struct slice block;
	struct header_field f;
	size_t end = slice_search(text, SLICE("\r\n\r\n"));
	struct buf body;

	block = end < text.n ? slice_first(text, end + 2) : text;
	if (block.n > HEADER_MAX) {
		builder_fault(raw->builder, "header", "it has more than %d octets", HEADER_MAX);
		return;
	}
	raw->block = block;
	while (header_next(&block, &f)) {
		take_field(raw, &f);
	}
	if (block.n > 0) {
		builder_fault(raw->builder, "header", "line '%.*s' is no header field",
			(int)slice_find(slice_first(block, 60), '\r'), block.p);
		return;
	}
	if (!raw->has_from) {
		builder_fault(raw->builder, "From", "it is missing");
	}
	buf_init(&body, 0);
	buf_add(&body, slice_from(text, end + 4));
	check_body(raw, &body);
	c->marketing = !c->parts.has_auto_submitted;
	c->parts.headers = arena_slice(c->arena, buf_slice(&raw->headers));
	c->parts.body = arena_slice(c->arena, buf_slice(&body));
	buf_clear(&body);
}

void raw_compile(struct builder *builder)
{
	struct raw raw = {.builder = builder};
	struct content *c = builder->content;
	struct buf text;

	c->variants = arena_get(c->arena, sizeof(*c->variants));
	c->variant_count = 1;
	c->weight = c->variants[0].weight = 1;
	buf_init(&text, 0);
	buf_init(&raw.headers, 0);
	add_canonical(&text, builder->source->body);
	take_message(&raw, buf_slice(&text));
	buf_clear(&raw.headers);
	buf_clear(&text);
}
