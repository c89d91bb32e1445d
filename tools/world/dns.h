/*
 * The name server of the world on one address, UDP and TCP.
 */
#ifndef WORLD_DNS_H
#define WORLD_DNS_H

#include <stdint.h>

#include "base/err.h"
#include "ledger.h"
#include "loop.h"
#include "names.h"

struct dns;

/*
 * Port 0 takes a free one.  Borrows all three for its life; names' delays are kept by
 * the loop's alarms.
 */
MUST_USE struct err dns_open(struct loop *loop, struct names *names, struct ledger *ledger,
	const char *address, uint16_t port, struct dns **ret_dns);
void dns_close(struct dns **dns);

uint16_t dns_port(const struct dns *dns);
uint64_t dns_questions(const struct dns *dns);

#endif
