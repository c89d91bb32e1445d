/*
 * Whether our sources have the names that receivers want (conformance P5, D12): asked by
 * the evaluators of preflight, at the start, after a reload and every hour; after a
 * minute where something was wrong, so that a mended record helps soon.
 *
 * What is wrong is always logged with what to publish.  Only dns.check_sources: require
 * takes such a source out of use, and each until it was looked at: a source whose names
 * are not right must not be used silently.  A DNS that does not answer is not held
 * against a source.
 *
 * A source may be held by an operator at the same time: whoever is told of it (holds.c)
 * asks for both, so that the end of the one is not taken for the end of the other.
 */
#include "identities.h"

#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/time.h"
#include "equipment.h"
#include "preflight/preflight.h"
#include "sources.h"

#define AGAIN_US (60 * TIME_SECOND_US)

static const char not_yet[] = "its PTR and EHLO name have not been looked at yet";

struct identities {
	struct worker *worker;
	struct preflight *running; /* NULL = none */
	struct preflight_subject subject;
	struct preflight_source *sources; /* the subject's; texts are of `equipment` */
	struct equipment *equipment;
	struct map *verdicts; /* by source: char *, why receivers will not like it, or "" */
	struct timer timer;
	void (*on_told)(void *owner, struct slice source);
	void *owner;
};

static void on_due(void *owner)
{
	identities_look(owner);
}

struct identities *identities_new(
	struct worker *worker, void (*on_told)(void *owner, struct slice source), void *owner)
{
	struct identities *identities = MEM_NEW(struct identities);

	identities->worker = worker;
	identities->on_told = on_told;
	identities->owner = owner;
	identities->verdicts = map_new();
	timer_init(&identities->timer, worker->loop, on_due, identities);
	return identities;
}

static void forget(struct map **verdicts)
{
	size_t at = 0;
	struct slice key;
	void *value;

	while (map_next(*verdicts, &at, &key, &value)) {
		mem_free(value);
	}
	map_free(verdicts);
}

static void end_run(struct identities *identities)
{
	preflight_cancel(&identities->running);
	mem_free(identities->sources);
	identities->sources = NULL;
	equipment_unref(&identities->equipment);
}

void identities_free(struct identities **identities)
{
	if (*identities == NULL) {
		return;
	}
	timer_stop(&(*identities)->timer);
	end_run(*identities);
	forget(&(*identities)->verdicts);
	mem_free(*identities);
	*identities = NULL;
}

static enum config_check_sources mode_of(const struct identities *identities)
{
	return identities->worker->equipment->config->dns.check_sources;
}

const char *identities_fault(const struct identities *identities, struct slice source)
{
	const struct config *config = identities->worker->equipment->config;
	const struct config_source *named = config_source(config, source);
	struct preflight_source addresses[2];
	const char *verdict;

	if (mode_of(identities) != CONFIG_CHECK_SOURCES_REQUIRE || named == NULL ||
		preflight_sources(config, named, addresses) == 0) {
		return NULL;
	}
	verdict = map_get(identities->verdicts, source);
	if (verdict == NULL) {
		return not_yet;
	}
	return verdict[0] != '\0' ? verdict : NULL;
}

/* Faults that cost mail everywhere; a PTR that looks dynamic is only told. */
static bool is_unfit(const struct finding *finding)
{
	return finding->verdict == PREFLIGHT_FAIL && finding->check != PREFLIGHT_PTR_GENERIC;
}

static void tell(const struct finding *finding)
{
	log_warning(NULL, "source_names", "source=%s check=%s verdict=%s says=%s publish=%s",
		log_quote(slice_of(finding->subject)), preflight_check_word(finding->check),
		preflight_verdict_word(finding->verdict), log_quote(buf_slice(&finding->says)),
		log_quote(slice_trim(buf_slice(&finding->remedy))));
}

/* The subject of a finding is "SOURCE ADDRESS". */
static void note(struct identities *identities, const struct finding *finding)
{
	struct slice subject = slice_of(finding->subject);
	struct slice source = slice_first(subject, slice_find_last(subject, ' '));
	struct buf why;

	if (!is_unfit(finding)) {
		return;
	}
	buf_init(&why, 0);
	buf_add(&why, subject);
	buf_add_text(&why, ": ");
	buf_add(&why, buf_slice(&finding->says));
	mem_free(map_put(identities->verdicts, source, mem_string(buf_string(&why))));
	buf_clear(&why);
}

/* Our owner hears it, what waits at a source that is out goes elsewhere, and all lanes look. */
static void apply(struct identities *identities)
{
	struct worker *worker = identities->worker;
	const struct config_sources *sources = &worker->equipment->config->sources;

	for (size_t i = 0; i < sources->count; i++) {
		struct slice name = slice_of(sources->items[i]->name);
		const struct source *source = shape_find_source(worker->shape, name);

		identities->on_told(identities->owner, name);
		if (source != NULL && identities_fault(identities, name) != NULL) {
			outlet_leave_source(worker, source);
		}
	}
	outlet_run_all(worker);
}

/* The new verdicts in place of the old, which shaping borrows until it has heard. */
static void take_report(struct identities *identities, const struct report *report)
{
	struct map *before = identities->verdicts;

	identities->verdicts = map_new();
	for (size_t i = 0; i < identities->subject.source_count; i++) {
		mem_free(
			map_put(identities->verdicts, identities->sources[i].name, mem_string("")));
	}
	for (size_t i = 0; i < report_count(report); i++) {
		if (report_at(report, i)->verdict != PREFLIGHT_PASS) {
			tell(report_at(report, i));
			note(identities, report_at(report, i));
		}
	}
	apply(identities);
	forget(&before);
}

static void on_done(void *owner, struct report *take, uint32_t ttl_s)
{
	struct identities *identities = owner;
	struct worker *worker = identities->worker;
	int64_t wait_us = worker->equipment->config->dns.check_interval_us;

	(void)ttl_s; /* the resolver has its own memory */
	identities->running = NULL;
	if (report_verdict(take) != PREFLIGHT_PASS && wait_us > AGAIN_US) {
		wait_us = AGAIN_US;
	}
	take_report(identities, take);
	report_free(&take);
	end_run(identities);
	timer_set(&identities->timer, loop_now_us(worker->loop) + wait_us);
}

void identities_look(struct identities *identities)
{
	struct worker *worker = identities->worker;
	const struct config *config = worker->equipment->config;

	end_run(identities);
	timer_stop(&identities->timer);
	if (mode_of(identities) == CONFIG_CHECK_SOURCES_OFF) {
		apply(identities);
		return;
	}
	identities->equipment = equipment_ref(worker->equipment);
	identities->sources =
		mem_array(2 * config->sources.count + 1, sizeof(*identities->sources));
	identities->subject = (struct preflight_subject){.sources = identities->sources};
	for (size_t i = 0; i < config->sources.count; i++) {
		const struct config_source *source = config->sources.items[i];

		if (!sources_elsewhere(worker->sources, slice_of(source->name))) {
			identities->subject.source_count += preflight_sources(config, source,
				identities->sources + identities->subject.source_count);
		}
	}
	apply(identities);
	identities->running = preflight_start(worker->loop, worker->dns, &identities->subject,
		preflight_evaluate_sources, on_done, identities);
}
