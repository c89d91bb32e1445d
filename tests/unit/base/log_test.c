/* Log lines, as they arrive on standard error. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "no_leaks.h"

TestSuite(log, .fini = no_leaks);

/* Standard error goes into a pipe from begin_capture() to end_capture(). */
struct capture {
	int saved;
	int pipe;
	char text[32768];
};

static void begin_capture(struct capture *capture)
{
	int ends[2];

	*capture = (struct capture){0};
	cr_assert_eq(pipe(ends), 0);
	capture->saved = dup(STDERR_FILENO);
	dup2(ends[1], STDERR_FILENO);
	close(ends[1]);
	capture->pipe = ends[0];
}

static const char *end_capture(struct capture *capture)
{
	size_t n = 0;
	ssize_t got;

	dup2(capture->saved, STDERR_FILENO);
	close(capture->saved);
	while ((got = read(capture->pipe, capture->text + n, sizeof(capture->text) - 1 - n)) > 0) {
		n += (size_t)got;
	}
	close(capture->pipe);
	return capture->text;
}

Test(log, lines_carry_their_scopes_outermost_first)
{
	static struct capture capture;
	struct log_scope source = {NULL, "source", "192.0.2.7"};
	struct log_scope session = {&source, "session", "8f 31"};

	begin_capture(&capture);
	log_info(NULL, "started", "%s", "");
	log_info(&session, "delivered", "code=%d", 250);
	log_error(&source, "lost", "text=%s", log_quote(SLICE("a b")));
	cr_expect_str_eq(end_capture(&capture),
		"started\n"
		"delivered source=192.0.2.7 session=\"8f 31\" code=250\n"
		"lost source=192.0.2.7 text=\"a b\"\n");
}

Test(log, one_of_several_processes_says_which_it_is)
{
	static struct capture capture;
	struct log_scope worker = {NULL, "worker", "w1"};
	struct log_scope source = {NULL, "source", "192.0.2.7"};

	begin_capture(&capture);
	log_set_outermost(&worker);
	log_info(NULL, "ready", "%s", "");
	log_info(&source, "lost", "n=%d", 1);
	log_set_outermost(NULL);
	log_info(NULL, "stopped", "%s", "");
	cr_expect_str_eq(end_capture(&capture),
		"ready worker=w1\n"
		"lost worker=w1 source=192.0.2.7 n=1\n"
		"stopped\n");
}

Test(log, threshold)
{
	static struct capture capture;

	begin_capture(&capture);
	log_debug(NULL, "one", "n=%d", 1);
	log_set_level(LOG_LEVEL_DEBUG);
	log_debug(NULL, "two", "n=%d", 2);
	log_set_level(LOG_LEVEL_ERROR);
	log_warning(NULL, "three", "n=%d", 3);
	log_error(NULL, "four", "n=%d", 4);
	log_set_level(LOG_LEVEL_INFO);
	cr_expect_str_eq(end_capture(&capture), "two n=2\nfour n=4\n");
}

Test(log, stays_one_line)
{
	static struct capture capture;

	begin_capture(&capture);
	log_info(NULL, "forged", "text=%s", "a\nforged text=\x1b[2Jb\r");
	log_info(NULL, "forged", "text=%s", "\xff\xc2\x9b\xe2\x80\xae\xc3\xa4");
	cr_expect_str_eq(end_capture(&capture),
		"forged text=a forged text= [2Jb \n"
		"forged text=\\xff\\xc2\\x9b\\xe2\\x80\\xae\xc3\xa4\n");
}

Test(log, long_lines_are_cut_and_errno_is_kept)
{
	static struct capture capture;
	static char text[20001];

	memset(text, 'x', sizeof(text) - 1);
	begin_capture(&capture);
	errno = EBUSY;
	log_info(NULL, "long", "text=%s", text);
	cr_expect_eq(errno, EBUSY);
	end_capture(&capture);
	cr_expect_eq(strlen(capture.text), 16385);
	cr_expect_eq(capture.text[16384], '\n');
}

Test(log, journal_gets_priorities)
{
	static struct capture capture;
	char stream[64];
	struct stat at;

	begin_capture(&capture);
	fstat(STDERR_FILENO, &at);
	snprintf(stream, sizeof(stream), "%lu:%lu", at.st_dev, at.st_ino);
	setenv("JOURNAL_STREAM", stream, 1);
	log_error(NULL, "a", "n=%d", 1);
	log_warning(NULL, "b", "n=%d", 2);
	setenv("JOURNAL_STREAM", "1:1", 1);
	log_info(NULL, "c", "n=%d", 3);
	unsetenv("JOURNAL_STREAM");
	cr_expect_str_eq(end_capture(&capture), "<3>a n=1\n<4>b n=2\nc n=3\n");
}

Test(log, parses_levels)
{
	enum log_level level = LOG_LEVEL_ERROR;

	cr_expect(log_parse_level(SLICE("debug"), &level));
	cr_expect_eq(level, LOG_LEVEL_DEBUG);
	cr_expect(log_parse_level(SLICE("error"), &level));
	cr_expect_eq(level, LOG_LEVEL_ERROR);
	cr_expect(!log_parse_level(SLICE("loud"), &level));
	cr_expect(!log_parse_level(SLICE("Debug"), &level));
	cr_expect(!log_parse_level(SLICE(""), &level));
}

Test(log, quotes)
{
	static const struct {
		struct slice s;
		const char *want;
	} rows[] = {
		{{"plain-1.2", 9}, "plain-1.2"},
		{{NULL, 0}, "\"\""},
		{{"a b", 3}, "\"a b\""},
		{{"a=b", 3}, "\"a=b\""},
		{{"a\"b\\", 4}, "\"a\\\"b\\\\\""},
		{{"a\r\n\tb", 5}, "\"a\\r\\n\\tb\""},
		{{"\0\x1b\xff", 3}, "\"\\x00\\x1b\\xff\""},
		{{"\xc3\xa4", 2}, "\"\xc3\xa4\""},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		cr_expect_str_eq(log_quote(rows[i].s), rows[i].want, "row %zu", i);
	}
}

Test(log, quotes_at_most_4000_bytes)
{
	static char text[4096];

	for (size_t n = 3980; n < 4020; n++) {
		memset(text, 'x', n);
		cr_expect_eq(strlen(log_quote(slice_make(text, n))), n <= 4000 ? n : 4000);
		text[0] = ' ';
		cr_expect_eq(strlen(log_quote(slice_make(text, n))), n + 2 <= 4000 ? n + 2 : 4000);
		memset(text, '"', n);
		cr_expect_leq(strlen(log_quote(slice_make(text, n))), 4000);
		memset(text, '\x01', n);
		cr_expect_leq(strlen(log_quote(slice_make(text, n))), 4000);
	}
}

Test(log, eight_quotes_live_at_once)
{
	const char *quoted[8];

	for (int i = 0; i < 8; i++) {
		char c = (char)('a' + i);

		quoted[i] = log_quote(slice_make(&c, 1));
	}
	for (int i = 0; i < 8; i++) {
		cr_expect_eq(quoted[i][0], 'a' + i);
	}
}
