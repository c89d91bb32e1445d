/*
 * One row an attempt, built when the attempt is told and written once, column by
 * column, when the report leaves.  A thousand rows cost a few growing buffers.
 *
 * What receivers say is bytes; what goes to Postgres is text: codec_printable() makes
 * one of the other, bounded.  Addresses that the server would not take as inet are
 * left out rather than have a whole report refused.
 */
#include "rows.h"

#include <stdlib.h>
#include <string.h>

#include "base/codec.h"
#include "base/mem.h"

enum { REPLY_MAX = 1000, NAME_MAX_BYTES = 320 };

/* penguin-sql(7); 2 is the statement's, which knows whether we still had the lease */
enum {
	FLAG_POSSIBLE_DUPLICATE = 1,
	FLAG_ASSUMED_SENT = 4,
	FLAG_BYTES_DIFFER = 8,
	FLAG_DOUBT_AGAIN = 16,
};

enum text {
	TEXT_ENHANCED,
	TEXT_REPLY,
	TEXT_PROVIDER,
	TEXT_SITE,
	TEXT_MX,
	TEXT_MX_ADDRESS,
	TEXT_SOURCE,
	TEXT_SOURCE_ADDRESS,
	TEXT_TLS_VERSION,
	TEXT_TLS_CIPHER,
	TEXT_COUNT
};

struct span {
	uint32_t at;
	uint32_t n;
};

struct row {
	struct id tenant;
	struct id id;
	struct id job;
	struct id campaign;
	int attempt_no;
	unsigned code;
	int flags;
	enum outcome state;
	const char *category; /* words of the model, or "" */
	const char *scope;
	const char *action;
	const char *phase;
	const char *command;
	int64_t size_bytes;
	int64_t at_us;
	int64_t duration_ms;
	struct span texts[TEXT_COUNT];
	size_t came; /* for a sort that keeps the order */
	void *receipt;
};

struct rows {
	struct row *rows;
	size_t count;
	size_t cap;
	struct buf texts;
};

struct rows *rows_new(void)
{
	struct rows *rows = MEM_NEW(struct rows);

	buf_init(&rows->texts, 0);
	return rows;
}

void rows_free(struct rows **rows)
{
	if (*rows != NULL) {
		buf_clear(&(*rows)->texts);
		mem_free((*rows)->rows);
		mem_free(*rows);
		*rows = NULL;
	}
}

void rows_reset(struct rows *rows)
{
	buf_reset(&rows->texts);
	rows->count = 0;
}

size_t rows_count(const struct rows *rows)
{
	return rows->count;
}

static struct row *next_row(struct rows *rows)
{
	if (rows->count == rows->cap) {
		rows->cap = rows->cap == 0 ? 64 : rows->cap * 2;
		rows->rows = mem_grow(rows->rows, rows->cap, sizeof(rows->rows[0]));
	}
	struct row *row = &rows->rows[rows->count];

	*row = (struct row){.category = "", .scope = "", .action = "", .phase = "", .command = ""};
	row->came = rows->count++;
	return row;
}

static void add_text(
	struct rows *rows, struct row *row, enum text text, struct slice bytes, size_t max)
{
	size_t at = rows->texts.n;

	codec_printable(&rows->texts, bytes, max);
	row->texts[text] = (struct span){(uint32_t)at, (uint32_t)(rows->texts.n - at)};
}

static bool is_address(struct slice text)
{
	static const char allowed[] = "0123456789abcdefABCDEF.:";

	for (size_t i = 0; i < text.n; i++) {
		if (memchr(allowed, text.p[i], sizeof(allowed) - 1) == NULL) {
			return false;
		}
	}
	return true;
}

static void add_address(struct rows *rows, struct row *row, enum text text, struct slice address)
{
	if (is_address(address)) {
		add_text(rows, row, text, address, NAME_MAX_BYTES);
	}
}

static void add_enhanced(struct rows *rows, struct row *row, const struct enhanced *enhanced)
{
	size_t at = rows->texts.n;

	if (enhanced->class != 0) {
		buf_add_number(&rows->texts, enhanced->class);
		buf_add_byte(&rows->texts, '.');
		buf_add_number(&rows->texts, enhanced->subject);
		buf_add_byte(&rows->texts, '.');
		buf_add_number(&rows->texts, enhanced->detail);
	}
	row->texts[TEXT_ENHANCED] = (struct span){(uint32_t)at, (uint32_t)(rows->texts.n - at)};
}

static void set_job(struct row *row, const struct job *job)
{
	row->tenant = job->batch->campaign->tenant->id;
	row->campaign = job->batch->campaign->id;
	row->job = job->id;
}

static int flags_of(const struct attempt *attempt)
{
	bool doubt = attempt->verdict.action == ACTION_DOUBT;
	bool assumed = doubt && attempt->state == OUTCOME_DELIVERED;
	bool again = doubt && attempt->state == OUTCOME_RETRYING;

	return (attempt->possible_duplicate ? FLAG_POSSIBLE_DUPLICATE : 0) |
		(assumed ? FLAG_ASSUMED_SENT : 0) |
		(attempt->bytes_differ ? FLAG_BYTES_DIFFER : 0) | (again ? FLAG_DOUBT_AGAIN : 0);
}

void rows_add(struct rows *rows, const struct attempt *attempt)
{
	struct row *row = next_row(rows);
	const struct route *route = &attempt->route;
	const struct evidence *evidence = &attempt->evidence;

	set_job(row, attempt->job);
	row->id = attempt->id;
	row->attempt_no = attempt->number;
	row->state = attempt->state;
	row->category = category_word(attempt->verdict.category);
	row->scope = scope_word(attempt->verdict.scope);
	row->action = action_word(attempt->verdict.action);
	row->phase = phase_word(evidence->phase);
	row->command = evidence->code != 0 ? phase_command(evidence->phase) : "";
	row->code = evidence->code;
	row->flags = flags_of(attempt);
	row->receipt = attempt->state == OUTCOME_RETRYING ? NULL : attempt->receipt;
	row->size_bytes = (int64_t)attempt->size_bytes;
	row->at_us = attempt->at_us;
	row->duration_ms = attempt->duration_us / 1000;
	add_enhanced(rows, row, &evidence->enhanced);
	add_text(rows, row, TEXT_REPLY, evidence->text, REPLY_MAX);
	add_text(rows, row, TEXT_PROVIDER, route->provider, NAME_MAX_BYTES);
	add_text(rows, row, TEXT_SITE, route->site, NAME_MAX_BYTES);
	add_text(rows, row, TEXT_MX, route->mx, NAME_MAX_BYTES);
	add_address(rows, row, TEXT_MX_ADDRESS, route->mx_address);
	add_text(rows, row, TEXT_SOURCE, route->source, NAME_MAX_BYTES);
	add_address(rows, row, TEXT_SOURCE_ADDRESS, route->source_address);
	add_text(rows, row, TEXT_TLS_VERSION, route->tls_version, NAME_MAX_BYTES);
	add_text(rows, row, TEXT_TLS_CIPHER, route->tls_cipher, NAME_MAX_BYTES);
}

void rows_add_skip(struct rows *rows, const struct job *job, const struct id *id,
	enum outcome state, struct slice reason, int64_t at_us)
{
	struct row *row = next_row(rows);

	set_job(row, job);
	row->id = *id;
	row->attempt_no = job->attempts; /* nothing was offered this time */
	row->state = state;
	row->category = state == OUTCOME_SUPPRESSED ? category_word(CATEGORY_SUPPRESSED) : "";
	row->at_us = at_us;
	add_text(rows, row, TEXT_REPLY, reason, REPLY_MAX);
}

static int by_tenant(const void *a, const void *b)
{
	const struct row *x = a;
	const struct row *y = b;
	int order = slice_compare(id_slice(&x->tenant), id_slice(&y->tenant));

	return order != 0 ? order : (x->came > y->came) - (x->came < y->came);
}

void rows_sort(struct rows *rows)
{
	if (rows->count > 1) {
		qsort(rows->rows, rows->count, sizeof(rows->rows[0]), by_tenant);
	}
}

const struct id *rows_tenant(const struct rows *rows, size_t at)
{
	return &rows->rows[at].tenant;
}

void *rows_receipt(const struct rows *rows, size_t at)
{
	return rows->rows[at].receipt;
}

/* A column: cells of one kind, `offset` into the row. */
struct part {
	const struct rows *rows;
	size_t from;
	size_t to;
	struct pg_request *request;
};

static void write_ids(const struct part *part, size_t offset)
{
	pg_array(part->request);
	for (size_t i = part->from; i < part->to; i++) {
		const char *row = (const char *)&part->rows->rows[i];

		pg_item_id(part->request, (const struct id *)(const void *)(row + offset));
	}
	pg_array_end(part->request);
}

static void write_words(const struct part *part, size_t offset)
{
	pg_array(part->request);
	for (size_t i = part->from; i < part->to; i++) {
		const char *row = (const char *)&part->rows->rows[i];
		const char *word;

		memcpy(&word, row + offset, sizeof(word));
		pg_item_text(part->request, slice_of(word));
	}
	pg_array_end(part->request);
}

static void write_numbers(const struct part *part, int64_t (*cell)(const struct row *row))
{
	pg_array(part->request);
	for (size_t i = part->from; i < part->to; i++) {
		pg_item_number(part->request, cell(&part->rows->rows[i]));
	}
	pg_array_end(part->request);
}

static void write_texts(const struct part *part, enum text text, bool null)
{
	pg_array(part->request);
	for (size_t i = part->from; i < part->to; i++) {
		struct span span = part->rows->rows[i].texts[text];

		if (null && span.n == 0) {
			pg_item_null(part->request);
		} else {
			pg_item_text(
				part->request, slice_make(part->rows->texts.p + span.at, span.n));
		}
	}
	pg_array_end(part->request);
}

static void write_states(const struct part *part)
{
	pg_array(part->request);
	for (size_t i = part->from; i < part->to; i++) {
		pg_item_text(part->request, slice_of(outcome_word(part->rows->rows[i].state)));
	}
	pg_array_end(part->request);
}

static int64_t cell_attempt_no(const struct row *row)
{
	return row->attempt_no;
}

static int64_t cell_code(const struct row *row)
{
	return row->code;
}

static int64_t cell_flags(const struct row *row)
{
	return row->flags;
}

static int64_t cell_size(const struct row *row)
{
	return row->size_bytes;
}

static int64_t cell_at(const struct row *row)
{
	return row->at_us;
}

static int64_t cell_duration(const struct row *row)
{
	return row->duration_ms;
}

void rows_write(const struct rows *rows, size_t from, size_t to, const struct id *worker,
	struct pg_request *request)
{
	struct part part = {rows, from, to, request};

	write_ids(&part, offsetof(struct row, tenant));
	write_ids(&part, offsetof(struct row, id));
	write_ids(&part, offsetof(struct row, job));
	write_ids(&part, offsetof(struct row, campaign));
	write_numbers(&part, cell_attempt_no);
	write_states(&part);
	write_words(&part, offsetof(struct row, category));
	write_words(&part, offsetof(struct row, scope));
	write_words(&part, offsetof(struct row, action));
	write_words(&part, offsetof(struct row, phase));
	write_numbers(&part, cell_code);
	write_texts(&part, TEXT_ENHANCED, false);
	write_texts(&part, TEXT_REPLY, false);
	write_words(&part, offsetof(struct row, command));
	write_texts(&part, TEXT_PROVIDER, false);
	write_texts(&part, TEXT_SITE, false);
	write_texts(&part, TEXT_MX, false);
	write_texts(&part, TEXT_MX_ADDRESS, true);
	write_texts(&part, TEXT_SOURCE, false);
	write_texts(&part, TEXT_SOURCE_ADDRESS, true);
	write_texts(&part, TEXT_TLS_VERSION, false);
	write_texts(&part, TEXT_TLS_CIPHER, false);
	write_numbers(&part, cell_size);
	write_numbers(&part, cell_flags);
	pg_add_id(request, worker);
	write_numbers(&part, cell_at);
	write_numbers(&part, cell_duration);
}
