/*
 * The rows of what routing.h describes: sources, pools, routes, providers.
 *
 * Order of a row: name, type, offset, default, least, greatest, unit, sentence.  The
 * sentence is what --dump-schema prints; the manual says more, and tools/check
 * compares the two by name.
 */
#include "base/err.h"
#include "config/config.h"
#include "schema_rows.h"

static const char *const tls_words[] = {"none", "opportunistic", "required", "verified", NULL};

#define AT(member) offsetof(struct config_relay, member)
static const struct config_key relay_keys[] = {
	{"host", CONFIG_HOST_PORT, AT(host), NULL, NULL, NULL, NULL,
		.doc = "The relay that takes all mail of this source; its port is 587 unless given."},
	{"username", CONFIG_STRING, AT(username), NULL, NULL, NULL, NULL,
		.doc = "The name to log in with, over TLS only."},
	{"password_file", CONFIG_PATH, AT(password_file), NULL, NULL, NULL, NULL,
		.doc = "The file with the password to log in with."},
	{"tls", CONFIG_ENUM, AT(tls), "verified", NULL, NULL, NULL,
		.doc = "How the connection to the relay is protected.", .words = tls_words},
};
#undef AT
static const struct config_schema relay = SCHEMA_OF(relay_keys, struct config_relay);

#define AT(member) offsetof(struct config_source, member)
static const struct config_key source_keys[] = {
	{"ipv4", CONFIG_IPV4, AT(ipv4), NULL, NULL, NULL, NULL,
		.doc = "The local IPv4 address that this source sends from."},
	{"ipv6", CONFIG_IPV6, AT(ipv6), NULL, NULL, NULL, NULL,
		.doc = "The local IPv6 address that this source sends from."},
	{"ehlo", CONFIG_HOST, AT(ehlo), NULL, NULL, NULL, NULL,
		.doc = "The name it says in EHLO, which its address should resolve to; hostname if unset."},
	{"weight", CONFIG_COUNT, AT(weight), "1", "1", "1000", NULL,
		.doc = "Its share of the mail of a pool, against the other sources' weights."},
	{"connections", CONFIG_COUNT, AT(connections), "500", "1", "100000", "connections",
		.doc = "How many connections it may have open to all sites together; at most three "
		       "quarters of them to sites that have not answered yet."},
	{"rate", CONFIG_RATE, AT(rate), "none", NULL, NULL, "messages",
		.doc = "How many messages it may send to all sites together."},
	{"relay", CONFIG_SECTION, AT(relay), NULL, NULL, NULL, NULL,
		.doc = "Send through an ESP or a smart host instead of to the recipients' mail hosts.",
		.schema = &relay},
};
#undef AT
const struct config_schema config_schema_sources = SCHEMA_OF(source_keys, struct config_source);

#define AT(member) offsetof(struct config_member, member)
static const struct config_key member_keys[] = {
	{"weight", CONFIG_COUNT, AT(weight), NULL, "1", "1000", NULL,
		.doc = "Its share of this pool's mail; the source's own weight if unset."},
};
#undef AT
static const struct config_schema members = SCHEMA_OF(member_keys, struct config_member);

static const struct config_key pool_keys[] = {
	{"sources", CONFIG_TABLE, offsetof(struct config_pool, sources), NULL, NULL, NULL, NULL,
		.doc = "The sources that share its mail: a list of names, or a weight for each name.",
		.schema = &members, .flags = CONFIG_LOCAL | CONFIG_REQUIRED | CONFIG_SHORTHAND},
};
const struct config_schema config_schema_pools = SCHEMA_OF(pool_keys, struct config_pool);

#define AT(member) offsetof(struct config_route, member)
static const struct config_key route_keys[] = {
	{"host", CONFIG_HOST_PORT, AT(host), NULL, NULL, NULL, NULL,
		.doc = "The host that takes the mail of these domains, in place of their MX hosts."},
	{"relay", CONFIG_NAME, AT(relay), NULL, NULL, NULL, NULL,
		.doc = "A source with a relay that takes the mail of these domains, whatever its pool."},
	{"tls", CONFIG_ENUM, AT(tls), "opportunistic", NULL, NULL, NULL,
		.doc = "How the connection to that host is protected.", .words = tls_words},
};
#undef AT
const struct config_schema config_schema_routes = SCHEMA_OF(route_keys, struct config_route);

/* The pace of a provider and of any other site: the same keys, other defaults. */
#define PACE_ROWS(of, sources_default, connections_default, messages_default) \
	{"sources", CONFIG_COUNT, of(sources), sources_default, "0", "1000", "sources", \
		.doc = "How many sources of a pool one site gets to see; 0 is all."}, \
		{"connections", CONFIG_COUNT, of(connections), connections_default, "1", "1000", \
			"connections", \
			.doc = "How many connections one source may have open there."}, \
		{"messages_per_connection", CONFIG_COUNT, of(messages_per_connection), \
			messages_default, "1", "100000", "messages", \
			.doc = "After how many messages a connection is closed."}, \
		{"rate", CONFIG_RATE, of(rate), "none", NULL, NULL, "messages", \
			.doc = "How many messages one source may send there."}, \
		{"connection_rate", CONFIG_RATE, of(connection_rate), "none", NULL, NULL, \
			"connections", .doc = "How many connections one source may open there."}, \
		{"tls", CONFIG_ENUM, of(tls), "opportunistic", NULL, NULL, NULL, \
			.doc = "How connections are protected there.", .words = tls_words}, \
		{"ipv6", CONFIG_BOOL, of(ipv6), "false", NULL, NULL, NULL, \
			.doc = "Whether IPv6 is used there, by sources that have an IPv6 address."}, \
		{"suspend", CONFIG_DURATION, of(suspend_us), "10m", "1s", "1d", NULL, \
			.doc = "How long a source stays away after the site pushed back; it doubles each time."}, \
	{ \
		"suspend_max", CONFIG_DURATION, of(suspend_max_us), "2h", "1s", "7d", NULL, \
			.doc = "The longest it stays away." \
	}

#define AT_PROVIDER(member) offsetof(struct config_provider, pace.member)
static const struct config_key provider_keys[] = {
	{"mx", CONFIG_HOST, offsetof(struct config_provider, mx), NULL, NULL, NULL, NULL,
		.doc = "Domains whose hosts are this provider's, by the recipient domain's best MX.",
		.flags = CONFIG_LIST},
	{"domains", CONFIG_HOST, offsetof(struct config_provider, domains), NULL, NULL, NULL, NULL,
		.doc = "Recipient domains that are this provider's, whatever their MX.",
		.flags = CONFIG_LIST},
	{"connections_per_site", CONFIG_COUNT,
		offsetof(struct config_provider, connections_per_site), NULL, "1", "1000",
		"connections",
		.doc = "How many of its connections one source may have open to one of its sites."},
	{"connections_total", CONFIG_COUNT, offsetof(struct config_provider, connections_total),
		"0", "0", "100000", "connections",
		.doc = "How many connections all sources of a worker together may have open there; "
		       "0 is no limit."},
	PACE_ROWS(AT_PROVIDER, "0", "5", "50"),
};
const struct config_schema config_schema_providers =
	SCHEMA_OF(provider_keys, struct config_provider);

#define AT_SITE(member) offsetof(struct config_pace, member)
static const struct config_key site_keys[] = {
	PACE_ROWS(AT_SITE, "2", "2", "20"),
};
const struct config_schema config_schema_default_site = SCHEMA_OF(site_keys, struct config_pace);
