/*
 * The inside of a connection, shared by conn.c (the stream) and conn_tls.c (what
 * TLS does to it).
 */
#ifndef SRC_IO_CONN_PRIVATE_H
#define SRC_IO_CONN_PRIVATE_H

#include <uv.h>

#include "base/buf.h"
#include "io/conn.h"

#include "out.h"

enum { CONN_IN_MAX = 65536 };

enum conn_state {
	CONN_STATE_CONNECTING,
	CONN_STATE_PLAIN,
	CONN_STATE_HANDSHAKE,
	CONN_STATE_SECURE,
	CONN_STATE_FAILED, /* on_failed was told, or is about to be */
	CONN_STATE_CLOSED, /* by the owner */
};

struct flight;
struct conn_tls;

struct conn {
	uv_tcp_t tcp;
	uv_connect_t connect;
	struct loop *loop;
	const struct conn_events *events;
	void *owner;
	struct later turn; /* everything of the end of a turn */
	enum conn_state state;
	bool paused;        /* not reading: enough waits, or a full chunk came this turn */
	bool ended;         /* on_eof was told */
	bool owed;          /* on_drained is due once all is written */
	int write_error;    /* the peer has reset the stream; it may still be read to its end */
	struct buf in;      /* bytes that were left over from earlier reads */
	struct slice fresh; /* bytes of this read, in the loop's scratch; only if `in` is empty */
	struct out out;     /* plain bytes that wait */
	size_t lost;        /* bytes that the kernel refused, or that came too late for it */
	struct flight *flight; /* bytes that the kernel did not take; until they are gone */
	struct conn_tls *tls;
	enum conn_failure failure;
	char *failure_text; /* until it is told */
	union endpoint local;
};

static inline bool conn_is_over(const struct conn *conn)
{
	return conn->state >= CONN_STATE_FAILED;
}

/* Ends the connection; the owner is told at the end of the turn.  First one wins. */
void conn_fail(struct conn *conn, enum conn_failure failure, const char *text);

/* Gives bytes to the owner; keeps what it leaves.  At most CONN_IN_MAX may wait. */
void conn_deliver(struct conn *conn, struct slice bytes);
void conn_end(struct conn *conn); /* on_eof, once */

/*
 * Writes bytes that are in scratch; what the kernel does not take is copied and
 * flies.  Only while nothing flies.
 */
void conn_send(struct conn *conn, struct slice bytes);

/* conn_tls.c.  All of them may fail the connection. */
void conn_tls_input(struct conn *conn, struct slice bytes);
void conn_tls_resume(struct conn *conn); /* there is room in `in` again */
bool conn_tls_holds(const struct conn *conn);
void conn_tls_flush(struct conn *conn);
void conn_tls_goodbye(struct conn *conn); /* close_notify, if it goes at once */
void conn_tls_free(struct conn_tls **tls);

#endif
