/*
 * One row a lack: how it is recognised, what is done about it, whether it stops all sending.
 * They are asked for where something is about to be sent, and once a second for the log: a
 * lack that two looks have seen gets a line, its end another, and with its end whatever waits
 * is looked at again.
 *
 * Dates and signatures say when a job was first leased, by the database's clock.  Where the
 * node's own clock is minutes away from that, one of the two is wrong; if it is the
 * database's, every message would carry a wrong time.
 */
#include "shortage.h"

#include "away.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/time.h"
#include "load.h"
#include "logbook.h"

#define CLOCKS_APART_US (5 * 60 * TIME_SECOND_US)
#define LOOK_US TIME_SECOND_US
#define SOCKET_US (5 * TIME_SECOND_US) /* a socket that was refused is news for so long */

enum shortage {
	SHORTAGE_CLOCK,
	SHORTAGE_JOURNAL,
	SHORTAGE_REPORTS,
	SHORTAGE_MEMORY,
	SHORTAGE_CONNECTIONS,
	SHORTAGE_SOCKETS,
	SHORTAGE_COUNT,
};

struct shortages {
	struct worker *worker;
	struct timer look;
	int64_t since_us[SHORTAGE_COUNT]; /* when a look saw it first; 0 = it did not */
	bool told[SHORTAGE_COUNT];
	int64_t refused_us; /* until when a refused socket is news */
};

bool shortages_clock_agrees(const struct worker *worker)
{
	int64_t ahead_us = loop_wall_error_us(worker->loop);

	return ahead_us <= CLOCKS_APART_US && ahead_us >= -CLOCKS_APART_US;
}

static bool lacks_clock(const struct worker *worker)
{
	return !shortages_clock_agrees(worker);
}

static bool lacks_journal(const struct worker *worker)
{
	return !logbook_flows(worker);
}

static bool lacks_reports(const struct worker *worker)
{
	return record_unconfirmed(worker->record) >= worker->equipment->config->limits.unreported;
}

static bool lacks_memory(const struct worker *worker)
{
	return memory_is_over(worker);
}

static bool lacks_connections(const struct worker *worker)
{
	return sessions_total(worker->sessions) >= worker->equipment->connections;
}

static bool lacks_sockets(const struct worker *worker)
{
	return permits_shortages(worker->permits)->refused_us > loop_now_us(worker->loop);
}

static const struct {
	const char *word;
	bool (*lacks)(const struct worker *worker);
	bool stops; /* all sending, and all claims (gate_flows) */
	const char *remedy;
} rows[] = {
	[SHORTAGE_CLOCK] = {"clock", lacks_clock, true,
		"the clocks of this node and of Postgres are more than 5 minutes apart: nothing "
		"is sent until they agree; set the wrong one (NTP)"},
	[SHORTAGE_JOURNAL] = {"journal", lacks_journal, true,
		"no room for another file of the journal: nothing is sent until there is space in "
		"spool.directory"},
	[SHORTAGE_REPORTS] = {"reports", lacks_reports, true,
		"limits.unreported is reached: nothing is sent until Postgres takes results"},
	[SHORTAGE_MEMORY] = {"memory", lacks_memory, false,
		"limits.memory is reached: jobs come and go as there is room"},
	[SHORTAGE_CONNECTIONS] = {"connections", lacks_connections, false,
		"all connections are open that limits.connections or LimitNOFILE allow: more "
		"wait for one to end"},
	[SHORTAGE_SOCKETS] = {"sockets", lacks_sockets, false,
		"the kernel refuses sockets; it is asked again each second"},
};
_Static_assert(sizeof(rows) / sizeof(rows[0]) == SHORTAGE_COUNT, "a row for every lack");

bool shortages_room_for_socket(const struct worker *worker)
{
	return sessions_total(worker->sessions) <
		away_connections(worker->away, worker->equipment->connections);
}

static void begin(struct shortages *shortages, size_t i, int64_t now_us)
{
	if (shortages->since_us[i] == 0) {
		shortages->since_us[i] = now_us;
	} else if (!shortages->told[i]) {
		shortages->told[i] = true;
		log_warning(NULL, "shortage", "of=%s text=%s", rows[i].word,
			log_quote(slice_of(rows[i].remedy)));
	}
}

static void end(struct shortages *shortages, size_t i, int64_t now_us)
{
	struct worker *worker = shortages->worker;

	if (shortages->told[i]) {
		log_info(NULL, "shortage_over", "of=%s seconds=%ld", rows[i].word,
			(long)((now_us - shortages->since_us[i]) / TIME_SECOND_US));
	}
	if (shortages->since_us[i] != 0 && rows[i].stops) {
		outlet_run_all(worker);
		intake_hurry(worker->intake);
	}
	shortages->told[i] = false;
	shortages->since_us[i] = 0;
}

static void on_look(void *owner)
{
	struct shortages *shortages = owner;
	struct worker *worker = shortages->worker;
	int64_t now_us = loop_now_us(worker->loop);

	for (size_t i = 0; i < SHORTAGE_COUNT; i++) {
		if (rows[i].lacks(worker)) {
			begin(shortages, i, now_us);
		} else {
			end(shortages, i, now_us);
		}
	}
	permits_shed(worker->permits);
	timer_set(&shortages->look, now_us + LOOK_US);
}

void shortages_socket(struct worker *worker, const char *source, struct slice text)
{
	struct shortages *shortages = permits_shortages(worker->permits);

	if (!lacks_sockets(worker)) {
		log_warning(NULL, "local_shortage", "source=%s text=%s", source, log_quote(text));
	}
	shortages->refused_us = loop_now_us(worker->loop) + SOCKET_US;
}

struct shortages *shortages_new(struct worker *worker)
{
	struct shortages *shortages = MEM_NEW(struct shortages);

	shortages->worker = worker;
	timer_init(&shortages->look, worker->loop, on_look, shortages);
	return shortages;
}

void shortages_start(struct shortages *shortages)
{
	timer_set(&shortages->look, loop_now_us(shortages->worker->loop) + LOOK_US);
}

void shortages_free(struct shortages **shortages)
{
	if (*shortages != NULL) {
		timer_stop(&(*shortages)->look);
		mem_free(*shortages);
		*shortages = NULL;
	}
}
