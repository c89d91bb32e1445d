/*
 * Lookups that happen for every message: hash maps by name, by domain, by suffix.
 *
 * A suffix is looked for by taking labels off the front, so the longest match comes
 * first and the cost is one hash probe a label.  Names of hosts are made lower case
 * in a buffer on the stack; longer ones than DNS allows match nothing.
 */
#include "loaded.h"

enum { HOST_MAX = 255 };

struct host {
	char bytes[HOST_MAX];
	struct slice name;
};

/* Lower case and without the root's dot; the empty name matches nothing. */
static void host_init(struct host *host, struct slice name)
{
	if (slice_ends(name, SLICE("."))) {
		name.n--;
	}
	if (name.n > sizeof(host->bytes)) {
		name.n = 0;
	}
	for (size_t i = 0; i < name.n; i++) {
		char c = name.p[i];

		host->bytes[i] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
	}
	host->name = slice_make(host->bytes, name.n);
}

/* The name without its first label; empty at the end. */
static struct slice parent(struct slice name)
{
	return slice_from(name, slice_find(name, '.') + 1);
}

const struct config_provider *config_provider_by_mx(const struct config *config, struct slice name)
{
	const struct map *map = loaded_of(config)->mx;
	struct host host;

	host_init(&host, name);
	for (struct slice at = host.name; at.n > 0; at = parent(at)) {
		const struct config_provider *provider = map_get(map, at);

		if (provider != NULL) {
			return provider;
		}
	}
	return NULL;
}

const struct config_provider *config_provider_by_domain(
	const struct config *config, struct slice domain)
{
	struct host host;

	host_init(&host, domain);
	return map_get(loaded_of(config)->domains, host.name);
}

const struct config_provider *config_provider(const struct config *config, struct slice name)
{
	return map_get(loaded_of(config)->providers, name);
}

/* Patterns are kept as written: "example.com", "*.example.com", "*". */
const struct config_route *config_route(const struct config *config, struct slice domain)
{
	const struct map *map = loaded_of(config)->routes;
	const struct config_route *route;
	struct host host;

	if (map_count(map) == 0) {
		return NULL;
	}
	host_init(&host, domain);
	route = map_get(map, host.name);
	for (struct slice at = host.name; route == NULL && at.n > 0; at = parent(at)) {
		size_t dot = (size_t)(at.p - host.bytes) + slice_find(at, '.');

		if (dot > 0 && dot < host.name.n) {
			/* "a.example.com" becomes "*.example.com" in place: the first label was tried */
			host.bytes[dot - 1] = '*';
			route = map_get(map, slice_from(host.name, dot - 1));
		}
	}
	return route != NULL ? route : map_get(map, SLICE("*"));
}

const struct config_pool *config_pool(const struct config *config, struct slice name)
{
	return map_get(loaded_of(config)->pools, name);
}

const struct config_source *config_source(const struct config *config, struct slice name)
{
	return map_get(loaded_of(config)->sources, name);
}

/* Domains that two providers claim would belong to whichever came last. */
static void index_domains(struct loaded *loaded, struct map *map, const struct config_texts *texts,
	const struct config_provider *provider, struct config_problems *problems)
{
	for (size_t i = 0; i < texts->count; i++) {
		const struct config_provider *other =
			map_put(map, slice_of(texts->items[i]), (void *)provider);

		if (other != NULL && other != provider) {
			loaded_complain(loaded, problems, texts,
				"'%s' is claimed by provider '%s' too: leave it out of one of them",
				texts->items[i], other->name);
		} else if (other != NULL) {
			loaded_complain(loaded, problems, texts,
				"'%s' stands here twice: leave out one", texts->items[i]);
		}
	}
}

static struct map *index_names(void *const *items, size_t count)
{
	struct map *map = map_new();

	for (size_t i = 0; i < count; i++) {
		(void)map_put(map, slice_of(*(const char *const *)items[i]), items[i]);
	}
	return map;
}

void loaded_index(struct loaded *loaded, struct config_problems *problems)
{
	const struct config *config = &loaded->config;

	loaded->sources = index_names((void *const *)config->sources.items, config->sources.count);
	loaded->pools = index_names((void *const *)config->pools.items, config->pools.count);
	loaded->routes = index_names((void *const *)config->routes.items, config->routes.count);
	loaded->providers =
		index_names((void *const *)config->providers.items, config->providers.count);
	loaded->mx = map_new();
	loaded->domains = map_new();
	for (size_t i = 0; i < config->providers.count; i++) {
		const struct config_provider *provider = config->providers.items[i];

		index_domains(loaded, loaded->mx, &provider->mx, provider, problems);
		index_domains(loaded, loaded->domains, &provider->domains, provider, problems);
	}
}

void loaded_index_clear(struct loaded *loaded)
{
	map_free(&loaded->sources);
	map_free(&loaded->pools);
	map_free(&loaded->routes);
	map_free(&loaded->providers);
	map_free(&loaded->mx);
	map_free(&loaded->domains);
}
