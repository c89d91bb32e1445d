/*
 * The feeds.  Suppressions, campaign states and evidence are read behind a cursor of
 * (xid8, key): rows of transactions that no older one can still precede.  Where transactions
 * have no common order (distributed), the cursor is (instant of the change, key), and
 * when all is read it goes back by more than the longest transaction.  Holds are few
 * and are read whole and compared.
 *
 * Telling something twice is harmless, so an answer that was lost is simply asked for
 * again from the old cursor.
 */
#include "intake_private.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/time.h"

enum { FEED_ROWS = 1000, HOLDS_MAX = 10000 };

/* The answers, in the order of the questions. */
enum { SUPPRESSIONS, CAMPAIGNS, EVIDENCE, HOLDS };

#define FEED_WAIT_US (3 * TIME_SECOND_US)
#define FEED_OVERLAP_US (60 * TIME_SECOND_US)

struct hold {
	struct hold_key key; /* the name's bytes stand behind the struct */
	int64_t until_us;
	uint32_t round;
	char text[];
};

static const struct slice kinds[] = {
	[HOLD_SOURCE] = {"source", 6},
	[HOLD_PROVIDER] = {"provider", 8},
	[HOLD_DOMAIN] = {"domain", 6},
	[HOLD_TENANT] = {"tenant", 6},
	[HOLD_CAMPAIGN] = {"campaign", 8},
};

static void set(struct buf *to, struct slice text)
{
	buf_reset(to);
	buf_add(to, text);
}

static void tell_suppressions(struct intake *intake, const struct pg_answer *answer)
{
	struct feeds *feeds = &intake->feeds;
	size_t rows = pg_rows(answer, SUPPRESSIONS);

	for (size_t row = 0; row < rows; row++) {
		struct id tenant = pg_id(answer, SUPPRESSIONS, row, 1);
		bool for_ever = pg_is_null(answer, SUPPRESSIONS, row, 5);

		intake->events.on_suppression(intake->owner, &tenant,
			pg_text(answer, SUPPRESSIONS, row, 2),
			pg_text(answer, SUPPRESSIONS, row, 3),
			for_ever ? INT64_MAX : pg_number(answer, SUPPRESSIONS, row, 5));
	}
	if (rows > 0) {
		set(&feeds->suppression_at, pg_text(answer, SUPPRESSIONS, rows - 1, 0));
		feeds->suppression_tenant = pg_id(answer, SUPPRESSIONS, rows - 1, 1);
		set(&feeds->suppression_address, pg_text(answer, SUPPRESSIONS, rows - 1, 2));
		set(&feeds->suppression_stream, pg_text(answer, SUPPRESSIONS, rows - 1, 3));
	}
}

static void tell_campaigns(struct intake *intake, const struct pg_answer *answer)
{
	struct feeds *feeds = &intake->feeds;
	size_t rows = pg_rows(answer, CAMPAIGNS);

	for (size_t row = 0; row < rows; row++) {
		struct id tenant = pg_id(answer, CAMPAIGNS, row, 1);
		struct id campaign = pg_id(answer, CAMPAIGNS, row, 2);

		intake->events.on_campaign(
			intake->owner, &tenant, &campaign, pg_text(answer, CAMPAIGNS, row, 3));
	}
	if (rows > 0) {
		set(&feeds->campaign_at, pg_text(answer, CAMPAIGNS, rows - 1, 0));
		feeds->campaign_tenant = pg_id(answer, CAMPAIGNS, rows - 1, 1);
		feeds->campaign = pg_id(answer, CAMPAIGNS, rows - 1, 2);
	}
}

static void tell_evidence(struct intake *intake, const struct pg_answer *answer)
{
	struct feeds *feeds = &intake->feeds;
	size_t rows = pg_rows(answer, EVIDENCE);

	for (size_t row = 0; row < rows; row++) {
		struct id tenant = pg_id(answer, EVIDENCE, row, 1);
		struct id job = pg_id(answer, EVIDENCE, row, 3);
		enum outcome state;

		if (outcome_parse(pg_text(answer, EVIDENCE, row, 5), &state)) {
			intake->events.on_evidence(intake->owner, &tenant, &job,
				(int)pg_number(answer, EVIDENCE, row, 4), state);
		}
	}
	if (rows > 0) {
		set(&feeds->evidence_at, pg_text(answer, EVIDENCE, rows - 1, 0));
		feeds->evidence_tenant = pg_id(answer, EVIDENCE, rows - 1, 1);
		feeds->evidence_attempt = pg_id(answer, EVIDENCE, rows - 1, 2);
	}
}

static bool kind_of(struct slice word, enum hold_kind *ret_kind)
{
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		if (slice_equal(word, kinds[i])) {
			*ret_kind = (enum hold_kind)i;
			return true;
		}
	}
	return false;
}

static struct hold *hold_new(const struct hold_key *key)
{
	struct hold *hold = mem_new(sizeof(*hold) + key->name.n);

	hold->key = *key;
	hold->until_us = -1;
	for (size_t i = 0; i < key->name.n; i++) {
		hold->text[i] = key->name.p[i];
	}
	hold->key.name = slice_make(hold->text, key->name.n);
	return hold;
}

static void note_hold(struct intake *intake, const struct pg_answer *answer, size_t row)
{
	struct feeds *feeds = &intake->feeds;
	struct hold_key key = {
		.tenant = pg_id(answer, HOLDS, row, 0), .name = pg_text(answer, HOLDS, row, 2)};
	int64_t until_us = pg_number(answer, HOLDS, row, 4); /* null reads 0 */
	struct hold *hold;
	struct buf bytes;

	if (!kind_of(pg_text(answer, HOLDS, row, 1), &key.kind)) {
		return;
	}
	buf_init(&bytes, 0);
	buf_add_byte(&bytes, (char)('0' + key.kind));
	buf_add(&bytes, id_slice(&key.tenant));
	buf_add(&bytes, key.name);
	hold = map_get(feeds->holds, buf_slice(&bytes));
	if (hold == NULL) {
		hold = hold_new(&key);
		map_put(feeds->holds, buf_slice(&bytes), hold);
	}
	buf_clear(&bytes);
	hold->round = feeds->round;
	if (hold->until_us != until_us) {
		hold->until_us = until_us;
		intake->events.on_hold(
			intake->owner, &hold->key, true, until_us, pg_text(answer, HOLDS, row, 3));
	}
}

static void tell_holds(struct intake *intake, const struct pg_answer *answer)
{
	struct feeds *feeds = &intake->feeds;
	size_t at = 0;
	struct slice key;
	void *value;

	feeds->round++;
	for (size_t row = 0; row < pg_rows(answer, HOLDS); row++) {
		note_hold(intake, answer, row);
	}
	while (map_next(feeds->holds, &at, &key, &value)) {
		struct hold *hold = value;

		if (hold->round != feeds->round) {
			map_remove(feeds->holds, key);
			intake->events.on_hold(
				intake->owner, &hold->key, false, 0, (struct slice){NULL, 0});
			mem_free(hold);
		}
	}
}

static void rewind_suppressions(struct feeds *feeds, struct slice at)
{
	set(&feeds->suppression_at, at);
	feeds->suppression_tenant = (struct id){0};
	buf_reset(&feeds->suppression_address);
	buf_reset(&feeds->suppression_stream);
}

static void rewind_campaigns(struct feeds *feeds, struct slice at)
{
	set(&feeds->campaign_at, at);
	feeds->campaign_tenant = (struct id){0};
	feeds->campaign = (struct id){0};
}

static void rewind_evidence(struct feeds *feeds, struct slice at)
{
	set(&feeds->evidence_at, at);
	feeds->evidence_tenant = (struct id){0};
	feeds->evidence_attempt = (struct id){0};
}

static void rewind_to(struct feeds *feeds, struct slice at)
{
	rewind_suppressions(feeds, at);
	rewind_campaigns(feeds, at);
	rewind_evidence(feeds, at);
}

/*
 * All was read: begin anew, from before the first page of this pass was asked for.  A
 * row may have been committed behind a page that had passed its instant.
 */
static void rewind_all(struct feeds *feeds)
{
	struct buf at;

	buf_init(&at, 0);
	buf_add_number(&at, (uint64_t)(feeds->pass_us - FEED_OVERLAP_US));
	rewind_to(feeds, buf_slice(&at));
	buf_clear(&at);
	feeds->pass_us = 0;
}

static bool has_more(const struct pg_answer *answer)
{
	return pg_rows(answer, SUPPRESSIONS) == FEED_ROWS ||
		pg_rows(answer, CAMPAIGNS) == FEED_ROWS || pg_rows(answer, EVIDENCE) == FEED_ROWS;
}

static bool on_feeds(struct intake *intake, const struct pg_answer *answer, void *context)
{
	int64_t pause_us = intake->settings.feed_us;

	(void)context;
	if (answer->status == PG_DONE) {
		tell_suppressions(intake, answer);
		tell_campaigns(intake, answer);
		tell_evidence(intake, answer);
		tell_holds(intake, answer);
		if (has_more(answer)) {
			pause_us = 0;
		} else if (intake->settings.distributed) {
			rewind_all(&intake->feeds);
		}
	} else {
		(void)intake_try_again(answer, "feeds");
	}
	timer_set(&intake->feeds.timer, loop_now_us(intake->loop) + pause_us);
	return false;
}

static void read_feeds(void *owner)
{
	struct intake *intake = owner;
	struct feeds *feeds = &intake->feeds;
	bool distributed = intake->settings.distributed;
	struct pg_request *request =
		intake_request(distributed ? SQL_SUPPRESSION_RECENT : SQL_SUPPRESSION_FEED);

	if (feeds->pass_us == 0) {
		feeds->pass_us = intake_db_now_us(intake);
	}
	pg_add_text(request, buf_slice(&feeds->suppression_at));
	pg_add_id(request, &feeds->suppression_tenant);
	pg_add_text(request, buf_slice(&feeds->suppression_address));
	pg_add_text(request, buf_slice(&feeds->suppression_stream));
	pg_add_number(request, FEED_ROWS);
	intake_statement(request, distributed ? SQL_CAMPAIGN_RECENT : SQL_CAMPAIGN_FEED);
	pg_add_text(request, buf_slice(&feeds->campaign_at));
	pg_add_id(request, &feeds->campaign_tenant);
	pg_add_id(request, &feeds->campaign);
	pg_add_number(request, FEED_ROWS);
	intake_statement(request, distributed ? SQL_EVIDENCE_RECENT : SQL_EVIDENCE_FEED);
	pg_add_text(request, buf_slice(&feeds->evidence_at));
	pg_add_id(request, &feeds->evidence_tenant);
	pg_add_id(request, &feeds->evidence_attempt);
	pg_add_number(request, FEED_ROWS);
	intake_statement(request, SQL_HOLD_FEED);
	pg_add_number(request, HOLDS_MAX);
	intake_ask(intake, &request, FEED_WAIT_US, on_feeds, NULL);
}

/* The first claim comes behind this, and reads suppressions and states itself. */
void feeds_start(struct intake *intake, struct slice txid)
{
	struct feeds *feeds = &intake->feeds;
	struct buf at;

	buf_init(&at, 0);
	if (intake->settings.distributed) {
		buf_add_number(&at, (uint64_t)(intake_db_now_us(intake) - FEED_OVERLAP_US));
	} else {
		buf_add(&at, txid);
	}
	rewind_to(feeds, buf_slice(&at));
	buf_clear(&at);
	timer_set(&feeds->timer, loop_now_us(intake->loop));
}

void feeds_open(struct intake *intake)
{
	struct feeds *feeds = &intake->feeds;

	buf_init(&feeds->suppression_at, 0);
	buf_init(&feeds->suppression_address, 0);
	buf_init(&feeds->suppression_stream, 0);
	buf_init(&feeds->campaign_at, 0);
	buf_init(&feeds->evidence_at, 0);
	feeds->holds = map_new();
	timer_init(&feeds->timer, intake->loop, read_feeds, intake);
}

void feeds_clear(struct intake *intake)
{
	struct feeds *feeds = &intake->feeds;
	size_t at = 0;
	struct slice key;
	void *value;

	while (map_next(feeds->holds, &at, &key, &value)) {
		mem_free(value);
	}
	map_free(&feeds->holds);
	buf_clear(&feeds->suppression_at);
	buf_clear(&feeds->suppression_address);
	buf_clear(&feeds->suppression_stream);
	buf_clear(&feeds->campaign_at);
	buf_clear(&feeds->evidence_at);
}
