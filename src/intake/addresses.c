/*
 * The addresses that this worker sends from.  Each belongs to one worker of the whole
 * fleet, by a row in `source_leases` that holds while its owner lives; so it costs nothing
 * to keep, and is free when its owner was declared dead, which ends that one for ever.
 *
 * One question at a time: what is to be given back, else what is still wanted.  Questions
 * whose answers are lost are asked again; both may run twice.
 */
#include "intake_private.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/time.h"

#define AGAIN_US (5 * TIME_SECOND_US) /* or as often as the lease is renewed */
#define FAILED_US TIME_SECOND_US
#define WAIT_US (5 * TIME_SECOND_US)

struct sought {
	char *address;
	char *source;
	bool wanted;
	bool ours;
	bool asked; /* the question under way is about it */
};

static void ask(void *owner);

static void ask_in(struct intake *intake, int64_t in_us)
{
	timer_set(&intake->addresses.ask, loop_now_us(intake->loop) + in_us);
}

static void sought_free(struct sought *sought)
{
	mem_free(sought->address);
	mem_free(sought->source);
	mem_free(sought);
}

void addresses_open(struct intake *intake)
{
	intake->addresses.all = map_new();
	timer_init(&intake->addresses.ask, intake->loop, ask, intake);
}

void addresses_start(struct intake *intake)
{
	ask_in(intake, 0);
}

void addresses_clear(struct intake *intake)
{
	size_t at = 0;
	struct slice key;
	void *value;

	while (map_next(intake->addresses.all, &at, &key, &value)) {
		sought_free(value);
	}
	map_free(&intake->addresses.all);
}

void intake_want_address(struct intake *intake, struct slice address, struct slice source)
{
	struct sought *sought = map_get(intake->addresses.all, address);

	if (sought == NULL) {
		sought = MEM_NEW(struct sought);
		sought->address = slice_string(address);
		map_put(intake->addresses.all, address, sought);
	}
	mem_free(sought->source);
	sought->source = slice_string(source);
	if (!sought->wanted) {
		sought->wanted = true;
		sought->ours = false; /* as far as anybody was told: asked for anew */
		ask_in(intake, 0);
	}
}

void intake_leave_address(struct intake *intake, struct slice address)
{
	struct sought *sought = map_get(intake->addresses.all, address);

	if (sought != NULL && sought->wanted) {
		sought->wanted = false;
		ask_in(intake, 0);
	}
}

static void tell(const struct intake *intake, const struct sought *sought, enum address_owner who,
	const struct address_other *other)
{
	intake->events.on_address(intake->owner, slice_of(sought->address), who, other);
}

/* Marks what the question is about, and puts it in. */
static size_t add_addresses(
	struct intake *intake, struct pg_request *request, bool wanted, bool sources)
{
	size_t count = 0;
	size_t at = 0;
	struct slice key;
	void *value;

	pg_array(request);
	while (map_next(intake->addresses.all, &at, &key, &value)) {
		struct sought *sought = value;

		if (sought->wanted == wanted && sought->ours != wanted) {
			sought->asked = true;
			count++;
			pg_item_text(request, slice_of(sources ? sought->source : sought->address));
		}
	}
	pg_array_end(request);
	return count;
}

static void forget_marks(struct intake *intake)
{
	size_t at = 0;
	struct slice key;
	void *value;

	intake->addresses.asking = false;
	while (map_next(intake->addresses.all, &at, &key, &value)) {
		((struct sought *)value)->asked = false;
	}
}

static struct sought *find_left(struct intake *intake)
{
	size_t at = 0;
	struct slice key;
	void *value;

	while (map_next(intake->addresses.all, &at, &key, &value)) {
		struct sought *sought = value;

		if (!sought->wanted && !sought->ours && !sought->asked) {
			return sought;
		}
	}
	return NULL;
}

/* What is neither wanted nor ours is forgotten; who is told may want it again at once. */
static void forget_left(struct intake *intake)
{
	struct sought *sought;

	while ((sought = find_left(intake)) != NULL) {
		map_remove(intake->addresses.all, slice_of(sought->address));
		tell(intake, sought, ADDRESS_LEFT, NULL);
		sought_free(sought);
	}
}

static bool on_released(struct intake *intake, const struct pg_answer *answer, void *context)
{
	size_t at = 0;
	struct slice key;
	void *value;

	(void)context;
	if (answer->status == PG_DONE) {
		while (map_next(intake->addresses.all, &at, &key, &value)) {
			struct sought *sought = value;

			sought->ours = sought->ours && !sought->asked;
		}
	} else {
		(void)intake_try_again(answer, "source_release");
	}
	forget_marks(intake);
	ask_in(intake, answer->status == PG_DONE ? 0 : FAILED_US);
	return false;
}

static void take_one(struct intake *intake, const struct pg_answer *answer, size_t row)
{
	struct sought *sought = map_get(intake->addresses.all, pg_text(answer, 0, row, 0));
	struct id owner = pg_id(answer, 0, row, 1);
	struct address_other other = {
		.node = pg_text(answer, 0, row, 2),
		.worker = pg_text(answer, 0, row, 3),
		.source = pg_text(answer, 0, row, 4),
	};

	if (sought == NULL) {
		return;
	}
	sought->ours = id_equal(owner, intake->lease.worker);
	if (sought->wanted) {
		tell(intake, sought, sought->ours ? ADDRESS_OURS : ADDRESS_TAKEN, &other);
	}
}

static bool on_taken(struct intake *intake, const struct pg_answer *answer, void *context)
{
	int64_t again_us =
		intake->settings.renew_us < AGAIN_US ? intake->settings.renew_us : AGAIN_US;

	(void)context;
	if (answer->status == PG_DONE && !intake->lease.lost) {
		for (size_t i = 0; i < pg_rows(answer, 0); i++) {
			take_one(intake, answer, i);
		}
	} else {
		(void)intake_try_again(answer, "source_take");
		again_us = FAILED_US;
	}
	forget_marks(intake);
	ask_in(intake, intake->addresses.more ? 0 : again_us);
	return false;
}

static bool ask_for(struct intake *intake, enum sql_id statement, bool wanted,
	bool (*on_answer)(struct intake *intake, const struct pg_answer *answer, void *context))
{
	struct pg_request *request = intake_request(statement);
	size_t count;

	pg_add_id(request, &intake->lease.worker);
	count = add_addresses(intake, request, wanted, false);
	if (wanted) {
		(void)add_addresses(intake, request, wanted, true);
	}
	if (count == 0) {
		pg_request_drop(&request);
		return false;
	}
	intake->addresses.asking = true;
	intake_ask(intake, &request, WAIT_US, on_answer, NULL);
	return true;
}

static void ask(void *owner)
{
	struct intake *intake = owner;

	intake->addresses.more = true;
	if (!intake->lease.started || intake->lease.lost || intake->addresses.asking) {
		return; /* begun by the start, or by the answer */
	}
	intake->addresses.more = false;
	forget_left(intake);
	if (!ask_for(intake, SQL_SOURCE_RELEASE, false, on_released)) {
		(void)ask_for(intake, SQL_SOURCE_TAKE, true, on_taken);
	}
}
