/*
 * IPv6 is used where the pace of the site says so, and by a source that has nothing else.
 * A source that has no address in common with a site is passed over when one is chosen:
 * half a pool with IPv6 alone would else end, for good, half of the mail to hosts that
 * have IPv4 alone.
 */
#include "reach.h"

#include "base/id.h"

struct families reach_families(const struct config_source *source, const struct config_pace *pace)
{
	bool ipv4 = source->ipv4.version != 0;
	bool ipv6 = source->ipv6.version != 0;

	if (!ipv4 && !ipv6) {
		return (struct families){true, true};
	}
	return (struct families){ipv4, ipv6 && (pace->ipv6 || !ipv4)};
}

bool reach_has(const struct reach *reach, const struct config_source *source)
{
	struct families families = reach_families(source, reach->pace);

	return source->relay.host.host != NULL ||
		site_reachable(reach->site, families.ipv4, families.ipv6);
}

size_t reach_hosts(const struct reach *reach, const struct config_source *source,
	struct site_choice ret_choices[SITE_CHOICES])
{
	struct families families = reach_families(source, reach->pace);
	uint64_t random;

	id_random_bytes(&random, sizeof(random));
	return site_plan(reach->site, families.ipv4, families.ipv6, random, ret_choices);
}

/* One that a reload took away has no owner: whoever chose it finds that out. */
static bool may(const void *context, const struct source *source)
{
	const struct config_source *config = source_owner(source);

	return config == NULL || reach_has(context, config);
}

struct pool_filter reach_filter(const struct reach *reach)
{
	return (struct pool_filter){may, reach};
}
