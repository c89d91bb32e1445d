/*
 * The resolvers that the configuration names, else those of this machine
 * (/etc/resolv.conf) that are on this machine: an answer that can be spoofed decides
 * where mail goes.
 */
#ifndef RESOLVE_SERVERS_H
#define RESOLVE_SERVERS_H

#include <stdbool.h>

#include "base/buf.h"
#include "config/config.h"
#include "io/dns.h"

/* False with a reason and the remedy in why. */
MUST_USE bool servers_open(
	struct loop *loop, const struct config *config, struct dns **ret_dns, struct buf *why);

#endif
