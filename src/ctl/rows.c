/*
 * Rows for people and for programs: one place that prints what a statement gave, so
 * that every list looks alike and no text of a stranger reaches a terminal raw
 * (conformance C6).  A table measures its columns first; numbers stand at the right.
 *
 * --json prints one object a line: numbers as numbers, null as null.  What is a number
 * the column says: a tenant may be called 2024.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/codec.h"
#include "base/mem.h"
#include "base/time.h"
#include "command.h"

#define CELL_MAX 60 /* octets of a cell for people */

static bool is_instant(const struct pg_sync *pg, int column)
{
	return slice_ends(slice_of(pg_sync_column(pg, column)), SLICE("_us"));
}

/* NaN and Infinity are numbers of Postgres, and none of JSON. */
static bool is_number(const struct pg_sync *pg, size_t row, int column)
{
	const char *text = pg_sync_text(pg, row, column);

	return pg_sync_type(pg, column) == PG_SYNC_NUMBER &&
		text[strspn(text, "-+.0123456789eE")] == '\0' && text[0] != '\0';
}

static void add_cell(const struct pg_sync *pg, size_t row, int column, struct buf *out)
{
	const char *text = pg_sync_text(pg, row, column);

	if (pg_sync_is_null(pg, row, column)) {
		buf_add_byte(out, '-');
	} else if (is_instant(pg, column)) {
		time_add_rfc3339(out, strtoll(text, NULL, 10));
	} else {
		codec_printable(out, slice_of(text), CELL_MAX);
	}
}

static struct slice heading(const struct pg_sync *pg, int column)
{
	struct slice name = slice_of(pg_sync_column(pg, column));

	return is_instant(pg, column) ? slice_first(name, name.n - 3) : name;
}

static void measure(const struct pg_sync *pg, int columns, size_t *widths)
{
	struct buf cell;

	buf_init(&cell, 0);
	for (int c = 0; c < columns; c++) {
		widths[c] = heading(pg, c).n;
		for (size_t r = 0; r < pg_sync_rows(pg); r++) {
			buf_reset(&cell);
			add_cell(pg, r, c, &cell);
			widths[c] = cell.n > widths[c] ? cell.n : widths[c];
		}
	}
	buf_clear(&cell);
}

static void pad(struct buf *line, size_t count)
{
	while (count-- > 0) {
		buf_add_byte(line, ' ');
	}
}

static void print_line(const struct pg_sync *pg, const size_t *widths, const size_t *row)
{
	int columns = pg_sync_columns(pg);
	struct buf line;
	struct buf cell;

	buf_init(&line, 0);
	buf_init(&cell, 0);
	for (int c = 0; c < columns; c++) {
		bool right = row != NULL && is_number(pg, *row, c) && !is_instant(pg, c);

		buf_reset(&cell);
		if (row != NULL) {
			add_cell(pg, *row, c, &cell);
		} else {
			buf_add(&cell, heading(pg, c));
		}
		pad(&line, (c > 0 ? 2 : 0) + (right ? widths[c] - cell.n : 0));
		buf_add(&line, buf_slice(&cell));
		pad(&line, !right && c + 1 < columns ? widths[c] - cell.n : 0);
	}
	ctl_print("%s\n", buf_string(&line));
	buf_clear(&cell);
	buf_clear(&line);
}

static void print_table(const struct pg_sync *pg)
{
	size_t *widths = mem_array((size_t)pg_sync_columns(pg) + 1, sizeof(*widths));

	measure(pg, pg_sync_columns(pg), widths);
	print_line(pg, widths, NULL);
	for (size_t r = 0; r < pg_sync_rows(pg); r++) {
		print_line(pg, widths, &r);
	}
	mem_free(widths);
}

static void print_object(const struct pg_sync *pg, size_t row)
{
	struct buf line;

	buf_init(&line, 0);
	for (int c = 0; c < pg_sync_columns(pg); c++) {
		const char *text = pg_sync_text(pg, row, c);

		buf_add_byte(&line, c == 0 ? '{' : ',');
		codec_json(&line, slice_of(pg_sync_column(pg, c)));
		buf_add_byte(&line, ':');
		if (pg_sync_is_null(pg, row, c)) {
			buf_add_text(&line, "null");
		} else if (is_number(pg, row, c)) {
			buf_add_text(&line, text);
		} else if (pg_sync_type(pg, c) == PG_SYNC_BOOL) {
			buf_add_text(&line, text[0] == 't' ? "true" : "false");
		} else {
			codec_json(&line, slice_of(text));
		}
	}
	buf_add_text(&line, "}\n");
	(void)fwrite(line.p, 1, line.n, stdout);
	buf_clear(&line);
}

void ctl_rows(struct ctl *ctl)
{
	if (ctl_option(ctl, "json", NULL) == NULL) {
		print_table(ctl->pg);
		return;
	}
	for (size_t r = 0; r < pg_sync_rows(ctl->pg); r++) {
		print_object(ctl->pg, r);
	}
}
