/*
 * The form of a segment: one file of a journal, of fixed size, whose blocks were
 * written before it was used.  A header of 4096 octets says whose it is; records
 * follow it without gaps:
 *
 *	u32  CRC-32C of all that follows in the record
 *	u32  octets of payload
 *	u64  sequence number: one more than that of the record before
 *	u16  type
 *	u16  how many numbers before its own the newest record was that was on the disk for sure
 *	     when this one was added; 0 = nothing is said of that, 65535 = that many or more
 *	     payload, then zeros to a multiple of 4
 *
 * Numbers are little-endian.  A length of zero where a record would begin is the end;
 * no record is empty.  Pure: bytes in, bytes out.
 */
#ifndef SPOOL_SEGMENT_H
#define SPOOL_SEGMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/id.h"
#include "base/slice.h"

enum {
	SEGMENT_HEADER_BYTES = 4096,
	SEGMENT_RECORD_BYTES = 20, /* of a record besides its payload and the zeros */
	SEGMENT_PAYLOAD_MAX = 65536,
	SEGMENT_VERSION = 1,
};

struct segment_header {
	uint64_t number;    /* of the file; grows by one, beginning with 1 */
	uint64_t first_seq; /* of its first record */
	struct id owner;    /* the worker incarnation that writes it */
	struct id boot;     /* of the machine, when it was made */
	int64_t made_us;    /* wall clock */
	struct slice node;  /* at most 255 octets each; into the bytes that were read */
	struct slice name;
};

/* Exactly SEGMENT_HEADER_BYTES. */
void segment_header_add(struct buf *out, const struct segment_header *header);

/* False where it is none, is damaged, or is of a newer version (then *ret_version > SEGMENT_VERSION). */
bool segment_header_read(
	struct slice bytes, struct segment_header *ret_header, unsigned *ret_version);

struct segment_record {
	uint64_t seq;
	unsigned type;
	struct slice payload;
	unsigned behind; /* the second u16 */
};

/* What a record of so much payload takes. */
uint64_t segment_record_size(size_t payload);
void segment_record_add(struct buf *out, const struct segment_record *record);

/* Walks over the records of a whole segment. */
struct segment_reader {
	struct slice bytes;
	size_t at;    /* where the next record begins */
	uint64_t seq; /* that it must have */
};

enum segment_step {
	SEGMENT_RECORD,
	SEGMENT_END,
	SEGMENT_TORN, /* what follows was not written to its end, or was damaged */
};

void segment_reader_init(struct segment_reader *reader, struct slice bytes, uint64_t first_seq);
enum segment_step segment_next(struct segment_reader *reader, struct segment_record *ret_record);

/* Behind a place that cannot be read: to the next whole record of this file.  False: there is none. */
bool segment_skip(struct segment_reader *reader);

#endif
