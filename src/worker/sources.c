/*
 * What is wanted is kept apart from what is so: whatever changes (a word of the supervisor,
 * a reload, an answer of Postgres, the end of a connection) leads to the same look at the
 * end of the turn, which asks for what is missing and gives back what nothing uses any more.
 *
 * A source that is left goes in this order: nothing new is chosen for it, what waits for it
 * is routed anew, its connections end after the message they carry, its addresses are given
 * back, and then the supervisor hears.  An address that a reload took away goes likewise.
 */
#include "sources.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/time.h"
#include "holds.h"

#define TELL_US (60 * TIME_SECOND_US)
#define ABSENT_US (5 * TIME_SECOND_US) /* an address that is not here is looked for so often */

static const char elsewhere[] = "it is another worker's of this node";
static const char not_yet[] = "its address is being asked for";
static const char absent[] = "no interface of this machine has its address";
static const char taken[] = "another worker sends from its address";

/* One that was given to this worker. */
struct given {
	char *name;
	bool wanted; /* until it is taken away */
	bool usable; /* as the owner of the worker was told */
};

/* One that is sent from, or was. */
struct rented {
	char *text;
	char *source;
	bool wanted;
	enum address_owner who; /* ADDRESS_LEFT: not known yet */
	int64_t told_us;        /* that another has it; 0 = not yet */
};

/* One that is configured, and that this machine does not have. */
struct missing {
	bool wanted;
	int64_t told_us;
};

struct sources {
	struct worker *worker;
	unsigned workers;
	bool owns_all;
	struct map *given;   /* by name */
	struct map *rented;  /* by text */
	struct map *missing; /* by text */
	struct timer missing_look;
	struct later look;
	bool leaving; /* something waits for connections to end, or for Postgres */
	bool check;   /* the names of other sources than before are to be looked at */
};

static void on_look(void *owner);
static void on_missing_look(void *owner);

struct sources *sources_new(struct worker *worker, unsigned workers, bool owns_all)
{
	struct sources *sources = MEM_NEW(struct sources);

	sources->worker = worker;
	sources->workers = workers;
	sources->owns_all = owns_all;
	sources->given = map_new();
	sources->rented = map_new();
	sources->missing = map_new();
	timer_init(&sources->missing_look, worker->loop, on_missing_look, sources);
	later_init(&sources->look, on_look, sources);
	return sources;
}

static void given_free(struct given *given)
{
	mem_free(given->name);
	mem_free(given);
}

static void rented_free(struct rented *rented)
{
	mem_free(rented->text);
	mem_free(rented->source);
	mem_free(rented);
}

void sources_free(struct sources **sources)
{
	struct sources *gone = *sources;
	size_t at = 0;
	struct slice key;
	void *value;

	if (gone == NULL) {
		return;
	}
	*sources = NULL;
	loop_later_cancel(gone->worker->loop, &gone->look);
	while (map_next(gone->given, &at, &key, &value)) {
		given_free(value);
	}
	at = 0;
	while (map_next(gone->rented, &at, &key, &value)) {
		rented_free(value);
	}
	at = 0;
	while (map_next(gone->missing, &at, &key, &value)) {
		mem_free(value);
	}
	timer_stop(&gone->missing_look);
	map_free(&gone->given);
	map_free(&gone->rented);
	map_free(&gone->missing);
	mem_free(gone);
}

unsigned sources_workers(const struct sources *sources)
{
	return sources->workers;
}

static const struct config *config_of(const struct sources *sources)
{
	return sources->worker->equipment->config;
}

static bool is_given(const struct sources *sources, struct slice name)
{
	const struct given *given = map_get(sources->given, name);

	return given != NULL && given->wanted;
}

/* One address of a source, or why it may not be sent from. */
static const char *address_fault(
	const struct sources *sources, const struct config_address *address)
{
	const struct rented *rented;
	const char *fault = NULL;
	struct buf text;

	if (address->version == 0) {
		return NULL;
	}
	buf_init(&text, 0);
	config_address_add(&text, address);
	rented = map_get(sources->rented, buf_slice(&text));
	if (map_get(sources->missing, buf_slice(&text)) != NULL) {
		fault = absent;
	} else if (rented == NULL || !rented->wanted || rented->who == ADDRESS_LEFT) {
		fault = not_yet;
	} else if (rented->who == ADDRESS_TAKEN) {
		fault = taken;
	}
	buf_clear(&text);
	return fault;
}

const char *sources_fault(const struct sources *sources, struct slice source)
{
	const struct config_source *named = config_source(config_of(sources), source);
	const char *fault;

	if (named == NULL) {
		return NULL;
	}
	if (!is_given(sources, source)) {
		return elsewhere;
	}
	fault = address_fault(sources, &named->ipv4);
	if (fault == NULL) {
		fault = address_fault(sources, &named->ipv6);
		/* IPv4 does without it. */
		fault = fault == absent && named->ipv4.version != 0 ? NULL : fault;
	}
	return fault;
}

bool sources_elsewhere(const struct sources *sources, struct slice source)
{
	return config_source(config_of(sources), source) != NULL && !is_given(sources, source);
}

const struct config_source *sources_any_elsewhere(
	const struct sources *sources, struct slice pool, const struct reach *reach)
{
	const struct config_pool *named = config_pool(config_of(sources), pool);

	for (size_t i = 0; named != NULL && i < named->sources.count; i++) {
		const struct config_source *source =
			config_source(config_of(sources), slice_of(named->sources.items[i]->name));

		if (source != NULL && !is_given(sources, slice_of(source->name)) &&
			(reach == NULL || reach_has(reach, source))) {
			return source;
		}
	}
	return NULL;
}

static void rent(struct sources *sources, const struct config_source *source, struct slice address)
{
	struct rented *rented = map_get(sources->rented, address);

	if (rented == NULL) {
		rented = MEM_NEW(struct rented);
		rented->text = slice_string(address);
		rented->who = ADDRESS_LEFT;
		map_put(sources->rented, address, rented);
	}
	mem_free(rented->source);
	rented->source = mem_string(source->name);
	rented->wanted = true;
	intake_want_address(sources->worker->intake, address, slice_of(source->name));
}

/* Once a minute: a slip in the file, or in the network's. */
static void miss(struct sources *sources, const struct config_source *source, struct slice address)
{
	struct missing *missing = map_get(sources->missing, address);
	int64_t now_us = loop_now_us(sources->worker->loop);

	if (missing == NULL) {
		missing = MEM_NEW(struct missing);
		map_put(sources->missing, address, missing);
		timer_set(&sources->missing_look, now_us + ABSENT_US);
	}
	missing->wanted = true;
	if (missing->told_us == 0 || now_us - missing->told_us >= TELL_US) {
		missing->told_us = now_us;
		log_error(NULL, "source_absent", "source=%s address=%s remedy=%s",
			log_quote(slice_of(source->name)), log_quote(address),
			log_quote(SLICE("no interface of this machine has the address: 'ip address "
					"add' it, or take it out of sources")));
	}
}

/* One that is not here is nobody's to send from, and another node may have it. */
static void want_address(struct sources *sources, const struct config_source *source,
	const struct config_address *address)
{
	union endpoint endpoint;
	struct buf text;

	if (address->version == 0) {
		return;
	}
	buf_init(&text, 0);
	config_address_add(&text, address);
	if (endpoint_parse(buf_slice(&text), 0, &endpoint) && !endpoint_is_here(&endpoint)) {
		miss(sources, source, buf_slice(&text));
	} else {
		rent(sources, source, buf_slice(&text));
	}
	buf_clear(&text);
}

static struct given *give(struct sources *sources, struct slice name)
{
	struct given *given = map_get(sources->given, name);

	if (given == NULL) {
		given = MEM_NEW(struct given);
		given->name = slice_string(name);
		map_put(sources->given, name, given);
	}
	given->wanted = true;
	return given;
}

/* Who owns all follows what there is; others are told. */
static void follow_configured(struct sources *sources)
{
	const struct config_sources *configured = &config_of(sources)->sources;
	size_t at = 0;
	struct slice key;
	void *value;

	if (!sources->owns_all) {
		return;
	}
	while (map_next(sources->given, &at, &key, &value)) {
		((struct given *)value)->wanted = false;
	}
	for (size_t i = 0; i < configured->count; i++) {
		(void)give(sources, slice_of(configured->items[i]->name));
	}
}

/* One a call, because the map may not lose more in a walk. */
static bool forget_missing(struct sources *sources)
{
	size_t at = 0;
	struct slice key;
	void *value;

	while (map_next(sources->missing, &at, &key, &value)) {
		if (!((const struct missing *)value)->wanted) {
			mem_free(map_remove(sources->missing, key));
			return true;
		}
	}
	return false;
}

static void want_all(struct sources *sources)
{
	const struct config_sources *configured = &config_of(sources)->sources;
	size_t at = 0;
	struct slice key;
	void *value;

	while (map_next(sources->rented, &at, &key, &value)) {
		((struct rented *)value)->wanted = false;
	}
	at = 0;
	while (map_next(sources->missing, &at, &key, &value)) {
		((struct missing *)value)->wanted = false;
	}
	for (size_t i = 0; i < configured->count; i++) {
		const struct config_source *source = configured->items[i];

		if (is_given(sources, slice_of(source->name))) {
			want_address(sources, source, &source->ipv4);
			want_address(sources, source, &source->ipv6);
		}
	}
	while (forget_missing(sources)) {
	}
}

static void give_back_addresses(struct sources *sources)
{
	size_t at = 0;
	struct slice key;
	void *value;

	while (map_next(sources->rented, &at, &key, &value)) {
		struct rented *rented = value;

		if (rented->wanted) {
			continue;
		}
		sources->leaving = true;
		if (!outlet_lingers(sources->worker, slice_of(rented->source))) {
			rented->who = ADDRESS_LEFT;
			intake_leave_address(sources->worker->intake, key);
		}
	}
}

static bool has_address(const struct sources *sources, const char *source)
{
	size_t at = 0;
	struct slice key;
	void *value;

	while (map_next(sources->rented, &at, &key, &value)) {
		if (strcmp(((const struct rented *)value)->source, source) == 0) {
			return true;
		}
	}
	return false;
}

/* The next that was taken away and of which nothing is left, out of the map. */
static struct given *take_left(struct sources *sources)
{
	size_t at = 0;
	struct slice key;
	void *value;

	while (map_next(sources->given, &at, &key, &value)) {
		struct given *given = value;

		sources->leaving = sources->leaving || !given->wanted;
		if (!given->wanted && !has_address(sources, given->name) &&
			!outlet_lingers(sources->worker, key)) {
			map_remove(sources->given, key);
			return given;
		}
	}
	return NULL;
}

static void tell(const struct sources *sources, const char *name, bool usable)
{
	const struct worker *worker = sources->worker;

	worker->events.on_source(worker->events.owner, slice_of(name), usable);
}

static void tell_left(struct sources *sources)
{
	struct given *given;

	while ((given = take_left(sources)) != NULL) {
		log_debug(NULL, "source_left", "source=%s", log_quote(slice_of(given->name)));
		tell(sources, given->name, false);
		given_free(given);
	}
}

/* What others see of this worker: in Postgres, and the supervisor. */
static void tell_usable(struct sources *sources)
{
	struct slice *names = mem_array(map_count(sources->given) + 1, sizeof(*names));
	size_t count = 0;
	size_t at = 0;
	bool changed = false;
	struct slice key;
	void *value;

	while (map_next(sources->given, &at, &key, &value)) {
		struct given *given = value;
		bool usable = sources_fault(sources, key) == NULL &&
			config_source(config_of(sources), key) != NULL;

		if (usable && !given->usable) {
			tell(sources, given->name, true);
		}
		changed = changed || usable != given->usable;
		given->usable = usable;
		if (usable) {
			names[count++] = slice_of(given->name);
		}
	}
	if (changed) {
		intake_set_sources(sources->worker->intake, names, count);
	}
	mem_free(names);
}

/* Shaping hears of each; what waits at one that is not ours goes another way. */
static void tell_shape(struct sources *sources)
{
	struct worker *worker = sources->worker;
	const struct config_sources *configured = &config_of(sources)->sources;

	for (size_t i = 0; i < configured->count; i++) {
		holds_apply_source(worker->holds, slice_of(configured->items[i]->name));
	}
	outlet_run_all(worker);
	intake_hurry(worker->intake);
}

static void on_look(void *owner)
{
	struct sources *sources = owner;

	sources->leaving = false;
	want_all(sources);
	tell_shape(sources);
	give_back_addresses(sources);
	tell_left(sources);
	tell_usable(sources);
	if (sources->check) {
		sources->check = false;
		holds_check_sources(sources->worker->holds);
	}
}

static void look_soon(struct sources *sources)
{
	loop_later(sources->worker->loop, &sources->look);
}

static void on_missing_look(void *owner)
{
	struct sources *sources = owner;

	on_look(sources);
	if (map_count(sources->missing) > 0) {
		timer_set(&sources->missing_look, loop_now_us(sources->worker->loop) + ABSENT_US);
	}
}

void sources_check(struct sources *sources)
{
	look_soon(sources);
}

void sources_look(struct sources *sources)
{
	if (sources != NULL && sources->leaving) {
		look_soon(sources);
	}
}

void sources_follow(struct sources *sources)
{
	follow_configured(sources);
	on_look(sources);
}

void worker_own(struct worker *worker, struct slice source)
{
	(void)give(worker->sources, source);
	worker->sources->check = true;
	look_soon(worker->sources);
}

void worker_leave(struct worker *worker, struct slice source)
{
	struct given *given = give(worker->sources, source);
	const struct source *shaped = shape_find_source(worker->shape, source);

	given->wanted = false;
	holds_apply_source(worker->holds, source);
	if (shaped != NULL) {
		outlet_close_source(worker, shaped);
	}
	look_soon(worker->sources);
}

/* Once a minute: it is a mistake of somebody, or a source that is about to move. */
static void tell_taken(
	const struct sources *sources, struct rented *rented, const struct address_other *other)
{
	int64_t now_us = loop_now_us(sources->worker->loop);

	if (rented->told_us != 0 && now_us - rented->told_us < TELL_US) {
		return;
	}
	rented->told_us = now_us;
	log_warning(NULL, "source_taken",
		"source=%s address=%s node=%s worker=%s called=%s remedy=%s",
		log_quote(slice_of(rented->source)), rented->text, log_quote(other->node),
		log_quote(other->worker), log_quote(other->source),
		log_quote(SLICE("one worker sends from an address: give each node its own, or "
				"end that one")));
}

void sources_on_address(void *owner, struct slice address, enum address_owner who,
	const struct address_other *other)
{
	struct sources *sources = ((struct worker *)owner)->sources;
	struct rented *rented = map_get(sources->rented, address);

	if (rented == NULL) {
		return;
	}
	if (who == ADDRESS_LEFT) {
		map_remove(sources->rented, address);
		rented_free(rented);
	} else {
		rented->who = who;
		if (who == ADDRESS_TAKEN) {
			tell_taken(sources, rented, other);
		}
	}
	look_soon(sources);
}
