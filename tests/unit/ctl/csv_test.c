/* The CSV reader: RFC 4180, its faults, its bounds. */
#include <criterion/criterion.h>

#include "ctl/csv.h"
#include "no_leaks.h"

TestSuite(csv, .fini = no_leaks);

/* Rows as [a|b], bad ones as <line: fault>, an end within quotes as <"line>. */
static void take(const struct csv *csv, enum csv_step step, struct buf *out)
{
	if (step == CSV_BAD) {
		buf_add_format(out, "<%zu: %s>", csv->row_line, csv_fault(csv));
	}
	if (step == CSV_OPEN) {
		buf_add_format(out, "<\"%zu>", csv->quote_line);
	}
	for (size_t i = 0; step == CSV_ROW && i < csv->fields; i++) {
		buf_add_text(out, i == 0 ? "[" : "|");
		buf_add(out, csv_field(csv, i));
		buf_add_text(out, i + 1 == csv->fields ? "]" : "");
	}
}

static void read_text(struct slice text, struct buf *out)
{
	struct csv csv;

	csv_init(&csv);
	for (size_t i = 0; i < text.n; i++) {
		take(&csv, csv_feed(&csv, text.p[i]), out);
	}
	take(&csv, csv_end(&csv), out);
	csv_clear(&csv);
}

Test(csv, rows)
{
	static const struct {
		const char *label, *text, *want;
	} rows[] = {
		{"plain", "a,b\nc,d\n", "[a|b][c|d]"},
		{"crlf, no end", "a,b\r\nc,d", "[a|b][c|d]"},
		{"cr alone", "a,b\rc,d\r", "[a|b][c|d]"},
		{"cr alone counts as a line", "a\r\r\"b\"c\rd",
			"[a]<3: text behind a closing quote>[d]"},
		{"empty fields", ",\n", "[|]"},
		{"quoted", "\"a,\"\"b\"\"\",c\n", "[a,\"b\"|c]"},
		{"line end within", "\"a\r\nb\",c\n", "[a\r\nb|c]"},
		{"mark",
			"\xef\xbb\xbf"
			"a,b\n",
			"[a|b]"},
		{"mark and quote", "\xef\xbb\xbf\"a\",b\n", "[a|b]"},
		{"empty lines", "\n\na\n\r\nb\n", "[a][b]"},
		{"behind a quote", "a\n\"b\"c\nd\n", "[a]<2: text behind a closing quote>[d]"},
		{"not closed", "a\n\"b", "[a]<\"2>"},
		{"not closed, in the middle", "a\n\"b\",\"c\nd\"\n\"e\",\n\"f\ng,h\n",
			"[a][b|c\nd][e|]<\"5>"},
		{"not closed, of a row of several lines", "\"a\nb\",\"c\nd\n", "<\"2>"},
		{"closed at the very end", "a\n\"b\"", "[a][b]"},
		{"nothing", "", ""},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct buf out;

		buf_init(&out, 0);
		read_text(slice_of(rows[i].text), &out);
		cr_expect_str_eq(
			buf_string(&out), rows[i].want, "%s: %s", rows[i].label, buf_string(&out));
		buf_clear(&out);
	}
}

Test(csv, bounds)
{
	struct buf text;
	struct buf out;

	buf_init(&text, 0);
	buf_init(&out, 0);
	for (size_t i = 0; i < CSV_FIELDS_MAX; i++) {
		buf_add_byte(&text, ',');
	}
	buf_add_byte(&text, '\n');
	for (size_t i = 0; i <= CSV_ROW_MAX; i++) {
		buf_add_byte(&text, 'x');
	}
	buf_add_text(&text, "\na\n");
	read_text(buf_slice(&text), &out);
	cr_expect_str_eq(
		buf_string(&out), "<1: more than 256 columns><2: the row has more than 1 MiB>[a]");
	buf_clear(&out);
	buf_clear(&text);
}
