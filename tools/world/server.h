/*
 * The mail servers of the world: a listening socket for each address, and what the
 * sessions on them share.
 */
#ifndef WORLD_SERVER_H
#define WORLD_SERVER_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/list.h"
#include "base/map.h"
#include "behave.h"
#include "config.h"
#include "ledger.h"
#include "loop.h"
#include "tls.h"

#define SERVER_READ_BYTES (256 * 1024)

struct server_stats {
	uint64_t connections;
	uint64_t messages;
	uint64_t bytes; /* of messages */
	uint64_t commands;
};

/* Open to the sessions: they are the other half of this module. */
struct server {
	struct loop *loop;
	struct ledger *ledger;
	struct behaviour *behaviour;
	struct isp **isps; /* one for each of the configuration's models */
	uint64_t seed;
	struct authority *authority;
	const struct world_config *config;
	struct site *sites;
	struct list sessions;
	struct list dirty; /* sessions with something to send at the end of the turn */
	struct list dead;  /* closed ones, whose memory goes at the end of the turn */
	struct server_stats stats;
	bool failed; /* a mailbox could not be written */
	uint64_t last_session;
	uint16_t port;    /* the real one, when 0 was asked for */
	char *read_bytes; /* SERVER_READ_BYTES, for whoever reads just now */
};

/* One host at one address. */
struct site {
	struct watch watch;
	struct server *server;
	const struct host *host;
	struct isp *isp;     /* whose host it is; NULL = nobody's */
	SSL_CTX *tls;        /* made when it is first needed */
	struct map *sources; /* address -> struct source_count */
};

struct source_count {
	uint64_t open;
};

/* ret_site is, on error, the one that could not listen. */
MUST_USE struct err server_open(struct server *server, const struct site **ret_site);
void server_close(struct server *server);

/* NULL when OpenSSL refuses. */
SSL_CTX *site_tls(struct site *site);

/* At the end of each turn: the ledger, then the replies, then the dead. */
MUST_USE struct err server_end_turn(struct server *server);

#endif
