/*
 * A worker from its making to its end: the objects of all stages, joined by their
 * events.  What is made here in one order is closed in the other.
 *
 * A reload makes all that may fail first, and nothing has changed when it does.  Then
 * everything follows but what CONFIG_RESTART names, and the outlets of the old retire:
 * their connections end after the message they carry.
 */
#include "worker/worker.h"

#include <sysexits.h>

#include "away.h"
#include "base/codec.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/time.h"
#include "build.h"
#include "config/diff.h"
#include "contents.h"
#include "equipment.h"
#include "holds.h"
#include "io/digest.h"
#include "keys.h"
#include "launch.h"
#include "load.h"
#include "logbook.h"
#include "parts.h"
#include "resolve/servers.h"
#include "sources.h"
#include "spool/directory.h"
#include "sql/statements.h"
#include "stop.h"

#define MACHINE_ID "/etc/machine-id"
#define READY_CHANNEL "penguin_ready" /* penguin-sql(7) promises the name */

static void on_pg_up(void *owner)
{
	struct worker *worker = owner;

	log_info(NULL, "postgres_up", "%s", "");
	if (worker->intake != NULL) {
		intake_on_back(worker->intake); /* it may be another server, and know less */
	}
	away_on_back(worker->away);
}

static void on_pg_down(void *owner, struct slice why)
{
	struct worker *worker = owner;

	if (worker->intake != NULL) {
		intake_on_away(worker->intake);
	}
	away_on_lost(worker->away);
	log_warning(NULL, "postgres_down", "why=%s", log_quote(why));
}

/* Somebody who enqueued says so: a hint, for the poll would find it a little later. */
static void on_pg_notice(void *owner, struct slice channel, struct slice payload)
{
	struct worker *worker = owner;

	(void)channel;
	(void)payload;
	if (worker->intake != NULL) {
		intake_hurry(worker->intake);
	}
}

static void on_fenced(void *owner)
{
	struct worker *worker = owner;

	log_error(NULL, "fenced", "%s", "reason=\"declared dead: nothing is sent any more\"");
	worker->events.on_lost(worker->events.owner, EX_TEMPFAIL);
}

static void on_rival(void *owner)
{
	struct worker *worker = owner;

	worker->events.on_lost(worker->events.owner, EX_NOPERM);
}

static void on_leased(void *owner)
{
	struct worker *worker = owner;

	logbook_on_leased(worker);
	worker->events.on_replayed(worker->events.owner);
}

static void on_dns_outage(void *owner, bool out)
{
	struct worker *worker = owner;

	if (out) {
		log_warning(NULL, "dns_away", "%s", "effect=\"nothing new is claimed\"");
		return;
	}
	log_info(NULL, "dns_back", "%s", "");
	if (worker->intake != NULL) {
		intake_hurry(worker->intake);
	}
}

static const struct intake_events intake_events = {
	.choose = permits_choose,
	.on_jobs = flow_on_jobs,
	.on_suppression = holds_on_suppression,
	.on_campaign = holds_on_campaign,
	.on_hold = holds_on_hold,
	.on_evidence = holds_on_evidence,
	.on_beat = logbook_on_beat,
	.beats = logbook_beats,
	.on_rival = on_rival,
	.on_address = sources_on_address,
	.on_leased = on_leased,
	.on_fenced = on_fenced,
};

static void on_batch_over(void *owner, struct batch *batch)
{
	intake_batch_over(((struct worker *)owner)->intake, batch);
}

static bool open_pg(struct worker *worker, const struct config *config, struct buf *why)
{
	static const struct pg_events events = {
		.on_up = on_pg_up, .on_down = on_pg_down, .on_notice = on_pg_notice};
	struct buf password;
	struct err err = ERR_OK;

	buf_init(&password, 4096);
	if (config->postgres.password_file != NULL) {
		err = config_secret_read(config->postgres.password_file, &password);
	}
	if (err_is(err)) {
		buf_add_format(why, "postgres.password_file: %s: %s",
			config->postgres.password_file, err_text(err));
	} else {
		struct pg_settings settings = {
			.dsn = slice_of(config->postgres.dsn),
			.password = buf_slice(&password),
			.application = SLICE("penguin-mta"),
			.statement_timeout_us = config->postgres.statement_timeout_us,
			.connect_timeout_us = config->postgres.connect_timeout_us,
		};

		worker->pg = pg_open(worker->loop, &settings, &events, worker);
		if (config->postgres.listen) {
			pg_listen(worker->pg, READY_CHANNEL);
		}
	}
	buf_clear(&password);
	return !err_is(err);
}

/* Tells nodes of one name apart; empty where there is none. */
static void add_machine(struct buf *out)
{
	if (err_is(config_secret_read(MACHINE_ID, out))) {
		buf_reset(out);
	}
}

/* What all nodes should have alike comes to the same here. */
static void add_settings_hash(const struct config *config, struct buf *out)
{
	uint8_t digest[DIGEST_BYTES];
	struct buf text;

	buf_init(&text, 0);
	config_settings_shared(config_settings(config), &text);
	digest_sha256(buf_slice(&text), digest);
	codec_hex(out, slice_make((const char *)digest, sizeof(digest)));
	buf_clear(&text);
}

static void open_intake(struct worker *worker, const struct config *config, struct slice name)
{
	const struct config_postgres *postgres = &config->postgres;
	struct buf machine;
	struct buf hash;
	struct intake_settings settings = {
		.node = slice_of(config->node),
		.name = name,
		.version = SLICE(PENGUIN_VERSION),
		.lease_us = config->lease.duration_us,
		.renew_us = config->lease.renew_us,
		.poll_busy_us = postgres->poll_busy_us,
		.poll_idle_us = postgres->poll_idle_us,
		.sweep_us = postgres->sweep_us,
		.feed_us = postgres->feed_us,
		.distributed = postgres->distributed,
	};

	buf_init(&machine, 4096);
	buf_init(&hash, 0);
	add_machine(&machine);
	add_settings_hash(config, &hash);
	settings.machine = buf_slice(&machine);
	settings.config = buf_slice(&hash);
	worker->intake = intake_open(worker->loop, worker->pg, &settings, &intake_events, worker);
	buf_clear(&hash);
	buf_clear(&machine);
}

static void open_record(struct worker *worker, const struct config *config)
{
	struct record_settings settings = {
		.worker = *intake_worker(worker->intake),
		.interval_us = config->report.interval_us,
		.rows = config->report.rows,
		.filing_us = config->report.retry_interval_us,
		.distributed = config->postgres.distributed,
		.dlog = worker->dlog,
		.on_batch_over = on_batch_over,
		.on_confirmed = logbook_on_confirmed,
		.on_beat = logbook_on_beat,
		.beats = logbook_beats,
		.owner = worker,
	};

	worker->record = record_open(worker->loop, worker->pg, &settings);
}

static bool open_keyring(const struct config *config, struct keyring **ret_keyring, struct buf *why)
{
	struct keyring_settings settings = {
		.directory = slice_of(config->keys.directory),
		.sets_max = config->keys.cache,
		.ed25519 = true,
		.needs_rsa = true,
	};

	return !err_is(keyring_open(&settings, ret_keyring, why));
}

static struct signer *make_signer(const struct config *config)
{
	return signer_new(
		config->keys.signer == CONFIG_SIGNER_NATIVE ? SIGNER_NATIVE : SIGNER_LIBOPENDKIM,
		config->keys.expire_us);
}

static bool open_keys(struct worker *worker, const struct config *config, struct buf *why)
{
	if (!open_keyring(config, &worker->seal.keyring, why)) {
		return false;
	}
	worker->seal.signer = make_signer(config);
	worker->keys = keys_new(worker);
	return true;
}

static size_t memory_for_contents(const struct config *config)
{
	return config->limits.memory_bytes / 4;
}

static bool open_log(struct worker *worker, const struct config *config, struct buf *why)
{
	struct err err;

	if (config->delivery.log == NULL) {
		return true;
	}
	err = dlog_open(worker->loop, config->delivery.log, slice_of(config->node), &worker->dlog);
	if (err_is(err)) {
		buf_add_format(why, "delivery.log: %s: %s", config->delivery.log, err_text(err));
		return false;
	}
	return true;
}

static bool open_all(
	struct worker *worker, const struct config *config, struct slice name, struct buf *why)
{
	worker->equipment = equipment_new(config, why);
	if (worker->equipment == NULL || !build_tokens(config, &worker->tokens, why) ||
		!open_keys(worker, config, why) ||
		!servers_open(worker->loop, config, &worker->dns, why) ||
		!open_log(worker, config, why) || !open_pg(worker, config, why)) {
		return false;
	}
	sessions_remember(worker->sessions, config->tls.remember_failure_us);
	build_resolver(worker, config);
	resolver_watch(worker->resolver, on_dns_outage, worker);
	build_shape(worker, config);
	worker->composer = composer_new(worker->tokens, config->limits.message_bytes);
	worker->contents = contents_new(worker, memory_for_contents(config));
	worker->holds = holds_new(worker);
	open_intake(worker, config, name);
	if (!logbook_open(worker, config, name, why)) {
		return false;
	}
	open_record(worker, config);
	logbook_start(worker);
	permits_start(worker->permits);
	keys_sweep(worker->keys);
	sources_follow(worker->sources);
	holds_check_sources(worker->holds);
	return true;
}

int worker_open(struct loop *loop, const struct config *config,
	const struct worker_settings *settings, const struct worker_events *events,
	struct worker **ret_worker, struct buf *why)
{
	struct worker *worker = MEM_NEW(struct worker);

	worker->loop = loop;
	worker->events = *events;
	list_init(&worker->outlets);
	list_init(&worker->desk.spare);
	list_init(&worker->desk.to_sign);
	list_init(&worker->desk.to_release);
	list_init(&worker->desk.to_drain);
	timer_init(&worker->desk.signing, loop, launch_sign_some, worker);
	worker->sessions = sessions_new(loop);
	worker->shape = shape_new();
	shape_on_room(worker->shape, outlet_on_room, worker);
	worker->permits = permits_new(worker);
	worker->away = away_new(worker);
	worker->sources = sources_new(worker, settings->workers, settings->owns_all);
	if (!open_all(worker, config, settings->name, why)) {
		worker_free(&worker);
		return directory_is_busy(slice_of(config->spool.directory), settings->name)
			? EX_TEMPFAIL
			: EX_CONFIG;
	}
	*ret_worker = worker;
	return EX_OK;
}

/* What a reload needs and may not get. */
struct supplies {
	struct equipment *equipment;
	struct token_ring *tokens;
	struct keyring *keyring;
	struct dns *dns;
};

static bool move_log(struct worker *worker, const struct config *config, struct buf *why)
{
	struct err err;

	if (worker->dlog == NULL || config->delivery.log == NULL) {
		return true; /* there is a default */
	}
	err = dlog_move(worker->dlog, config->delivery.log);
	if (err_is(err)) {
		buf_add_format(why, "delivery.log: %s: %s", config->delivery.log, err_text(err));
		return false;
	}
	return true;
}

/* The log comes last: once moved it stays where it is. */
static bool get_supplies(struct worker *worker, const struct config *config,
	struct supplies *supplies, struct buf *why)
{
	supplies->equipment = equipment_new(config, why);
	return supplies->equipment != NULL && build_tokens(config, &supplies->tokens, why) &&
		open_keyring(config, &supplies->keyring, why) &&
		servers_open(worker->loop, config, &supplies->dns, why) &&
		move_log(worker, config, why);
}

static void drop_supplies(struct supplies *supplies)
{
	dns_close(&supplies->dns);
	keyring_close(&supplies->keyring);
	token_ring_free(&supplies->tokens);
	equipment_unref(&supplies->equipment);
}

/* Composers borrow the ring of tokens, so both change together, when nothing borrows them. */
static void change_tokens(
	struct worker *worker, const struct config *config, struct token_ring *take)
{
	composer_free(&worker->composer);
	token_ring_free(&worker->tokens);
	worker->tokens = take;
	worker->composer = composer_new(take, config->limits.message_bytes);
}

/* Sets of keys that are in use live on. */
static void change_keys(struct worker *worker, const struct config *config, struct keyring *take)
{
	keyring_close(&worker->seal.keyring);
	worker->seal.keyring = take;
	signer_free(&worker->seal.signer);
	worker->seal.signer = make_signer(config);
}

static void use_supplies(
	struct worker *worker, const struct config *config, struct supplies *supplies)
{
	equipment_unref(&worker->equipment);
	worker->equipment = supplies->equipment;
	change_tokens(worker, config, supplies->tokens);
	change_keys(worker, config, supplies->keyring);
	dns_follow(worker->dns, &supplies->dns);
}

static void tell_settings(struct worker *worker, const struct config *config)
{
	struct buf hash;

	buf_init(&hash, 0);
	add_settings_hash(config, &hash);
	intake_change_config(worker->intake, buf_slice(&hash));
	buf_clear(&hash);
}

bool worker_reload(struct worker *worker, const struct config *config, struct buf *why)
{
	const struct config_report *report = &config->report;
	struct supplies supplies = {.equipment = NULL};

	if (!get_supplies(worker, config, &supplies, why)) {
		drop_supplies(&supplies);
		return false;
	}
	use_supplies(worker, config, &supplies);
	record_change(worker->record, report->interval_us, report->rows, report->retry_interval_us);
	intake_change_lease(worker->intake, config->lease.duration_us, config->lease.renew_us);
	tell_settings(worker, config);
	contents_limit(worker->contents, memory_for_contents(config));
	build_shape(worker, config);
	build_resolver(worker, config);
	sessions_remember(worker->sessions, config->tls.remember_failure_us);
	holds_apply(worker->holds);
	sources_follow(worker->sources);
	holds_check_sources(worker->holds);
	keys_reload(worker->keys);
	outlet_close_all(worker);
	return true;
}

void worker_reopen_log(struct worker *worker)
{
	struct err err = worker->dlog != NULL ? dlog_reopen(worker->dlog) : ERR_OK;

	if (err_is(err)) {
		log_error(NULL, "delivery_log_reopen_failed", "why=%s",
			log_quote(slice_of(err_text(err))));
	}
}

void worker_free(struct worker **worker)
{
	struct worker *gone = *worker;

	if (gone == NULL) {
		return;
	}
	*worker = NULL;
	timer_stop(&gone->desk.signing);
	record_close(&gone->record);
	logbook_close(gone);
	intake_free(&gone->intake);
	pg_close(&gone->pg);
	resolver_free(&gone->resolver);
	dns_close(&gone->dns);
	sessions_free(&gone->sessions);
	delivery_forget_spares(gone);
	contents_free(&gone->contents);
	keys_free(&gone->keys);
	holds_free(&gone->holds);
	sources_free(&gone->sources);
	permits_free(&gone->permits);
	away_free(&gone->away);
	composer_free(&gone->composer);
	token_ring_free(&gone->tokens);
	signer_free(&gone->seal.signer);
	keyring_close(&gone->seal.keyring);
	dlog_close(&gone->dlog);
	shape_free(&gone->shape);
	equipment_unref(&gone->equipment);
	stop_free(&gone->stop);
	mem_free(gone);
}

void worker_status(const struct worker *worker, struct buf *out)
{
	buf_add_format(out, "%s, %zu jobs at hand, %zu connections, %zu results unreported%s",
		worker->stop != NULL ? "draining" : "sending", worker->at_hand,
		sessions_total(worker->sessions), record_unreported(worker->record),
		pg_is_up(worker->pg) ? "" : ", Postgres is away");
}
