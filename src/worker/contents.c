/*
 * The cache of compiled contents.  The first job of a version makes an entry and
 * waits in it, as do all that come before the content is there.  A template may
 * name partials: content_new() asks for each, those not at hand are fetched, and
 * it is tried again when the last has come.
 *
 * A content that does not compile is remembered for a minute, so that a campaign
 * of a million fails without a million queries.
 *
 * Contents that jobs have stay, whatever that takes; so while these are more than there
 * is room for no others are fetched, and of large ones few at a time: a content takes
 * several times its size until it is compiled.
 */
#include "contents.h"
#include "intake/content.h"

#include "base/mem.h"
#include "base/time.h"

#define FAULTY_US (60 * TIME_SECOND_US)
#define PARTIALS_MAX 100
#define FETCHES_MAX 16
#define LOOK_AGAIN_US (TIME_SECOND_US / 10)

struct entry {
	struct list_link link; /* least recently used first */
	struct list_link turn; /* in contents.pending: not fetched yet */
	struct contents *home;
	struct slice key;
	struct id tenant;
	struct id id;
	int version;
	struct content *content; /* NULL while it is fetched, or faulty */
	struct buf faults;
	struct buf body;
	bool raw;
	int64_t created_us;   /* of this version: its partials are read as of then */
	struct list waiting;  /* jobs */
	struct map *partials; /* name to struct slice * on the heap; p NULL = there is none */
	struct list fetching; /* struct fetch: partials on their way */
	int64_t faulty_until_us;
};

/* One partial on its way. */
struct fetch {
	struct list_link link;
	struct entry *entry;
	char *name;
};

struct contents {
	struct worker *worker;
	struct map *entries;
	struct list order;
	struct list pending; /* entries that wait for their fetch */
	struct timer look;   /* for room */
	size_t fetching;     /* entries whose content is on its way, or its partials */
	size_t body_bytes;   /* of a content as it comes, about; 0 = none has come */
	size_t bytes;
	size_t bytes_max;
};

static void on_look(void *owner);

struct contents *contents_new(struct worker *worker, size_t bytes_max)
{
	struct contents *contents = MEM_NEW(struct contents);

	contents->worker = worker;
	contents->entries = map_new();
	contents->bytes_max = bytes_max;
	list_init(&contents->order);
	list_init(&contents->pending);
	timer_init(&contents->look, worker->loop, on_look, contents);
	return contents;
}

static void forget_partials(struct entry *entry)
{
	size_t at = 0;
	struct slice key;
	void *value;

	while (map_next(entry->partials, &at, &key, &value)) {
		struct slice *body = value;

		mem_free((void *)body->p);
		mem_free(body);
	}
	map_free(&entry->partials);
}

static void entry_free(struct entry *entry)
{
	struct contents *home = entry->home;

	list_remove(&home->order, &entry->link);
	if (list_linked(&entry->turn)) {
		list_remove(&home->pending, &entry->turn);
	}
	map_remove(home->entries, entry->key);
	if (entry->content != NULL) {
		home->bytes -= content_bytes(entry->content);
	}
	content_unref(&entry->content);
	buf_clear(&entry->faults);
	buf_clear(&entry->body);
	forget_partials(entry);
	mem_free((void *)entry->key.p);
	mem_free(entry);
}

void contents_free(struct contents **contents)
{
	struct list_link *link;

	if (*contents == NULL) {
		return;
	}
	while ((link = list_first(&(*contents)->order)) != NULL) {
		entry_free(LIST_OWNER(link, struct entry, link));
	}
	map_free(&(*contents)->entries);
	timer_stop(&(*contents)->look);
	mem_free(*contents);
	*contents = NULL;
}

size_t contents_bytes(const struct contents *contents)
{
	return contents->bytes;
}

/* Those that no job has or waits for go, the least recently used first. */
void contents_make_room(struct contents *contents)
{
	struct list_link *link = list_first(&contents->order);

	while (link != NULL && contents->bytes > contents->bytes_max) {
		struct entry *entry = LIST_OWNER(link, struct entry, link);

		link = list_next(&contents->order, link);
		if (entry->waiting.count == 0 && entry->fetching.count == 0 &&
			entry->content != NULL && !content_is_shared(entry->content)) {
			entry_free(entry);
		}
	}
}

static void on_content(void *owner, const struct content_row *row);

/* How many contents may be on their way: of large ones one, and one to begin with. */
static size_t fetches_most(const struct contents *contents)
{
	size_t most = contents->body_bytes > 0 ? contents->bytes_max / 4 / contents->body_bytes : 1;

	most = most < FETCHES_MAX ? most : FETCHES_MAX;
	return most > 0 ? most : 1;
}

static bool has_room(struct contents *contents)
{
	contents_make_room(contents);
	return contents->bytes < contents->bytes_max;
}

/* What is in use is given up by the jobs that have it, and they wait for no other. */
static void fetch_some(struct contents *contents)
{
	while (contents->pending.count > 0 && contents->fetching < fetches_most(contents)) {
		struct entry *entry;

		if (!has_room(contents)) {
			timer_set(&contents->look,
				loop_now_us(contents->worker->loop) + LOOK_AGAIN_US);
			return;
		}
		entry = LIST_OWNER(list_pop(&contents->pending), struct entry, turn);
		contents->fetching++;
		intake_content(contents->worker->intake, &entry->tenant, &entry->id, entry->version,
			on_content, entry);
	}
}

void contents_limit(struct contents *contents, size_t bytes_max)
{
	contents->bytes_max = bytes_max;
	contents_make_room(contents);
	fetch_some(contents);
}

static void on_look(void *owner)
{
	fetch_some(owner);
}

static void answer(struct entry *entry, struct plan *plan)
{
	flow_on_content(plan, entry->content != NULL ? content_ref(entry->content) : NULL,
		buf_slice(&entry->faults));
}

static void settle(struct entry *entry)
{
	struct contents *home = entry->home;
	struct list_link *link;

	forget_partials(entry);
	entry->partials = map_new();
	buf_clear(&entry->body);
	if (entry->content != NULL) {
		home->bytes += content_bytes(entry->content);
	} else {
		entry->faulty_until_us = loop_now_us(home->worker->loop) + FAULTY_US;
	}
	while ((link = list_pop(&entry->waiting)) != NULL) {
		answer(entry, LIST_OWNER(link, struct job, link)->plan);
	}
	home->fetching--;
	contents_make_room(home);
	fetch_some(home);
}

static void compile(struct entry *entry);

static void on_partial(void *owner, const struct content_row *row)
{
	struct fetch *fetch = owner;
	struct entry *entry = fetch->entry;
	struct slice *body = MEM_NEW(struct slice);

	if (row->found && !row->raw) {
		*body = slice_make(mem_copy(row->body.p, row->body.n), row->body.n);
	}
	map_put(entry->partials, slice_of(fetch->name), body);
	list_remove(&entry->fetching, &fetch->link);
	mem_free(fetch->name);
	mem_free(fetch);
	if (entry->fetching.count == 0) {
		compile(entry);
	}
}

static bool is_fetching(const struct entry *entry, struct slice name)
{
	for (const struct list_link *link = list_first(&entry->fetching); link != NULL;
		link = list_next(&entry->fetching, link)) {
		if (slice_equal(slice_of(LIST_OWNER(link, struct fetch, link)->name), name)) {
			return true;
		}
	}
	return false;
}

/* content_new() asks: from what was fetched, or fetch it and let it try again. */
static bool give_partial(void *owner, struct slice name, struct slice *ret_body)
{
	struct entry *entry = owner;
	const struct slice *body = map_get(entry->partials, name);
	struct fetch *fetch;

	if (body != NULL) {
		*ret_body = *body;
		return body->p != NULL;
	}
	if (is_fetching(entry, name) || map_count(entry->partials) >= PARTIALS_MAX) {
		return false;
	}
	fetch = MEM_NEW(struct fetch);
	fetch->entry = entry;
	fetch->name = slice_string(name);
	list_push(&entry->fetching, &fetch->link);
	intake_partial(entry->home->worker->intake, &entry->tenant, name, entry->created_us,
		on_partial, fetch);
	return false;
}

static void compile(struct entry *entry)
{
	struct content_source source = {
		.body = buf_slice(&entry->body),
		.raw = entry->raw,
		.on_partial = give_partial,
		.owner = entry,
	};

	buf_reset(&entry->faults);
	entry->content = content_new(&source, &entry->faults);
	if (entry->fetching.count == 0) {
		settle(entry);
	}
}

static void on_content(void *owner, const struct content_row *row)
{
	struct entry *entry = owner;
	struct contents *home = entry->home;

	home->body_bytes = home->body_bytes == 0 ? row->body.n + 1
						 : (3 * home->body_bytes + row->body.n) / 4 + 1;
	if (!row->found) {
		buf_add_text(&entry->faults,
			"the campaign's content does not exist: add it with "
			"'penguinctl content add'");
		settle(entry);
		return;
	}
	entry->raw = row->raw;
	entry->created_us = row->created_us;
	buf_add(&entry->body, row->body);
	compile(entry);
}

static struct entry *entry_new(struct contents *contents, struct slice key, const struct job *job)
{
	struct entry *entry = MEM_NEW(struct entry);
	const struct campaign *campaign = job->batch->campaign;

	entry->home = contents;
	entry->key = slice_make(mem_copy(key.p, key.n), key.n);
	entry->tenant = campaign->tenant->id;
	entry->id = campaign->content;
	entry->version = job->content_version;
	entry->partials = map_new();
	buf_init(&entry->faults, 8192);
	buf_init(&entry->body, CONTENT_BYTES_MAX);
	list_init(&entry->waiting);
	list_init(&entry->fetching);
	map_put(contents->entries, entry->key, entry);
	list_push(&contents->order, &entry->link);
	list_push(&contents->pending, &entry->turn);
	return entry;
}

static bool is_settled(const struct contents *contents, const struct entry *entry)
{
	return entry->content != NULL ||
		entry->faulty_until_us > loop_now_us(contents->worker->loop);
}

void contents_find(struct contents *contents, struct plan *plan)
{
	const struct job *job = plan->job;
	const struct campaign *campaign = job->batch->campaign;
	struct entry *entry;
	struct buf key;

	buf_init(&key, 0);
	buf_add(&key, id_slice(&campaign->tenant->id));
	buf_add(&key, id_slice(&campaign->content));
	buf_add_format(&key, "%d", job->content_version);
	entry = map_get(contents->entries, buf_slice(&key));
	if (entry != NULL && entry->faulty_until_us != 0 && !is_settled(contents, entry)) {
		entry_free(entry); /* it was faulty a while ago: look again */
		entry = NULL;
	}
	if (entry == NULL) {
		entry = entry_new(contents, buf_slice(&key), job);
	}
	buf_clear(&key);
	if (is_settled(contents, entry)) {
		list_remove(&contents->order, &entry->link);
		list_push(&contents->order, &entry->link);
		answer(entry, plan);
	} else {
		list_push(&entry->waiting, &plan->job->link);
		fetch_some(contents);
	}
}
