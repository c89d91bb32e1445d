/* The octets of a segment: what is written is read, and nothing else is. */
#include <criterion/criterion.h>
#include <string.h>

#include "no_leaks.h"
#include "spool/segment.h"

TestSuite(segment, .fini = no_leaks);

static void add_header(struct buf *out)
{
	segment_header_add(out,
		&(struct segment_header){
			.number = 7,
			.first_seq = 100,
			.owner = {{1, 2, 3}},
			.boot = {{4, 5, 6}},
			.made_us = 1234567890123456,
			.node = SLICE("node-1"),
			.name = SLICE("w0"),
		});
}

/* Three records of 1, 4 and 1,000 octets behind a header. */
static void add_three(struct buf *out)
{
	char large[1000];

	memset(large, 'x', sizeof(large));
	add_header(out);
	segment_record_add(out, &(struct segment_record){100, 1, SLICE("a"), 0});
	segment_record_add(out, &(struct segment_record){101, 2, SLICE("abcd"), 0});
	segment_record_add(
		out, &(struct segment_record){102, 3, slice_make(large, sizeof(large)), 0});
}

static size_t count(struct slice bytes, enum segment_step *ret_last)
{
	struct segment_reader reader;
	struct segment_record record;
	size_t n = 0;

	segment_reader_init(&reader, bytes, 100);
	while ((*ret_last = segment_next(&reader, &record)) == SEGMENT_RECORD) {
		cr_assert_eq(record.seq, 100 + n);
		cr_assert_eq(record.type, n + 1);
		n++;
	}
	return n;
}

Test(segment, a_header_comes_back)
{
	struct segment_header header;
	unsigned version;
	struct buf out;

	buf_init(&out, 0);
	add_header(&out);
	cr_assert_eq(out.n, (size_t)SEGMENT_HEADER_BYTES);
	cr_assert(segment_header_read(buf_slice(&out), &header, &version));
	cr_assert_eq(version, (unsigned)SEGMENT_VERSION);
	cr_assert_eq(header.number, 7U);
	cr_assert_eq(header.first_seq, 100U);
	cr_assert_eq(header.owner.bytes[2], 3);
	cr_assert_eq(header.boot.bytes[0], 4);
	cr_assert_eq(header.made_us, 1234567890123456);
	cr_assert(slice_equal(header.node, SLICE("node-1")));
	cr_assert(slice_equal(header.name, SLICE("w0")));
	buf_clear(&out);
}

Test(segment, a_damaged_header_is_none_wherever_it_is_damaged)
{
	struct segment_header header;
	unsigned version;
	struct buf out;

	buf_init(&out, 0);
	add_header(&out);
	for (size_t i = 0; i < out.n; i++) {
		out.p[i] ^= 0x20;
		cr_assert_not(
			segment_header_read(buf_slice(&out), &header, &version), "octet %zu", i);
		out.p[i] ^= 0x20;
	}
	for (size_t n = 0; n < out.n; n += 97) {
		cr_assert_not(
			segment_header_read(slice_first(buf_slice(&out), n), &header, &version));
	}
	out.p[8] = 2;
	cr_assert_not(segment_header_read(buf_slice(&out), &header, &version));
	cr_assert_eq(version, 2U, "a newer one says so");
	buf_clear(&out);
}

Test(segment, records_come_back_and_the_rest_of_the_file_is_the_end)
{
	enum segment_step last;
	struct buf out;
	char *zeros;

	buf_init(&out, 0);
	add_three(&out);
	cr_assert_eq(count(buf_slice(&out), &last), 3U);
	cr_assert_eq(last, SEGMENT_END, "a file that was cut to its records");
	zeros = buf_reserve(&out, 5000);
	memset(zeros, 0, 5000);
	buf_commit(&out, 5000);
	cr_assert_eq(count(buf_slice(&out), &last), 3U);
	cr_assert_eq(last, SEGMENT_END);
	buf_clear(&out);
}

Test(segment, a_file_that_ends_anywhere_gives_the_whole_records_before)
{
	enum segment_step last;
	struct buf out;

	buf_init(&out, 0);
	add_three(&out);
	for (size_t n = SEGMENT_HEADER_BYTES; n < out.n; n++) {
		size_t found = count(slice_first(buf_slice(&out), n), &last);

		cr_assert_eq(found,
			n < SEGMENT_HEADER_BYTES + 24U                 ? 0U
				: n < SEGMENT_HEADER_BYTES + 24U + 24U ? 1U
								       : 2U,
			"cut at %zu", n);
		cr_assert_neq(last, SEGMENT_RECORD);
	}
	buf_clear(&out);
}

Test(segment, a_flipped_bit_ends_the_reading_there)
{
	enum segment_step last;
	struct buf out;

	buf_init(&out, 0);
	add_three(&out);
	for (size_t i = SEGMENT_HEADER_BYTES; i < out.n; i++) {
		size_t most = i < SEGMENT_HEADER_BYTES + 24U ? 0
			: i < SEGMENT_HEADER_BYTES + 48U     ? 1
							     : 2;
		bool padding = i >= SEGMENT_HEADER_BYTES + 21U && i < SEGMENT_HEADER_BYTES + 24U;

		out.p[i] ^= 1;
		if (!padding) {
			cr_assert_eq(count(buf_slice(&out), &last), most, "octet %zu", i);
			cr_assert_eq(last, SEGMENT_TORN);
		}
		out.p[i] ^= 1;
	}
	buf_clear(&out);
}

Test(segment, a_record_of_another_number_is_not_of_this_file)
{
	struct segment_reader reader;
	struct segment_record record;
	struct buf out;

	buf_init(&out, 0);
	add_header(&out);
	segment_record_add(&out, &(struct segment_record){99, 1, SLICE("old"), 0});
	segment_reader_init(&reader, buf_slice(&out), 100);
	cr_assert_eq(segment_next(&reader, &record), SEGMENT_TORN);
	buf_clear(&out);
}

/* Behind a damaged one the next whole one is found, and what each says of the disk. */
Test(segment, what_stands_behind_a_damaged_record_is_found)
{
	struct segment_reader reader;
	struct segment_record record;
	struct buf out;

	buf_init(&out, 0);
	add_header(&out);
	segment_record_add(&out, &(struct segment_record){100, 1, SLICE("a"), 1});
	segment_record_add(&out, &(struct segment_record){101, 1, SLICE("bb"), 65535});
	segment_record_add(&out, &(struct segment_record){102, 1, SLICE("ccc"), 0});
	out.p[SEGMENT_HEADER_BYTES + segment_record_size(1) + SEGMENT_RECORD_BYTES] ^= 1;
	segment_reader_init(&reader, buf_slice(&out), 100);
	cr_assert_eq(segment_next(&reader, &record), SEGMENT_RECORD);
	cr_assert_eq(record.behind, 1U);
	cr_assert_eq(segment_next(&reader, &record), SEGMENT_TORN);
	cr_assert(segment_skip(&reader));
	cr_assert_eq(segment_next(&reader, &record), SEGMENT_RECORD);
	cr_assert_eq(record.seq, 102U);
	cr_assert_eq(record.behind, 0U);
	cr_assert(slice_equal(record.payload, SLICE("ccc")));
	cr_assert_not(segment_skip(&reader), "the end");
	buf_clear(&out);
}
