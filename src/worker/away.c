/*
 * Away is not only without a connection: a pooler keeps it up when the server behind it is
 * gone, a full disk refuses each report and answers each question, a frozen server says
 * nothing.  So the time also runs from the first report that waits for its confirmation.
 */
#include "away.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/time.h"

/* An answer may take so long. */
#define SILENCE_US (5 * TIME_SECOND_US)

struct away {
	struct worker *worker;
	int64_t lost_us;    /* since when there is no connection; 0 = there is one */
	bool paused;        /* nothing is sent for that reason */
	int64_t back_us;    /* when that ended; 0 = never */
	size_t connections; /* to receivers, when it began; 0 = nobody knows */
};

static const struct config_lease *lease_of(const struct away *away)
{
	return &away->worker->equipment->config->lease;
}

static bool has_passed(const struct away *away, int64_t since_us, int64_t time_us)
{
	return since_us != 0 && loop_now_us(away->worker->loop) - since_us >= time_us;
}

static bool is_too_long(const struct away *away)
{
	int64_t autonomy_us = lease_of(away)->autonomy_us;
	int64_t waits_since_us = record_waits_since_us(away->worker->record);

	return has_passed(away, away->lost_us, autonomy_us) ||
		has_passed(away, waits_since_us, autonomy_us + SILENCE_US);
}

/* The part of its full pace that it is back at: 0 to 1. */
static double pace(const struct away *away)
{
	int64_t ramp_us = lease_of(away)->ramp_us;

	if (away->back_us == 0 || has_passed(away, away->back_us, ramp_us)) {
		return 1;
	}
	return (double)(loop_now_us(away->worker->loop) - away->back_us) / (double)ramp_us;
}

static void count_connections(struct away *away)
{
	size_t open = sessions_total(away->worker->sessions);

	away->connections = open > away->connections ? open : away->connections;
}

bool away_too_long(struct away *away)
{
	bool too_long = is_too_long(away);

	if (too_long && !away->paused) {
		log_warning(NULL, "paused", "text=%s",
			log_quote(SLICE("Postgres confirms nothing: nothing more is sent until it "
					"does")));
		count_connections(away);
		away->paused = true;
	} else if (!too_long && away->paused) {
		log_info(NULL, "resumed", "%s", "");
		away->paused = false;
		away->back_us = loop_now_us(away->worker->loop);
	}
	return too_long;
}

void away_on_lost(struct away *away)
{
	if (away->lost_us != 0) {
		return; /* one more try that failed */
	}
	if (!away->paused && pace(away) >= 1) {
		away->connections = 0;
	}
	away->lost_us = loop_now_us(away->worker->loop);
	count_connections(away);
}

/* Who had sent all it held meanwhile did not ask: it was a pause all the same. */
void away_on_back(struct away *away)
{
	(void)away_too_long(away);
	away->lost_us = 0;
	(void)away_too_long(away);
}

unsigned away_jobs(const struct away *away, unsigned most)
{
	unsigned part = (unsigned)(pace(away) * most);

	return part > 0 ? part : 1;
}

/* As many as there were, and then as many as there may be. */
size_t away_connections(const struct away *away, size_t most)
{
	size_t before =
		away->connections > 0 && away->connections < most ? away->connections : most;
	size_t part = (size_t)(pace(away) * (double)before);

	if (pace(away) >= 1) {
		return most;
	}
	return part > 0 ? part : 1;
}

struct away *away_new(struct worker *worker)
{
	struct away *away = MEM_NEW(struct away);

	away->worker = worker;
	return away;
}

void away_free(struct away **away)
{
	mem_free(*away);
	*away = NULL;
}
