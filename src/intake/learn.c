/*
 * What was learnt of recipient domains, for those who enqueue: each tenant knows what its
 * own mail has taught, or it could ask whom the others write to.  Every message teaches
 * the same again, so what was told once is remembered, up to a bound; then all is
 * forgotten and told anew, which the statement takes without a write.
 *
 * It is no truth that anything depends on: what gets lost is learnt again.
 */
#include "intake_private.h"

#include "intake/content.h"

#include "base/buf.h"
#include "base/mem.h"

enum { TELL_MAX = 500, LEARNT_MAX = 100000 };

/* The tenant's octets, domain */
static void add_key(struct buf *key, const struct id *tenant, struct slice domain)
{
	buf_init(key, 0);
	buf_add(key, id_slice(tenant));
	buf_add(key, domain);
}

/* provider NUL site */
static char *lesson_of(struct slice provider, struct slice site)
{
	char *lesson;
	struct buf text;

	buf_init(&text, 0);
	buf_add(&text, provider);
	buf_add_byte(&text, '\0');
	buf_add(&text, site);
	lesson = slice_string(buf_slice(&text));
	buf_clear(&text);
	return lesson;
}

static struct slice site_in(const char *lesson)
{
	return slice_of(lesson + slice_of(lesson).n + 1);
}

static bool same(const char *lesson, struct slice provider, struct slice site)
{
	return lesson != NULL && slice_equal(slice_of(lesson), provider) &&
		slice_equal(site_in(lesson), site);
}

static void forget(struct map *map)
{
	size_t at = 0;
	struct slice key;
	void *value;

	while (map_next(map, &at, &key, &value)) {
		map_remove(map, key);
		mem_free(value);
	}
}

void intake_learn(struct intake *intake, const struct id *tenant, struct slice domain,
	struct slice provider, struct slice site)
{
	struct chores *chores = &intake->chores;
	struct buf key;

	add_key(&key, tenant, domain);
	if (domain.n > 0 && !same(map_get(chores->learnt, buf_slice(&key)), provider, site) &&
		map_count(chores->to_tell) < LEARNT_MAX) {
		mem_free(map_put(chores->to_tell, buf_slice(&key),
			lesson_of(provider.n > 0 ? provider : SLICE("other"), site)));
	}
	buf_clear(&key);
}

struct picked {
	struct slice key;
	char *lesson;
};

static void add_tenants(struct pg_request *request, const struct picked *picked, size_t count)
{
	pg_array(request);
	for (size_t i = 0; i < count; i++) {
		struct id tenant = id_from(picked[i].key);

		pg_item_id(request, &tenant);
	}
	pg_array_end(request);
}

static void add_column(struct pg_request *request, const struct picked *picked, size_t count,
	struct slice (*cell)(const struct picked *picked))
{
	pg_array(request);
	for (size_t i = 0; i < count; i++) {
		pg_item_text(request, cell(&picked[i]));
	}
	pg_array_end(request);
}

static struct slice cell_domain(const struct picked *picked)
{
	return slice_from(picked->key, sizeof(struct id));
}

static struct slice cell_provider(const struct picked *picked)
{
	return slice_of(picked->lesson);
}

static struct slice cell_site(const struct picked *picked)
{
	return site_in(picked->lesson);
}

/* Counts as told when it is sent: what gets lost is learnt again some day. */
static void told(struct chores *chores, const struct picked *picked, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		mem_free(map_put(chores->learnt, picked[i].key, picked[i].lesson));
		map_remove(chores->to_tell, picked[i].key);
	}
}

/* When distributed, of one tenant. */
static size_t pick(struct intake *intake, struct picked *picked)
{
	size_t count = 0;
	size_t at = 0;
	void *lesson;

	while (count < TELL_MAX &&
		map_next(intake->chores.to_tell, &at, &picked[count].key, &lesson)) {
		picked[count].lesson = lesson;
		if (!intake->settings.distributed ||
			id_equal(id_from(picked[0].key), id_from(picked[count].key))) {
			count++;
		}
	}
	return count;
}

struct pg_request *learn_request(struct intake *intake)
{
	struct chores *chores = &intake->chores;
	struct picked *picked = mem_array(TELL_MAX, sizeof(picked[0]));
	struct pg_request *request = NULL;
	size_t count;

	if (map_count(chores->learnt) >= LEARNT_MAX) {
		forget(chores->learnt);
	}
	count = pick(intake, picked);
	if (count > 0) {
		request = intake_request(SQL_DOMAIN_LEARN);
		add_tenants(request, picked, count);
		add_column(request, picked, count, cell_domain);
		add_column(request, picked, count, cell_provider);
		add_column(request, picked, count, cell_site);
		told(chores, picked, count);
	}
	mem_free(picked);
	return request;
}

void learn_open(struct intake *intake)
{
	intake->chores.learnt = map_new();
	intake->chores.to_tell = map_new();
}

void learn_clear(struct intake *intake)
{
	forget(intake->chores.learnt);
	forget(intake->chores.to_tell);
	map_free(&intake->chores.learnt);
	map_free(&intake->chores.to_tell);
}
