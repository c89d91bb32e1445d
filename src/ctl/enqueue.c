/*
 * penguinctl enqueue: a CSV or JSON-lines file of any length as jobs of a campaign, in
 * memory that does not grow.  10,000 rows are a transaction.
 *
 * A row without an id gets one that follows from campaign and address, with the moment the
 * campaign was made: so importing a file twice adds nothing, and the answer to a broken
 * import is to run it again.  A row that cannot be a job goes to rejects.c, with its line
 * and the reason, and the others go on.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/codec.h"
#include "base/mem.h"
#include "base/time.h"
#include "command.h"
#include "ctl/csv.h"
#include "io/digest.h"
#include "jsonl.h"
#include "mail/address.h"
#include "rejects.h"

#define ROWS_MAX 10000
#define BYTES_MAX (16u << 20)     /* of merge variables in a transaction */
#define LINE_MAX_BYTES (1u << 20) /* of JSON */
#define NOWHERE SIZE_MAX
#define BYTE_ORDER_MARK SLICE("\xef\xbb\xbf")

struct import {
	struct ctl *ctl;
	const char *path;
	char tenant[ID_TEXT + 1];
	char campaign[ID_TEXT + 1];
	int64_t created_ms;
	struct csv csv;
	size_t line;                 /* of the row at hand */
	size_t last_line;            /* where it ends, in a CSV */
	char *names[CSV_FIELDS_MAX]; /* of the columns, as JSON strings */
	size_t columns;
	size_t email, id, engagement; /* which column, or NOWHERE */
	struct buf ids, recipients, vars, engagements;
	size_t rows;
	uint64_t valid, added, rejected;
	FILE *file;
	off_t bytes; /* of the file; 0 = unknown */
	struct rejects *rejects;
	int64_t started_us;
};

static void start_chunk(struct import *import)
{
	struct buf *arrays[] = {
		&import->ids, &import->recipients, &import->vars, &import->engagements};

	for (size_t i = 0; i < ARRAY_LEN(arrays); i++) {
		buf_reset(arrays[i]);
		buf_add_byte(arrays[i], '{');
	}
	import->rows = 0;
}

/* A bar where the size is known (a file), the count and the rate in any case. */
static void show_progress(const struct import *import)
{
	int64_t spent_us = time_monotonic_us() - import->started_us;
	long long rate = (long long)((int64_t)import->valid * TIME_SECOND_US / (spent_us + 1));
	off_t at = import->file != NULL ? ftello(import->file) : -1;

	if (isatty(STDERR_FILENO) == 0) {
		return;
	}
	if (import->bytes > 0 && at >= 0) {
		int full = (int)(30 * at / import->bytes);

		(void)fprintf(stderr, "\r[%.*s%*s] ", full, "##############################",
			30 - full, "");
	} else {
		(void)fputc('\r', stderr);
	}
	(void)fprintf(stderr, "%llu rows, %lld a second ", (unsigned long long)import->valid, rate);
}

static int flush(struct import *import)
{
	int code;

	if (import->rows == 0) {
		return 0;
	}
	buf_add_byte(&import->ids, '}');
	buf_add_byte(&import->recipients, '}');
	buf_add_byte(&import->vars, '}');
	buf_add_byte(&import->engagements, '}');
	code = ctl_run(import->ctl, SQL_ENQUEUE_JOBS,
		(const char *const[]){import->tenant, import->campaign, buf_string(&import->ids),
			buf_string(&import->recipients), buf_string(&import->vars),
			buf_string(&import->engagements), NULL});
	if (code != 0) {
		return ctl_fail(code,
			"stopped before line %zu; %llu were added. Run the same again: "
			"nothing is added twice",
			import->line, (unsigned long long)import->added);
	}
	import->added += strtoull(pg_sync_text(import->ctl->pg, 0, 0), NULL, 10);
	start_chunk(import);
	show_progress(import);
	return 0;
}

static int reject(struct import *import, const char *reason, struct slice email)
{
	import->rejected++;
	return rejects_add(import->rejects, import->line, import->last_line, reason, email);
}

/* False when the text is no number that Postgres takes as a real. */
static bool read_engagement(struct slice field, char ret_text[32])
{
	char *text;
	char *end;
	float value;
	bool valid;

	ret_text[0] = '\0';
	if (field.n == 0) {
		return true;
	}
	text = slice_string(field);
	value = strtof(text, &end);
	valid = *end == '\0' && end != text && isfinite(value) != 0;
	(void)snprintf(ret_text, 32, "%.9g", (double)value);
	mem_free(text);
	return valid;
}

static bool job_id(const struct import *import, const struct address *address, struct slice given,
	struct id *ret_id)
{
	struct address plain = address_normalise(address);
	uint8_t digest[DIGEST_BYTES];
	struct id campaign;
	struct buf bytes;

	if (given.n > 0) {
		return id_parse(given, ret_id) && id_version(*ret_id) == 7;
	}
	(void)id_parse(slice_of(import->campaign), &campaign);
	buf_init(&bytes, 0);
	buf_add(&bytes, id_slice(&campaign));
	buf_add(&bytes, address_text(&plain));
	digest_sha256(buf_slice(&bytes), digest);
	*ret_id = id_derive(import->created_ms, digest);
	buf_clear(&bytes);
	return true;
}

/* One row, of whatever file, as a job of the chunk at hand.  Blanks around are nobody's. */
static int add_job(struct import *import, const struct import_row *row)
{
	struct address address;
	enum address_fault fault = address_parse(slice_trim(row->email), &address);
	struct id id;
	char engagement[32];
	char text[ID_TEXT + 1];

	if (fault != ADDRESS_OK) {
		return reject(import, address_fault_text(fault), row->email);
	}
	if (!job_id(import, &address, slice_trim(row->id), &id)) {
		return reject(import, "the id is no UUID of version 7", row->email);
	}
	if (!read_engagement(slice_trim(row->engagement), engagement)) {
		return reject(import, "the engagement is no number", row->email);
	}
	id_text(id, text);
	pg_sync_add_item(&import->ids, slice_of(text));
	pg_sync_add_item(&import->recipients, address_text(&address));
	pg_sync_add_item(&import->vars, row->vars);
	buf_add_text(&import->engagements, import->engagements.n > 1 ? "," : "");
	buf_add_text(&import->engagements, engagement[0] == '\0' ? "NULL" : engagement);
	import->valid++;
	import->rows++;
	return import->rows == ROWS_MAX || import->vars.n > BYTES_MAX ? flush(import) : 0;
}

static void add_vars(struct import *import, struct buf *json)
{
	bool first = true;

	buf_add_byte(json, '{');
	for (size_t i = 0; i < import->columns; i++) {
		if (i == import->email || i == import->id || i == import->engagement) {
			continue;
		}
		buf_add_text(json, first ? "" : ",");
		buf_add_text(json, import->names[i]);
		buf_add_byte(json, ':');
		codec_json(json, csv_field(&import->csv, i));
		first = false;
	}
	buf_add_byte(json, '}');
}

/* What jsonb and text cannot hold. */
static const char *octets_fault(struct slice row)
{
	if (slice_find(row, '\0') < row.n) {
		return "it has a NUL octet";
	}
	return codec_is_utf8(row) ? NULL : "it is not UTF-8";
}

static struct slice column(const struct import *import, size_t at)
{
	return at == NOWHERE ? SLICE("") : csv_field(&import->csv, at);
}

static int take_row(struct import *import)
{
	const char *octets = octets_fault(buf_slice(&import->csv.text));
	struct import_row row;
	struct buf vars;
	int code;

	if (import->csv.fields != import->columns) {
		return reject(import, "not as many columns as the header", SLICE(""));
	}
	row.email = slice_trim(csv_field(&import->csv, import->email));
	if (octets != NULL) {
		return reject(import, octets, row.email);
	}
	row.id = column(import, import->id);
	row.engagement = column(import, import->engagement);
	buf_init(&vars, 0);
	add_vars(import, &vars);
	row.vars = buf_slice(&vars);
	code = add_job(import, &row);
	buf_clear(&vars);
	return code;
}

/* A name of ours gives the column its role. */
static void note_role(struct import *import, struct slice name, size_t at)
{
	size_t *const roles[] = {&import->email, &import->id, &import->engagement};
	static const char *const words[] = {"email", "id", "engagement"};

	for (size_t i = 0; i < ARRAY_LEN(roles); i++) {
		if (slice_equal_nocase(name, slice_of(words[i])) && *roles[i] == NOWHERE) {
			*roles[i] = at;
		}
	}
}

/* Spreadsheets add nameless columns: those may be many. */
static bool same_name(const struct import *import, size_t first, size_t second)
{
	struct slice a = slice_of(import->names[first]);
	struct slice b = slice_of(import->names[second]);
	bool ours = first == import->email || first == import->id || first == import->engagement;

	return a.n > 2 && (ours ? slice_equal_nocase(a, b) : slice_equal(a, b));
}

/* Which of the two would count is nothing to guess about. */
static int refuse_namesake(struct import *import, size_t at)
{
	for (size_t i = 0; i < at; i++) {
		if (same_name(import, i, at)) {
			return ctl_fail(EX_DATAERR,
				"%s: line 1: columns %zu and %zu are both called %s: rename or "
				"remove one",
				import->path, i + 1, at + 1, import->names[at]);
		}
	}
	return 0;
}

static const char *header_hint(const struct import *import)
{
	const char *name = import->names[0];

	if (name[1] == '{') {
		return "; JSON lines need --format jsonl";
	}
	return import->columns == 1 && (strchr(name, ';') != NULL || strstr(name, "\\t") != NULL)
		? "; commas separate the columns"
		: "";
}

static int take_header(struct import *import)
{
	int code = 0;

	if (octets_fault(buf_slice(&import->csv.text)) != NULL) {
		return ctl_fail(EX_DATAERR, "%s: line 1: the header is not UTF-8", import->path);
	}
	for (size_t i = 0; i < import->csv.fields; i++) {
		struct slice name = slice_trim(csv_field(&import->csv, i));
		struct buf json;

		note_role(import, name, i);
		buf_init(&json, 0);
		codec_json(&json, name);
		import->names[i] = mem_copy(json.p, json.n);
		import->columns = i + 1;
		buf_clear(&json);
		code = code != 0 ? code : refuse_namesake(import, i);
	}
	if (code == 0 && import->email == NOWHERE) {
		return ctl_fail(EX_DATAERR,
			"%s: line 1: no column 'email': the first line names the "
			"columns, as in 'email,name'%s",
			import->path, header_hint(import));
	}
	return code;
}

/* What is behind the quote is a field of one row, or many rows: it is not for us to say. */
static int fail_open(struct import *import)
{
	int code = flush(import);

	return code != 0
		? code
		: ctl_fail(EX_DATAERR,
			  "%s: line %zu: a quote opens here and is never closed: nothing from "
			  "line %zu on was read; %llu were added. Close it, or double it "
			  "where it is part of a text, and run the same again: nothing is "
			  "added twice",
			  import->path, import->csv.quote_line, import->csv.row_line,
			  (unsigned long long)import->added);
}

static int take(struct import *import, enum csv_step step)
{
	if (step == CSV_MORE) {
		return 0;
	}
	if (step == CSV_OPEN) {
		return fail_open(import);
	}
	import->line = import->csv.row_line;
	import->last_line = import->csv.last_line;
	if (import->columns == 0) {
		return step == CSV_BAD ? ctl_fail(EX_DATAERR, "%s: line 1: %s", import->path,
						 csv_fault(&import->csv))
				       : take_header(import);
	}
	return step == CSV_BAD ? reject(import, csv_fault(&import->csv), SLICE(""))
			       : take_row(import);
}

static int read_csv(struct import *import, FILE *file)
{
	int code = 0;
	int byte;

	while (code == 0 && (byte = getc_unlocked(file)) != EOF) {
		code = take(import, csv_feed(&import->csv, (char)byte));
	}
	if (code == 0 && ferror(file) != 0) {
		code = ctl_fail(
			EX_IOERR, "cannot read %s: %s", import->path, err_text(err_system()));
	}
	code = code != 0 ? code : take(import, csv_end(&import->csv));
	if (code == 0 && import->columns == 0) {
		code = ctl_fail(EX_DATAERR, "%s is empty", import->path);
	}
	return code != 0 ? code : flush(import);
}

static int take_line(struct import *import, struct jsonl *jsonl, struct slice line)
{
	const char *fault = octets_fault(line);
	struct import_row row = {.email = SLICE("")};

	import->line++;
	if (import->line == 1 && slice_starts(line, BYTE_ORDER_MARK)) {
		line = slice_from(line, BYTE_ORDER_MARK.n);
	}
	if (slice_trim(line).n == 0) {
		return 0;
	}
	if (fault == NULL && line.n > LINE_MAX_BYTES) {
		fault = "it is longer than 1 MiB";
	}
	fault = fault != NULL ? fault : jsonl_read(jsonl, line, &row);
	return fault != NULL ? reject(import, fault, row.email) : add_job(import, &row);
}

static int read_jsonl(struct import *import, FILE *file)
{
	struct jsonl *jsonl = jsonl_new();
	char *line = NULL;
	size_t cap = 0;
	ssize_t n;
	int code = 0;

	while (code == 0 && (n = getline(&line, &cap, file)) >= 0) {
		code = take_line(import, jsonl, slice_make(line, (size_t)n));
	}
	if (code == 0 && ferror(file) != 0) {
		code = ctl_fail(
			EX_IOERR, "cannot read %s: %s", import->path, err_text(err_system()));
	}
	free(line);
	jsonl_free(&jsonl);
	return code != 0 ? code : flush(import);
}

/* By its name, or by --format where there is none. */
static bool is_jsonl(const struct import *import)
{
	struct slice path = slice_of(import->path);
	const char *format = ctl_option(import->ctl, "format", "");

	return strcmp(format, "jsonl") == 0 ||
		(format[0] == '\0' &&
			(slice_ends_nocase(path, SLICE(".jsonl")) ||
				slice_ends_nocase(path, SLICE(".ndjson"))));
}

static int run(struct import *import)
{
	bool standard = strcmp(import->path, "-") == 0;
	FILE *file = standard ? stdin : fopen(import->path, "rbe");
	struct stat status;
	int closed;
	int code;

	if (file == NULL) {
		return ctl_fail(
			EX_NOINPUT, "cannot open %s: %s", import->path, err_text(err_system()));
	}
	import->rejects = rejects_new(import->path);
	import->file = file;
	import->bytes = !standard && fstat(fileno(file), &status) == 0 ? status.st_size : 0;
	code = is_jsonl(import) ? read_jsonl(import, file) : read_csv(import, file);
	if (!standard) {
		(void)fclose(file);
	}
	if (code == 0) {
		(void)fputs(isatty(STDERR_FILENO) != 0 ? "\n" : "", stderr);
		ctl_print("%llu added, %llu already there, %llu rejected",
			(unsigned long long)import->added,
			(unsigned long long)(import->valid - import->added),
			(unsigned long long)import->rejected);
		if (import->rejected > 0) {
			ctl_print(": %s says why", rejects_path(import->rejects));
		}
		ctl_print("\n");
	}
	closed = rejects_free(&import->rejects);
	code = code == 0 ? closed : code;
	return code == 0 && import->rejected > 0 && import->valid == 0 ? EX_DATAERR : code;
}

int enqueue(struct ctl *ctl)
{
	struct import import = {.ctl = ctl,
		.path = ctl->arguments[0],
		.email = NOWHERE,
		.id = NOWHERE,
		.engagement = NOWHERE,
		.started_us = time_monotonic_us()};
	const char *format = ctl_option(ctl, "format", "csv");
	int64_t created_us = 0;
	int code;

	if (strcmp(format, "csv") != 0 && strcmp(format, "jsonl") != 0) {
		return ctl_fail(EX_USAGE, "--format is csv or jsonl");
	}
	code = ctl_tenant(ctl, ctl_option(ctl, "tenant", NULL), import.tenant);
	code = code != 0 ? code
			 : ctl_campaign(ctl, import.tenant, ctl_option(ctl, "campaign", NULL),
				   import.campaign, &created_us);
	if (code != 0) {
		return code;
	}
	import.created_ms = created_us / 1000;
	csv_init(&import.csv);
	buf_init(&import.ids, 0);
	buf_init(&import.recipients, 0);
	buf_init(&import.vars, 0);
	buf_init(&import.engagements, 0);
	start_chunk(&import);
	code = run(&import);
	for (size_t i = 0; i < import.columns; i++) {
		mem_free(import.names[i]);
	}
	buf_clear(&import.engagements);
	buf_clear(&import.vars);
	buf_clear(&import.recipients);
	buf_clear(&import.ids);
	csv_clear(&import.csv);
	return code;
}
