/*
 * How much of the worker's credit the jobs at hand of a tenant, a site or a provider take up,
 * in units: one a job, and more for a job that is larger than its part of limits.memory.
 */
#ifndef WORKER_LOADS_H
#define WORKER_LOADS_H

#include "parts.h"

struct loads;

/*
 * The jobs of a tenant, of a provider, of a site, or of a tenant at a site: that one is a part
 * of the site's, which is a part of its provider's.
 */
struct load {
	struct map *home;
	struct slice key;
	struct load *whole;
	unsigned jobs;
	unsigned units;
	unsigned parts;
};

struct loads *loads_new(void);
void loads_free(struct loads **loads); /* accepts NULL */

/* To add a job to, and to drop it from again. */
struct load *load_tenant(struct loads *loads, const struct id *tenant);
struct load *load_outlet(struct loads *loads, const struct outlet *outlet, const struct id *tenant);
void load_add(struct load *load, unsigned units);
void load_drop(struct load **load, unsigned units); /* accepts NULL; sets NULL */

/* NULL: no job of it is at hand. */
const struct load *loads_tenant(const struct loads *loads, const struct id *tenant);
const struct load *loads_site(const struct loads *loads, struct slice site);
const struct load *loads_provider(const struct loads *loads, const struct provider *provider);
const struct load *loads_part(
	const struct loads *loads, struct slice site, const struct id *tenant);

#endif
