/*
 * The parts of intake put together: one way to ask Postgres, one way to end.
 *
 * Every request goes through intake_ask(), which counts what is in flight: an
 * intake that is freed lives on without a voice until the last answer is in, for
 * the answers' sake.
 */
#include "intake_private.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/time.h"

#define AGAIN_US (TIME_SECOND_US / 5)
#define STOP_WAIT_US (5 * TIME_SECOND_US)

enum { STRIPES = 16 };

struct asked {
	struct intake *intake;
	bool (*on_answer)(struct intake *intake, const struct pg_answer *answer, void *context);
	void *context;
};

static void intake_end(struct intake *intake)
{
	lease_clear(intake);
	addresses_clear(intake);
	claimer_clear(intake);
	feeds_clear(intake);
	chores_clear(intake);
	mem_free((char *)(uintptr_t)intake->settings.node.p);
	mem_free((char *)(uintptr_t)intake->settings.name.p);
	mem_free((char *)(uintptr_t)intake->settings.version.p);
	mem_free((char *)(uintptr_t)intake->settings.machine.p);
	mem_free((char *)(uintptr_t)intake->settings.config.p);
	mem_free(intake);
}

static void on_asked(void *owner, const struct pg_answer *answer)
{
	struct asked *asked = owner;
	struct intake *intake = asked->intake;

	if (!intake->gone && asked->on_answer(intake, answer, asked->context)) {
		pg_again(intake->pg, answer, AGAIN_US);
		return;
	}
	mem_free(asked->context);
	mem_free(asked);
	intake->flying--;
	if (intake->gone && intake->flying == 0) {
		intake_end(intake);
	}
}

void intake_ask(struct intake *intake, struct pg_request **take, int64_t wait_us,
	bool (*on_answer)(struct intake *intake, const struct pg_answer *answer, void *context),
	void *take_context)
{
	struct asked *asked = MEM_NEW(struct asked);

	asked->intake = intake;
	asked->on_answer = on_answer;
	asked->context = take_context;
	intake->flying++;
	pg_send(intake->pg, take, wait_us, on_asked, asked);
}

void intake_statement(struct pg_request *request, enum sql_id statement)
{
	pg_statement(request, sql_statements[statement].text);
}

struct pg_request *intake_request(enum sql_id statement)
{
	struct pg_request *request = pg_request_new();

	intake_statement(request, statement);
	return request;
}

bool intake_try_again(const struct pg_answer *answer, const char *what)
{
	if (answer->status == PG_REFUSED) {
		log_error(NULL, "postgres_refused", "what=%s sqlstate=%s text=%s", what,
			log_quote(answer->sqlstate), log_quote(answer->text));
	}
	return answer->status == PG_TRY_LATER || answer->status == PG_UNKNOWN;
}

int intake_stripe(const struct intake *intake)
{
	return intake->lease.worker.bytes[0] % STRIPES;
}

int64_t intake_db_now_us(const struct intake *intake)
{
	return intake->lease.db_us + loop_boot_us(intake->loop);
}

const struct id *intake_worker(const struct intake *intake)
{
	return &intake->lease.worker;
}

static struct slice keep(struct slice text)
{
	return slice_make(mem_copy(text.p, text.n), text.n);
}

struct intake *intake_open(struct loop *loop, struct pg *pg, const struct intake_settings *settings,
	const struct intake_events *events, void *owner)
{
	struct intake *intake = MEM_NEW(struct intake);

	intake->loop = loop;
	intake->pg = pg;
	intake->settings = *settings;
	intake->settings.node = keep(settings->node);
	intake->settings.name = keep(settings->name.n > 0 ? settings->name : SLICE("worker"));
	intake->settings.version = keep(settings->version);
	intake->settings.machine = keep(settings->machine);
	intake->settings.config = keep(settings->config);
	intake->events = *events;
	intake->owner = owner;
	claimer_open(intake);
	feeds_open(intake);
	chores_open(intake);
	lease_open(intake);
	caution_open(intake);
	addresses_open(intake);
	return intake;
}

void intake_stop(struct intake *intake, void (*on_quiet)(void *owner), void *owner)
{
	claimer_stop(intake, on_quiet, owner);
}

static bool on_stopped(struct intake *intake, const struct pg_answer *answer, void *context)
{
	(void)context;
	(void)intake_try_again(answer, "worker_stop"); /* once: else the lease runs out */
	intake->on_closed(intake->closed_owner);
	return false;
}

static bool on_swept(struct intake *intake, const struct pg_answer *answer, void *context)
{
	struct pg_request *request;

	(void)context;
	(void)intake_try_again(answer, "lease_sweep");
	if (answer->status == PG_TRY_LATER) { /* Postgres is away: so long was enough */
		intake->on_closed(intake->closed_owner);
		return false;
	}
	request = intake_request(SQL_WORKER_STOP);
	pg_add_id(request, &intake->lease.worker);
	intake_ask(intake, &request, STOP_WAIT_US, on_stopped, NULL);
	return false;
}

/* What a claim leased whose answer was lost: after the stop it would pass for sent. */
void intake_close(struct intake *intake, void (*on_done)(void *owner), void *owner)
{
	struct pg_request *request = chores_lease_sweep(intake);

	claimer_stop(intake, NULL, NULL);
	intake->lease.lost = true; /* nothing may be sent from here on */
	intake->on_closed = on_done;
	intake->closed_owner = owner;
	intake_ask(intake, &request, STOP_WAIT_US, on_swept, NULL);
}

void intake_free(struct intake **intake)
{
	struct intake *i = *intake;

	if (i == NULL) {
		return;
	}
	*intake = NULL;
	i->gone = true;
	timer_stop(&i->lease.renew);
	timer_stop(&i->caution.ask);
	timer_stop(&i->addresses.ask);
	timer_stop(&i->claimer.poll);
	timer_stop(&i->feeds.timer);
	timer_stop(&i->chores.timer);
	loop_later_cancel(i->loop, &i->claimer.look);
	if (i->flying == 0) {
		intake_end(i);
	}
}
