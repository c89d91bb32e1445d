/*
 * Records of attempts over segments.  Tickets lie in the order of their sequence numbers,
 * since each is made by an append: the first one is the oldest, and all before it is
 * reported.  REPORTED is written once a turn at most, and not waited for: without it a
 * restart reports again what Postgres leaves alone.
 */
#include "spool/journal.h"

#include "base/list.h"
#include "base/mem.h"
#include "number.h"
#include "spool/entry.h"
#include "spool/segment.h"

enum {
	PREFIX_BYTES = 8,  /* of a RESULT: the sequence number of its INTENT */
	CLAIMED_MAX = 200, /* batches in one record */
};

struct ticket {
	struct list_link link;
	uint64_t seq;
	uint64_t reserved; /* of an INTENT: room for what ends it */
};

struct journal {
	struct loop *loop;
	struct segments *segments;
	struct list tickets;
	struct buf payload;
	struct later turn;
	uint64_t added;    /* newest sequence number */
	uint64_t reported; /* as written last */
	uint64_t seen;
	uint64_t seen_said;
	uint64_t rewound;
	bool rewound_unsaid;
};

/* All up to here is reported, or was never to be. */
static uint64_t mark_of(const struct journal *journal)
{
	const struct list_link *first = list_first(&journal->tickets);

	return first == NULL ? journal->added : LIST_OWNER(first, struct ticket, link)->seq - 1;
}

static void say_reported(void *owner)
{
	struct journal *journal = owner;
	uint64_t mark = mark_of(journal);
	uint64_t seq;

	/* Of a dead journal's intents some have no ticket any more and no end that was written. */
	if (mark <= journal->reported || segments_dead(journal->segments)) {
		return;
	}
	journal->reported = mark;
	buf_reset(&journal->payload);
	number_add64(&journal->payload, mark);
	seq = segments_add(journal->segments, JOURNAL_REPORTED, buf_slice(&journal->payload), 0);
	if (seq != 0) {
		journal->added = seq;
		/* A record of this kind is not worth another of its kind. */
		journal->reported += mark + 1 == seq;
	}
	segments_forget(journal->segments, journal->reported);
}

static void moved(struct journal *journal)
{
	if (mark_of(journal) > journal->reported) {
		loop_later(journal->loop, &journal->turn);
	}
}

static struct ticket *ticket_new(struct journal *journal, uint64_t seq, uint64_t reserved)
{
	struct ticket *ticket = MEM_NEW(struct ticket);

	ticket->seq = seq;
	ticket->reserved = reserved;
	journal->added = seq;
	list_push(&journal->tickets, &ticket->link);
	return ticket;
}

static void drop(struct journal *journal, struct ticket **take)
{
	list_remove(&journal->tickets, &(*take)->link);
	mem_free(*take);
	*take = NULL;
	moved(journal);
}

struct journal *journal_open(struct loop *loop, struct disk *disk,
	const struct journal_settings *settings, const struct segments_events *events, void *owner)
{
	struct journal *journal = MEM_NEW(struct journal);
	struct segments_settings files = {
		.directory = settings->directory,
		.segment_bytes = settings->segment_bytes,
		.record_max = PREFIX_BYTES + ENTRY_MAX,
		.sync = settings->sync,
		.keep_bytes = settings->keep_bytes,
		.keep_us = settings->keep_us,
		.owner = settings->owner,
		.boot = settings->boot,
		.node = settings->node,
		.name = settings->name,
	};

	journal->loop = loop;
	list_init(&journal->tickets);
	buf_init(&journal->payload, 0);
	later_init(&journal->turn, say_reported, journal);
	journal->segments = segments_open(loop, disk, &files, events, owner);
	return journal;
}

void journal_close(struct journal **journal)
{
	struct journal *gone = *journal;
	struct list_link *link;

	if (gone == NULL) {
		return;
	}
	*journal = NULL;
	loop_later_cancel(gone->loop, &gone->turn);
	say_reported(gone);
	if (gone->tickets.count == 0 && !segments_dead(gone->segments)) {
		segments_forget(gone->segments, gone->added);
	}
	segments_close(&gone->segments);
	while ((link = list_pop(&gone->tickets)) != NULL) {
		mem_free(LIST_OWNER(link, struct ticket, link));
	}
	buf_clear(&gone->payload);
	mem_free(gone);
}

void journal_claimed(struct journal *journal, const struct id *token, const struct id *tenants,
	const struct id *batches, size_t count)
{
	for (size_t from = 0; from < count; from += CLAIMED_MAX) {
		size_t to = count - from < CLAIMED_MAX ? count : from + CLAIMED_MAX;
		uint64_t seq;

		buf_reset(&journal->payload);
		buf_add(&journal->payload, id_slice(token));
		for (size_t i = from; i < to; i++) {
			buf_add(&journal->payload, id_slice(&tenants[i]));
			buf_add(&journal->payload, id_slice(&batches[i]));
		}
		seq = segments_add(
			journal->segments, JOURNAL_CLAIMED, buf_slice(&journal->payload), 0);
		journal->added = seq != 0 ? seq : journal->added;
	}
}

struct ticket *journal_intent(struct journal *journal, const struct attempt *attempt)
{
	uint64_t reserve = segment_record_size(PREFIX_BYTES + entry_most(attempt));
	uint64_t seq;

	buf_reset(&journal->payload);
	entry_add(&journal->payload, attempt);
	if (journal->payload.spoiled) {
		return NULL;
	}
	seq = segments_add(
		journal->segments, JOURNAL_INTENT, buf_slice(&journal->payload), reserve);
	return seq == 0 ? NULL : ticket_new(journal, seq, reserve);
}

bool journal_is_durable(const struct journal *journal, const struct ticket *intent)
{
	return intent->seq <= segments_durable(journal->segments);
}

void journal_withdraw(struct journal *journal, struct ticket **take)
{
	uint64_t seq;

	if (*take == NULL) {
		return;
	}
	buf_reset(&journal->payload);
	number_add64(&journal->payload, (*take)->seq);
	seq = segments_add_reserved(journal->segments, JOURNAL_WITHDRAWN,
		buf_slice(&journal->payload), (*take)->reserved);
	journal->added = seq != 0 ? seq : journal->added;
	drop(journal, take);
}

static uint64_t add_result(struct journal *journal, const struct ticket *intent)
{
	struct slice payload = buf_slice(&journal->payload);

	return intent == NULL ? segments_add(journal->segments, JOURNAL_RESULT, payload, 0)
			      : segments_add_reserved(journal->segments, JOURNAL_RESULT, payload,
					intent->reserved);
}

struct ticket *journal_result(
	struct journal *journal, struct ticket **take, const struct attempt *attempt)
{
	struct ticket *result = NULL;
	uint64_t seq;

	buf_reset(&journal->payload);
	number_add64(&journal->payload, *take != NULL ? (*take)->seq : 0);
	entry_add(&journal->payload, attempt);
	seq = journal->payload.spoiled ? 0 : add_result(journal, *take);
	if (seq != 0) {
		result = ticket_new(journal, seq, 0);
	}
	if (*take != NULL) {
		drop(journal, take);
	}
	return result;
}

void journal_confirm(struct journal *journal, struct ticket **take)
{
	if (*take != NULL) {
		drop(journal, take);
	}
}

static bool add_number(struct journal *journal, unsigned type, uint64_t number)
{
	uint64_t seq;

	buf_reset(&journal->payload);
	number_add64(&journal->payload, number);
	seq = segments_add(journal->segments, type, buf_slice(&journal->payload), 0);
	journal->added = seq != 0 ? seq : journal->added;
	return seq != 0;
}

/* What could not be written yet: there was no room. */
static void say_the_rest(struct journal *journal)
{
	if (journal->seen != journal->seen_said &&
		add_number(journal, JOURNAL_SEEN, journal->seen)) {
		journal->seen_said = journal->seen;
	}
	if (journal->rewound_unsaid && add_number(journal, JOURNAL_REWOUND, journal->rewound)) {
		journal->rewound_unsaid = false;
	}
}

void journal_seen(struct journal *journal, uint64_t beats)
{
	journal->seen = beats;
	say_the_rest(journal);
}

void journal_rewound(struct journal *journal, uint64_t beats)
{
	journal->seen_said = journal->seen; /* it is not so any more */
	journal->rewound = beats;
	journal->rewound_unsaid = true;
	say_the_rest(journal);
}

void journal_flush(struct journal *journal)
{
	say_the_rest(journal);
	segments_flush(journal->segments);
}

void journal_sync(struct journal *journal)
{
	segments_sync(journal->segments);
}

bool journal_dead(const struct journal *journal)
{
	return segments_dead(journal->segments);
}

bool journal_has_room(const struct journal *journal)
{
	return segments_room(journal->segments) >=
		2 * segment_record_size(PREFIX_BYTES + ENTRY_MAX);
}

const struct segments_stats *journal_stats(const struct journal *journal)
{
	return segments_stats(journal->segments);
}
