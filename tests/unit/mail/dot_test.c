/* mail/dot: stuffing at every split position, and nothing bare leaves. */
#include "mail/dot.h"

#include <criterion/criterion.h>

#include "no_leaks.h"

TestSuite(dot, .fini = no_leaks);

static const struct {
	const char *label;
	struct slice in;
	struct slice out;
} good[] = {
	{"empty body", SLICE(""), SLICE(".\r\n")},
	{"a line", SLICE("a\r\n"), SLICE("a\r\n.\r\n")},
	{"last line without CRLF", SLICE("a"), SLICE("a\r\n.\r\n")},
	{"a dot", SLICE("."), SLICE("..\r\n.\r\n")},
	{"two dots", SLICE(".."), SLICE("...\r\n.\r\n")},
	{"dot lines", SLICE(".\r\n."), SLICE("..\r\n..\r\n.\r\n")},
	{"end of data inside", SLICE("a\r\n.\r\nb\r\n"), SLICE("a\r\n..\r\nb\r\n.\r\n")},
	{"dots elsewhere", SLICE("a.b\r\n.c.\r\n"), SLICE("a.b\r\n..c.\r\n.\r\n")},
	{"blank lines", SLICE("\r\n\r\n.x\r\n"), SLICE("\r\n\r\n..x\r\n.\r\n")},
};

static struct err stuff(struct buf *out, struct slice in, size_t first, size_t second)
{
	struct dot dot;
	struct err err;

	dot_init(&dot);
	err = dot_add(&dot, out, slice_first(in, first));
	if (!err_is(err)) {
		err = dot_add(&dot, out, slice_first(slice_from(in, first), second));
	}
	if (!err_is(err)) {
		err = dot_add(&dot, out, slice_from(in, first + second));
	}
	return err_is(err) ? err : dot_end(&dot, out);
}

Test(dot, smtp_B3_every_split)
{
	struct buf out;

	buf_init(&out, 0);
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		for (size_t a = 0; a <= good[i].in.n; a++) {
			for (size_t b = 0; a + b <= good[i].in.n; b++) {
				buf_reset(&out);
				cr_expect(!err_is(stuff(&out, good[i].in, a, b)), "%s",
					good[i].label);
				cr_expect(slice_equal(buf_slice(&out), good[i].out),
					"%s at %zu+%zu", good[i].label, a, b);
			}
		}
	}
	buf_clear(&out);
}

static const struct {
	const char *label;
	struct slice in;
} bad[] = {
	{"bare LF", SLICE("a\nb\r\n")},
	{"bare LF first", SLICE("\na\r\n")},
	{"bare CR", SLICE("a\rb\r\n")},
	{"CR CR LF", SLICE("a\r\r\n")},
	{"CR at the end", SLICE("a\r\nb\r")},
	{"smuggling with LF", SLICE("a\n.\r\n")},
	{"smuggling with CR", SLICE("a\r.\r\n")},
	{"LF after CRLF", SLICE("a\r\n\n")},
};

Test(dot, smtp_B1_refuses_bare_line_ends)
{
	struct buf out;

	buf_init(&out, 0);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		for (size_t a = 0; a <= bad[i].in.n; a++) {
			buf_reset(&out);
			cr_expect(stuff(&out, bad[i].in, a, 1).kind == ERR_INPUT, "%s at %zu",
				bad[i].label, a);
		}
	}
	buf_clear(&out);
}

Test(dot, smtp_B2_line_limit)
{
	char text[1002];
	struct buf out;

	memset(text, 'x', sizeof(text));
	buf_init(&out, 0);
	memcpy(text + 998, "\r\n", 2);
	for (size_t a = 0; a <= 1000; a += 50) {
		buf_reset(&out);
		cr_expect(!err_is(stuff(&out, slice_make(text, 1000), a, 3)));
	}
	memcpy(text + 998, "x\r\n", 3);
	for (size_t a = 0; a <= 1001; a += 50) {
		buf_reset(&out);
		cr_expect(stuff(&out, slice_make(text, 1001), a, 3).kind == ERR_INPUT);
	}
	buf_clear(&out);
}

Test(dot, bound_of_the_buffer)
{
	struct buf out;

	buf_init(&out, 4);
	cr_expect(stuff(&out, SLICE("abcdef\r\n"), 3, 0).kind == ERR_LIMIT);
	buf_clear(&out);
}
