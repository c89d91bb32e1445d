/* Undoing the dots: the same result however the bytes are cut. */
#include <criterion/criterion.h>

#include "message.h"
#include "no_leaks.h"

TestSuite(message, .fini = no_leaks);

#define BIT(name) (UINT32_C(1) << VIOLATION_##name)

static const struct {
	const char *label;
	struct slice in; /* with the final dot, and "rest" behind it */
	struct slice out;
	uint32_t violations;
} rows[] = {
	{"empty", SLICE(".\r\nrest"), SLICE(""), 0},
	{"a line", SLICE("a\r\n.\r\nrest"), SLICE("a\r\n"), 0},
	{"stuffed", SLICE("..\r\n..a\r\n...\r\n.\r\nrest"), SLICE(".\r\n.a\r\n..\r\n"), 0},
	{"needlessly stuffed", SLICE(".a\r\n.\r\nrest"), SLICE("a\r\n"), 0},
	{"dot inside", SLICE("a.\r\n.\r\nrest"), SLICE("a.\r\n"), 0},
	{"bare LF", SLICE("a\nb\r\n.\r\nrest"), SLICE("a\nb\r\n"), BIT(BARE_LF)},
	{"dot between bare LFs", SLICE("a\n.\nb\r\n.\r\nrest"), SLICE("a\n.\nb\r\n"), BIT(BARE_LF)},
	{"dot after a bare LF", SLICE("a\n.\r\nb\r\n.\r\nrest"), SLICE("a\n.\r\nb\r\n"),
		BIT(BARE_LF)},
	{"dot and bare LF", SLICE("a\r\n.\nb\r\n.\r\nrest"), SLICE("a\r\n\nb\r\n"), BIT(BARE_LF)},
	{"bare CR", SLICE("a\rb\r\n.\r\nrest"), SLICE("a\rb\r\n"), BIT(BARE_CR)},
	{"CR CR LF", SLICE("a\r\r\n.\r\nrest"), SLICE("a\r\r\n"), BIT(BARE_CR)},
	{"dot and CR", SLICE(".\rb\r\n.\r\nrest"), SLICE("\rb\r\n"), BIT(BARE_CR)},
	{"dot and CR CR", SLICE(".\r\r\n.\r\nrest"), SLICE("\r\r\n"), BIT(BARE_CR)},
	{"NUL", SLICE("a\0b\r\n.\r\nrest"), SLICE("a\0b\r\n"), BIT(NUL)},
};

/* Feeds so many bytes at a time; returns how many were taken. */
static size_t feed(struct message *message, struct slice in, size_t step)
{
	size_t done = 0;
	size_t taken;

	while (done < in.n) {
		bool end = message_feed(message, slice_first(slice_from(in, done), step), &taken);

		done += taken;
		if (end) {
			return done;
		}
	}
	return 0;
}

Test(message, undoes_dots_in_pieces_of_any_size)
{
	struct message message = {0};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		for (size_t step = 1; step <= rows[i].in.n; step++) {
			message_begin(&message, true);
			cr_expect_eq(feed(&message, rows[i].in, step), rows[i].in.n - 4,
				"%s by %zu", rows[i].label, step);
			cr_expect(slice_equal(buf_slice(&message.whole), rows[i].out), "%s by %zu",
				rows[i].label, step);
			cr_expect_eq(message.size, rows[i].out.n, "%s by %zu", rows[i].label, step);
			cr_expect_eq(message.violations, rows[i].violations, "%s by %zu: %x",
				rows[i].label, step, message.violations);
		}
	}
	message_clear(&message);
}

Test(message, digest_of_known_texts)
{
	struct message message = {0};
	char hex[65];

	for (int i = 0; i < 2; i++) { /* the second uses the first's context again */
		message_begin(&message, false);
		(void)feed(&message, SLICE(".\r\n"), 1);
		message_digest(&message, hex);
		cr_expect_str_eq(
			hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	}
	message_clear(&message);
}

#define UUID "01890000-0000-7000-8000-00000000000a"

Test(message, job)
{
	static const struct {
		const char *head;
		const char *sender;
		const char *job;
	} jobs[] = {
		{"X-Penguin-Job: 17\r\nMessage-ID: <" UUID "@x>\r\n\r\n", UUID "@x", "17"},
		{"message-id:\t<" UUID "@x> \r\n\r\n", "a@b", UUID},
		{"Message-ID: <" UUID ">\r\n\r\n", "a@b", ""},
		{"Message-ID: <x" UUID "@x>\r\n\r\n", "a@b", ""},
		{"a: b\r\n\r\nX-Penguin-Job: 17\r\n", "a@b", ""},
		{"a: b\r\n\r\n", "b-" UUID "@x", UUID},
		{"", "", ""},
	};
	struct message message = {0};

	for (size_t i = 0; i < ARRAY_LEN(jobs); i++) {
		struct slice job;

		message_begin(&message, false);
		buf_add_text(&message.head, jobs[i].head);
		job = message_job(&message, slice_of(jobs[i].sender));
		cr_expect(
			slice_equal(job, slice_of(jobs[i].job)), "%zu: %.*s", i, (int)job.n, job.p);
	}
	message_clear(&message);
}
