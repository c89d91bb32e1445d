/*
 * Requests over one link, in order: waiting, then in flight, then answered.
 *
 *	pg_send --> waiting --> flying --> on_answer
 *	               ^           |
 *	               +- pg_again |  the link is lost
 *	                           v
 *	                        failed --> on_answer (PG_UNKNOWN), at the end of the turn
 *
 * Requests of one turn leave together.  What is in flight when the link goes is
 * unknown, with one exception: when the server had already refused a statement of it,
 * the transaction is rolled back for sure.
 *
 * Memory: pg_close() only marks.  Everything is freed at the end of that turn, so it
 * may be called from any callback.
 */
#include "io/pg.h"

#include "base/list.h"
#include "base/mem.h"
#include "pg_link.h"
#include "pg_private.h"

enum { FLYING_MAX = 32, JITTER_STEPS = 1024 };

#define TIME_MS_US INT64_C(1000)
#define PAUSE_MIN_US (TIME_MS_US * 100)
#define PAUSE_MAX_US (TIME_MS_US * 10000)

struct channel {
	struct channel *next;
	char *statement;
};

struct pg {
	struct loop *loop;
	struct pg_settings settings; /* the texts are ours */
	struct pg_events events;
	void *owner;
	struct pg_link *link;
	struct list waiting;
	struct list flying;
	struct list failed;
	struct later turn;
	struct timer alarm;
	struct channel *channels;
	int64_t retry_us;    /* when to connect again; 0 = connecting, or connected */
	int64_t progress_us; /* the last sign of life while something was in flight */
	int64_t pause_us;    /* before the next connection */
	struct buf lost_why;
	bool up;
	bool tell_up;
	bool tell_down;
	bool closing;
	struct pg_request *answering;
	bool again;
};

static struct pg_request *first(const struct list *list)
{
	struct list_link *link = list_first(list);

	return link != NULL ? LIST_OWNER(link, struct pg_request, link) : NULL;
}

static void move_all(struct list *from, struct list *to)
{
	struct list_link *link;

	while ((link = list_pop(from)) != NULL) {
		list_push(to, link);
	}
}

/* Between half and all of it, so that a fleet does not come back in one moment. */
static int64_t jitter(int64_t us)
{
	uint16_t bits;

	id_random_bytes(&bits, sizeof(bits));
	return us / 2 + us / 2 * (bits % JITTER_STEPS) / JITTER_STEPS;
}

/* Tells the owner; the request goes, or once more to the end of the line. */
static void tell(struct pg *pg, struct pg_request *request, const struct pg_answer *answer)
{
	pg->answering = request;
	pg->again = false;
	if (request->on_answer != NULL) {
		request->on_answer(request->owner, answer);
	}
	pg->answering = NULL;
	if (pg->again && !pg->closing) {
		pg_request_rewind(request);
		list_push(&pg->waiting, &request->link);
		loop_later(pg->loop, &pg->turn);
	} else {
		pg_request_free(&request);
	}
}

void pg_again(struct pg *pg, const struct pg_answer *answer, int64_t pause_us)
{
	struct pg_request *request = answer->results;

	if (request != NULL && request == pg->answering) {
		int64_t ready_us = loop_now_us(pg->loop) + (pause_us > 0 ? pause_us : 0);

		request->ready_us = ready_us;
		request->limit_us = request->wait_us > 0 ? ready_us + request->wait_us : 0;
		pg->again = true;
	}
}

/*
 * A server that has become read-only is a standby now, or stopped by its operator: the
 * next connection looks for one that is not (target_session_attrs), until there is one.
 */
static void complete(struct pg *pg, struct pg_request *request)
{
	struct pg_answer answer = pg_request_answer(request);
	bool demoted = slice_equal(answer.sqlstate, SLICE("25006"));

	list_remove(&pg->flying, &request->link);
	pg->progress_us = loop_now_us(pg->loop);
	pg->pause_us = 0;
	tell(pg, request, &answer);
	if (demoted && pg->up) {
		pg_link_close(pg->link, SLICE("the server is read-only"));
	}
}

/* One result of the pipeline; false when the server lost the thread. */
static bool take_result(struct pg *pg, struct pg_request *request, PGresult *result)
{
	switch (PQresultStatus(result)) {
	case PGRES_PIPELINE_SYNC:
		PQclear(result);
		if (request->error == NULL && request->answered < request->statements_count) {
			return false;
		}
		complete(pg, request);
		return true;
	case PGRES_PIPELINE_ABORTED:
		PQclear(result);
		return true;
	case PGRES_TUPLES_OK:
	case PGRES_COMMAND_OK:
		if (request->answered == request->statements_count) {
			PQclear(result);
			return false;
		}
		request->statements[request->answered++].result = result;
		return true;
	default:
		if (request->error == NULL) {
			request->error = result;
		} else {
			PQclear(result);
		}
		return true;
	}
}

static void read_notices(struct pg *pg)
{
	PGnotify *notify;

	while (pg->up && (notify = PQnotifies(pg_link_conn(pg->link))) != NULL) {
		if (pg->events.on_notice != NULL) {
			pg->events.on_notice(
				pg->owner, slice_of(notify->relname), slice_of(notify->extra));
		}
		PQfreemem(notify);
	}
}

static void on_input(void *owner)
{
	struct pg *pg = owner;
	struct pg_request *request;

	while (pg->up && (request = first(&pg->flying)) != NULL &&
		PQisBusy(pg_link_conn(pg->link)) == 0) {
		PGconn *conn = pg_link_conn(pg->link);
		PGresult *result = PQgetResult(conn);

		if (PQstatus(conn) == CONNECTION_BAD) {
			PQclear(result);
			pg_link_close(pg->link, slice_trim(slice_of(PQerrorMessage(conn))));
			return;
		}
		/* NULL ends a statement; the next one's result follows. */
		if (result != NULL && !take_result(pg, request, result)) {
			pg_link_close(pg->link, SLICE("the server's answers are out of step"));
			return;
		}
	}
	read_notices(pg);
	if (pg->up) {
		loop_later(pg->loop, &pg->turn);
	}
}

static void on_open(void *owner)
{
	struct pg *pg = owner;

	pg->up = true;
	pg->tell_up = true;
	pg->progress_us = loop_now_us(pg->loop);
	loop_later(pg->loop, &pg->turn);
}

static void on_lost(void *owner, struct slice why)
{
	struct pg *pg = owner;

	pg->tell_down = pg->up || pg->lost_why.n == 0;
	pg->tell_up = false;
	pg->up = false;
	buf_reset(&pg->lost_why);
	buf_add(&pg->lost_why, why.n > 0 ? why : SLICE("the connection was lost"));
	move_all(&pg->flying, &pg->failed);
	pg->pause_us = pg->pause_us == 0 ? PAUSE_MIN_US : pg->pause_us * 2;
	if (pg->pause_us > PAUSE_MAX_US) {
		pg->pause_us = PAUSE_MAX_US;
	}
	pg->retry_us = loop_now_us(pg->loop) + jitter(pg->pause_us);
	loop_later(pg->loop, &pg->turn);
}

/* Of those that were in flight, or still wait when we close. */
static void answer_failed(struct pg *pg)
{
	struct list round;
	struct list_link *link;

	list_init(&round);
	move_all(&pg->failed, &round);
	while ((link = list_pop(&round)) != NULL) {
		struct pg_request *request = LIST_OWNER(link, struct pg_request, link);
		struct pg_answer answer = {
			.status = PG_UNKNOWN,
			.text = buf_slice(&pg->lost_why),
			.results = request,
		};

		if (request->error != NULL && request->answered < request->statements_count) {
			answer = pg_request_answer(request);
		} else if (request->sent_us == 0 && !pg->closing) {
			answer.status = PG_TRY_LATER;
			answer.text = SLICE("there was no connection in time");
		}
		tell(pg, request, &answer);
	}
}

static void expire_waiting(struct pg *pg)
{
	int64_t now_us = loop_now_us(pg->loop);
	struct list_link *link = list_first(&pg->waiting);

	while (link != NULL) {
		struct list_link *next = list_next(&pg->waiting, link);
		struct pg_request *request = LIST_OWNER(link, struct pg_request, link);

		if (request->limit_us != 0 && request->limit_us <= now_us) {
			list_remove(&pg->waiting, link);
			list_push(&pg->failed, link);
		}
		link = next;
	}
}

/* False when the link was lost over it. */
static bool write_one(struct pg *pg, struct pg_request *request)
{
	list_remove(&pg->waiting, &request->link);
	if (pg->flying.count == 0) {
		pg->progress_us = loop_now_us(pg->loop);
	}
	list_push(&pg->flying, &request->link);
	request->sent_us = loop_now_us(pg->loop);
	if (!pg_request_write(request, pg_link_conn(pg->link))) {
		pg_link_close(
			pg->link, slice_trim(slice_of(PQerrorMessage(pg_link_conn(pg->link)))));
		return false;
	}
	return true;
}

static void write_waiting(struct pg *pg)
{
	int64_t now_us = loop_now_us(pg->loop);
	struct list_link *link = list_first(&pg->waiting);
	bool wrote = false;

	while (link != NULL && pg->flying.count < FLYING_MAX) {
		struct list_link *next = list_next(&pg->waiting, link);
		struct pg_request *request = LIST_OWNER(link, struct pg_request, link);
		bool ready = request->ready_us <= now_us;

		if (ready && !write_one(pg, request)) {
			return;
		}
		wrote = wrote || ready;
		link = next;
	}
	if (wrote) {
		pg_link_flush(pg->link);
	}
}

static int64_t sooner(int64_t a_us, int64_t b_us)
{
	return b_us != 0 && (a_us == 0 || b_us < a_us) ? b_us : a_us;
}

static void set_alarm(struct pg *pg)
{
	int64_t due_us = pg->retry_us;
	bool full = pg->flying.count >= FLYING_MAX;

	if (pg->up && pg->flying.count > 0) {
		due_us = sooner(due_us, pg->progress_us + pg->settings.statement_timeout_us);
	}
	for (struct list_link *link = list_first(&pg->waiting); link != NULL;
		link = list_next(&pg->waiting, link)) {
		const struct pg_request *request = LIST_OWNER(link, struct pg_request, link);

		due_us = sooner(due_us, request->limit_us);
		if (pg->up && !full) {
			due_us = sooner(due_us, request->ready_us);
		}
	}
	if (due_us != 0) {
		timer_set(&pg->alarm, due_us);
	} else {
		timer_stop(&pg->alarm);
	}
}

static void finish(struct pg *pg)
{
	answer_failed(pg);
	pg_link_free(&pg->link);
	timer_stop(&pg->alarm);
	loop_later_cancel(pg->loop, &pg->turn);
	while (pg->channels != NULL) {
		struct channel *next = pg->channels->next;

		mem_free(pg->channels->statement);
		mem_free(pg->channels);
		pg->channels = next;
	}
	mem_free((char *)(uintptr_t)pg->settings.dsn.p);
	mem_free((char *)(uintptr_t)pg->settings.password.p);
	mem_free((char *)(uintptr_t)pg->settings.application.p);
	buf_clear(&pg->lost_why);
	mem_free(pg);
}

static void on_listening(void *owner, const struct pg_answer *answer)
{
	(void)owner; /* a hint only: without it we poll */
	(void)answer;
}

static void send_listen(struct pg *pg, const struct channel *channel)
{
	struct pg_request *request = pg_request_new();

	pg_statement(request, channel->statement);
	pg_send(pg, &request, PAUSE_MAX_US, on_listening, NULL);
}

static void tell_link(struct pg *pg)
{
	if (pg->tell_down) {
		pg->tell_down = false;
		if (pg->events.on_down != NULL) {
			pg->events.on_down(pg->owner, buf_slice(&pg->lost_why));
		}
	}
	if (pg->tell_up) {
		pg->tell_up = false;
		for (const struct channel *c = pg->channels; c != NULL; c = c->next) {
			send_listen(pg, c);
		}
		if (pg->events.on_up != NULL) {
			pg->events.on_up(pg->owner);
		}
	}
}

static void on_turn(void *owner)
{
	struct pg *pg = owner;
	int64_t now_us = loop_now_us(pg->loop);

	if (!pg->closing) {
		tell_link(pg);
		answer_failed(pg);
	}
	if (pg->closing) {
		finish(pg);
		return;
	}
	expire_waiting(pg);
	if (pg->failed.count > 0) {
		loop_later(pg->loop, &pg->turn);
	}
	if (pg->retry_us != 0 && pg->retry_us <= now_us) {
		pg->retry_us = 0;
		pg_link_open(pg->link);
	}
	if (pg->up && pg->flying.count > 0 &&
		pg->progress_us + pg->settings.statement_timeout_us <= now_us) {
		pg_link_close(pg->link, SLICE("a statement took too long"));
	}
	if (pg->up) {
		write_waiting(pg);
	}
	set_alarm(pg);
}

void pg_send(struct pg *pg, struct pg_request **take, int64_t wait_us,
	void (*on_answer)(void *owner, const struct pg_answer *answer), void *owner)
{
	struct pg_request *request = *take;

	*take = NULL;
	request->on_answer = on_answer;
	request->owner = owner;
	request->wait_us = wait_us;
	request->limit_us = wait_us > 0 ? loop_now_us(pg->loop) + wait_us : 0;
	list_push(&pg->waiting, &request->link);
	loop_later(pg->loop, &pg->turn);
}

void pg_listen(struct pg *pg, const char *channel)
{
	struct channel *added = MEM_NEW(struct channel);
	struct buf text;

	buf_init(&text, 0);
	buf_add_format(&text, "LISTEN %s", channel);
	added->statement = slice_string(buf_slice(&text));
	buf_clear(&text);
	added->next = pg->channels;
	pg->channels = added;
	if (pg->up && !pg->tell_up) {
		send_listen(pg, added);
	}
}

bool pg_is_up(const struct pg *pg)
{
	return pg->up;
}

struct pg *pg_open(struct loop *loop, const struct pg_settings *settings,
	const struct pg_events *events, void *owner)
{
	static const struct pg_link_events link_events = {on_open, on_input, on_lost};
	struct pg *pg = MEM_NEW(struct pg);

	pg->loop = loop;
	pg->settings = *settings;
	pg->settings.dsn = slice_of(slice_string(settings->dsn));
	pg->settings.password = slice_of(slice_string(settings->password));
	pg->settings.application = slice_of(slice_string(settings->application));
	if (pg->settings.statement_timeout_us == 0) {
		pg->settings.statement_timeout_us = TIME_MS_US * 60000;
	}
	if (pg->settings.connect_timeout_us == 0) {
		pg->settings.connect_timeout_us = TIME_MS_US * 10000;
	}
	pg->events = *events;
	pg->owner = owner;
	list_init(&pg->waiting);
	list_init(&pg->flying);
	list_init(&pg->failed);
	buf_init(&pg->lost_why, 0);
	later_init(&pg->turn, on_turn, pg);
	timer_init(&pg->alarm, loop, on_turn, pg);
	pg->link = pg_link_new(loop, &pg->settings, &link_events, pg);
	pg_link_open(pg->link);
	return pg;
}

void pg_close(struct pg **pg)
{
	struct pg *p = *pg;

	if (p == NULL) {
		return;
	}
	*pg = NULL;
	p->closing = true;
	p->up = false;
	move_all(&p->flying, &p->failed);
	move_all(&p->waiting, &p->failed);
	buf_reset(&p->lost_why);
	buf_add(&p->lost_why, SLICE("closed"));
	loop_later(p->loop, &p->turn);
}
