/*
 * claim-cli: a worker without SMTP.  It claims jobs and reports what the recipients'
 * local parts ask for: "ok..." is delivered, "retry..." is deferred once, "bounce..."
 * is refused, "doubt..." has an unknown end, "back..." is given back once.  It prints a
 * JSON line for each job it was handed and each event.
 *
 *	claim-cli DSN [KEY=NUMBER ...]
 *
 * credit=N   jobs at hand at most (1000)     hold_ms=N   time before a job's end (0)
 * run_ms=N   stop after so long (0 = when idle_ms have passed without a job)
 * idle_ms=N  (1000)                          distributed=1, crash_after=N, quiet=1
 * retry_ms=N when a retry is due (0)         drain=0: leave without a word
 * jobs=N     stop after so many as well
 * name=N     of the worker                   lease_ms, renew_ms, filing_ms, statement_ms
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/codec.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/time.h"
#include "intake/intake.h"
#include "record/record.h"

struct cli {
	struct loop *loop;
	struct pg *pg;
	struct intake *intake;
	struct record *record;
	struct timer tick;
	struct job **held;
	int64_t *due_us;
	size_t held_count;
	int64_t started_us;
	int64_t last_us;
	int64_t done;
	bool stopping;
};

/* The settings of the command line. */
static struct {
	int64_t credit, hold_ms, run_ms, idle_ms, distributed, crash_after, quiet, retry_ms, drain;
	int64_t lease_ms, renew_ms, filing_ms, statement_ms, name, jobs, bytes;
} args = {
	.credit = 1000,
	.bytes = 1 << 30,
	.idle_ms = 1000,
	.drain = 1,
	.lease_ms = 20000,
	.renew_ms = 1000,
	.filing_ms = 1000,
	.statement_ms = 5000,
};

static void print(const char *event, const struct job *job, struct slice text)
{
	struct buf line;

	if (args.quiet != 0) {
		return;
	}
	buf_init(&line, 0);
	buf_add_format(&line, "{\"event\":\"%s\"", event);
	if (job != NULL) {
		char id[ID_TEXT + 1];

		id_text(job->id, id);
		buf_add_format(&line,
			",\"job\":\"%s\",\"attempts\":%d,\"duplicate\":%s,\"recipient\":", id,
			job->attempts, job->possible_duplicate ? "true" : "false");
		codec_json(&line, job->recipient);
	}
	buf_add(&line, SLICE(",\"text\":"));
	codec_json(&line, text);
	buf_add(&line, SLICE("}\n"));
	(void)fwrite(line.p, 1, line.n, stdout);
	(void)fflush(stdout);
	buf_clear(&line);
}

static void choose(
	void *owner, const struct ready *ready, size_t count, unsigned *ret_jobs, size_t *ret_bytes)
{
	struct cli *cli = owner;
	int64_t room = args.credit - (int64_t)cli->held_count;

	*ret_bytes = (size_t)args.bytes;
	for (size_t i = 0; i < count; i++) {
		int64_t take = ready[i].jobs < room ? ready[i].jobs : room;

		ret_jobs[i] = take > 0 ? (unsigned)take : 0;
		room -= take > 0 ? take : 0;
	}
}

static struct attempt attempt_of(const struct cli *cli, const struct job *job)
{
	int64_t wall_us = loop_wall_us(cli->loop);

	return (struct attempt){
		.id = id_make(wall_us / 1000),
		.job = job,
		.number = job->attempts + 1,
		.evidence = {.phase = PHASE_DOT,
			.code = 250,
			.enhanced = {2, 0, 0},
			.text = SLICE("\"queued\" as \\ \xff\xfe {1,2}")},
		.verdict = {.action = ACTION_DELIVER},
		.state = OUTCOME_DELIVERED,
		.route = {.pool = job->batch->campaign->pool,
			.source = SLICE("s1"),
			.source_address = SLICE("127.0.0.2"),
			.provider = SLICE("p"),
			.site = SLICE("abc"),
			.mx = SLICE("mx.example"),
			.mx_address = SLICE("127.0.0.9")},
		.mail_from = SLICE("b@example.com"),
		.recipient = job->recipient,
		.size_bytes = 1234,
		.at_us = wall_us,
		.duration_us = 5000,
		.possible_duplicate = job->possible_duplicate,
	};
}

static void end_job(struct cli *cli, struct job *job)
{
	struct attempt attempt = attempt_of(cli, job);
	struct slice to = job->recipient;

	cli->done++;
	if (slice_starts(to, SLICE("back")) && !job->batch->refiled) {
		record_give_back(cli->record, job, loop_wall_us(cli->loop) + 1000 * args.retry_ms,
			SLICE("site:abc"));
		return;
	}
	if (slice_starts(to, SLICE("retry")) && job->attempts == 0) {
		attempt.state = OUTCOME_RETRYING;
		attempt.due_us = attempt.at_us + 1000 * args.retry_ms;
		attempt.evidence.code = 451;
	} else if (slice_starts(to, SLICE("bounce"))) {
		attempt.state = OUTCOME_BOUNCED;
		attempt.evidence.code = 550;
		attempt.verdict.category = CATEGORY_INVALID_RECIPIENT;
	} else if (slice_starts(to, SLICE("doubt"))) {
		attempt.state = OUTCOME_IN_DOUBT;
	}
	record_attempt(cli->record, &attempt);
}

static void take(struct cli *cli, const struct claimed *claimed)
{
	struct job *job = claimed->job;

	switch (claimed->fate) {
	case JOB_SUPPRESSED:
		print("suppressed", job, claimed->reason);
		record_skip(cli->record, job, OUTCOME_SUPPRESSED, claimed->reason);
		return;
	case JOB_DONE:
	case JOB_HEARSAY:
		print("done", job, slice_of(outcome_word(claimed->state)));
		record_known(cli->record, job, claimed->state);
		return;
	case JOB_GONE:
		record_known(cli->record, job, OUTCOME_CANCELLED);
		return;
	case JOB_LEFT:
		print("left", job, job->batch->tag);
		record_give_back(cli->record, job, 0, SLICE(""));
		return;
	default:
		print("job", job, job->batch->tag);
		cli->held = mem_grow(cli->held, cli->held_count + 1, sizeof(cli->held[0]));
		cli->due_us = mem_grow(cli->due_us, cli->held_count + 1, sizeof(cli->due_us[0]));
		cli->due_us[cli->held_count] = loop_now_us(cli->loop) + 1000 * args.hold_ms;
		cli->held[cli->held_count++] = job;
	}
}

static void on_jobs(void *owner, const struct claimed *claimed, size_t count)
{
	struct cli *cli = owner;

	for (size_t i = 0; i < count; i++) {
		take(cli, &claimed[i]);
	}
	cli->last_us = loop_now_us(cli->loop);
	timer_set(&cli->tick, cli->last_us);
}

static void on_suppression(void *owner, const struct id *tenant, struct slice address,
	struct slice stream, int64_t until_db_us)
{
	struct cli *cli = owner;
	bool added = until_db_us > intake_db_now_us(cli->intake);

	(void)tenant;
	(void)stream;
	print(added ? "suppression" : "suppression_lifted", NULL, address);
}

static void on_campaign(
	void *owner, const struct id *tenant, const struct id *campaign, struct slice state)
{
	(void)owner;
	(void)tenant;
	(void)campaign;
	print("campaign", NULL, state);
}

static void on_hold(void *owner, const struct hold_key *key, bool held, int64_t until_db_us,
	struct slice reason)
{
	(void)owner;
	(void)until_db_us;
	(void)reason;
	print(held ? "hold" : "hold_released", NULL, key->name);
}

static void on_evidence(void *owner, const struct id *tenant, const struct id *job, int attempt_no,
	enum outcome state)
{
	(void)owner;
	(void)tenant;
	(void)job;
	(void)attempt_no;
	print("evidence", NULL, slice_of(outcome_word(state)));
}

/* Nothing is forgotten here. */
static int64_t no_beats(void *owner)
{
	(void)owner;
	return 0;
}

static void on_beat(void *owner, int64_t beats, bool live)
{
	(void)owner;
	(void)beats;
	(void)live;
}

static void on_rival(void *owner)
{
	(void)owner;
	print("rival", NULL, SLICE(""));
}

static void on_fenced(void *owner)
{
	(void)owner;
	print("fenced", NULL, SLICE(""));
}

static void on_left(void *owner)
{
	loop_stop(((struct cli *)owner)->loop);
}

static void on_flushed(void *owner)
{
	struct cli *cli = owner;

	intake_close(cli->intake, on_left, cli);
}

static void on_quiet(void *owner)
{
	struct cli *cli = owner;

	while (cli->held_count > 0) {
		record_give_back(cli->record, cli->held[--cli->held_count], 0, SLICE(""));
	}
	record_flush(cli->record, on_flushed, cli);
}

static void stop(struct cli *cli)
{
	cli->stopping = true;
	if (args.drain == 0) {
		_exit(0);
	}
	intake_stop(cli->intake, on_quiet, cli);
}

static void end_due(struct cli *cli)
{
	int64_t now_us = loop_now_us(cli->loop);
	size_t kept = 0;
	size_t count = cli->held_count;

	for (size_t i = 0; i < count; i++) {
		if (cli->due_us[i] <= now_us) {
			end_job(cli, cli->held[i]);
		} else {
			cli->held[kept] = cli->held[i];
			cli->due_us[kept++] = cli->due_us[i];
		}
	}
	cli->held_count = kept;
	if (kept < count) {
		cli->last_us = now_us;
		intake_hurry(cli->intake);
	}
}

static bool is_over(const struct cli *cli, int64_t now_us)
{
	if (args.run_ms > 0) {
		return now_us - cli->started_us > 1000 * args.run_ms;
	}
	return cli->held_count == 0 && record_unreported(cli->record) == 0 &&
		((args.jobs > 0 && cli->done >= args.jobs) ||
			now_us - cli->last_us > 1000 * args.idle_ms);
}

static void on_tick(void *owner)
{
	struct cli *cli = owner;
	int64_t now_us = loop_now_us(cli->loop);

	if (cli->stopping) {
		return;
	}
	end_due(cli);
	if (args.crash_after > 0 && cli->done >= args.crash_after) {
		_exit(9);
	}
	if (is_over(cli, now_us)) {
		stop(cli);
		return;
	}
	timer_set(&cli->tick, now_us + 10000);
}

static void on_batch_over(void *owner, struct batch *batch)
{
	intake_batch_over(((struct cli *)owner)->intake, batch);
}

static void on_up(void *owner)
{
	(void)owner;
	print("up", NULL, SLICE(""));
}

static void on_down(void *owner, struct slice why)
{
	(void)owner;
	print("down", NULL, why);
}

static bool parse(const char *arg)
{
	static const struct {
		const char *key;
		int64_t *value;
	} keys[] = {
		{"credit=", &args.credit},
		{"hold_ms=", &args.hold_ms},
		{"run_ms=", &args.run_ms},
		{"idle_ms=", &args.idle_ms},
		{"distributed=", &args.distributed},
		{"crash_after=", &args.crash_after},
		{"quiet=", &args.quiet},
		{"retry_ms=", &args.retry_ms},
		{"drain=", &args.drain},
		{"lease_ms=", &args.lease_ms},
		{"renew_ms=", &args.renew_ms},
		{"filing_ms=", &args.filing_ms},
		{"statement_ms=", &args.statement_ms},
		{"name=", &args.name},
		{"jobs=", &args.jobs},
		{"bytes=", &args.bytes},
	};

	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		if (slice_starts(slice_of(arg), slice_of(keys[i].key))) {
			*keys[i].value = strtoll(arg + strlen(keys[i].key), NULL, 10);
			return true;
		}
	}
	return false;
}

static void open_all(struct cli *cli, const char *dsn)
{
	const char name[] = {(char)('a' + args.name % 26)};
	static const struct pg_events pg_events = {.on_up = on_up, .on_down = on_down};
	static const struct intake_events intake_events = {
		.choose = choose,
		.on_jobs = on_jobs,
		.on_suppression = on_suppression,
		.on_campaign = on_campaign,
		.on_hold = on_hold,
		.on_evidence = on_evidence,
		.on_beat = on_beat,
		.beats = no_beats,
		.on_rival = on_rival,
		.on_fenced = on_fenced,
	};
	struct pg_settings pg = {.dsn = slice_of(dsn),
		.application = SLICE("claim-cli"),
		.statement_timeout_us = 1000 * args.statement_ms};
	struct intake_settings intake = {.node = SLICE("node"),
		.name = slice_make(name, 1),
		.version = SLICE("test"),
		.lease_us = 1000 * args.lease_ms,
		.renew_us = 1000 * args.renew_ms,
		.poll_busy_us = 50000,
		.poll_idle_us = 200000,
		.sweep_us = 500000,
		.feed_us = 200000,
		.distributed = args.distributed != 0};

	cli->pg = pg_open(cli->loop, &pg, &pg_events, cli);
	cli->intake = intake_open(cli->loop, cli->pg, &intake, &intake_events, cli);
	intake_start(cli->intake, NULL, 0);
	struct record_settings record = {.worker = *intake_worker(cli->intake),
		.interval_us = 100000,
		.rows = 1000,
		.filing_us = 1000 * args.filing_ms,
		.distributed = args.distributed != 0,
		.on_batch_over = on_batch_over,
		.owner = cli};

	cli->record = record_open(cli->loop, cli->pg, &record);
}

int main(int argc, char **argv)
{
	struct cli cli = {.loop = loop_new()};
	bool good = argc >= 2;

	for (int i = 2; i < argc; i++) {
		good = good && parse(argv[i]);
	}
	if (!good) {
		(void)fprintf(stderr, "usage: claim-cli DSN [KEY=NUMBER ...]\n");
		return 64;
	}
	open_all(&cli, argv[1]);
	timer_init(&cli.tick, cli.loop, on_tick, &cli);
	cli.started_us = loop_now_us(cli.loop);
	cli.last_us = cli.started_us;
	timer_set(&cli.tick, cli.started_us);
	loop_run(cli.loop);
	print("end", NULL, SLICE(""));
	record_close(&cli.record);
	intake_free(&cli.intake);
	pg_close(&cli.pg);
	timer_stop(&cli.tick);
	loop_drain(cli.loop);
	loop_free(&cli.loop);
	mem_free(cli.held);
	mem_free(cli.due_us);
	return 0;
}
