/*
 * A load lives as long as it has jobs, and is in the map of its kind for so long.  What a job
 * adds to the narrowest load goes up the chain: a tenant's part of a site, the site, its
 * provider.
 *
 * All loads must have been dropped before the maps go: each job at hand holds its own.
 */
#include "loads.h"

#include "base/mem.h"

struct loads {
	struct map *tenants;
	struct map *sites;
	struct map *parts;     /* by site and tenant */
	struct map *providers; /* by name */
};

struct loads *loads_new(void)
{
	struct loads *loads = MEM_NEW(struct loads);

	loads->tenants = map_new();
	loads->sites = map_new();
	loads->parts = map_new();
	loads->providers = map_new();
	return loads;
}

void loads_free(struct loads **loads)
{
	if (*loads == NULL) {
		return;
	}
	map_free(&(*loads)->tenants);
	map_free(&(*loads)->sites);
	map_free(&(*loads)->parts);
	map_free(&(*loads)->providers);
	mem_free(*loads);
	*loads = NULL;
}

static struct load *load_of(struct map *home, struct slice key)
{
	struct load *load = map_get(home, key);

	if (load == NULL) {
		load = MEM_NEW(struct load);
		load->home = home;
		load->key = slice_make(mem_copy(key.p, key.n), key.n);
		map_put(home, load->key, load);
	}
	return load;
}

struct load *load_tenant(struct loads *loads, const struct id *tenant)
{
	return load_of(loads->tenants, id_slice(tenant));
}

static void part_key(struct buf *out, struct slice site, const struct id *tenant)
{
	buf_init(out, 0);
	buf_add(out, id_slice(tenant));
	buf_add(out, site);
}

/* The site's are its provider's as it was when the first of them came. */
static struct load *load_whole(
	struct loads *loads, struct slice site, const struct provider *provider)
{
	struct load *whole = load_of(loads->sites, site);

	if (whole->jobs == 0 && provider != NULL) {
		whole->whole = load_of(loads->providers, provider_name(provider));
		whole->whole->parts++;
	}
	return whole;
}

struct load *load_outlet(struct loads *loads, const struct outlet *outlet, const struct id *tenant)
{
	struct slice site = lane_site(outlet->lane);
	struct load *part;
	struct buf key;

	part_key(&key, site, tenant);
	part = load_of(loads->parts, buf_slice(&key));
	buf_clear(&key);
	if (part->whole == NULL) {
		part->whole = load_whole(loads, site, lane_provider(outlet->lane));
		part->whole->parts++;
	}
	return part;
}

void load_add(struct load *load, unsigned units)
{
	for (; load != NULL; load = load->whole) {
		load->jobs++;
		load->units += units;
	}
}

static void load_free(struct load *gone)
{
	if (gone->whole != NULL) {
		gone->whole->parts--;
	}
	map_remove(gone->home, gone->key);
	mem_free((void *)gone->key.p);
	mem_free(gone);
}

void load_drop(struct load **load, unsigned units)
{
	struct load *gone = *load;

	if (gone == NULL) {
		return;
	}
	*load = NULL;
	while (gone != NULL) {
		struct load *whole = gone->whole;

		gone->units -= units;
		if (--gone->jobs == 0) {
			load_free(gone);
		}
		gone = whole;
	}
}

const struct load *loads_tenant(const struct loads *loads, const struct id *tenant)
{
	return map_get(loads->tenants, id_slice(tenant));
}

const struct load *loads_site(const struct loads *loads, struct slice site)
{
	return map_get(loads->sites, site);
}

const struct load *loads_provider(const struct loads *loads, const struct provider *provider)
{
	return map_get(loads->providers, provider_name(provider));
}

const struct load *loads_part(const struct loads *loads, struct slice site, const struct id *tenant)
{
	const struct load *part;
	struct buf key;

	part_key(&key, site, tenant);
	part = map_get(loads->parts, buf_slice(&key));
	buf_clear(&key);
	return part;
}
