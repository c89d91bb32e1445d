/*
 * The octets of a segment.  A record that was half written when the power went fails
 * its CRC or its sequence number, so the reader stops before it.  The sequence number
 * also tells a record of this file from one that was there before, should a file
 * system ever give back old blocks.
 */
#include "spool/segment.h"

#include <string.h>

#include "base/codec.h"
#include "number.h"

#define MAGIC "PENGUIN\x1a"

enum { MAGIC_BYTES = 8, NAME_MAX_BYTES = 255 };

static void add_name(struct buf *out, struct slice name)
{
	struct slice kept = slice_first(name, NAME_MAX_BYTES);

	buf_add_byte(out, (char)kept.n);
	buf_add(out, kept);
}

static void add_zeros(struct buf *out, size_t n)
{
	char *zeros = n > 0 ? buf_reserve(out, n) : NULL;

	if (zeros != NULL) {
		memset(zeros, 0, n);
		buf_commit(out, n);
	}
}

/* The CRC stands behind what it covers: the whole block but its last four octets. */
void segment_header_add(struct buf *out, const struct segment_header *header)
{
	size_t begin = out->n;

	buf_add(out, slice_make(MAGIC, MAGIC_BYTES));
	number_add32(out, SEGMENT_VERSION);
	number_add64(out, header->number);
	number_add64(out, header->first_seq);
	buf_add(out, id_slice(&header->owner));
	buf_add(out, id_slice(&header->boot));
	number_add64(out, (uint64_t)header->made_us);
	add_name(out, header->node);
	add_name(out, header->name);
	add_zeros(out, SEGMENT_HEADER_BYTES - 4 - (out->n - begin));
	number_add32(out, codec_crc32c(0, slice_from(buf_slice(out), begin)));
}

bool segment_header_read(
	struct slice bytes, struct segment_header *ret_header, unsigned *ret_version)
{
	struct numbers in = {.rest = slice_first(bytes, SEGMENT_HEADER_BYTES - 4)};
	struct slice crc = slice_first(slice_from(bytes, SEGMENT_HEADER_BYTES - 4), 4);
	struct numbers end = {.rest = crc};

	*ret_version = 0;
	if (crc.n < 4 ||
		!slice_equal(numbers_bytes(&in, MAGIC_BYTES), slice_make(MAGIC, MAGIC_BYTES))) {
		return false;
	}
	*ret_version = numbers_u32(&in);
	if (*ret_version != SEGMENT_VERSION ||
		numbers_u32(&end) !=
			codec_crc32c(0, slice_first(bytes, SEGMENT_HEADER_BYTES - 4))) {
		return false;
	}
	*ret_header = (struct segment_header){.number = numbers_u64(&in)};
	ret_header->first_seq = numbers_u64(&in);
	ret_header->owner = numbers_id(&in);
	ret_header->boot = numbers_id(&in);
	ret_header->made_us = (int64_t)numbers_u64(&in);
	ret_header->node = numbers_bytes(&in, numbers_u8(&in));
	ret_header->name = numbers_bytes(&in, numbers_u8(&in));
	return !in.failed;
}

uint64_t segment_record_size(size_t payload)
{
	return (SEGMENT_RECORD_BYTES + (uint64_t)payload + 3) / 4 * 4;
}

void segment_record_add(struct buf *out, const struct segment_record *record)
{
	size_t begin = out->n;
	uint32_t crc;
	size_t end;

	number_add32(out, 0);
	number_add32(out, (uint32_t)record->payload.n);
	number_add64(out, record->seq);
	number_add16(out, (uint16_t)record->type);
	number_add16(out, (uint16_t)record->behind);
	buf_add(out, record->payload);
	if (out->spoiled) {
		return;
	}
	end = out->n;
	crc = codec_crc32c(0, slice_from(buf_slice(out), begin + 4));
	number_put32(out->p + begin, crc);
	add_zeros(out, segment_record_size(record->payload.n) - (end - begin));
}

void segment_reader_init(struct segment_reader *reader, struct slice bytes, uint64_t first_seq)
{
	*reader = (struct segment_reader){bytes, SEGMENT_HEADER_BYTES, first_seq};
}

enum segment_step segment_next(struct segment_reader *reader, struct segment_record *ret_record)
{
	struct slice rest = slice_from(reader->bytes, reader->at);
	struct numbers in = {.rest = rest};
	uint32_t crc = numbers_u32(&in);
	uint32_t length = numbers_u32(&in);

	if (in.failed || (length == 0 && crc == 0)) {
		return SEGMENT_END;
	}
	if (length == 0 || length > SEGMENT_PAYLOAD_MAX || segment_record_size(length) > rest.n ||
		codec_crc32c(
			0, slice_first(slice_from(rest, 4), SEGMENT_RECORD_BYTES - 4 + length)) !=
			crc) {
		return SEGMENT_TORN;
	}
	*ret_record = (struct segment_record){.seq = numbers_u64(&in)};
	ret_record->type = numbers_u16(&in);
	ret_record->behind = numbers_u16(&in);
	ret_record->payload = numbers_bytes(&in, length);
	if (ret_record->seq != reader->seq) {
		return SEGMENT_TORN;
	}
	reader->seq++;
	reader->at += segment_record_size(length);
	return SEGMENT_RECORD;
}

/* Of a record that would begin there; zero in what was never written, which is most of it. */
static uint32_t length_at(const struct segment_reader *reader, size_t at)
{
	uint32_t little;

	memcpy(&little, reader->bytes.p + at + 4, sizeof(little));
	return le32toh(little);
}

bool segment_skip(struct segment_reader *reader)
{
	for (size_t at = reader->at + 4; at + SEGMENT_RECORD_BYTES < reader->bytes.n; at += 4) {
		struct segment_reader found = {.bytes = reader->bytes, .at = at};
		struct numbers in = {.rest = slice_from(reader->bytes, at + 8)};
		struct segment_reader there;
		struct segment_record record;

		if (length_at(reader, at) == 0) {
			continue;
		}
		found.seq = numbers_u64(&in);
		there = found;
		if (found.seq > reader->seq && found.seq - reader->seq < reader->bytes.n &&
			segment_next(&there, &record) == SEGMENT_RECORD) {
			*reader = found;
			return true;
		}
	}
	return false;
}
