/*
 * Resolvers, by the configuration or by /etc/resolv.conf: c-ares itself reads no file.
 *
 * With dns.allow_remote the system's remote resolvers serve too; without it they are
 * passed over, and a machine that has no resolver of its own gets an error that says so.
 */
#include "resolve/servers.h"

#include <stdio.h>

#define SERVERS_MAX 8

static size_t configured_servers(const struct config *config, union endpoint *servers)
{
	size_t n = 0;

	for (size_t i = 0; i < config->dns.servers.count && n < SERVERS_MAX; i++) {
		const struct config_address *from = &config->dns.servers.items[i];
		struct buf text;

		buf_init(&text, 64);
		config_address_add(&text, from);
		n += endpoint_parse(
			buf_slice(&text), from->port != 0 ? from->port : 53, &servers[n]);
		buf_clear(&text);
	}
	return n;
}

static size_t system_servers(bool allow_remote, union endpoint *servers)
{
	FILE *file = fopen("/etc/resolv.conf", "re");
	char line[512];
	size_t n = 0;

	while (file != NULL && n < SERVERS_MAX && fgets(line, sizeof(line), file) != NULL) {
		struct slice text = slice_trim(slice_of(line));
		struct config_address address;

		if (!slice_starts(text, SLICE("nameserver"))) {
			continue;
		}
		text = slice_trim(slice_from(text, 10));
		if (config_address_parse(text, &address) &&
			(allow_remote || config_address_is_loopback(&address))) {
			n += endpoint_parse(text, 53, &servers[n]);
		}
	}
	if (file != NULL) {
		fclose(file);
	}
	return n;
}

bool servers_open(
	struct loop *loop, const struct config *config, struct dns **ret_dns, struct buf *why)
{
	union endpoint servers[SERVERS_MAX];
	struct dns_settings settings = {
		.servers = servers,
		.timeout_us = config->dns.timeout_us,
		.tries = config->dns.attempts,
	};
	struct err err;

	settings.server_count = config->dns.servers.count > 0
		? configured_servers(config, servers)
		: system_servers(config->dns.allow_remote, servers);
	if (settings.server_count == 0) {
		buf_add_text(why,
			"dns.servers: no resolver on this machine: run a validating one "
			"(unbound) on 127.0.0.1, or name others with dns.allow_remote: true");
		return false;
	}
	err = dns_open(loop, &settings, ret_dns);
	if (err_is(err)) {
		buf_add_format(why, "dns: %s", err_text(err));
		return false;
	}
	return true;
}
