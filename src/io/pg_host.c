/*
 * libpq takes `hostaddr` beside `host` and then asks nobody; the name stays for the
 * certificate.  A name with several addresses becomes several entries.  A Unix
 * socket's directory, or a host whose address is given, passes through.
 *
 * The thread works on a copy of its own and touches nothing else; the loop looks at
 * it again only when the thread is done, so cancelling just forgets the callback.
 */
#include "pg_host.h"

#include <arpa/inet.h>
#include <libpq-fe.h>
#include <netdb.h>
#include <string.h>
#include <uv.h>

#include "base/buf.h"
#include "base/mem.h"

enum { ADDRESSES_MAX = 16 };

struct pg_lookup {
	uv_work_t work;
	char *host; /* as the string has them: lists */
	char *port;
	struct buf hosts;
	struct buf addresses;
	struct buf ports;
	unsigned count;
	void (*on_hosts)(void *owner, const struct pg_hosts *hosts);
	void *owner;
};

static void add_entry(
	struct pg_lookup *lookup, struct slice host, struct slice address, struct slice port)
{
	if (lookup->count++ > 0) {
		buf_add_byte(&lookup->hosts, ',');
		buf_add_byte(&lookup->addresses, ',');
		buf_add_byte(&lookup->ports, ',');
	}
	buf_add(&lookup->hosts, host);
	buf_add(&lookup->addresses, address);
	buf_add(&lookup->ports, port);
}

static void add_addresses(struct pg_lookup *lookup, struct slice host, struct slice port)
{
	struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
	struct addrinfo *found = NULL;
	char *name = slice_string(host);

	if (getaddrinfo(name, NULL, &hints, &found) != 0) {
		found = NULL;
	}
	for (const struct addrinfo *at = found; at != NULL; at = at->ai_next) {
		char text[INET6_ADDRSTRLEN];

		if (lookup->count < ADDRESSES_MAX &&
			getnameinfo(at->ai_addr, at->ai_addrlen, text, sizeof(text), NULL, 0,
				NI_NUMERICHOST) == 0) {
			add_entry(lookup, host, slice_of(text), port);
		}
	}
	if (found != NULL) {
		freeaddrinfo(found);
	}
	mem_free(name);
}

static bool is_local(struct slice host)
{
	return host.n == 0 || host.p[0] == '/' || host.p[0] == '@';
}

static bool is_numeric(struct slice host)
{
	char text[INET6_ADDRSTRLEN];
	struct in6_addr address;

	if (host.n >= sizeof(text)) {
		return false;
	}
	memcpy(text, host.p, host.n);
	text[host.n] = '\0';
	return inet_pton(AF_INET, text, &address) == 1 || inet_pton(AF_INET6, text, &address) == 1;
}

static void work(uv_work_t *handle)
{
	struct pg_lookup *lookup = handle->data;
	struct slice hosts = slice_of(lookup->host);
	struct slice ports = slice_of(lookup->port);
	struct slice host;
	struct slice port = {NULL, 0};
	bool more = true;

	while (more) {
		struct slice next;

		more = slice_split(&hosts, ',', &host);
		/* One port may stand for all. */
		if (ports.n > 0) {
			(void)slice_split(&ports, ',', &next);
			port = next;
		}
		if (is_local(host)) {
			add_entry(lookup, host, (struct slice){NULL, 0}, port);
		} else {
			add_addresses(lookup, host, port);
		}
	}
}

static void lookup_free(struct pg_lookup *lookup)
{
	mem_free(lookup->host);
	mem_free(lookup->port);
	buf_clear(&lookup->hosts);
	buf_clear(&lookup->addresses);
	buf_clear(&lookup->ports);
	mem_free(lookup);
}

static void on_worked(uv_work_t *handle, int status)
{
	struct pg_lookup *lookup = handle->data;
	struct pg_hosts hosts = {NULL, NULL, NULL};

	(void)status;
	if (lookup->on_hosts != NULL) {
		if (lookup->count > 0) {
			buf_add_byte(&lookup->hosts, '\0');
			buf_add_byte(&lookup->addresses, '\0');
			buf_add_byte(&lookup->ports, '\0');
			hosts = (struct pg_hosts){
				lookup->hosts.p, lookup->addresses.p, lookup->ports.p};
		}
		lookup->on_hosts(lookup->owner, &hosts);
	}
	lookup_free(lookup);
}

/* Whether there is a name in it that nobody has looked up. */
static bool needs_lookup(const char *host, const char *hostaddr)
{
	struct slice rest = slice_of(host);
	struct slice one;
	bool more = true;

	if (rest.n == 0 || slice_of(hostaddr).n > 0) {
		return false;
	}
	while (more) {
		more = slice_split(&rest, ',', &one);
		if (!is_local(one) && !is_numeric(one)) {
			return true;
		}
	}
	return false;
}

static const char *option(const PQconninfoOption *options, const char *keyword)
{
	for (; options != NULL && options->keyword != NULL; options++) {
		if (strcmp(options->keyword, keyword) == 0) {
			return options->val;
		}
	}
	return NULL;
}

struct pg_lookup *pg_lookup_start(struct loop *loop, struct slice dsn,
	void (*on_hosts)(void *owner, const struct pg_hosts *hosts), void *owner)
{
	char *text = slice_string(dsn);
	PQconninfoOption *options = PQconninfoParse(text, NULL);
	struct pg_lookup *lookup = NULL;

	mem_free(text);
	if (needs_lookup(option(options, "host"), option(options, "hostaddr"))) {
		lookup = MEM_NEW(struct pg_lookup);
		lookup->host = slice_string(slice_of(option(options, "host")));
		lookup->port = slice_string(slice_of(option(options, "port")));
		buf_init(&lookup->hosts, 0);
		buf_init(&lookup->addresses, 0);
		buf_init(&lookup->ports, 0);
		lookup->on_hosts = on_hosts;
		lookup->owner = owner;
		lookup->work.data = lookup;
		if (uv_queue_work(loop_handle(loop), &lookup->work, work, on_worked) != 0) {
			lookup_free(lookup);
			lookup = NULL;
		}
	}
	PQconninfoFree(options);
	return lookup;
}

void pg_lookup_cancel(struct pg_lookup **lookup)
{
	if (*lookup != NULL) {
		(*lookup)->on_hosts = NULL;
		*lookup = NULL;
	}
}
