/*
 * What record.c (gathering) and round.c (sending) share.
 */
#ifndef RECORD_PRIVATE_H
#define RECORD_PRIVATE_H

#include "base/list.h"
#include "filing.h"
#include "record/record.h"
#include "rows.h"

enum { ROUND_MOST = 1000 };

/* What a batch's close needs besides its counts. */
struct ledger {
	struct list_link link;
	struct batch *batch;
	unsigned pending; /* filings that no round has taken yet */
	unsigned attempts;
	unsigned deferrals;
	unsigned duplicates;
	bool stuck; /* cannot be closed, and stays leased */
};

struct waiter {
	void (*on_done)(void *owner);
	void *owner;
};

/* What is being sent: three lists, how much of each is confirmed, how much is on its way. */
struct round {
	struct rows *rows;
	size_t rows_done;
	size_t rows_sent;
	struct filings filings;
	size_t filings_done;
	size_t filings_sent;
	struct batch **closes;
	size_t closes_count;
	size_t closes_done;
	size_t closes_sent;
	size_t most; /* a transaction holds at most so many of a kind */
};

struct record {
	struct loop *loop;
	struct pg *pg;
	struct record_settings settings;
	struct rows *fresh;
	struct filings pending;
	struct list ledgers; /* of all batches that are not over */
	struct list closable;
	struct round round;
	struct timer timer;
	struct later now;
	struct later flushed;
	struct waiter *waiters;
	size_t flushing;  /* how many wait for a flush */
	int64_t asked_us; /* when what is under way went first; 0 = nothing is */
	bool busy;
	bool put_off; /* what is under way was, and that has been said */
	bool gone;    /* record_close() was called: only the memory is left */
};

/* Sends the round's next transaction. */
void round_send(struct record *record);

/* All of it is confirmed. */
void round_finished(struct record *record);

void record_end(struct record *record);

/* The batch is over, or nobody will close it any more. */
void ledger_drop(struct record *record, struct batch *batch);

#endif
