/*
 * What values imply where they were left out: names from the machine's, ports from
 * their kind, weights from the source; and pointers from names.
 *
 * Here is the one place that writes to a config after the schema has filled it.  A
 * name that names nothing leaves a NULL pointer, which check.c complains about.
 */
#include <unistd.h>

#include "loaded.h"

enum { HOST_NAME = 256, SUBMISSION_PORT = 587 };

static const char *machine_name(struct arena *arena)
{
	char name[HOST_NAME] = {0};

	if (gethostname(name, sizeof(name) - 1) < 0 || name[0] == '\0') {
		return "localhost";
	}
	return arena_string(arena, slice_of(name));
}

static void derive_port(struct config_endpoint *endpoint, uint16_t port)
{
	if (endpoint->host != NULL && endpoint->port == 0) {
		endpoint->port = port;
	}
}

static void derive_source(const struct config *config, struct config_source *source)
{
	if (source->ehlo == NULL) {
		source->ehlo = config->hostname;
	}
	derive_port(&source->relay.host, SUBMISSION_PORT);
}

static void derive_member(const struct config *config, struct config_member *member)
{
	member->source = config_source(config, slice_of(member->name));
	if (member->weight == 0 && member->source != NULL) {
		member->weight = member->source->weight;
	}
}

static void derive_route(const struct config *config, struct config_route *route)
{
	derive_port(&route->host, config->delivery.port);
	if (route->relay != NULL) {
		route->source = config_source(config, slice_of(route->relay));
	}
}

static void derive_provider(struct config_provider *provider)
{
	if (provider->connections_per_site == 0) {
		provider->connections_per_site = provider->pace.connections;
	}
}

/* 0 where it is no key id: check.c says so. */
static void derive_key(struct config_token_key *key)
{
	uint64_t id = 0;

	(void)slice_number(slice_of(key->name), UINT8_MAX, &id);
	key->id = (uint8_t)id;
}

void loaded_derive(struct loaded *loaded)
{
	struct config *config = &loaded->config;

	if (config->hostname == NULL) {
		config->hostname = machine_name(loaded->arena);
	}
	if (config->node == NULL) {
		config->node = machine_name(loaded->arena);
	}
	derive_port(&config->delivery.redirect, config->delivery.port);
	for (size_t i = 0; i < config->sources.count; i++) {
		derive_source(config, (struct config_source *)config->sources.items[i]);
	}
	for (size_t i = 0; i < config->pools.count; i++) {
		const struct config_members *members = &config->pools.items[i]->sources;

		for (size_t j = 0; j < members->count; j++) {
			derive_member(config, (struct config_member *)members->items[j]);
		}
	}
	for (size_t i = 0; i < config->routes.count; i++) {
		derive_route(config, (struct config_route *)config->routes.items[i]);
	}
	for (size_t i = 0; i < config->providers.count; i++) {
		derive_provider((struct config_provider *)config->providers.items[i]);
	}
	for (size_t i = 0; i < config->tokens.keys.count; i++) {
		derive_key((struct config_token_key *)config->tokens.keys.items[i]);
	}
	if (config->tokens.sign_with == NULL && config->tokens.keys.count > 0) {
		config->tokens.sign_with =
			config->tokens.keys.items[config->tokens.keys.count - 1]->name;
	}
}

int64_t config_timeout_us(const struct config_timeouts *timeouts, int64_t timeout_us)
{
	int64_t scaled = (int64_t)((double)timeout_us * timeouts->scale);

	return scaled == 0 && timeout_us > 0 ? 1 : scaled;
}
