/*
 * The address book: addresses of mail hosts, kept for as long as the DNS allows.
 * Most domains are on few hosts, so this is what saves questions.
 */
#ifndef SRC_RESOLVE_HOSTS_H
#define SRC_RESOLVE_HOSTS_H

#include "resolve/resolver.h"

struct hosts;

/* Lives for the call. */
struct host_addresses {
	const union endpoint *addresses; /* IPv4 and IPv6, each in the order of the DNS */
	size_t count;
	enum dns_status status; /* DNS_FOUND when there is at least one */
	bool temporary;         /* at least one of the two questions got no answer */
	int64_t expires_us;     /* monotonic */
};

/* The settings are borrowed; hosts_change() says that they have changed. */
struct hosts *hosts_new(
	struct loop *loop, struct dns *dns, const struct resolver_settings *settings);

void hosts_change(struct hosts *hosts);

/* Nobody may wait for an answer. */
void hosts_free(struct hosts **hosts);

/* Exactly one on_host, never from within this call. */
void hosts_find(struct hosts *hosts, struct slice name,
	void (*on_host)(void *owner, const struct host_addresses *found), void *owner);

#endif
