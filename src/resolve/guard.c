/*
 * The address guard.  An MX record is written by a stranger and may point anywhere:
 * at our own database, at a cloud's metadata service, at a neighbour in the rack.
 * Only addresses of the public internet are let through; what IPv6 wraps around an
 * IPv4 address (mapped, NAT64, 6to4, Teredo) is refused whole, because a wrapped
 * private address would come out on the other side, and no mail host needs it.
 *
 * Sites hold only addresses that passed, and only those are ever connected to.
 */
#include "guard.h"

#include <string.h>

struct range {
	unsigned char bytes[16];
	unsigned prefix;
};

/* RFC 6890 and its successors, conformance N5. */
static const struct range forbidden_v4[] = {
	{{0}, 8},          /* this network */
	{{10}, 8},         /* private */
	{{100, 64}, 10},   /* shared by a provider's customers */
	{{127}, 8},        /* loopback */
	{{169, 254}, 16},  /* link local, cloud metadata */
	{{172, 16}, 12},   /* private */
	{{192, 0, 0}, 24}, /* protocol assignments */
	{{192, 168}, 16},  /* private */
	{{198, 18}, 15},   /* benchmarks */
	{{224}, 4},        /* multicast */
	{{240}, 4},        /* reserved, broadcast */
};

static const struct range forbidden_v6[] = {
	{{0}, 96},                                        /* ::, ::1, IPv4-compatible */
	{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, 96}, /* IPv4-mapped */
	{{0, 0x64, 0xff, 0x9b}, 96},                      /* NAT64 */
	{{0, 0x64, 0xff, 0x9b, 0, 1}, 48},                /* local NAT64 */
	{{0x01}, 64},                                     /* discard */
	{{0x20, 0x01}, 32},                               /* Teredo */
	{{0x20, 0x02}, 16},                               /* 6to4 */
	{{0xfc}, 7},                                      /* private */
	{{0xfe, 0x80}, 10},                               /* link local */
	{{0xfe, 0xc0}, 10},                               /* site local */
	{{0xff}, 8},                                      /* multicast */
};

static const unsigned char *bytes_of(const union endpoint *endpoint)
{
	return endpoint->any.sa_family == AF_INET6 ? endpoint->v6.sin6_addr.s6_addr
						   : (const unsigned char *)&endpoint->v4.sin_addr;
}

static bool starts_equal(const unsigned char *a, const unsigned char *b, unsigned bits)
{
	unsigned whole = bits / 8;
	unsigned rest = bits % 8;

	if (memcmp(a, b, whole) != 0) {
		return false;
	}
	return rest == 0 || (a[whole] ^ b[whole]) >> (8 - rest) == 0;
}

bool network_has(const struct network *network, const union endpoint *endpoint)
{
	unsigned bits = endpoint->any.sa_family == AF_INET6 ? 128 : 32;

	return network->address.any.sa_family == endpoint->any.sa_family &&
		network->prefix <= bits &&
		starts_equal(bytes_of(&network->address), bytes_of(endpoint), network->prefix);
}

static bool is_forbidden(const struct range *ranges, size_t count, const union endpoint *endpoint)
{
	for (size_t i = 0; i < count; i++) {
		if (starts_equal(ranges[i].bytes, bytes_of(endpoint), ranges[i].prefix)) {
			return true;
		}
	}
	return false;
}

bool guard_allows(const struct resolver_settings *settings, const union endpoint *endpoint)
{
	for (size_t i = 0; i < settings->allow_count; i++) {
		if (network_has(&settings->allow[i], endpoint)) {
			return true;
		}
	}
	if (endpoint->any.sa_family == AF_INET6) {
		return !is_forbidden(forbidden_v6, ARRAY_LEN(forbidden_v6), endpoint);
	}
	return !is_forbidden(forbidden_v4, ARRAY_LEN(forbidden_v4), endpoint);
}

bool guard_is_own(const struct resolver_settings *settings, const union endpoint *endpoint)
{
	for (size_t i = 0; i < settings->own_address_count; i++) {
		if (endpoint_equal(&settings->own_addresses[i], endpoint)) {
			return true;
		}
	}
	return false;
}
