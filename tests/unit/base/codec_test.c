/* Base64, base32, hex, CRC-32C: the vectors of their RFCs, round trips, refusals. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "../../../src/base/codec_crc.h"
#include "base/codec.h"
#include "no_leaks.h"

TestSuite(codec, .fini = no_leaks);

#define ROUND_TRIP_BYTES 300

typedef void encoder(struct buf *out, struct slice bytes);
typedef bool decoder(struct buf *out, struct slice text);

static void base64_plain(struct buf *out, struct slice bytes)
{
	codec_base64(out, bytes, 0);
}

static void base64_lines(struct buf *out, struct slice bytes)
{
	codec_base64(out, bytes, 76);
}

Test(codec, vectors)
{
	static const struct {
		const char *label;
		encoder *encode;
		decoder *decode;
		struct slice bytes;
		const char *text;
	} rows[] = {
		{"base64 of nothing", base64_plain, codec_base64_decode, {"", 0}, ""},
		{"base64 f", base64_plain, codec_base64_decode, {"f", 1}, "Zg=="},
		{"base64 fo", base64_plain, codec_base64_decode, {"fo", 2}, "Zm8="},
		{"base64 foo", base64_plain, codec_base64_decode, {"foo", 3}, "Zm9v"},
		{"base64 foob", base64_plain, codec_base64_decode, {"foob", 4}, "Zm9vYg=="},
		{"base64 fooba", base64_plain, codec_base64_decode, {"fooba", 5}, "Zm9vYmE="},
		{"base64 foobar", base64_plain, codec_base64_decode, {"foobar", 6}, "Zm9vYmFy"},
		{"base64 signs", base64_plain, codec_base64_decode, {"\xfb\xff\xbf", 3}, "+/+/"},
		{"base32 of nothing", codec_base32, codec_base32_decode, {"", 0}, ""},
		{"base32 f", codec_base32, codec_base32_decode, {"f", 1}, "my"},
		{"base32 fo", codec_base32, codec_base32_decode, {"fo", 2}, "mzxq"},
		{"base32 foo", codec_base32, codec_base32_decode, {"foo", 3}, "mzxw6"},
		{"base32 foob", codec_base32, codec_base32_decode, {"foob", 4}, "mzxw6yq"},
		{"base32 fooba", codec_base32, codec_base32_decode, {"fooba", 5}, "mzxw6ytb"},
		{"base32 foobar", codec_base32, codec_base32_decode, {"foobar", 6}, "mzxw6ytboi"},
		{"hex of nothing", codec_hex, codec_hex_decode, {"", 0}, ""},
		{"hex", codec_hex, codec_hex_decode, {"\x00\x09\xa0\xff\x5b", 5}, "0009a0ff5b"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct buf out;

		buf_init(&out, 0);
		rows[i].encode(&out, rows[i].bytes);
		cr_expect_str_eq(buf_string(&out), rows[i].text, "%s", rows[i].label);
		buf_reset(&out);
		cr_expect(rows[i].decode(&out, slice_of(rows[i].text)), "%s", rows[i].label);
		cr_expect(slice_equal(buf_slice(&out), rows[i].bytes), "%s", rows[i].label);
		buf_clear(&out);
	}
}

/* Each length lies at the end of its own allocation, so that a sanitizer sees any overrun. */
Test(codec, round_trips_of_every_length)
{
	static const struct {
		const char *label;
		encoder *encode;
		decoder *decode;
	} rows[] = {
		{"base64", base64_plain, codec_base64_decode},
		{"base64 in lines", base64_lines, codec_base64_decode},
		{"base32", codec_base32, codec_base32_decode},
		{"hex", codec_hex, codec_hex_decode},
	};

	for (size_t n = 1; n < ROUND_TRIP_BYTES; n++) {
		char *bytes = malloc(n);

		for (size_t i = 0; i < n; i++) {
			bytes[i] = (char)(n * 131 + i * i * 7 + i);
		}
		for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
			struct buf text;
			struct buf back;

			buf_init(&text, 0);
			buf_init(&back, 0);
			rows[i].encode(&text, slice_make(bytes, n));
			cr_assert(rows[i].decode(&back, buf_slice(&text)), "%s %zu", rows[i].label,
				n);
			cr_assert(slice_equal(buf_slice(&back), slice_make(bytes, n)), "%s %zu",
				rows[i].label, n);
			buf_clear(&text);
			buf_clear(&back);
		}
		free(bytes);
	}
}

/* Every sextet at every place of a block, against the alphabet itself. */
Test(codec, base64_of_every_sextet)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	struct buf out;
	char bytes[48];

	for (size_t shift = 0; shift < 64; shift++) {
		for (size_t i = 0; i < 16; i++) {
			uint32_t v = 0;

			for (size_t k = 0; k < 4; k++) {
				v = v << 6 | (uint32_t)((i * 4 + k + shift) % 64);
			}
			bytes[3 * i] = (char)(v >> 16);
			bytes[3 * i + 1] = (char)(v >> 8);
			bytes[3 * i + 2] = (char)v;
		}
		buf_init(&out, 0);
		codec_base64(&out, slice_make(bytes, sizeof(bytes)), 0);
		cr_assert_eq(out.n, 64);
		for (size_t i = 0; i < 64; i++) {
			cr_assert_eq(out.p[i], digits[(i + shift) % 64]);
		}
		buf_clear(&out);
	}
}

Test(codec, base64_lines_end_with_crlf)
{
	static const struct {
		size_t bytes;
		size_t line;
		size_t text;
		size_t crlf_at;
	} rows[] = {
		{0, 76, 0, 0},
		{57, 76, 78, 76},
		{58, 76, 78 + 6, 76},
		{114, 76, 156, 76},
		{3, 4, 6, 4},
		{4, 4, 12, 4},
	};
	char bytes[114] = {0};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct buf out;

		buf_init(&out, 0);
		codec_base64(&out, slice_make(bytes, rows[i].bytes), rows[i].line);
		cr_expect_eq(out.n, rows[i].text, "row %zu: %zu", i, out.n);
		if (rows[i].text > 0) {
			cr_expect_eq(slice_search(buf_slice(&out), SLICE("\r\n")), rows[i].crlf_at);
			cr_expect(slice_ends(buf_slice(&out), SLICE("\r\n")));
		}
		buf_clear(&out);
	}
}

Test(codec, decoders_take)
{
	static const struct {
		const char *label;
		decoder *decode;
		const char *text;
		const char *want;
	} rows[] = {
		{"folded", codec_base64_decode, "Zm9v\r\n YmFy\t", "foobar"},
		{"blank within a group", codec_base64_decode, "Z m 9 v Y g = =", "foob"},
		{"blanks only", codec_base64_decode, " \r\n", ""},
		{"line end in padding", codec_base64_decode, "Zg=\r\n=", "f"},
		{"base32 in upper case", codec_base32_decode, "MZXW6YTBOI", "foobar"},
		{"hex in upper case", codec_hex_decode, "4A4b", "JK"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct buf out;

		buf_init(&out, 0);
		cr_expect(rows[i].decode(&out, slice_of(rows[i].text)), "%s", rows[i].label);
		cr_expect_str_eq(buf_string(&out), rows[i].want, "%s", rows[i].label);
		buf_clear(&out);
	}
}

Test(codec, decoders_refuse_and_leave_out_as_it_was)
{
	static const struct {
		const char *label;
		decoder *decode;
		const char *text;
	} rows[] = {
		{"one digit", codec_base64_decode, "Z"},
		{"no padding", codec_base64_decode, "Zg"},
		{"half a padding", codec_base64_decode, "Zg="},
		{"three pads", codec_base64_decode, "Zg==="},
		{"one pad too many", codec_base64_decode, "Zm8=="},
		{"pad after a group", codec_base64_decode, "Zm9v="},
		{"pad alone", codec_base64_decode, "="},
		{"four pads", codec_base64_decode, "===="},
		{"one digit and pads", codec_base64_decode, "Z==="},
		{"digits behind padding", codec_base64_decode, "Zg==Zg=="},
		{"url alphabet", codec_base64_decode, "-_-_"},
		{"a dot", codec_base64_decode, "Zm9vYm.y"},
		{"a high byte", codec_base64_decode, "Zm9v\xc3\xa4zz"},
		{"base32 of impossible length", codec_base32_decode, "mzx"},
		{"base32 of one", codec_base32_decode, "m"},
		{"base32 with padding", codec_base32_decode, "my======"},
		{"base32 with a spare bit", codec_base32_decode, "mz"},
		{"base32 with 1", codec_base32_decode, "m1"},
		{"base32 with @", codec_base32_decode, "m@"},
		{"odd hex", codec_hex_decode, "abc"},
		{"hex with g", codec_hex_decode, "ag"},
		{"hex with blank", codec_hex_decode, "a "},
		{"hex with a high byte", codec_hex_decode, "\xb0\xb0"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct buf out;

		buf_init(&out, 0);
		buf_add_text(&out, "kept");
		cr_expect(!rows[i].decode(&out, slice_of(rows[i].text)), "%s", rows[i].label);
		cr_expect_str_eq(buf_string(&out), "kept", "%s", rows[i].label);
		buf_clear(&out);
	}
}

Test(codec, encoders_spoil_a_full_buf)
{
	struct buf out;

	buf_init(&out, 7);
	codec_base64(&out, SLICE("foobar"), 0);
	cr_assert(out.spoiled);
	cr_assert_eq(out.n, 0);
	buf_clear(&out);
}

/* RFC 3720 appendix B.4, and the usual check value. */
Test(codec, crc32c)
{
	static const char zeros[32];
	char bytes[100];
	char ones[32];

	memset(ones, 0xff, sizeof(ones));
	cr_expect_eq(codec_crc32c(0, SLICE("123456789")), 0xe3069283);
	cr_expect_eq(codec_crc32c(0, slice_make(zeros, 32)), 0x8a9136aa);
	cr_expect_eq(codec_crc32c(0, slice_make(ones, 32)), 0x62a8ab43);
	cr_expect_eq(codec_crc32c(0, (struct slice){NULL, 0}), 0);
	for (size_t i = 0; i < sizeof(bytes); i++) {
		bytes[i] = (char)(i * 37);
	}
	for (size_t n = 0; n <= sizeof(bytes); n++) {
		uint32_t whole = codec_crc32c(0, slice_make(bytes, sizeof(bytes)));
		uint32_t first = codec_crc32c(0, slice_make(bytes, n));

		cr_expect_eq(codec_crc32c(first, slice_make(bytes + n, sizeof(bytes) - n)), whole);
		cr_expect_eq(codec_crc32c_table(0, slice_make(bytes, n)), first, "%zu", n);
	}
}
