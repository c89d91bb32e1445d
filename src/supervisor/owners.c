/*
 * A source has somebody it belongs to (`to`), and somebody who was told so (`has`).  All
 * that happens here is that the two are made the same, one step at a time: what is with
 * the wrong one is asked back, what is with nobody is given.
 */
#include "owners.h"

#include "assign.h"
#include "base/map.h"
#include "base/mem.h"

#define NOBODY ASSIGN_NONE

enum step {
	STEP_FREE,    /* nobody has it */
	STEP_GIVEN,   /* `has` was told */
	STEP_USED,    /* ... and says that it may send */
	STEP_LEAVING, /* ... and was asked to leave it */
};

struct owned {
	char *name;
	size_t to;
	size_t has;
	enum step step;
};

struct owners {
	struct supervisor *supervisor;
	struct map *names;  /* struct owned, by name */
	struct owned **all; /* those of the configuration, in its order */
	size_t count;
};

struct owners *owners_new(struct supervisor *supervisor)
{
	struct owners *owners = MEM_NEW(struct owners);

	owners->supervisor = supervisor;
	owners->names = map_new();
	return owners;
}

static void owned_free(struct owned *owned)
{
	mem_free(owned->name);
	mem_free(owned);
}

void owners_free(struct owners **owners)
{
	size_t at = 0;
	struct slice key;
	void *owned;

	if (*owners == NULL) {
		return;
	}
	while (map_next((*owners)->names, &at, &key, &owned)) {
		owned_free(owned);
	}
	map_free(&(*owners)->names);
	mem_free((*owners)->all);
	mem_free(*owners);
	*owners = NULL;
}

static struct child *child_of(const struct owners *owners, size_t seat)
{
	return owners->supervisor->seats[seat].child;
}

/* Whether this worker is to hear that it is to leave it. */
static bool ask_back(struct owned *owned, size_t seat)
{
	if (owned->has != seat || owned->to == seat || owned->step == STEP_LEAVING) {
		return false;
	}
	owned->step = STEP_LEAVING;
	return true;
}

/* ... or that it has it from now on. */
static bool give(struct owned *owned, size_t seat)
{
	if (owned->to != seat || owned->step != STEP_FREE) {
		return false;
	}
	owned->has = seat;
	owned->step = STEP_GIVEN;
	return true;
}

/* What one worker is to hear: gathered, since there may be thousands of names. */
static void tell(struct owners *owners, size_t seat, enum control_verb verb)
{
	bool (*take)(struct owned * owned, size_t seat) = verb == CONTROL_LEAVE ? ask_back : give;
	struct slice *names = mem_array(map_count(owners->names) + 1, sizeof(*names));
	size_t count = 0;
	size_t at = 0;
	struct slice key;
	void *value;

	while (map_next(owners->names, &at, &key, &value)) {
		if (take(value, seat)) {
			names[count++] = slice_of(((struct owned *)value)->name);
		}
	}
	child_say_names(child_of(owners, seat), verb, names, count);
	mem_free(names);
}

/* Who does not run hears it at its start. */
static void tell_all(struct owners *owners)
{
	for (size_t seat = 0; seat < owners->supervisor->count; seat++) {
		if (child_runs(child_of(owners, seat))) {
			tell(owners, seat, CONTROL_LEAVE);
			tell(owners, seat, CONTROL_OWN);
		}
	}
}

static void list(struct owners *owners, const struct config_sources *sources)
{
	mem_free(owners->all);
	owners->all = mem_array(sources->count + 1, sizeof(struct owned *));
	owners->count = sources->count;
	for (size_t i = 0; i < sources->count; i++) {
		struct slice name = slice_of(sources->items[i]->name);
		struct owned *owned = map_get(owners->names, name);

		if (owned == NULL) {
			owned = MEM_NEW(struct owned);
			owned->name = slice_string(name);
			owned->to = NOBODY;
			owned->has = NOBODY;
			map_put(owners->names, name, owned);
		}
		owners->all[i] = owned;
	}
}

static void share_out(struct owners *owners)
{
	size_t *to = mem_array(owners->count + 1, sizeof(*to));
	size_t at = 0;
	struct slice key;
	void *value;

	for (size_t i = 0; i < owners->count; i++) {
		to[i] = owners->all[i]->to;
	}
	assign_sources(to, owners->count, owners->supervisor->count);
	while (map_next(owners->names, &at, &key, &value)) {
		((struct owned *)value)->to = NOBODY; /* is what is configured no more */
	}
	for (size_t i = 0; i < owners->count; i++) {
		owners->all[i]->to = to[i];
	}
	mem_free(to);
}

/* One at a time, since the map may not lose more in a walk. */
static bool forget_one(struct owners *owners)
{
	size_t at = 0;
	struct slice key;
	void *value;

	while (map_next(owners->names, &at, &key, &value)) {
		struct owned *owned = value;

		if (owned->to == NOBODY && owned->step == STEP_FREE) {
			map_remove(owners->names, key);
			owned_free(owned);
			return true;
		}
	}
	return false;
}

static void settle(struct owners *owners)
{
	tell_all(owners);
	while (forget_one(owners)) {
	}
}

void owners_follow(struct owners *owners, const struct config *config)
{
	list(owners, &config->sources);
	share_out(owners);
	settle(owners);
}

void owners_on_started(struct owners *owners, size_t seat)
{
	tell(owners, seat, CONTROL_OWN);
}

void owners_on_ended(struct owners *owners, size_t seat)
{
	size_t at = 0;
	struct slice key;
	void *value;

	while (map_next(owners->names, &at, &key, &value)) {
		struct owned *owned = value;

		if (owned->has == seat) {
			owned->has = NOBODY;
			owned->step = STEP_FREE;
		}
	}
	settle(owners);
}

static struct owned *find(const struct owners *owners, size_t seat, struct slice source)
{
	struct owned *owned = map_get(owners->names, source);

	return owned != NULL && owned->has == seat ? owned : NULL;
}

void owners_on_owned(struct owners *owners, size_t seat, struct slice source)
{
	struct owned *owned = find(owners, seat, source);

	if (owned != NULL && owned->step == STEP_GIVEN) {
		owned->step = STEP_USED;
	}
}

/* One that was asked back and is to come again meanwhile is given again. */
void owners_on_released(struct owners *owners, size_t seat, struct slice source)
{
	struct owned *owned = find(owners, seat, source);

	if (owned != NULL && owned->step == STEP_LEAVING) {
		owned->has = NOBODY;
		owned->step = STEP_FREE;
		settle(owners);
	}
}

size_t owners_count(const struct owners *owners)
{
	return owners->count;
}

size_t owners_usable(const struct owners *owners)
{
	size_t count = 0;

	for (size_t i = 0; i < owners->count; i++) {
		count += owners->all[i]->step == STEP_USED;
	}
	return count;
}
