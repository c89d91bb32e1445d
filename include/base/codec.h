/*
 * Encodings that many formats share: base64 (RFC 4648 section 4), base32 in lower
 * case (section 6), hex, CRC-32C, UTF-8 checks, JSON strings (RFC 8259).
 */
#ifndef BASE_CODEC_H
#define BASE_CODEC_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"

/* `line` > 0 ends each line of so many characters (a multiple of 4) with CRLF; the last too. */
void codec_base64(struct buf *out, struct slice bytes, size_t line);

/*
 * Decoders that return false leave out as it was.
 *
 * Blanks and line ends are passed over; false when anything else is not base64,
 * or the padding is not right.
 */
bool codec_base64_decode(struct buf *out, struct slice text);

/*
 * Lower case, without padding; the decoder takes both cases, and no bits but zeros
 * behind the last byte: one value has one spelling.
 */
void codec_base32(struct buf *out, struct slice bytes);
bool codec_base32_decode(struct buf *out, struct slice text);

void codec_hex(struct buf *out, struct slice bytes); /* lower case */
bool codec_hex_decode(struct buf *out, struct slice text);

uint32_t codec_crc32c(uint32_t crc, struct slice bytes); /* start with 0 */

/* Length of the valid UTF-8 sequence at s (1..4), 0 when there is none.  Surrogates are invalid. */
size_t codec_utf8(struct slice s);
bool codec_is_utf8(struct slice s);
bool codec_is_ascii(struct slice s);

/* The code point of a sequence that codec_utf8() found valid. */
uint32_t codec_utf8_point(struct slice s, size_t length);
void codec_utf8_add(struct buf *out, uint32_t point);

/*
 * As valid UTF-8 without NUL, for Postgres and terminals.  The octets of what is no
 * UTF-8 become \xNN; so do those of characters that would not be seen but steer what
 * shows them: controls but tab, U+2028 and U+2029, marks of the direction of writing.
 * At most max bytes, cut between characters.
 */
void codec_printable(struct buf *out, struct slice bytes, size_t max);

/*
 * With its quotes.  Bytes that are not UTF-8 become U+FFFD; what would steer a terminal
 * is escaped, so that the value stays as it was.
 */
void codec_json(struct buf *out, struct slice bytes);

/* JSON text of others (valid) as one line with its end, whose strings steer nothing either. */
void codec_json_line(struct buf *out, struct slice json);

#endif
