/*
 * Socket addresses as text and back.  Only numeric forms exist here: a name is
 * the resolver's business, and a zone ("%eth0") is refused, because an address of
 * one link is never a mail host.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "io/conn.h"

void endpoint_add(struct buf *out, const union endpoint *endpoint, bool with_port)
{
	char text[INET6_ADDRSTRLEN] = "";
	bool v6 = endpoint->any.sa_family == AF_INET6;
	const void *address = v6 ? (const void *)&endpoint->v6.sin6_addr : &endpoint->v4.sin_addr;

	if (!v6 && endpoint->any.sa_family != AF_INET) {
		return;
	}
	(void)inet_ntop(endpoint->any.sa_family, address, text, sizeof(text));
	if (!with_port) {
		buf_add_text(out, text);
		return;
	}
	buf_add_format(out, v6 ? "[%s]:%u" : "%s:%u", text,
		ntohs(v6 ? endpoint->v6.sin6_port : endpoint->v4.sin_port));
}

static bool parse_address(struct slice text, uint16_t port, union endpoint *ret_endpoint)
{
	char string[INET6_ADDRSTRLEN];
	union endpoint endpoint = {0};

	if (text.n == 0 || text.n >= sizeof(string) || memchr(text.p, '\0', text.n) != NULL) {
		return false;
	}
	memcpy(string, text.p, text.n);
	string[text.n] = '\0';
	if (inet_pton(AF_INET, string, &endpoint.v4.sin_addr) == 1) {
		endpoint.v4.sin_family = AF_INET;
		endpoint.v4.sin_port = htons(port);
	} else if (inet_pton(AF_INET6, string, &endpoint.v6.sin6_addr) == 1) {
		endpoint.v6.sin6_family = AF_INET6;
		endpoint.v6.sin6_port = htons(port);
	} else {
		return false;
	}
	*ret_endpoint = endpoint;
	return true;
}

static bool parse_port(struct slice text, uint16_t *ret_port)
{
	uint64_t value;

	if (!slice_number(text, UINT16_MAX, &value)) {
		return false;
	}
	*ret_port = (uint16_t)value;
	return true;
}

bool endpoint_parse(struct slice text, uint16_t port, union endpoint *ret_endpoint)
{
	size_t colon = slice_find(text, ':');
	size_t bracket = slice_find(text, ']');

	if (text.n > 0 && text.p[0] == '[') {
		struct slice rest = slice_from(text, bracket + 1);

		if (bracket == text.n) {
			return false;
		}
		if (rest.n > 0 && (rest.p[0] != ':' || !parse_port(slice_from(rest, 1), &port))) {
			return false;
		}
		text = slice_make(text.p + 1, bracket - 1);
		return slice_find(text, ':') < text.n && parse_address(text, port, ret_endpoint);
	}
	if (colon < text.n && colon == slice_find_last(text, ':')) {
		return parse_port(slice_from(text, colon + 1), &port) &&
			parse_address(slice_first(text, colon), port, ret_endpoint);
	}
	return parse_address(text, port, ret_endpoint);
}

bool endpoint_equal(const union endpoint *a, const union endpoint *b)
{
	if (a->any.sa_family != b->any.sa_family) {
		return false;
	}
	if (a->any.sa_family == AF_INET6) {
		return memcmp(&a->v6.sin6_addr, &b->v6.sin6_addr, sizeof(a->v6.sin6_addr)) == 0;
	}
	return a->any.sa_family == AF_INET && a->v4.sin_addr.s_addr == b->v4.sin_addr.s_addr;
}

/* A datagram socket, whose ports nobody runs out of; what it cannot find out is no news. */
bool endpoint_is_here(const union endpoint *endpoint)
{
	bool v6 = endpoint->any.sa_family == AF_INET6;
	socklen_t length = v6 ? sizeof(endpoint->v6) : sizeof(endpoint->v4);
	union endpoint local = *endpoint;
	int fd = socket(endpoint->any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool here;

	if (fd < 0) {
		return errno != EAFNOSUPPORT;
	}
	*(v6 ? &local.v6.sin6_port : &local.v4.sin_port) = 0;
	here = bind(fd, &local.any, length) == 0 || errno != EADDRNOTAVAIL;
	(void)close(fd);
	return here;
}
