/*
 * Building a request.  All parameters are texts, one behind the other in one
 * buffer, so that a report of a thousand rows costs a few growing buffers and no
 * allocation a value.  Arrays are written in Postgres' own notation: elements in
 * quotes, with backslashes before quotes and backslashes.
 *
 * The statements of a request go between two sync points of the pipeline.  The
 * server makes one transaction of them and commits it at the sync: all of them, or
 * none.  A BEGIN of ours would do the same, but would stay open after an error.
 */
#include "pg_private.h"

#include "base/mem.h"

enum { GROW_FIRST = 8 };

struct pg_request *pg_request_new(void)
{
	struct pg_request *request = MEM_NEW(struct pg_request);

	buf_init(&request->values, 0);
	return request;
}

void pg_request_rewind(struct pg_request *request)
{
	for (size_t i = 0; i < request->statements_count; i++) {
		PQclear(request->statements[i].result);
		request->statements[i].result = NULL;
	}
	PQclear(request->error);
	request->error = NULL;
	request->answered = 0;
}

void pg_request_free(struct pg_request **request)
{
	struct pg_request *r = *request;

	if (r == NULL) {
		return;
	}
	*request = NULL;
	pg_request_rewind(r);
	buf_clear(&r->values);
	mem_free(r->parameters);
	mem_free(r->statements);
	mem_free(r);
}

void pg_request_drop(struct pg_request **take)
{
	pg_request_free(take);
}

void pg_statement(struct pg_request *request, const char *text)
{
	if (request->statements_count == request->statements_cap) {
		request->statements_cap += GROW_FIRST;
		request->statements = mem_grow(request->statements, request->statements_cap,
			sizeof(request->statements[0]));
	}
	request->statements[request->statements_count++] = (struct pg_statement){
		.text = text,
		.first = request->parameters_count,
	};
}

static void add_parameter(struct pg_request *request, bool null)
{
	if (request->parameters_count == request->parameters_cap) {
		request->parameters_cap =
			request->parameters_cap == 0 ? GROW_FIRST : request->parameters_cap * 2;
		request->parameters = mem_grow(request->parameters, request->parameters_cap,
			sizeof(request->parameters[0]));
	}
	request->parameters[request->parameters_count++] =
		(struct pg_parameter){.at = request->values.n, .null = null};
}

void pg_add_null(struct pg_request *request)
{
	add_parameter(request, true);
}

void pg_add_text(struct pg_request *request, struct slice text)
{
	add_parameter(request, false);
	buf_add(&request->values, text);
	buf_add_byte(&request->values, '\0');
}

static void write_number(struct buf *out, int64_t value)
{
	uint64_t size = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;

	if (value < 0) {
		buf_add_byte(out, '-');
	}
	buf_add_number(out, size);
}

void pg_add_number(struct pg_request *request, int64_t value)
{
	add_parameter(request, false);
	write_number(&request->values, value);
	buf_add_byte(&request->values, '\0');
}

void pg_add_bool(struct pg_request *request, bool value)
{
	pg_add_text(request, value ? SLICE("t") : SLICE("f"));
}

void pg_add_id(struct pg_request *request, const struct id *id)
{
	add_parameter(request, false);
	id_add(&request->values, *id);
	buf_add_byte(&request->values, '\0');
}

void pg_array(struct pg_request *request)
{
	add_parameter(request, false);
	buf_add_byte(&request->values, '{');
	request->first_item = true;
}

static void next_item(struct pg_request *request)
{
	if (!request->first_item) {
		buf_add_byte(&request->values, ',');
	}
	request->first_item = false;
}

void pg_item_null(struct pg_request *request)
{
	next_item(request);
	buf_add(&request->values, SLICE("NULL"));
}

void pg_item_text(struct pg_request *request, struct slice text)
{
	struct buf *out = &request->values;
	size_t from = 0;

	next_item(request);
	buf_add_byte(out, '"');
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] == '"' || text.p[i] == '\\') {
			buf_add(out, slice_make(text.p + from, i - from));
			buf_add_byte(out, '\\');
			from = i;
		}
	}
	buf_add(out, slice_from(text, from));
	buf_add_byte(out, '"');
}

void pg_item_number(struct pg_request *request, int64_t value)
{
	next_item(request);
	write_number(&request->values, value);
}

void pg_item_bool(struct pg_request *request, bool value)
{
	next_item(request);
	buf_add_byte(&request->values, value ? 't' : 'f');
}

void pg_item_id(struct pg_request *request, const struct id *id)
{
	next_item(request);
	id_add(&request->values, *id);
}

void pg_array_end(struct pg_request *request)
{
	buf_add(&request->values, slice_make("}", 2)); /* with its NUL */
}

struct slice pg_parameter_text(const struct pg_request *request, size_t parameter)
{
	const struct pg_parameter *p = &request->parameters[parameter];

	return p->null ? (struct slice){NULL, 0} : slice_of(request->values.p + p->at);
}

static bool write_statement(const struct pg_request *request, size_t i, PGconn *conn)
{
	const struct pg_statement *statement = &request->statements[i];
	size_t end =
		i + 1 < request->statements_count ? statement[1].first : request->parameters_count;
	size_t count = end - statement->first;
	const char **values = mem_array(count, sizeof(values[0]));

	for (size_t k = 0; k < count; k++) {
		const struct pg_parameter *parameter = &request->parameters[statement->first + k];

		values[k] = parameter->null ? NULL : request->values.p + parameter->at;
	}
	int sent =
		PQsendQueryParams(conn, statement->text, (int)count, NULL, values, NULL, NULL, 0);

	mem_free(values);
	return sent == 1;
}

bool pg_request_write(const struct pg_request *request, PGconn *conn)
{
	for (size_t i = 0; i < request->statements_count; i++) {
		if (!write_statement(request, i, conn)) {
			return false;
		}
	}
	return PQpipelineSync(conn) == 1;
}
