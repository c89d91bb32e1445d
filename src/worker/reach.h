/*
 * Which hosts a source can connect to: those with an address of a family that it has.
 */
#ifndef WORKER_REACH_H
#define WORKER_REACH_H

#include "config/config.h"
#include "resolve/site.h"
#include "shape/shape.h"

struct families {
	bool ipv4;
	bool ipv6;
};

/* What the source uses at sites of this pace; one without an address uses what the kernel has. */
struct families reach_families(const struct config_source *source, const struct config_pace *pace);

/* Where a job may go to: what a pool's filter asks about. */
struct reach {
	const struct site *site;
	const struct config_pace *pace;
};

/* Its relay takes mail for any site. */
bool reach_has(const struct reach *reach, const struct config_source *source);

/* The addresses to try from this source, in order; 0 when they have no family in common. */
size_t reach_hosts(const struct reach *reach, const struct config_source *source,
	struct site_choice ret_choices[SITE_CHOICES]);

/* For pool_choose(); the sources' owners are the configuration's. */
struct pool_filter reach_filter(const struct reach *reach);

#endif
