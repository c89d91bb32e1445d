/*
 * UTF-8 (RFC 3629), and what makes text of strangers fit for Postgres, terminals
 * and JSON.  Text is nearly always clean: runs that need nothing are found fast
 * and copied whole; only what interrupts them is looked at.
 */
#include "base/codec.h"

#include <string.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#define HIGH_BITS UINT64_C(0x8080808080808080)

static bool is_trail(char c)
{
	return ((unsigned char)c & 0xc0) == 0x80;
}

/* RFC 3629 section 4: no overlong form, no surrogate, nothing above U+10FFFF. */
static size_t utf8_wide(struct slice s)
{
	unsigned char first = (unsigned char)s.p[0];
	unsigned char second = s.n > 1 ? (unsigned char)s.p[1] : 0;

	if (first < 0xc2 || first > 0xf4 || !is_trail((char)second)) {
		return 0;
	}
	if (first < 0xe0) {
		return 2;
	}
	if (s.n < 3 || !is_trail(s.p[2])) {
		return 0;
	}
	if (first < 0xf0) {
		bool overlong = first == 0xe0 && second < 0xa0;
		bool surrogate = first == 0xed && second > 0x9f;

		return overlong || surrogate ? 0 : 3;
	}
	if (s.n < 4 || !is_trail(s.p[3]) || (first == 0xf0 && second < 0x90) ||
		(first == 0xf4 && second > 0x8f)) {
		return 0;
	}
	return 4;
}

size_t codec_utf8(struct slice s)
{
	if (s.n == 0) {
		return 0;
	}
	return (unsigned char)s.p[0] < 0x80 ? 1 : utf8_wide(s);
}

/* How many bytes from the start are ASCII for sure: whole words only. */
static size_t ascii_words(struct slice s)
{
	size_t i = 0;

	for (; i + sizeof(uint64_t) <= s.n; i += sizeof(uint64_t)) {
		uint64_t word;

		memcpy(&word, s.p + i, sizeof(word));
		if ((word & HIGH_BITS) != 0) {
			break;
		}
	}
	return i;
}

bool codec_is_utf8(struct slice s)
{
	while (s.n > 0) {
		size_t n = ascii_words(s);

		if (n == 0) {
			n = codec_utf8(s);
		}
		if (n == 0) {
			return false;
		}
		s = slice_from(s, n);
	}
	return true;
}

bool codec_is_ascii(struct slice s)
{
	for (size_t i = ascii_words(s); i < s.n; i++) {
		if ((unsigned char)s.p[i] >= 0x80) {
			return false;
		}
	}
	return true;
}

uint32_t codec_utf8_point(struct slice s, size_t length)
{
	uint32_t point = (unsigned char)s.p[0];

	if (length > 1) {
		point &= 0x7fU >> length;
	}
	for (size_t i = 1; i < length; i++) {
		point = point << 6 | ((unsigned char)s.p[i] & 0x3f);
	}
	return point;
}

void codec_utf8_add(struct buf *out, uint32_t point)
{
	size_t trail = point < 0x80 ? 0 : point < 0x800 ? 1 : point < 0x10000 ? 2 : 3;
	char bytes[4];

	if (point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff)) {
		codec_utf8_add(out, 0xfffd);
		return;
	}
	for (size_t i = trail; i > 0; i--) {
		bytes[i] = (char)(0x80 | (point & 0x3f));
		point >>= 6;
	}
	bytes[0] = (char)(point | (trail > 0 ? 0xff00U >> (trail + 1) & 0xff : 0));
	buf_add(out, slice_make(bytes, trail + 1));
}

/* Tab is the one control that terminals and people take. */
static bool is_control(struct slice s, size_t length)
{
	unsigned char first = (unsigned char)s.p[0];

	if (length == 1) {
		return (first < 0x20 && first != '\t') || first == 0x7f;
	}
	return length == 2 && first == 0xc2 && (unsigned char)s.p[1] < 0xa0;
}

void codec_printable(struct buf *out, struct slice bytes, size_t max)
{
	size_t used = 0;

	while (bytes.n > 0) {
		size_t n = codec_utf8(bytes);
		char escape[4];
		struct slice piece = slice_first(bytes, n);

		if (n == 0 || is_control(bytes, n)) {
			unsigned char byte = (unsigned char)bytes.p[0];

			escape[0] = '\\';
			escape[1] = 'x';
			escape[2] = "0123456789abcdef"[byte >> 4];
			escape[3] = "0123456789abcdef"[byte & 15];
			piece = slice_make(escape, sizeof(escape));
			n = 1;
		}
		if (piece.n > max - used) {
			return;
		}
		buf_add(out, piece);
		used += piece.n;
		bytes = slice_from(bytes, n);
	}
}

static bool is_plain(char c)
{
	return (unsigned char)c >= 0x20 && (unsigned char)c < 0x80 && c != '"' && c != '\\';
}

/* How many bytes from `i` on are ASCII that JSON takes as it is. */
static size_t plain_end(struct slice s, size_t i)
{
#if defined(__SSE2__)
	for (; i + 16 <= s.n; i += 16) {
		__m128i v = _mm_loadu_si128((const __m128i *)(const void *)(s.p + i));
		/* As signed numbers, bytes from 0x80 on are below a blank too. */
		__m128i odd = _mm_or_si128(_mm_cmplt_epi8(v, _mm_set1_epi8(' ')),
			_mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('"')),
				_mm_cmpeq_epi8(v, _mm_set1_epi8('\\'))));
		unsigned mask = (unsigned)_mm_movemask_epi8(odd);

		if (mask != 0) {
			return i + (size_t)__builtin_ctz(mask);
		}
	}
#endif
	while (i < s.n && is_plain(s.p[i])) {
		i++;
	}
	return i;
}

static void json_escape(struct buf *out, char c)
{
	static const char names[][2] = {
		{'"', '"'},
		{'\\', '\\'},
		{'\n', 'n'},
		{'\r', 'r'},
		{'\t', 't'},
		{'\b', 'b'},
		{'\f', 'f'},
	};
	unsigned char byte = (unsigned char)c;

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (names[i][0] == c) {
			buf_add(out, slice_make((char[]){'\\', names[i][1]}, 2));
			return;
		}
	}
	if (byte >= 0x80) {
		codec_utf8_add(out, 0xfffd);
		return;
	}
	buf_add(out, SLICE("\\u00"));
	buf_add_byte(out, "0123456789abcdef"[byte >> 4]);
	buf_add_byte(out, "0123456789abcdef"[byte & 15]);
}

void codec_json(struct buf *out, struct slice bytes)
{
	size_t start = 0;
	size_t i = 0;

	buf_add_byte(out, '"');
	while ((i = plain_end(bytes, i)) < bytes.n) {
		size_t n = (unsigned char)bytes.p[i] >= 0x80 ? codec_utf8(slice_from(bytes, i)) : 0;

		if (n > 0) {
			i += n;
			continue;
		}
		buf_add(out, slice_make(bytes.p + start, i - start));
		json_escape(out, bytes.p[i]);
		start = ++i;
	}
	if (i > start) {
		buf_add(out, slice_make(bytes.p + start, i - start));
	}
	buf_add_byte(out, '"');
}
