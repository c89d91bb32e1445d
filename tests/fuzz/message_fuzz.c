/*
 * compose/message: `body NUL json`, the body as raw and as structured content.
 * Whatever compiles and composes is canonical: CRLF lines of at most 998 octets,
 * 7-bit, one header block that reads back, one From.
 */
#include "compose/message.h"

#include <stdlib.h>

#include "mail/header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
	if (!holds) {
		abort();
	}
}

static void check_lines(const struct message *m)
{
	struct slice text = buf_slice(&m->bytes);
	struct slice line;

	check(slice_ends(text, SLICE("\r\n")));
	check(m->utf8 || slice_find(text, '\0') == text.n);
	text = slice_first(text, text.n - 1);
	while (slice_split(&text, '\n', &line)) {
		check(line.n <= HEADER_LINE_MAX + 1 && slice_find(line, '\r') + 1 == line.n);
		for (size_t i = 0; i < line.n && !m->utf8; i++) {
			check((unsigned char)line.p[i] < 0x80);
		}
	}
}

static void check_headers(const struct message *m)
{
	struct slice block = message_headers(m);
	struct header_field f;
	unsigned from = 0;

	while (header_next(&block, &f)) {
		from += slice_equal_nocase(f.name, SLICE("From"));
		check(!slice_equal_nocase(f.name, SLICE("Bcc")));
	}
	check(block.n == 0 && from == 1);
}

static void compose(struct slice body, bool raw, struct compose_input *input)
{
	struct token_ring *ring = token_ring_new();
	struct composer *composer = composer_new(ring, 1 << 18);
	struct content_source source = {.body = body, .raw = raw};
	struct content *content;
	struct message message;
	struct buf faults;

	check(!err_is(token_ring_add(ring, 1, SLICE("the secret of the fuzz target"))));
	buf_init(&faults, 1 << 18);
	message_init(&message);
	content = content_new(&source, &faults);
	check((content == NULL) == (faults.n > 0));
	if (content != NULL && composer_make(composer, content, input, &message) == FAILURE_NONE) {
		check_lines(&message);
		check_headers(&message);
	}
	message_clear(&message);
	content_unref(&content);
	buf_clear(&faults);
	composer_free(&composer);
	token_ring_free(&ring);
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

	input.vars = slice_from(text, nul + 1);
	compose(slice_first(text, nul), false, &input);
	compose(slice_first(text, nul), true, &input);
	return 0;
}
