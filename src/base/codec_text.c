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

/*
 * What does something where it is shown instead of being seen: controls (C0, DEL,
 * C1), the separators that some readers take for a line end, and the marks that
 * turn the direction of writing, by which a text can be read as another.
 */
static bool steers(uint32_t point)
{
	return point < 0x20 || (point >= 0x7f && point < 0xa0) || point == 0x61c ||
		point == 0x200e || point == 0x200f || (point >= 0x2028 && point <= 0x202e) ||
		(point >= 0x2066 && point <= 0x2069);
}

static void add_octets(struct buf *out, struct slice bytes)
{
	for (size_t i = 0; i < bytes.n; i++) {
		buf_add(out, SLICE("\\x"));
		codec_hex(out, slice_make(bytes.p + i, 1));
	}
}

void codec_printable(struct buf *out, struct slice bytes, size_t max)
{
	size_t used = 0;

	while (bytes.n > 0) {
		size_t n = codec_utf8(bytes);
		bool seen = n > 0 && (bytes.p[0] == '\t' || !steers(codec_utf8_point(bytes, n)));
		struct slice piece = slice_first(bytes, n > 0 ? n : 1);
		size_t size = seen ? n : 4 * piece.n;

		if (size > max - used) {
			return;
		}
		if (seen) {
			buf_add(out, piece);
		} else {
			add_octets(out, piece);
		}
		used += size;
		bytes = slice_from(bytes, piece.n);
	}
}

static bool is_plain(char c)
{
	return (unsigned char)c >= 0x20 && (unsigned char)c < 0x7f && c != '"' && c != '\\';
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
				_mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('\\')),
					_mm_cmpeq_epi8(v, _mm_set1_epi8(0x7f)))));
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

/* All that steers lies below U+10000. */
static void json_point(struct buf *out, uint32_t point)
{
	const char bytes[2] = {(char)(point >> 8), (char)(point & 0xff)};

	buf_add(out, SLICE("\\u"));
	codec_hex(out, slice_make(bytes, sizeof(bytes)));
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

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (names[i][0] == c) {
			buf_add(out, slice_make((char[]){'\\', names[i][1]}, 2));
			return;
		}
	}
	json_point(out, (unsigned char)c);
}

void codec_json(struct buf *out, struct slice bytes)
{
	size_t start = 0;
	size_t i = 0;

	buf_add_byte(out, '"');
	while ((i = plain_end(bytes, i)) < bytes.n) {
		struct slice rest = slice_from(bytes, i);
		size_t n = codec_utf8(rest);
		uint32_t point = n > 0 ? codec_utf8_point(rest, n) : 0;

		if (n > 1 && !steers(point)) {
			i += n;
			continue;
		}
		buf_add(out, slice_make(bytes.p + start, i - start));
		if (n == 0) {
			codec_utf8_add(out, 0xfffd);
		} else if (n == 1) {
			json_escape(out, rest.p[0]);
		} else {
			json_point(out, point);
		}
		i += n > 0 ? n : 1;
		start = i;
	}
	if (i > start) {
		buf_add(out, slice_make(bytes.p + start, i - start));
	}
	buf_add_byte(out, '"');
}

void codec_json_line(struct buf *out, struct slice json)
{
	while (json.n > 0) {
		size_t n = codec_utf8(json);
		uint32_t point = n > 0 ? codec_utf8_point(json, n) : 0xfffd;

		if (point < 0x20) {
			buf_add_byte(out, ' '); /* between values: no string holds one */
		} else if (steers(point)) {
			json_point(out, point);
		} else {
			codec_utf8_add(out, point);
		}
		json = slice_from(json, n > 0 ? n : 1);
	}
	buf_add_byte(out, '\n');
}
