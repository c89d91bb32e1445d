/*
 * A DNS server for tests: a thread on 127.0.0.1, UDP and TCP, whose answers are
 * written by a function of the test.
 */
#ifndef TESTS_IO_DNS_SERVER_H
#define TESTS_IO_DNS_SERVER_H

#include <criterion/criterion.h>
#include <ctype.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "dns_message.h"
#include "io/conn.h"

struct dns_query {
	unsigned id;
	char name[300];
	unsigned type;
	bool tcp;
	bool edns;
	unsigned nth;                 /* which question of this server it is, from 1 */
	struct sockaddr_storage from; /* UDP only */
};

struct dns_server {
	int udp;
	int tcp;
	int stop[2];
	union endpoint address;
	pthread_t thread;
	/* Appends a message; an empty one is silence. */
	void (*respond)(const struct dns_query *query, struct buf *message, void *arg);
	void *arg;
	atomic_uint questions;
};

static inline bool dns_query_read(const unsigned char *p, size_t n, struct dns_query *query)
{
	size_t at = 12;
	size_t to = 0;

	if (n < 17) {
		return false;
	}
	query->id = (unsigned)p[0] << 8 | p[1];
	while (at < n && p[at] != 0 && to + p[at] + 1 < sizeof(query->name)) {
		for (size_t i = 1; i <= p[at]; i++) {
			query->name[to++] = (char)tolower(p[at + i]);
		}
		query->name[to++] = '.';
		at += p[at] + 1U;
	}
	query->name[to > 0 ? to - 1 : 0] = '\0';
	query->type = (unsigned)p[at + 1] << 8 | p[at + 2];
	query->edns = p[11] == 1;
	return true;
}

static inline void dns_server_datagram(struct dns_server *server)
{
	unsigned char p[2048];
	struct sockaddr_storage from;
	socklen_t size = sizeof(from);
	ssize_t n = recvfrom(server->udp, p, sizeof(p), 0, (struct sockaddr *)&from, &size);
	struct dns_query query = {0};
	struct buf message;

	if (n < 0 || !dns_query_read(p, (size_t)n, &query)) {
		return;
	}
	query.from = from;
	query.nth = atomic_fetch_add(&server->questions, 1) + 1;
	buf_init(&message, 0);
	server->respond(&query, &message, server->arg);
	if (message.n > 0) {
		sendto(server->udp, message.p, message.n, 0, (struct sockaddr *)&from, size);
	}
	buf_clear(&message);
}

static inline void dns_server_stream(struct dns_server *server)
{
	unsigned char p[2048];
	int fd = accept(server->tcp, NULL, NULL);
	ssize_t n = read(fd, p, sizeof(p));
	struct dns_query query = {.tcp = true};
	struct buf message;

	buf_init(&message, 0);
	if (n > 2 && dns_query_read(p + 2, (size_t)n - 2, &query)) {
		query.nth = atomic_fetch_add(&server->questions, 1) + 1;
		server->respond(&query, &message, server->arg);
	}
	if (message.n > 0) {
		unsigned char length[2] = {
			(unsigned char)(message.n >> 8), (unsigned char)message.n};

		(void)!write(fd, length, 2);
		(void)!write(fd, message.p, message.n);
	}
	buf_clear(&message);
	(void)!read(fd, p, 1); /* until c-ares closes */
	close(fd);
}

static inline void *dns_server_run(void *arg)
{
	struct dns_server *server = arg;
	struct pollfd fds[] = {
		{server->stop[0], POLLIN, 0}, {server->udp, POLLIN, 0}, {server->tcp, POLLIN, 0}};

	while (poll(fds, 3, -1) > 0 && fds[0].revents == 0) {
		if (fds[1].revents != 0) {
			dns_server_datagram(server);
		}
		if (fds[2].revents != 0) {
			dns_server_stream(server);
		}
	}
	return NULL;
}

static inline void dns_server_start(struct dns_server *server,
	void (*respond)(const struct dns_query *, struct buf *, void *), void *arg)
{
	socklen_t size = sizeof(server->address.v4);
	bool bound = false;

	memset(server, 0, sizeof(*server));
	server->respond = respond;
	server->arg = arg;
	/* The same number for both; another one may hold it for TCP already. */
	for (int i = 0; i < 50 && !bound; i++) {
		server->udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		server->tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		cr_assert(endpoint_parse(SLICE("127.0.0.1"), 0, &server->address));
		cr_assert_eq(bind(server->udp, &server->address.any, size), 0);
		cr_assert_eq(getsockname(server->udp, &server->address.any, &size), 0);
		bound = bind(server->tcp, &server->address.any, size) == 0 &&
			listen(server->tcp, 16) == 0;
		if (!bound) {
			close(server->udp);
			close(server->tcp);
		}
	}
	cr_assert(bound && pipe(server->stop) == 0);
	cr_assert_eq(pthread_create(&server->thread, NULL, dns_server_run, server), 0);
}

static inline void dns_server_stop(struct dns_server *server)
{
	(void)!write(server->stop[1], "", 1);
	pthread_join(server->thread, NULL);
	close(server->udp);
	close(server->tcp);
	close(server->stop[0]);
	close(server->stop[1]);
}

#endif
