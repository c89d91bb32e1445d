/*
 * Encoded words, RFC 2047 section 2: at most 75 characters a word and 76 a line.
 *
 * The whole text becomes words, blanks included, because a reader drops the blanks
 * between two words and keeps those beside plain text: mixing both is where other
 * encoders lose or double blanks.  A word ends only between characters, each word
 * decodes alone (section 5), and Q uses only what is safe in a phrase too, so one
 * encoder serves Subject and display names.
 */
#include "encoded_word.h"

#include <stdbool.h>
#include <string.h>

#include "base/codec.h"

enum {
	LINE = 76,
	WORD = 75,
};

static const struct slice open_q = {"=?utf-8?q?", 10};
static const struct slice open_b = {"=?utf-8?b?", 10};
static const struct slice shut = {"?=", 2};

/* What may stand for itself in a phrase: section 5, rule (3). */
static bool is_q_plain(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		(c != '\0' && strchr("!*+-/", c) != NULL);
}

/* Columns that the text takes in Q. */
static size_t q_width(struct slice text)
{
	size_t columns = 0;

	for (size_t i = 0; i < text.n; i++) {
		columns += is_q_plain((unsigned char)text.p[i]) || text.p[i] == ' ' ? 1 : 3;
	}
	return columns;
}

static size_t b_width(struct slice text)
{
	return (text.n + 2) / 3 * 4;
}

static void add_q(struct buf *out, struct slice text)
{
	static const char hex[] = "0123456789ABCDEF";

	for (size_t i = 0; i < text.n; i++) {
		unsigned char c = (unsigned char)text.p[i];

		if (c == ' ') {
			buf_add_byte(out, '_');
		} else if (is_q_plain(c)) {
			buf_add_byte(out, (char)c);
		} else {
			char code[3] = {'=', hex[c >> 4], hex[c & 15]};

			buf_add(out, slice_make(code, sizeof(code)));
		}
	}
}

/* Q lets people read the Latin letters; beyond half as much again it is only long. */
static bool q_is_fit(struct slice text)
{
	return 2 * q_width(text) <= 3 * b_width(text);
}

/* The longest run of whole characters that fits `room` columns of payload. */
static size_t fit(struct slice text, size_t room, bool q)
{
	size_t n = 0;
	size_t columns = 0;

	while (n < text.n) {
		size_t length = codec_utf8(slice_from(text, n));
		struct slice character = slice_make(text.p + n, length == 0 ? 1 : length);

		columns = q ? columns + q_width(character)
			    : b_width(slice_first(text, n + character.n));
		if (columns > room) {
			break;
		}
		n += character.n;
	}
	return n;
}

static void add_word(struct buf *out, struct slice text, bool q)
{
	buf_add(out, q ? open_q : open_b);
	if (q) {
		add_q(out, text);
	} else {
		codec_base64(out, text, 0);
	}
	buf_add(out, shut);
}

size_t encoded_word_add(struct buf *out, size_t column, struct slice text)
{
	const size_t around = open_q.n + shut.n;
	bool q = q_is_fit(text);

	while (text.n > 0) {
		size_t room = column + around < LINE ? LINE - column - around : 0;
		size_t before = out->n;
		size_t n;

		room = room > WORD - around ? WORD - around : room;
		n = fit(text, room, q);
		if (n == 0) {
			buf_add(out, SLICE("\r\n "));
			column = 1;
			continue;
		}
		add_word(out, slice_first(text, n), q);
		text = slice_from(text, n);
		column += out->n - before;
		if (text.n > 0) {
			buf_add(out, SLICE("\r\n "));
			column = 1;
		}
	}
	return column;
}
