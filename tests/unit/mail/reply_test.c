/* The reply parser: the grammar, the limits, and any way to cut the bytes. */
#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "mail/reply.h"
#include "no_leaks.h"

TestSuite(reply, .fini = no_leaks);

static const struct {
	const char *label;
	struct slice bytes;
	enum reply_status status;
	unsigned code;
	const char *enhanced;
	const char *text; /* LF between lines */
	bool bare_lf;
} rows[] = {
	{"code and blank", SLICE("250 \r\n"), REPLY_DONE, 250, "", "", false},
	{"code alone", SLICE("250\r\n"), REPLY_DONE, 250, "", "", false},
	{"hyphen alone goes on", SLICE("250-\r\n"), REPLY_MORE, 0, "", "", false},
	{"hyphen alone, then the end", SLICE("250-\r\n250\r\n"), REPLY_DONE, 250, "", "\n", false},
	{"two lines", SLICE("250-a\r\n250 b\r\n"), REPLY_DONE, 250, "", "a\nb", false},
	{"codes differ", SLICE("250-a\r\n550 b\r\n"), REPLY_BROKEN, 0, "", "", false},
	{"two digits", SLICE("25 x\r\n"), REPLY_BROKEN, 0, "", "", false},
	{"four digits", SLICE("2500 x\r\n"), REPLY_BROKEN, 0, "", "", false},
	{"six hundred", SLICE("600 x\r\n"), REPLY_BROKEN, 0, "", "", false},
	{"second digit six", SLICE("260 x\r\n"), REPLY_BROKEN, 0, "", "", false},
	{"one hundred", SLICE("150 x\r\n"), REPLY_BROKEN, 0, "", "", false},
	{"leading zero", SLICE("099 x\r\n"), REPLY_BROKEN, 0, "", "", false},
	{"letters", SLICE("abc\r\n"), REPLY_BROKEN, 0, "", "", false},
	{"empty line", SLICE("\r\n"), REPLY_BROKEN, 0, "", "", false},
	{"empty line first", SLICE("\r\n250 ok\r\n"), REPLY_BROKEN, 0, "", "", false},
	{"LF alone", SLICE("\n"), REPLY_BROKEN, 0, "", "", true},
	{"bare LF ends a line", SLICE("250 ok\n"), REPLY_DONE, 250, "", "ok", true},
	{"bare LF among others", SLICE("250-a\n250 b\r\n"), REPLY_DONE, 250, "", "a\nb", true},
	{"bare CR ends nothing", SLICE("250 ok\r"), REPLY_MORE, 0, "", "", false},
	{"bare CR is text", SLICE("250 o\rk\r\n"), REPLY_DONE, 250, "", "o\rk", false},
	{"two CR", SLICE("250 ok\r\r\n"), REPLY_DONE, 250, "", "ok\r", false},
	{"tab behind the code", SLICE("250\tok\r\n"), REPLY_BROKEN, 0, "", "", false},
	{"eight-bit text", SLICE("550 \xff\xfe\x80\r\n"), REPLY_DONE, 550, "", "\xff\xfe\x80",
		false},
	{"all of 2yz to 5yz", SLICE("559 x\r\n"), REPLY_DONE, 559, "", "x", false},
	{"enhanced", SLICE("550 5.7.1 no\r\n"), REPLY_DONE, 550, "5.7.1", "no", false},
	{"enhanced without text", SLICE("550 5.1.1\r\n"), REPLY_DONE, 550, "5.1.1", "", false},
	{"enhanced on each line", SLICE("550-5.1.1 a\r\n550 5.1.1 b\r\n"), REPLY_DONE, 550, "5.1.1",
		"a\nb", false},
	{"enhanced of three digits", SLICE("550 5.7.515 x\r\n"), REPLY_DONE, 550, "5.7.515", "x",
		false},
	{"class of another reply", SLICE("550 4.2.2 full\r\n"), REPLY_DONE, 550, "", "4.2.2 full",
		false},
	{"5 in a 250", SLICE("250 5.1.1 ok\r\n"), REPLY_DONE, 250, "", "5.1.1 ok", false},
	{"subject of four digits", SLICE("550 5.1000.1 x\r\n"), REPLY_DONE, 550, "", "5.1000.1 x",
		false},
	{"no blank behind it", SLICE("550 5.7.1text\r\n"), REPLY_DONE, 550, "", "5.7.1text", false},
	{"two numbers", SLICE("550 5.7 x\r\n"), REPLY_DONE, 550, "", "5.7 x", false},
	{"enhanced on the second line", SLICE("550-a\r\n550 5.1.1 b\r\n"), REPLY_DONE, 550, "5.1.1",
		"a\nb", false},
	{"HTTP", SLICE("HTTP/1.1 400 Bad Request\r\n"), REPLY_BROKEN, 0, "", "", false},
	{"SSH", SLICE("SSH-2.0-OpenSSH_9.2p1\r\n"), REPLY_BROKEN, 0, "", "", false},
	{"TLS record", SLICE("\x15\x03\x01\x00\x02\x02\n"), REPLY_BROKEN, 0, "", "", true},
	{"half a line", SLICE("250 hal"), REPLY_MORE, 0, "", "", false},
	{"nothing", SLICE(""), REPLY_MORE, 0, "", "", false},
};

static void expect_reply(size_t i, enum reply_status status, const struct reply *reply,
	const struct reply_parser *parser, const char *how)
{
	char enhanced[32] = "";

	cr_assert_eq(status, rows[i].status, "%s (%s): status %d", rows[i].label, how, (int)status);
	if (status == REPLY_MORE) {
		return;
	}
	cr_assert(reply_idle(parser), "%s (%s): leftovers", rows[i].label, how);
	if (status == REPLY_BROKEN) {
		return;
	}
	if (reply->enhanced.class != 0) {
		snprintf(enhanced, sizeof(enhanced), "%u.%u.%u", reply->enhanced.class,
			reply->enhanced.subject, reply->enhanced.detail);
	}
	cr_assert_eq(reply->code, rows[i].code, "%s (%s)", rows[i].label, how);
	cr_assert_str_eq(enhanced, rows[i].enhanced, "%s (%s)", rows[i].label, how);
	cr_assert(slice_equal(reply->text, slice_of(rows[i].text)), "%s (%s): %.*s", rows[i].label,
		how, (int)reply->text.n, reply->text.p);
	cr_assert_eq(parser->bare_lf, rows[i].bare_lf, "%s (%s)", rows[i].label, how);
}

Test(reply, smtp_S9_smtp_S12_reads_by_the_grammar)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct reply_parser parser;
		struct slice bytes = rows[i].bytes;
		struct reply reply = {0};
		enum reply_status status;

		reply_init(&parser);
		status = reply_feed(&parser, &bytes, &reply);
		expect_reply(i, status, &reply, &parser, "whole");
		reply_clear(&parser);
	}
}

/* Every byte lies in memory of its own, so that a sanitizer sees what is read behind it. */
Test(reply, smtp_S9_threat_C5_reads_the_same_byte_by_byte)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct reply_parser parser;
		struct reply reply = {0};
		enum reply_status status = REPLY_MORE;

		reply_init(&parser);
		for (size_t at = 0; at < rows[i].bytes.n && status == REPLY_MORE; at++) {
			char *one = mem_copy(rows[i].bytes.p + at, 1);
			struct slice bytes = slice_make(one, 1);

			status = reply_feed(&parser, &bytes, &reply);
			cr_assert_eq(bytes.n, 0);
			mem_free(one);
		}
		expect_reply(i, status, &reply, &parser, "bytewise");
		reply_clear(&parser);
	}
}

/* Each reply, cut anywhere, in memory that ends where it ends; none of them has a NUL to stop at. */
Test(reply, threat_C5_reads_nothing_behind_its_octets)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		for (size_t cut = 0; cut <= rows[i].bytes.n; cut++) {
			struct slice parts[] = {
				slice_first(rows[i].bytes, cut), slice_from(rows[i].bytes, cut)};
			struct reply_parser parser;
			struct reply reply = {0};
			enum reply_status status = REPLY_MORE;

			reply_init(&parser);
			for (size_t k = 0; k < ARRAY_LEN(parts) && status == REPLY_MORE; k++) {
				char *alone = malloc(parts[k].n);
				struct slice bytes = slice_make(alone, parts[k].n);

				if (parts[k].n > 0) {
					memcpy(alone, parts[k].p, parts[k].n);
				}
				status = reply_feed(&parser, &bytes, &reply);
				free(alone);
			}
			expect_reply(i, status, &reply, &parser, "cut");
			reply_clear(&parser);
		}
	}
}

Test(reply, stops_behind_one_reply)
{
	struct reply_parser parser;
	struct slice bytes = SLICE("250-a\r\n250 b\r\n354 go\r\n");
	struct reply reply;

	reply_init(&parser);
	cr_assert_eq(reply_feed(&parser, &bytes, &reply), REPLY_DONE);
	cr_assert(slice_equal(reply.text, SLICE("a\nb")));
	cr_assert(slice_equal(reply_join(&parser), SLICE("a b")));
	cr_assert(slice_equal(bytes, SLICE("354 go\r\n")));
	cr_assert_eq(reply_feed(&parser, &bytes, &reply), REPLY_DONE);
	cr_assert_eq(reply.code, 354);
	cr_assert_eq(bytes.n, 0);
	cr_assert_eq(reply.enhanced.class, 0, "nothing of the last reply is left");
	reply_clear(&parser);
}

Test(reply, can_be_used_after_a_broken_one)
{
	struct reply_parser parser;
	struct slice bytes = SLICE("550-5.7.1 a\r\n250 b\r\n250 fine\r\n");
	struct reply reply;

	reply_init(&parser);
	cr_assert_eq(reply_feed(&parser, &bytes, &reply), REPLY_BROKEN);
	cr_assert_eq(reply_feed(&parser, &bytes, &reply), REPLY_DONE);
	cr_assert_eq(reply.code, 250);
	cr_assert_eq(reply.enhanced.class, 0);
	reply_clear(&parser);
}

static enum reply_status feed_times(struct reply_parser *parser, struct slice bytes, size_t times)
{
	enum reply_status status = REPLY_MORE;
	struct reply reply;

	for (size_t i = 0; i < times && status == REPLY_MORE; i++) {
		struct slice rest = bytes;

		status = reply_feed(parser, &rest, &reply);
	}
	return status;
}

Test(reply, smtp_S10_threat_C7_bounds_what_it_takes)
{
	static const struct {
		const char *label;
		struct slice before;
		struct slice part;
		size_t times;
		struct slice after;
		enum reply_status status;
	} limits[] = {
		{"4096 with its end", SLICE("250 "), SLICE("x"), 4096 - 6, SLICE("\r\n"),
			REPLY_DONE},
		{"4097 with its end", SLICE("250 "), SLICE("x"), 4097 - 6, SLICE("\r\n"),
			REPLY_BROKEN},
		{"a megabyte without LF", SLICE(""), SLICE("25012345"), 131072, SLICE(""),
			REPLY_BROKEN},
		{"100 lines", SLICE(""), SLICE("250-x\r\n"), 99, SLICE("250 x\r\n"), REPLY_DONE},
		{"101 lines", SLICE(""), SLICE("250-x\r\n"), 100, SLICE("250 x\r\n"), REPLY_BROKEN},
		{"a million lines", SLICE(""), SLICE("250-x\r\n"), 1000000, SLICE(""),
			REPLY_BROKEN},
	};

	for (size_t i = 0; i < ARRAY_LEN(limits); i++) {
		struct reply_parser parser;
		enum reply_status status;

		reply_init(&parser);
		status = feed_times(&parser, limits[i].before, 1);
		if (status == REPLY_MORE) {
			status = feed_times(&parser, limits[i].part, limits[i].times);
		}
		if (status == REPLY_MORE) {
			status = feed_times(&parser, limits[i].after, 1);
		}
		cr_assert_eq(status, limits[i].status, "%s", limits[i].label);
		cr_assert_leq(parser.text.cap + parser.line.cap, REPLY_BYTES + REPLY_LINE_BYTES);
		reply_clear(&parser);
	}
}

Test(reply, smtp_S10_bounds_the_whole)
{
	struct reply_parser parser;
	struct buf line;

	buf_init(&line, 0);
	buf_add_text(&line, "250-");
	for (int i = 0; i < 4000; i++) {
		buf_add_byte(&line, 'x');
	}
	buf_add_text(&line, "\r\n");
	reply_init(&parser);
	cr_assert_eq(feed_times(&parser, buf_slice(&line), 16), REPLY_MORE);
	cr_assert_eq(feed_times(&parser, buf_slice(&line), 1), REPLY_BROKEN);
	reply_clear(&parser);
	buf_clear(&line);
}
