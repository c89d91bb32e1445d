/*
 * Base64, base32, hex.  Encoders reserve what they will write and then write with
 * no further test; decoders likewise, and cut back what they wrote when the text
 * turns out to be wrong.  Base64 takes 12 bytes at a time where the processor has
 * SSSE3: bodies and DKIM signatures pass through here.
 */
#include "base/codec.h"

#include <string.h>

#include "hex.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

static const char base64_digits[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

#define WRONG 0x80 /* the bit that all below have */
#define BLANK 0x81
#define PAD 0x82

static const uint8_t base64_values[256] = {0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80,
	0x81, 0x81, 0x80, 0x80, 0x81, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80,
	0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x81, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80,
	0x80, 0x80, 0x80, 0x80, 0x3e, 0x80, 0x80, 0x80, 0x3f, 0x34, 0x35, 0x36, 0x37, 0x38, 0x39,
	0x3a, 0x3b, 0x3c, 0x3d, 0x80, 0x80, 0x80, 0x82, 0x80, 0x80, 0x80, 0x00, 0x01, 0x02, 0x03,
	0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f, 0x10, 0x11, 0x12,
	0x13, 0x14, 0x15, 0x16, 0x17, 0x18, 0x19, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x1a, 0x1b,
	0x1c, 0x1d, 0x1e, 0x1f, 0x20, 0x21, 0x22, 0x23, 0x24, 0x25, 0x26, 0x27, 0x28, 0x29, 0x2a,
	0x2b, 0x2c, 0x2d, 0x2e, 0x2f, 0x30, 0x31, 0x32, 0x33, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80,
	0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80,
	0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80,
	0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80,
	0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80,
	0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80,
	0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80,
	0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80,
	0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80,
	0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80};

/* Writes all of `in`, with padding; returns behind the last character. */
static char *base64_scalar(char *out, const uint8_t *in, size_t n)
{
	for (; n >= 3; n -= 3, in += 3, out += 4) {
		uint32_t v = (uint32_t)in[0] << 16 | (uint32_t)in[1] << 8 | in[2];

		out[0] = base64_digits[v >> 18];
		out[1] = base64_digits[v >> 12 & 63];
		out[2] = base64_digits[v >> 6 & 63];
		out[3] = base64_digits[v & 63];
	}
	if (n > 0) {
		uint32_t v = (uint32_t)in[0] << 16 | (n > 1 ? (uint32_t)in[1] << 8 : 0);

		out[0] = base64_digits[v >> 18];
		out[1] = base64_digits[v >> 12 & 63];
		out[2] = n > 1 ? base64_digits[v >> 6 & 63] : '=';
		out[3] = '=';
		out += 4;
	}
	return out;
}

#if defined(__x86_64__)
/*
 * 12 bytes to 16 digits: each group of three is spread over a 32-bit lane, two
 * multiplications shift its four sextets into bytes of their own, and a shuffle
 * looks up what to add to a sextet to make it a digit.
 */
__attribute__((target("ssse3"))) static void base64_12(char *out, const uint8_t *in)
{
	const __m128i spread = _mm_setr_epi8(1, 0, 2, 1, 4, 3, 5, 4, 7, 6, 8, 7, 10, 9, 11, 10);
	const __m128i lift =
		_mm_setr_epi8('a' - 26, '0' - 52, '0' - 52, '0' - 52, '0' - 52, '0' - 52, '0' - 52,
			'0' - 52, '0' - 52, '0' - 52, '0' - 52, '+' - 62, '/' - 63, 'A', 0, 0);
	__m128i v = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(const void *)in), spread);
	__m128i odd = _mm_mulhi_epu16(
		_mm_and_si128(v, _mm_set1_epi32(0x0fc0fc00)), _mm_set1_epi32(0x04000040));
	__m128i even = _mm_mullo_epi16(
		_mm_and_si128(v, _mm_set1_epi32(0x003f03f0)), _mm_set1_epi32(0x01000010));
	__m128i sextets = _mm_or_si128(odd, even);
	/* 0 for a..z, 1..12 for digits and signs, 13 for A..Z */
	__m128i kind = _mm_or_si128(_mm_subs_epu8(sextets, _mm_set1_epi8(51)),
		_mm_and_si128(_mm_cmpgt_epi8(_mm_set1_epi8(26), sextets), _mm_set1_epi8(13)));

	_mm_storeu_si128(
		(__m128i *)(void *)out, _mm_add_epi8(sextets, _mm_shuffle_epi8(lift, kind)));
}

/* As base64_scalar(); `readable` >= n bytes may be looked at. */
__attribute__((target("ssse3"))) static char *base64_ssse3(
	char *out, const uint8_t *in, size_t n, size_t readable)
{
	for (; n >= 12 && readable >= 16; n -= 12, readable -= 12, in += 12, out += 16) {
		base64_12(out, in);
	}
	return base64_scalar(out, in, n);
}
#endif

static char *base64_run(char *out, const uint8_t *in, size_t n, size_t readable)
{
#if defined(__x86_64__)
	if (__builtin_cpu_supports("ssse3")) {
		return base64_ssse3(out, in, n, readable);
	}
#endif
	(void)readable;
	return base64_scalar(out, in, n);
}

void codec_base64(struct buf *out, struct slice bytes, size_t line)
{
	const uint8_t *in = (const uint8_t *)bytes.p;
	size_t digits = bytes.n / 3 * 4 + (bytes.n % 3 > 0 ? 4 : 0);
	size_t line_bytes = line >= 4 ? line / 4 * 3 : bytes.n;
	size_t lines = bytes.n > 0 ? (bytes.n - 1) / line_bytes + 1 : 0;
	size_t size = digits + (line > 0 ? 2 * lines : 0);
	char *p = buf_reserve(out, size);

	if (p == NULL) {
		return;
	}
	for (size_t left = bytes.n; left > 0;) {
		size_t n = left < line_bytes ? left : line_bytes;

		p = base64_run(p, in, n, left);
		if (line > 0) {
			*p++ = '\r';
			*p++ = '\n';
		}
		in += n;
		left -= n;
	}
	buf_commit(out, size);
}

/* What a decoder is in the middle of. */
struct sextets {
	uint32_t bits;
	unsigned count; /* since the last whole group */
	unsigned pads;
};

/* One character that is not part of a clean group of four. */
static bool base64_take(struct sextets *s, uint8_t value, char **p)
{
	if (value == BLANK) {
		return true;
	}
	if (value == PAD) {
		s->pads++;
		return s->count >= 2 && s->count + s->pads <= 4;
	}
	if ((value & WRONG) != 0 || s->pads > 0) {
		return false;
	}
	s->bits = s->bits << 6 | value;
	if (++s->count == 4) {
		*(*p)++ = (char)(s->bits >> 16);
		*(*p)++ = (char)(s->bits >> 8);
		*(*p)++ = (char)s->bits;
		*s = (struct sextets){0};
	}
	return true;
}

/* Clean groups of four from in; returns how many characters they had. */
static size_t base64_groups(const uint8_t *in, size_t n, char **p)
{
	size_t i = 0;
	char *out = *p;

	for (; i + 4 <= n; i += 4, out += 3) {
		uint8_t a = base64_values[in[i]];
		uint8_t b = base64_values[in[i + 1]];
		uint8_t c = base64_values[in[i + 2]];
		uint8_t d = base64_values[in[i + 3]];

		if (((a | b | c | d) & WRONG) != 0) {
			break;
		}
		out[0] = (char)(a << 2 | b >> 4);
		out[1] = (char)(b << 4 | c >> 2);
		out[2] = (char)(c << 6 | d);
	}
	*p = out;
	return i;
}

static bool base64_end(const struct sextets *s, char **p)
{
	if (s->count == 0) {
		return s->pads == 0;
	}
	if (s->count + s->pads != 4) {
		return false;
	}
	*(*p)++ = (char)(s->count == 3 ? s->bits >> 10 : s->bits >> 4);
	if (s->count == 3) {
		*(*p)++ = (char)(s->bits >> 2);
	}
	return true;
}

bool codec_base64_decode(struct buf *out, struct slice text)
{
	const uint8_t *in = (const uint8_t *)text.p;
	char *start = buf_reserve(out, text.n / 4 * 3 + 3);
	char *p = start;
	struct sextets sextets = {0};

	if (start == NULL) {
		return false;
	}
	for (size_t i = 0; i < text.n;) {
		if (sextets.count == 0 && sextets.pads == 0) {
			i += base64_groups(in + i, text.n - i, &p);
		}
		if (i < text.n && !base64_take(&sextets, base64_values[in[i++]], &p)) {
			return false;
		}
	}
	if (!base64_end(&sextets, &p)) {
		return false;
	}
	buf_commit(out, (size_t)(p - start));
	return true;
}

void codec_base32(struct buf *out, struct slice bytes)
{
	size_t size = bytes.n / 5 * 8 + (bytes.n % 5 * 8 + 4) / 5;
	char *p = buf_reserve(out, size);
	uint32_t bits = 0;
	unsigned count = 0;

	if (p == NULL) {
		return;
	}
	for (size_t i = 0; i < bytes.n; i++) {
		bits = bits << 8 | (uint8_t)bytes.p[i];
		for (count += 8; count >= 5; count -= 5) {
			*p++ = "abcdefghijklmnopqrstuvwxyz234567"[bits >> (count - 5) & 31];
		}
	}
	if (count > 0) {
		*p = "abcdefghijklmnopqrstuvwxyz234567"[bits << (5 - count) & 31];
	}
	buf_commit(out, size);
}

static int base32_value(char c)
{
	unsigned letter = ((unsigned)(unsigned char)c | 0x20) - 'a';
	unsigned digit = (unsigned)(unsigned char)c - '2';

	if (letter < 26) {
		return (int)letter;
	}
	return digit < 6 ? (int)digit + 26 : -1;
}

bool codec_base32_decode(struct buf *out, struct slice text)
{
	char *p = buf_reserve(out, text.n / 8 * 5 + 5);
	uint32_t bits = 0;
	unsigned count = 0;
	size_t n = 0;

	if (p == NULL) {
		return false;
	}
	for (size_t i = 0; i < text.n; i++) {
		int value = base32_value(text.p[i]);

		if (value < 0) {
			return false;
		}
		bits = bits << 5 | (uint32_t)value;
		count += 5;
		if (count >= 8) {
			count -= 8;
			p[n++] = (char)(bits >> count);
		}
	}
	if (count >= 5 || (bits & ((1U << count) - 1)) != 0) {
		return false;
	}
	buf_commit(out, n);
	return true;
}

void codec_hex(struct buf *out, struct slice bytes)
{
	const uint8_t *in = (const uint8_t *)bytes.p;
	char *p = buf_reserve(out, bytes.n * 2);
	size_t i = 0;

	if (p == NULL) {
		return;
	}
	for (; i + 4 <= bytes.n; i += 4) {
		hex_write_4(p + 2 * i, in + i);
	}
	for (; i < bytes.n; i++) {
		p[2 * i] = "0123456789abcdef"[in[i] >> 4];
		p[2 * i + 1] = "0123456789abcdef"[in[i] & 15];
	}
	buf_commit(out, bytes.n * 2);
}

bool codec_hex_decode(struct buf *out, struct slice text)
{
	char *p = buf_reserve(out, text.n / 2);

	if (p == NULL || text.n % 2 != 0) {
		return false;
	}
	for (size_t i = 0; i < text.n; i += 2) {
		int high = hex_value(text.p[i]);
		int low = hex_value(text.p[i + 1]);

		if (high < 0 || low < 0) {
			return false;
		}
		p[i / 2] = (char)(high << 4 | low);
	}
	buf_commit(out, text.n / 2);
	return true;
}
