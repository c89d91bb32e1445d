/*
 * mail/header: any text as any part of a field gives exactly one field, in lines of
 * at most 998 octets without a bare CR or LF, or nothing at all; and reading never
 * leaves the block.
 */
#include "mail/header.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
	if (!holds) {
		abort();
	}
}

static void check_lines(struct slice text)
{
	struct slice line;

	check(slice_ends(text, SLICE("\r\n")));
	text = slice_first(text, text.n - 1);
	while (slice_split(&text, '\n', &line)) {
		check(line.n <= HEADER_LINE_MAX + 1);
		check(slice_find(line, '\r') + 1 == line.n);
		check(slice_trim(line).n > 0);
	}
}

/* What was written reads back as one field, and nothing follows it. */
static void check_field(struct buf *out, enum header_fault fault)
{
	struct slice block = buf_slice(out);
	struct header_field f;

	if (fault != HEADER_OK) {
		check(out->n == 0);
		return;
	}
	check_lines(block);
	check(header_next(&block, &f) && block.n == 0);
	check(slice_equal(f.name, SLICE("X-A")));
	buf_reset(out);
}

static void write_all(struct buf *out, struct slice text)
{
	struct address a = {0};

	check(address_parse(SLICE("ann@example.org"), &a) == ADDRESS_OK);
	check_field(out, header_add_text(out, "X-A", text));
	check_field(out, header_add_plain(out, "X-A", text));
	check_field(out, header_add_line(out, "X-A", text));
	check_field(out, header_add_mailbox(out, "X-A", text, &a));
	check_field(out, header_add_phrase_id(out, "X-A", text, SLICE("id")));
	check_field(out, header_add_phrase_id(out, "X-A", SLICE("Name"), text));
	check_field(out, header_add_with_parameter(out, "X-A", SLICE("a/b"), "p", text));
}

static void read_all(struct slice block)
{
	size_t before = block.n;
	struct header_field f;
	struct address a;

	while (header_next(&block, &f)) {
		check(f.whole.n == before - block.n && f.name.n + f.value.n < f.whole.n);
		before = block.n;
		(void)!header_parse_mailbox(f.value, &a);
	}
	check(block.n == before);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice text = slice_make((const char *)data, size);
	struct address a;
	struct buf out;

	buf_init(&out, 1 << 20);
	write_all(&out, text);
	read_all(text);
	(void)!header_parse_mailbox(text, &a);
	buf_clear(&out);
	return 0;
}
