/*
 * Where mail goes out and how politely: sources, pools, routes, providers.  Read-only,
 * and as long-lived as its struct config.
 */
#ifndef CONFIG_ROUTING_H
#define CONFIG_ROUTING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"
#include "config/value.h"

struct config;

/* An ESP or smart host that takes all mail of a source. */
struct config_relay {
	struct config_endpoint host; /* host.host NULL = this source delivers itself */
	const char *username;        /* NULL = no AUTH */
	const char *password_file;   /* with username: config_secret_read() */
	enum config_tls tls;
};

/* A sending identity.  It has an IPv4 or IPv6 address, or a relay. */
struct config_source {
	const char *name;
	struct config_address ipv4;
	struct config_address ipv6;
	const char *ehlo; /* never NULL */
	uint32_t weight;
	uint32_t connections; /* at most, to all sites together */
	struct config_rate rate;
	struct config_relay relay;
};

struct config_sources {
	const struct config_source *const *items;
	size_t count;
};

struct config_member {
	const char *name;
	uint32_t weight; /* never 0: the source's where the pool says nothing */
	const struct config_source *source;
};

struct config_members {
	const struct config_member *const *items;
	size_t count;
};

struct config_pool {
	const char *name;
	struct config_members sources; /* at least one */
};

struct config_pools {
	const struct config_pool *const *items;
	size_t count;
};

/* The host that takes mail for some recipient domains instead of their MX. */
struct config_route {
	const char *name;                   /* the pattern: example.com, *.example.com or * */
	struct config_endpoint host;        /* either this, with a port */
	const char *relay;                  /* or the name of a source with a relay */
	const struct config_source *source; /* the one that `relay` names */
	enum config_tls tls;
};

struct config_routes {
	const struct config_route *const *items;
	size_t count;
};

/* What one source may do at a provider (or at a site that belongs to none). */
struct config_pace {
	uint32_t sources; /* of a pool that a site may see; 0 = all */
	uint32_t connections;
	uint32_t messages_per_connection;
	struct config_rate rate;            /* messages */
	struct config_rate connection_rate; /* new connections */
	enum config_tls tls;
	bool ipv6;
	int64_t suspend_us; /* after a site pushed back, doubling */
	int64_t suspend_max_us;
};

struct config_provider {
	const char *name;
	struct config_texts mx;        /* suffixes of MX host names */
	struct config_texts domains;   /* recipient domains */
	uint32_t connections_per_site; /* pace.connections where the file says nothing */
	uint32_t connections_total;    /* of all sources; 0 = no limit */
	struct config_pace pace;       /* counted over all sites of the provider */
};

struct config_providers {
	const struct config_provider *const *items;
	size_t count;
};

/*
 * Lookups, a few hash probes each; case does not matter.  NULL when there is none.
 * By MX the longest suffix wins; by domain only the very domain matches; for a
 * route the domain itself wins over *.parent, the longest of those over *.
 */
const struct config_provider *config_provider_by_mx(const struct config *config, struct slice name);
const struct config_provider *config_provider_by_domain(
	const struct config *config, struct slice domain);
const struct config_provider *config_provider(const struct config *config, struct slice name);
const struct config_route *config_route(const struct config *config, struct slice domain);
const struct config_pool *config_pool(const struct config *config, struct slice name);
const struct config_source *config_source(const struct config *config, struct slice name);

#endif
