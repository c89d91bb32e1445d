/*
 * Host names, addresses, ports and networks.
 *
 * Names are held to the letters, digits and hyphens of RFC 1123 section 2.1 (and
 * the underscore, which some mail hosts have) and are made lower case, so that
 * lookups compare bytes.  Addresses are read by inet_pton(), which takes no
 * "127.1" and no octal; they are kept in network order.
 */
#include <arpa/inet.h>
#include <string.h>

#include "config/value.h"
#include "type.h"

enum { HOST_MAX = 253, LABEL_MAX = 63 };

bool config_address_parse(struct slice text, struct config_address *ret_address)
{
	char string[INET6_ADDRSTRLEN] = {0};

	if (text.n == 0 || text.n >= sizeof(string)) {
		return false;
	}
	memcpy(string, text.p, text.n);
	*ret_address = (struct config_address){0};
	if (inet_pton(AF_INET, string, ret_address->bytes) == 1) {
		ret_address->version = 4;
		ret_address->prefix = 32;
	} else if (inet_pton(AF_INET6, string, ret_address->bytes) == 1) {
		ret_address->version = 6;
		ret_address->prefix = 128;
	}
	return ret_address->version != 0;
}

void config_address_add(struct buf *out, const struct config_address *address)
{
	char string[INET6_ADDRSTRLEN] = {0};

	if (address->version != 0) {
		inet_ntop(address->version == 4 ? AF_INET : AF_INET6, address->bytes, string,
			sizeof(string));
	}
	buf_add_text(out, string);
}

bool config_address_in(const struct config_address *address, const struct config_address *network)
{
	size_t whole = network->prefix / 8;
	unsigned rest = network->prefix % 8;

	if (address->version != network->version ||
		memcmp(address->bytes, network->bytes, whole) != 0) {
		return false;
	}
	return rest == 0 ||
		(address->bytes[whole] >> (8 - rest)) == (network->bytes[whole] >> (8 - rest));
}

bool config_address_is_loopback(const struct config_address *address)
{
	static const struct config_address four = {.version = 4, .prefix = 8, .bytes = {127}};
	static const struct config_address six = {.version = 6, .prefix = 128, .bytes = {[15] = 1}};

	return config_address_in(address, &four) || config_address_in(address, &six);
}

static bool is_label(struct slice label)
{
	if (label.n == 0 || label.n > LABEL_MAX || label.p[0] == '-' ||
		label.p[label.n - 1] == '-') {
		return false;
	}
	for (size_t i = 0; i < label.n; i++) {
		char c = label.p[i];
		bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');

		if (!letter && (c < '0' || c > '9') && c != '-' && c != '_') {
			return false;
		}
	}
	return true;
}

static char *lower(struct arena *arena, struct slice text)
{
	char *copy = arena_string(arena, text);

	for (char *c = copy; *c != '\0'; c++) {
		if (*c >= 'A' && *c <= 'Z') {
			*c = (char)(*c - 'A' + 'a');
		}
	}
	return copy;
}

static bool read_host(struct arena *arena, struct slice text, const char **ret_host)
{
	struct slice rest = text;
	struct slice label;

	if (text.n == 0 || text.n > HOST_MAX) {
		return false;
	}
	while (slice_split(&rest, '.', &label)) {
		if (!is_label(label)) {
			return false;
		}
	}
	*ret_host = lower(arena, text);
	return true;
}

bool value_read_host(const struct value_input *in, void *at)
{
	struct config_address address;

	return !config_address_parse(in->text, &address) && read_host(in->arena, in->text, at);
}

/*
 * Takes a port off the end: "host:25", "192.0.2.1:25", "[2001:db8::1]:25".  Without
 * one *ret_port is 0.  What is left of brackets has lost them.
 */
static bool split_port(struct slice text, struct slice *ret_host, uint16_t *ret_port)
{
	size_t close = slice_find_last(text, ']');
	size_t colon = slice_find_last(text, ':');
	uint64_t port = 0;

	*ret_host = text;
	if (text.n > 0 && text.p[0] == '[' && close < text.n) {
		*ret_host = slice_make(text.p + 1, close - 1);
		if (close + 1 == text.n) {
			colon = text.n;
		} else if (colon != close + 1) {
			return false;
		}
	} else if (slice_find(text, ':') != colon) {
		return true; /* several colons and no brackets: a bare IPv6 address */
	} else {
		*ret_host = slice_first(text, colon);
	}
	if (colon < text.n &&
		(!slice_number(slice_from(text, colon + 1), 65535, &port) || port == 0)) {
		return false;
	}
	*ret_port = (uint16_t)port;
	return true;
}

bool value_read_host_port(const struct value_input *in, void *at)
{
	struct config_endpoint *endpoint = at;
	struct config_address address;
	struct slice host;

	endpoint->port = 0;
	if (!split_port(in->text, &host, &endpoint->port)) {
		return false;
	}
	if (config_address_parse(host, &address)) {
		endpoint->host = lower(in->arena, host);
		return true;
	}
	return read_host(in->arena, host, &endpoint->host);
}

void value_write_host_port(const struct config_key *key, struct buf *out, const void *at)
{
	const struct config_endpoint *endpoint = at;
	bool brackets = strchr(endpoint->host, ':') != NULL && endpoint->port != 0;

	(void)key;
	buf_add_format(out, brackets ? "[%s]" : "%s", endpoint->host);
	if (endpoint->port != 0) {
		buf_add_format(out, ":%u", endpoint->port);
	}
}

bool value_read_ipv4(const struct value_input *in, void *at)
{
	struct config_address *address = at;

	return config_address_parse(in->text, address) && address->version == 4;
}

bool value_read_ipv6(const struct value_input *in, void *at)
{
	struct config_address *address = at;

	return config_address_parse(in->text, address) && address->version == 6;
}

void value_write_address(const struct config_key *key, struct buf *out, const void *at)
{
	(void)key;
	config_address_add(out, at);
}

bool value_read_address_port(const struct value_input *in, void *at)
{
	struct config_address *address = at;
	struct slice host;
	uint16_t port = 0;

	if (!split_port(in->text, &host, &port) || !config_address_parse(host, address)) {
		return false;
	}
	address->port = port;
	return port != 0;
}

void value_write_address_port(const struct config_key *key, struct buf *out, const void *at)
{
	const struct config_address *address = at;

	(void)key;
	buf_add_text(out, address->version == 6 ? "[" : "");
	config_address_add(out, address);
	buf_add_format(out, address->version == 6 ? "]:%u" : ":%u", address->port);
}

/* Bits behind the prefix must be zero: 10.1.2.3/8 is a slip of somebody's. */
static bool is_network(const struct config_address *address)
{
	unsigned bits = address->version == 4 ? 32 : 128;

	for (unsigned i = address->prefix; i < bits; i++) {
		if ((address->bytes[i / 8] & (0x80u >> (i % 8))) != 0) {
			return false;
		}
	}
	return true;
}

bool value_read_network(const struct value_input *in, void *at)
{
	struct config_address *address = at;
	struct slice rest = in->text;
	struct slice host;
	uint64_t prefix;

	if (!slice_split(&rest, '/', &host) || !config_address_parse(host, address)) {
		return false;
	}
	if (rest.p != NULL) {
		if (!slice_number(rest, address->version == 4 ? 32 : 128, &prefix)) {
			return false;
		}
		address->prefix = (uint8_t)prefix;
	}
	return is_network(address);
}

void value_write_network(const struct config_key *key, struct buf *out, const void *at)
{
	const struct config_address *address = at;

	(void)key;
	config_address_add(out, address);
	buf_add_format(out, "/%u", address->prefix);
}
