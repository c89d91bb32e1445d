/*
 * One TCP connection, with or without TLS, as one stream of bytes and a handful of
 * events.  Only behind this contract do libuv's TCP and OpenSSL's TLS appear.
 *
 * Events come only from the loop, never from within a call made here.  After
 * conn_close() only on_gone comes, in a later turn; then the memory is gone.
 */
#ifndef IO_CONN_H
#define IO_CONN_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/err.h"
#include "base/slice.h"
#include "io/loop.h"

struct conn;
struct tls_context;

union endpoint {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

enum conn_failure {
	CONN_REFUSED,     /* RST to our SYN */
	CONN_UNREACHABLE, /* no route, host or network down */
	CONN_LOST,        /* reset, or a write that failed */
	CONN_TLS,         /* the handshake or the TLS stream failed; `text` says why */
	CONN_INJECTED,    /* the peer went on in plain text where TLS was to begin */
	CONN_UNVERIFIED,  /* the certificate does not prove the name that was asked for */
	CONN_LOCAL,       /* ours: EMFILE, ENOBUFS, EADDRNOTAVAIL, EADDRINUSE ... */
};

struct conn_events {
	void (*on_connected)(void *owner);
	/* New bytes; the owner takes what it wants by conn_take(). */
	void (*on_data)(void *owner);
	void (*on_secure)(void *owner);  /* the TLS handshake is done */
	void (*on_drained)(void *owner); /* all that was written has gone to the kernel */
	void (*on_eof)(void *owner); /* the peer will send no more (FIN, close_notify or neither) */
	void (*on_failed)(void *owner, enum conn_failure failure, struct slice text);
	void (*on_gone)(void *owner); /* last of all, after conn_close() */
};

/*
 * `local` may be NULL (the kernel chooses); only its address is used, not its port
 * (IP_BIND_ADDRESS_NO_PORT).  Never NULL: what fails at once fails by event.
 */
struct conn *conn_open(struct loop *loop, const union endpoint *remote, const union endpoint *local,
	const struct conn_events *events, void *owner);

/* Closes without ceremony; twice is once.  reset = RST instead of FIN. */
void conn_close(struct conn *conn, bool reset);

/*
 * Bytes that came and were not taken yet: a view that lives until the next call.
 * At most 64 KiB wait here; the socket is not read beyond that.
 */
struct slice conn_peek(const struct conn *conn);
void conn_take(struct conn *conn, size_t n);

/*
 * Queues bytes; they are sent at the end of the turn as one write.  _borrow keeps
 * only the view: the bytes must live until on_drained (a large body).
 */
void conn_write(struct conn *conn, struct slice bytes);
void conn_write_borrow(struct conn *conn, struct slice bytes);

/*
 * Bytes that the kernel has not taken, and after a failure never will: the last so many
 * of all that was written have surely not left.
 */
size_t conn_unsent(const struct conn *conn);

/*
 * Starts TLS as a client on the open stream.  Plain bytes still in conn_peek() are
 * the caller's to refuse beforehand (RFC 3207 section 6).  `name` is the host name
 * for SNI; verify demands a certificate chain that proves it.
 */
void conn_secure(struct conn *conn, struct tls_context *context, struct slice name, bool verify);

/* "TLSv1.3" and the cipher's name; empty without TLS. */
struct slice conn_tls_version(const struct conn *conn);
struct slice conn_tls_cipher(const struct conn *conn);
bool conn_tls_verified(const struct conn *conn); /* the chain proves the name, asked for or not */

/* The address it was sent from, known once connected. */
void conn_local(const struct conn *conn, union endpoint *ret_local);

/* Numeric, without port (endpoint_add) or as ADDR:PORT, [ADDR]:PORT. */
struct buf;
void endpoint_add(struct buf *out, const union endpoint *endpoint, bool with_port);
bool endpoint_parse(struct slice text, uint16_t port, union endpoint *ret_endpoint);
/* False: the kernel says that nothing of this machine has it.  The port does not count. */
bool endpoint_is_here(const union endpoint *endpoint);
bool endpoint_equal(const union endpoint *a, const union endpoint *b); /* without ports */

#endif
