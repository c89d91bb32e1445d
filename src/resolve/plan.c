/*
 * In which order a site's addresses are tried.  Pure.
 *
 * Better preferences first, always.  Hosts of the same preference are shuffled
 * (RFC 5321 section 5.1: the load must spread), the addresses of one host keep the
 * order of the DNS.  Where both families may be used, a host's addresses alternate
 * between them, and of the few that are tried at all at least two belong to each
 * family that has so many: a network without IPv6 behind it costs two tries, not
 * the delivery.
 */
#include <stdbool.h>

#include "site_private.h"

enum { ADDRESSES_MAX = MX_HOSTS_MAX * MX_ADDRESSES_MAX, FAMILY_LEAST = 2 };

struct candidate {
	size_t host;
	size_t address;
};

struct candidates {
	struct candidate items[ADDRESSES_MAX];
	size_t count;
	size_t v6;
};

/* splitmix64: a short sequence of good numbers from one number. */
static uint64_t next_random(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static bool is_v6(const struct site *site, size_t address)
{
	return site->addresses[address].any.sa_family == AF_INET6;
}

struct family {
	size_t addresses[MX_ADDRESSES_MAX];
	size_t count;
};

static void split(const struct site *site, const struct site_host *host, const bool wanted[2],
	struct family ret_families[2])
{
	ret_families[0].count = 0;
	ret_families[1].count = 0;
	for (size_t at = host->first; at < host->first + host->count; at++) {
		struct family *family = &ret_families[is_v6(site, at)];

		if (wanted[is_v6(site, at)]) {
			family->addresses[family->count++] = at;
		}
	}
}

/* The families in turns; v6_first says which begins. */
static void add_host(const struct site *site, size_t index, const bool wanted[2], bool v6_first,
	struct candidates *to)
{
	struct family families[2];

	split(site, &site->hosts[index], wanted, families);
	to->v6 += families[1].count;
	for (size_t turn = 0; turn < 2 * (size_t)MX_ADDRESSES_MAX; turn++) {
		const struct family *family = &families[(turn & 1) ^ v6_first];

		if (turn / 2 < family->count) {
			to->items[to->count++] =
				(struct candidate){index, family->addresses[turn / 2]};
		}
	}
}

static void shuffle(size_t *order, size_t n, uint64_t *random)
{
	for (size_t i = n; i > 1; i--) {
		size_t other = (size_t)(next_random(random) % i);
		size_t kept = order[i - 1];

		order[i - 1] = order[other];
		order[other] = kept;
	}
}

static void make_order(const struct site *site, uint64_t *random, size_t order[MX_HOSTS_MAX])
{
	for (size_t from = 0, to; from < site->host_count; from = to) {
		to = from;
		while (to < site->host_count &&
			site->hosts[to].preference == site->hosts[from].preference) {
			order[to] = to;
			to++;
		}
		shuffle(order + from, to - from, random);
	}
}

/* How many of one family: the rest of the places, but two are left to the other. */
static size_t quota(size_t mine, size_t others)
{
	size_t theirs = others < FAMILY_LEAST ? others : FAMILY_LEAST;
	size_t places = SITE_CHOICES - theirs;

	return mine < places ? mine : places;
}

/* The first candidates in their order, but not too many of one family. */
static size_t choose(const struct site *site, const struct candidates *from,
	struct site_choice ret_choices[SITE_CHOICES])
{
	size_t left[2] = {
		quota(from->count - from->v6, from->v6), quota(from->v6, from->count - from->v6)};
	size_t n = 0;

	for (size_t i = 0; i < from->count && n < SITE_CHOICES; i++) {
		bool v6 = is_v6(site, from->items[i].address);

		if (left[v6] > 0) {
			left[v6]--;
			ret_choices[n++] =
				(struct site_choice){site->hosts[from->items[i].host].name,
					site->addresses[from->items[i].address]};
		}
	}
	return n;
}

size_t site_plan(const struct site *site, bool ipv4, bool ipv6, uint64_t random,
	struct site_choice ret_choices[SITE_CHOICES])
{
	const bool wanted[2] = {ipv4, ipv6};
	size_t order[MX_HOSTS_MAX] = {0};
	struct candidates candidates;

	candidates.count = 0;
	candidates.v6 = 0;
	make_order(site, &random, order);
	bool v6_first = (next_random(&random) & 1) != 0;

	for (size_t i = 0; i < site->host_count; i++) {
		add_host(site, order[i], wanted, v6_first, &candidates);
	}
	return choose(site, &candidates, ret_choices);
}

bool site_reachable(const struct site *site, bool ipv4, bool ipv6)
{
	for (size_t at = 0; at < site->address_count; at++) {
		if (is_v6(site, at) ? ipv6 : ipv4) {
			return true;
		}
	}
	return false;
}
