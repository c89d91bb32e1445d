/*
 * The octets of a journal (spool/segment, spool/entry).  The input is the records of one
 * segment; checksums and numbers are set right in most of them, or nothing would get past
 * these.  A second, plain reader must come to the same; an entry is the same when it is
 * written again.  A header is made of them as well.
 */
#include "spool/segment.h"

#include <string.h>

#include "base/codec.h"
#include "base/mem.h"
#include "fuzz.h"
#include "number.h"
#include "spool/entry.h"

static uint32_t number_at(const char *p)
{
	uint32_t value;

	memcpy(&value, p, sizeof(value));
	return le32toh(value);
}

/* Writes what was read, and reads that: nothing may get lost on the way. */
static void check_entry(struct slice bytes)
{
	struct entry entry;
	struct entry again;
	struct buf first;
	struct buf second;

	if (!entry_read(bytes, &entry)) {
		return;
	}
	must(entry.attempt.job == &entry.job && entry.job.batch->campaign->tenant == &entry.tenant);
	buf_init(&first, 0);
	buf_init(&second, 0);
	entry_add(&first, &entry.attempt);
	if (!first.spoiled) {
		must(first.n <= ENTRY_MAX && entry_most(&entry.attempt) <= ENTRY_MAX);
		must(entry_read(buf_slice(&first), &again));
		entry_add(&second, &again.attempt);
		must(!second.spoiled && slice_equal(buf_slice(&first), buf_slice(&second)));
		must(again.attempt.number == entry.attempt.number &&
			again.attempt.state == entry.attempt.state);
	}
	buf_clear(&first);
	buf_clear(&second);
}

/* Sets checksum and number right; one of the spare octets of the head forbids each. */
static void mend(char *bytes, size_t n)
{
	uint64_t seq = 1;
	size_t at = SEGMENT_HEADER_BYTES;

	while (n - at >= SEGMENT_RECORD_BYTES) {
		uint32_t length = number_at(bytes + at + 4) & 0x1ff;
		uint64_t size = segment_record_size(length);
		uint32_t crc;

		if (size > n - at) {
			return;
		}
		if (bytes[at + 18] == 0) {
			uint64_t little = htole64(seq);

			number_put32(bytes + at + 4, length);
			if (bytes[at + 19] == 0) {
				memcpy(bytes + at + 8, &little, sizeof(little));
			}
			crc = codec_crc32c(
				0, slice_make(bytes + at + 4, SEGMENT_RECORD_BYTES - 4 + length));
			number_put32(bytes + at, htole32(crc));
		}
		seq++;
		at += size;
	}
}

/* By the header's words: what is at this place? */
static enum segment_step plain_step(const char *bytes, size_t n, size_t at, uint64_t seq)
{
	uint32_t length;
	uint64_t found;

	if (n - at < 8 || (number_at(bytes + at) == 0 && number_at(bytes + at + 4) == 0)) {
		return SEGMENT_END;
	}
	length = number_at(bytes + at + 4);
	if (length == 0 || length > SEGMENT_PAYLOAD_MAX || segment_record_size(length) > n - at) {
		return SEGMENT_TORN;
	}
	memcpy(&found, bytes + at + 8, sizeof(found));
	return codec_crc32c(0, slice_make(bytes + at + 4, SEGMENT_RECORD_BYTES - 4 + length)) ==
				number_at(bytes + at) &&
			le64toh(found) == seq
		? SEGMENT_RECORD
		: SEGMENT_TORN;
}

/* A header of these octets comes back, and is none with any octet changed; they are none. */
static void check_header(struct slice input)
{
	struct segment_header header = {
		.number = input.n,
		.first_seq = input.n > 0 ? (unsigned char)input.p[0] : 0,
		.node = slice_first(input, 300),
		.name = slice_from(input, input.n / 2),
	};
	struct segment_header read;
	unsigned version;
	struct buf bytes;
	size_t at = header.first_seq * 16 + input.n % 16;

	buf_init(&bytes, 0);
	must(!segment_header_read(input, &read, &version));
	segment_header_add(&bytes, &header);
	must(bytes.n == SEGMENT_HEADER_BYTES);
	must(segment_header_read(buf_slice(&bytes), &read, &version));
	must(read.number == header.number && read.first_seq == header.first_seq);
	must(slice_equal(read.node, slice_first(header.node, 255)));
	must(slice_equal(read.name, slice_first(header.name, 255)));
	bytes.p[at] = (char)(bytes.p[at] ^ 4);
	must(!segment_header_read(buf_slice(&bytes), &read, &version));
	buf_clear(&bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t n = SEGMENT_HEADER_BYTES + size;
	char *bytes = mem_array(1, n);
	struct segment_reader reader;
	struct segment_record record;
	enum segment_step step = SEGMENT_RECORD;

	if (size > 0) {
		memcpy(bytes + SEGMENT_HEADER_BYTES, data, size);
	}
	check_header(slice_make(bytes + SEGMENT_HEADER_BYTES, size));
	mend(bytes, n);
	segment_reader_init(&reader, slice_make(bytes, n), 1);
	while (step == SEGMENT_RECORD) {
		enum segment_step plain = plain_step(bytes, n, reader.at, reader.seq);
		size_t at = reader.at;

		step = segment_next(&reader, &record);
		must(step == plain);
		if (step == SEGMENT_RECORD) {
			must(reader.at == at + segment_record_size(record.payload.n));
			must(record.payload.p == bytes + at + SEGMENT_RECORD_BYTES);
			check_entry(record.payload);
		}
	}
	mem_free(bytes);
	return 0;
}
