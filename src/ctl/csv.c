/*
 * The CSV reader (RFC 4180): a machine of four states that is fed single bytes.  Fields
 * lie one behind the other in one buf, with their ends beside it.
 *
 * A fault does not stop the machine: the row goes on to its end, so that the next row
 * begins where a person would say it does, and is then given as CSV_BAD.
 */
#include "ctl/csv.h"

#include <string.h>

enum state {
	ROW_START,
	FIELD_START,
	PLAIN,
	QUOTED,
	QUOTE, /* a quote within a quoted field: its end, or the first of two */
};

void csv_init(struct csv *csv)
{
	memset(csv, 0, sizeof(*csv));
	buf_init(&csv->text, CSV_ROW_MAX);
	csv->line = 1;
	csv->row_line = 1;
}

void csv_clear(struct csv *csv)
{
	buf_clear(&csv->text);
}

static void end_field(struct csv *csv)
{
	if (csv->fields == CSV_FIELDS_MAX) {
		csv->fault = "more than 256 columns";
		return;
	}
	csv->ends[csv->fields++] = csv->text.n;
}

static enum csv_step end_row(struct csv *csv)
{
	bool first = csv->row_line == 1;

	end_field(csv);
	csv->last_line = csv->line;
	csv->state = ROW_START;
	if (csv->text.spoiled) {
		csv->fault = "the row has more than 1 MiB";
	}
	if (first && slice_starts(buf_slice(&csv->text), SLICE("\xef\xbb\xbf"))) {
		buf_drop(&csv->text, 3);
		for (size_t i = 0; i < csv->fields; i++) {
			csv->ends[i] -= 3;
		}
	}
	return csv->fault != NULL ? CSV_BAD : CSV_ROW;
}

static void start_row(struct csv *csv)
{
	buf_reset(&csv->text);
	csv->fields = 0;
	csv->fault = NULL;
	csv->row_line = csv->line;
	csv->state = FIELD_START;
}

static bool only_mark(const struct csv *csv)
{
	return csv->row_line == 1 && csv->fields == 0 &&
		slice_equal(buf_slice(&csv->text), SLICE("\xef\xbb\xbf"));
}

static enum csv_step feed_quoted(struct csv *csv, char byte)
{
	if (byte == '"') {
		csv->state = QUOTE;
	} else {
		buf_add_byte(&csv->text, byte);
	}
	return CSV_MORE;
}

static enum csv_step feed_open(struct csv *csv, char byte)
{
	if (byte == ',') {
		end_field(csv);
		csv->state = FIELD_START;
	} else if (byte == '\n' || byte == '\r') { /* both: the second is an empty line */
		return end_row(csv);
	} else if (byte == '"' && (csv->state == FIELD_START || only_mark(csv))) {
		csv->state = QUOTED;
		csv->quote_line = csv->line;
	} else if (byte == '"' && csv->state == QUOTE) {
		buf_add_byte(&csv->text, '"');
		csv->state = QUOTED;
	} else {
		if (csv->state == QUOTE) {
			csv->fault = "text behind a closing quote";
		}
		buf_add_byte(&csv->text, byte);
		csv->state = PLAIN;
	}
	return CSV_MORE;
}

enum csv_step csv_feed(struct csv *csv, char byte)
{
	enum csv_step step;

	csv->line += csv->cr && byte != '\n';
	csv->cr = byte == '\r' && csv->state != QUOTED;
	if (csv->state == ROW_START) {
		if (byte == '\r' || byte == '\n') { /* an empty line is no row */
			csv->line += byte == '\n';
			return CSV_MORE;
		}
		start_row(csv);
	}
	step = csv->state == QUOTED ? feed_quoted(csv, byte) : feed_open(csv, byte);
	csv->line += byte == '\n';
	return step;
}

enum csv_step csv_end(struct csv *csv)
{
	if (csv->state == ROW_START) {
		return CSV_MORE;
	}
	return csv->state == QUOTED ? CSV_OPEN : end_row(csv);
}

struct slice csv_field(const struct csv *csv, size_t at)
{
	size_t from = at == 0 ? 0 : csv->ends[at - 1];

	/* A row of empty fields only has no text at all. */
	return slice_first(slice_from(buf_slice(&csv->text), from), csv->ends[at] - from);
}

const char *csv_fault(const struct csv *csv)
{
	return csv->fault;
}
