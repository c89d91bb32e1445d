/*
 * CSV as RFC 4180 has it, byte by byte: quotes, doubled quotes, line ends within quotes,
 * CRLF, LF or CR, a byte order mark in front.  Pure, and bounded: a row beyond the limits is
 * passed over whole and reported once.
 */
#ifndef CTL_CSV_H
#define CTL_CSV_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/slice.h"

#define CSV_FIELDS_MAX 256
#define CSV_ROW_MAX (1u << 20) /* octets */

enum csv_step {
	CSV_MORE,
	CSV_ROW,  /* a row is at hand until the next byte */
	CSV_BAD,  /* a row ended that is none: csv_fault() */
	CSV_OPEN, /* the file ended within the quotes that open at quote_line */
};

struct csv {
	struct buf text;
	size_t ends[CSV_FIELDS_MAX];
	size_t fields;
	size_t line;       /* of the byte to come, from 1 */
	size_t row_line;   /* where the row began */
	size_t last_line;  /* where it ended */
	size_t quote_line; /* where the last quoted field began */
	int state;
	bool cr; /* the last byte was a CR that ended a line */
	const char *fault;
};

void csv_init(struct csv *csv);
void csv_clear(struct csv *csv);
enum csv_step csv_feed(struct csv *csv, char byte);
enum csv_step csv_end(struct csv *csv); /* no more bytes */
struct slice csv_field(const struct csv *csv, size_t at);
const char *csv_fault(const struct csv *csv);

#endif
