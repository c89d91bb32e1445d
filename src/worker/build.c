/*
 * Configuration into objects.  Everything here can be done again at a reload:
 * objects are found by name, so what a source has sent and which connections it
 * holds stays counted.
 */
#include "build.h"

#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/time.h"
#include "sources.h"

#define LOOKUP_US (30 * TIME_SECOND_US)
#define STALE_US (24 * 3600 * TIME_SECOND_US)
#define OWN_MAX 4096

static struct shape_limits limits_of(const struct config_pace *pace, bool provider)
{
	return (struct shape_limits){
		.connections = provider ? pace->connections : 0,
		.connections_per_site = provider ? 0 : pace->connections,
		.messages_per_connection = pace->messages_per_connection,
		.messages = pace->rate.count,
		.messages_period_us = pace->rate.period_us,
		.messages_burst = pace->rate.burst,
		.connects = pace->connection_rate.count,
		.connects_period_us = pace->connection_rate.period_us,
		.sources_per_site = pace->sources,
	};
}

static void build_source(struct shape *shape, const struct config_source *config)
{
	struct source *source = shape_source(shape, slice_of(config->name), (void *)config);

	source_limit(source,
		&(struct shape_limits){
			.connections = config->connections,
			.messages = config->rate.count,
			.messages_period_us = config->rate.period_us,
			.messages_burst = config->rate.burst,
		});
}

/* What is for all workers of the node is shared out; each has one at least. */
static unsigned part_of(unsigned total, unsigned workers)
{
	return total > 0 && total < workers ? 1 : total / workers;
}

void build_shape(struct worker *worker, const struct config *config)
{
	unsigned workers = sources_workers(worker->sources);
	struct shape *shape = worker->shape;
	struct shape_limits others = limits_of(&config->default_site, false);

	shape_limit_others(shape, &others);
	shape_forget_owners(shape);
	for (size_t i = 0; i < config->sources.count; i++) {
		build_source(shape, config->sources.items[i]);
	}
	for (size_t i = 0; i < config->providers.count; i++) {
		const struct config_provider *provider = config->providers.items[i];
		struct shape_limits limits = limits_of(&provider->pace, true);

		limits.connections_per_site = provider->connections_per_site;
		limits.connections_total = part_of(provider->connections_total, workers);
		provider_limit(shape_provider(shape, slice_of(provider->name)), &limits);
	}
	shape_clear_pools(shape);
	for (size_t i = 0; i < config->pools.count; i++) {
		const struct config_pool *from = config->pools.items[i];
		struct pool *pool = shape_pool(shape, slice_of(from->name));

		for (size_t m = 0; m < from->sources.count; m++) {
			const struct config_member *member = from->sources.items[m];

			pool_add(pool, shape_find_source(shape, slice_of(member->source->name)),
				member->weight);
		}
	}
}

static bool add_token(struct token_ring *ring, const struct config_token_key *key, struct buf *why)
{
	uint64_t id;
	struct buf secret;
	bool fine = slice_number(slice_of(key->name), 255, &id) && id > 0;

	buf_init(&secret, 4096);
	if (!fine) {
		buf_add_format(
			why, "tokens.keys.%s: a key's id is a number from 1 to 255", key->name);
	} else {
		struct err err = config_secret_read(key->file, &secret);

		if (!err_is(err)) {
			err = token_ring_add(ring, (uint8_t)id, buf_slice(&secret));
		}
		if (err_is(err)) {
			buf_add_format(why,
				"tokens.keys.%s: %s: %s; it needs at least 16 random bytes: "
				"openssl rand -hex 32 > FILE",
				key->name, key->file,
				err.kind == ERR_SYSTEM ? err_text(err) : "the secret is too short");
			fine = false;
		}
	}
	if (secret.p != NULL) {
		explicit_bzero(secret.p, secret.n);
	}
	buf_clear(&secret);
	return fine;
}

bool build_tokens(const struct config *config, struct token_ring **ret_ring, struct buf *why)
{
	const struct config_tokens *tokens = &config->tokens;
	struct token_ring *ring = token_ring_new();
	const struct config_token_key *newest = NULL;
	bool fine = tokens->keys.count > 0;

	if (!fine) {
		buf_add_text(why,
			"tokens.keys: at least one key is needed, for return paths and "
			"unsubscribe links: openssl rand -hex 32 > FILE");
	}
	/* The one to sign with goes in last: the ring's newest. */
	for (size_t i = 0; i < tokens->keys.count && fine; i++) {
		if (strcmp(tokens->keys.items[i]->name, tokens->sign_with) == 0) {
			newest = tokens->keys.items[i];
		} else {
			fine = add_token(ring, tokens->keys.items[i], why);
		}
	}
	fine = fine && newest != NULL && add_token(ring, newest, why);
	if (fine) {
		*ret_ring = ring;
	} else {
		token_ring_free(&ring);
	}
	return fine;
}

static union endpoint endpoint_from(const struct config_address *address)
{
	union endpoint endpoint = {.any.sa_family = AF_UNSPEC};

	if (address->version == 4) {
		endpoint.v4.sin_family = AF_INET;
		memcpy(&endpoint.v4.sin_addr, address->bytes, 4);
	} else if (address->version == 6) {
		endpoint.v6.sin6_family = AF_INET6;
		memcpy(&endpoint.v6.sin6_addr, address->bytes, 16);
	}
	return endpoint;
}

static void own_addresses(const struct config *config, struct resolver_settings *settings,
	union endpoint *addresses, struct slice *names)
{
	for (size_t i = 0; i < config->sources.count; i++) {
		const struct config_source *source = config->sources.items[i];

		if (source->ipv4.version != 0) {
			addresses[settings->own_address_count++] = endpoint_from(&source->ipv4);
		}
		if (source->ipv6.version != 0) {
			addresses[settings->own_address_count++] = endpoint_from(&source->ipv6);
		}
		names[settings->own_name_count++] = slice_of(source->ehlo);
	}
}

void build_resolver(struct worker *worker, const struct config *config)
{
	size_t sources = config->sources.count;
	union endpoint *addresses = mem_array(2 * sources + 1, sizeof(*addresses));
	struct slice *names = mem_array(sources + 1, sizeof(*names));
	struct network *allow = mem_array(config->guard_allow.count + 1, sizeof(*allow));
	struct resolver_settings settings = {
		.min_ttl_us = config->dns.min_ttl_us,
		.max_ttl_us = config->dns.max_ttl_us,
		.negative_max_ttl_us = config->dns.negative_max_ttl_us,
		.deadline_us = LOOKUP_US,
		.stale_us = STALE_US,
		.cache_max = config->dns.cache,
		.port = config->delivery.port,
		.allow = allow,
		.own_addresses = addresses,
		.own_names = names,
	};

	for (size_t i = 0; i < config->guard_allow.count; i++) {
		const struct config_address *from = &config->guard_allow.items[i];

		allow[settings.allow_count++] = (struct network){endpoint_from(from), from->prefix};
	}
	own_addresses(config, &settings, addresses, names);
	if (worker->resolver == NULL) {
		worker->resolver = resolver_new(worker->loop, worker->dns, &settings);
	} else {
		resolver_change(worker->resolver, &settings);
	}
	mem_free(allow);
	mem_free(names);
	mem_free(addresses);
}
