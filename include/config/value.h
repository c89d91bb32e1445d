/*
 * What a value of the configuration becomes.  Durations are int64_t microseconds,
 * sizes uint64_t bytes, counts uint32_t, shares and factors double, texts NUL-ended
 * strings (NULL where nothing is set), enumerations their own enum.
 */
#ifndef CONFIG_VALUE_H
#define CONFIG_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"

/* `count` permits in `period_us`, at most `burst` at once, as rate_init() takes them.  count 0 = no limit. */
struct config_rate {
	int64_t count;
	int64_t period_us;
	int64_t burst;
};

/* "100/m", "20/30min burst 5", "none"; false when it is no rate, and then nothing is set. */
bool config_rate_parse(struct slice text, struct config_rate *ret_rate);

/* An address in network order, with the port or the prefix length where its key has one. */
struct config_address {
	uint8_t version; /* 4 or 6; 0 = not set */
	uint8_t prefix;
	uint16_t port; /* host order */
	uint8_t bytes[16];
};

/* host == NULL: not set; port 0: none was given. */
struct config_endpoint {
	const char *host; /* lower case, or a numeric address */
	uint16_t port;
};

struct config_texts {
	const char **items;
	size_t count;
};

struct config_addresses {
	const struct config_address *items;
	size_t count;
};

/* How a connection is to be protected.  The order is that of strength. */
enum config_tls {
	CONFIG_TLS_NONE,
	CONFIG_TLS_OPPORTUNISTIC, /* TLS where it is offered and works, else in the clear */
	CONFIG_TLS_REQUIRED,      /* TLS with any certificate, never in the clear */
	CONFIG_TLS_VERIFIED,      /* TLS with a certificate that proves the host's name */
};

/* Numeric, without port and prefix. */
bool config_address_parse(struct slice text, struct config_address *ret_address);
void config_address_add(struct buf *out, const struct config_address *address);

/* Is it 127.0.0.0/8 or ::1? */
bool config_address_is_loopback(const struct config_address *address);

/* Is the address in the network (address and prefix)? */
bool config_address_in(const struct config_address *address, const struct config_address *network);

#endif
