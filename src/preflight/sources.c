/*
 * Which addresses of a source mail really comes from.  With a relay it is the relay that
 * meets the receivers; IPv6 is off by default, on per provider (routing.h), and what is
 * never used need not have names.
 *
 * Endpoints are read from the configuration's own text form: one reader of addresses.
 */
#include "checks.h"
#include "config/config.h"

static bool uses_ipv6(const struct config *config, const struct config_source *source)
{
	bool any = config->default_site.ipv6 || source->ipv4.version == 0;

	for (size_t i = 0; i < config->providers.count; i++) {
		any |= config->providers.items[i]->pace.ipv6;
	}
	return any;
}

static size_t add(const struct config_source *source, const struct config_address *address,
	struct preflight_source *ret_source)
{
	struct buf text;
	bool fine;

	buf_init(&text, 0);
	config_address_add(&text, address);
	fine = address->version != 0 && endpoint_parse(buf_slice(&text), 0, &ret_source->address);
	buf_clear(&text);
	ret_source->name = slice_of(source->name);
	ret_source->ehlo = slice_of(source->ehlo);
	return fine ? 1 : 0;
}

size_t preflight_sources(const struct config *config, const struct config_source *source,
	struct preflight_source ret_sources[2])
{
	size_t count;

	if (source->relay.host.host != NULL) {
		return 0;
	}
	count = add(source, &source->ipv4, &ret_sources[0]);
	if (uses_ipv6(config, source)) {
		count += add(source, &source->ipv6, &ret_sources[count]);
	}
	return count;
}
