/*
 * A retry is one job of many that were deferred in the same half minute, so they are
 * sorted by what a batch must have in common and cut into batches of 500.  Without
 * this a greylisting provider would leave one row of `batches` for each message.
 */
#include "filing.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/time.h"

void filings_clear(struct filings *filings)
{
	for (size_t i = 0; i < filings->count; i++) {
		mem_free(filings->items[i].source);
		mem_free(filings->items[i].tag);
	}
	mem_free(filings->items);
	*filings = (struct filings){NULL, 0, 0};
}

void filings_add(struct filings *filings, const struct filing *take)
{
	if (filings->count == filings->cap) {
		filings->cap = filings->cap == 0 ? 64 : filings->cap * 2;
		filings->items = mem_grow(filings->items, filings->cap, sizeof(filings->items[0]));
	}
	filings->items[filings->count++] = *take;
}

int64_t filing_bucket_us(int64_t due_us, int64_t now_us)
{
	int64_t ahead_us = due_us - now_us;
	int64_t width_us = TIME_SECOND_US;

	if (ahead_us > 600 * TIME_SECOND_US) {
		width_us = 60 * TIME_SECOND_US;
	} else if (ahead_us > 60 * TIME_SECOND_US) {
		width_us = 10 * TIME_SECOND_US;
	}
	return (due_us + width_us - 1) / width_us * width_us;
}

static int compare_numbers(int64_t a, int64_t b)
{
	return (a > b) - (a < b);
}

static int compare_ids(const struct id *a, const struct id *b)
{
	return memcmp(a->bytes, b->bytes, sizeof(a->bytes));
}

static int compare_jobs(const struct job *a, const struct job *b)
{
	const struct campaign *x = a->batch->campaign;
	const struct campaign *y = b->batch->campaign;
	int order = compare_ids(&x->tenant->id, &y->tenant->id);

	order = order != 0 ? order : compare_ids(&x->id, &y->id);
	order = order != 0 ? order : compare_ids(&x->content, &y->content);
	order = order != 0 ? order : compare_numbers(a->content_version, b->content_version);
	order = order != 0 ? order : slice_compare(x->pool, y->pool);
	order = order != 0 ? order : compare_numbers(x->priority, y->priority);
	order = order != 0 ? order : compare_numbers(a->batch->lost, b->batch->lost);
	return order != 0 ? order : slice_compare(a->keys, b->keys);
}

/* 0: they may share a batch. */
static int compare(const struct filing *a, const struct filing *b)
{
	int order = compare_jobs(a->job, b->job);

	order = order != 0 ? order : strcmp(a->tag, b->tag);
	order = order != 0 ? order : compare_numbers(a->retrying, b->retrying);
	order = order != 0 ? order : compare_numbers(a->refiled, b->refiled);
	return order != 0 ? order : compare_numbers(a->not_before_us, b->not_before_us);
}

static int for_sort(const void *a, const void *b)
{
	const struct filing *x = a;
	const struct filing *y = b;
	int order = compare(x, y);

	return order != 0 ? order : compare_ids(&x->job->id, &y->job->id);
}

void filings_group(struct filings *filings, int64_t wall_us)
{
	size_t size = 0;

	if (filings->count > 1) {
		qsort(filings->items, filings->count, sizeof(filings->items[0]), for_sort);
	}
	for (size_t i = 0; i < filings->count; i++) {
		struct filing *filing = &filings->items[i];

		if (i == 0 || size == FILING_BATCH_MAX || compare(filing - 1, filing) != 0) {
			filing->to = id_make(wall_us / 1000);
			size = 0;
		} else {
			filing->to = filing[-1].to;
		}
		size++;
	}
}

/* One column: the cell is written by `item`. */
static void write_column(const struct filings *filings, size_t from, size_t to,
	struct pg_request *request,
	void (*item)(struct pg_request *request, const struct filing *filing))
{
	pg_array(request);
	for (size_t i = from; i < to; i++) {
		item(request, &filings->items[i]);
	}
	pg_array_end(request);
}

static void item_token(struct pg_request *request, const struct filing *filing)
{
	pg_item_id(request, &filing->job->batch->token);
}

static void item_tenant(struct pg_request *request, const struct filing *filing)
{
	pg_item_id(request, &filing->job->batch->campaign->tenant->id);
}

static void item_batch(struct pg_request *request, const struct filing *filing)
{
	pg_item_id(request, &filing->job->batch->id);
}

static void item_job(struct pg_request *request, const struct filing *filing)
{
	pg_item_id(request, &filing->job->id);
}

static void item_attempts(struct pg_request *request, const struct filing *filing)
{
	pg_item_number(request, filing->attempts);
}

static void item_due(struct pg_request *request, const struct filing *filing)
{
	if (filing->due_us == 0) {
		pg_item_null(request);
	} else {
		pg_item_number(request, filing->due_us);
	}
}

static void item_source(struct pg_request *request, const struct filing *filing)
{
	pg_item_text(request, slice_of(filing->source));
}

static void item_to(struct pg_request *request, const struct filing *filing)
{
	pg_item_id(request, &filing->to);
}

static void item_pool(struct pg_request *request, const struct filing *filing)
{
	pg_item_text(request, filing->job->batch->campaign->pool);
}

static void item_tag(struct pg_request *request, const struct filing *filing)
{
	pg_item_text(request, slice_of(filing->tag));
}

static void item_priority(struct pg_request *request, const struct filing *filing)
{
	pg_item_number(request, filing->job->batch->campaign->priority);
}

static void item_state(struct pg_request *request, const struct filing *filing)
{
	pg_item_text(request,
		slice_of(outcome_word(filing->retrying ? OUTCOME_RETRYING : OUTCOME_WAITING)));
}

static void item_keys(struct pg_request *request, const struct filing *filing)
{
	pg_item_text(request, filing->job->keys);
}

static void item_refiled(struct pg_request *request, const struct filing *filing)
{
	pg_item_bool(request, filing->refiled);
}

static void item_not_before(struct pg_request *request, const struct filing *filing)
{
	pg_item_number(request, filing->not_before_us);
}

void filings_write(const struct filings *filings, size_t from, size_t to, const struct id *worker,
	struct pg_request *request)
{
	static void (*const columns[])(struct pg_request * request, const struct filing *filing) = {
		item_token,
		item_tenant,
		item_batch,
		item_job,
		item_attempts,
		item_due,
		item_source,
		item_to,
		item_pool,
		item_tag,
		item_priority,
		item_state,
		item_keys,
		item_refiled,
		item_not_before,
	};

	pg_add_id(request, worker);
	for (size_t i = 0; i < ARRAY_LEN(columns); i++) {
		write_column(filings, from, to, request, columns[i]);
	}
}
