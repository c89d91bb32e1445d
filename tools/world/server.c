/*
 * Listening sockets of the simulated internet, and the end of each turn.
 *
 * Each address of the configuration is bound by itself (a wildcard would not be
 * loopback).  Connections are accepted until there are no more, because many come
 * at once when a campaign begins.
 */
#include "server.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "pattern.h"
#include "session.h"

static void on_connection(struct watch *watch, uint32_t events)
{
	struct site *site = HEAP_OWNER(watch, struct site, watch);

	(void)events;
	for (;;) {
		struct sockaddr_in peer;
		socklen_t size = sizeof(peer);
		int fd = accept4(
			watch->fd, (struct sockaddr *)&peer, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0) {
			return;
		}
		session_open(site, fd, &peer);
	}
}

static struct err site_open(struct site *site, uint16_t *port)
{
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_port = htons(*port)};
	socklen_t size = sizeof(sin);
	char address[INET_ADDRSTRLEN] = "";
	int on = 1;

	memcpy(address, site->host->address.p,
		slice_first(site->host->address, sizeof(address) - 1).n);
	site->sources = map_new();
	site->watch.on_ready = on_connection;
	site->watch.fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (site->watch.fd < 0) {
		return err_system();
	}
	(void)setsockopt(site->watch.fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (inet_pton(AF_INET, address, &sin.sin_addr) != 1 ||
		bind(site->watch.fd, (const struct sockaddr *)&sin, sizeof(sin)) < 0 ||
		listen(site->watch.fd, 1024) < 0 ||
		getsockname(site->watch.fd, (struct sockaddr *)&sin, &size) < 0) {
		return err_system();
	}
	*port = ntohs(sin.sin_port);
	return loop_watch(site->server->loop, &site->watch, EPOLLIN);
}

static void open_models(struct server *server)
{
	const struct world_config *config = server->config;

	server->isps = mem_array(config->model_count + 1, sizeof(struct isp *));
	for (size_t i = 0; i < config->model_count; i++) {
		server->isps[i] =
			isp_new(&config->models[i], server->seed, loop_now_us(server->loop));
	}
}

/* The first model in the file that speaks of the host. */
static struct isp *isp_of(const struct server *server, const struct host *host)
{
	struct captures captures;

	for (size_t i = 0; i < server->config->model_count; i++) {
		if (pattern_match(server->config->models[i].host, host->name, &captures)) {
			return server->isps[i];
		}
	}
	return NULL;
}

/* Two hosts may share an address: the first one's name is then the server's. */
struct err server_open(struct server *server, const struct site **ret_site)
{
	const struct world_config *config = server->config;
	struct map *addresses = map_new();
	struct err err = ERR_OK;

	list_init(&server->sessions);
	list_init(&server->dirty);
	list_init(&server->dead);
	server->read_bytes = mem_new(SERVER_READ_BYTES);
	server->sites = mem_array(config->host_count + 1, sizeof(struct site));
	server->port = config->smtp_port;
	open_models(server);
	for (size_t i = 0; i < config->host_count && !err_is(err); i++) {
		struct site *site = &server->sites[i];

		site->server = server;
		site->host = &config->hosts[i];
		site->isp = isp_of(server, site->host);
		site->watch.fd = -1;
		if (map_put(addresses, site->host->address, site) == NULL) {
			*ret_site = site;
			err = site_open(site, &server->port);
		}
	}
	map_free(&addresses);
	return err;
}

static void site_close(struct site *site)
{
	struct slice key;
	void *count;
	size_t at = 0;

	if (site->watch.fd >= 0) {
		close(site->watch.fd);
	}
	SSL_CTX_free(site->tls);
	while (site->sources != NULL && map_next(site->sources, &at, &key, &count)) {
		mem_free(count);
	}
	map_free(&site->sources);
}

void server_close(struct server *server)
{
	struct list_link *link;

	while (server->read_bytes != NULL && (link = list_first(&server->sessions)) != NULL) {
		session_free(LIST_OWNER(link, struct session, link));
	}
	for (size_t i = 0; server->sites != NULL && i < server->config->host_count; i++) {
		site_close(&server->sites[i]);
	}
	for (size_t i = 0; server->isps != NULL && i < server->config->model_count; i++) {
		isp_free(&server->isps[i]);
	}
	mem_free(server->isps);
	mem_free(server->sites);
	mem_free(server->read_bytes);
}

SSL_CTX *site_tls(struct site *site)
{
	const struct profile *profile = site->host->profile;

	if (site->tls == NULL) {
		site->tls = authority_issue(site->server->authority, site->host->name,
			(enum tls_mode)profile->tls, (enum tls_version)profile->tls_min,
			(enum tls_version)profile->tls_max);
	}
	return site->tls;
}

/* Twice, because sending may end sessions: who sees the end shall find it told. */
struct err server_end_turn(struct server *server)
{
	struct err err = server->failed ? err_os(0) : ledger_flush(server->ledger);
	struct list_link *link;

	if (err_is(err)) {
		return err;
	}
	while ((link = list_first(&server->dirty)) != NULL) {
		session_flush(LIST_OWNER(link, struct session, dirty));
	}
	err = ledger_flush(server->ledger);
	while ((link = list_first(&server->dead)) != NULL) {
		session_free(LIST_OWNER(link, struct session, link));
	}
	return err;
}
