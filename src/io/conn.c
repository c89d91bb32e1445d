/*
 * One TCP connection as a stream of bytes.
 *
 * Reading: all connections read into one buffer of the loop, and the owner parses
 * the bytes there; only what it leaves is copied.  Writing: what is written in a
 * turn goes out in one writev at its end; only what the kernel refuses is handed
 * to libuv, together with its memory, as a "flight".  The owner's borrowed bytes
 * are thus never copied.
 *
 * Everything the owner hears comes from the loop: from a read, or from the end of
 * the turn (on_turn).  A failure anywhere only marks the connection and is told
 * there.
 */
#include "io/conn.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"

#include "conn_private.h"
#include "scratch.h"

#ifndef IP_BIND_ADDRESS_NO_PORT
#define IP_BIND_ADDRESS_NO_PORT 24
#endif

enum {
	KERNEL_BYTES = 65536, /* that the kernel takes before it can send them */
};

struct flight {
	uv_write_t request;
	struct conn *conn;
	struct out out;
};

static void tell(const struct conn *conn, void (*on_event)(void *owner))
{
	if (on_event != NULL) {
		on_event(conn->owner);
	}
}

static enum conn_failure failure_of(int error)
{
	static const struct {
		int error;
		enum conn_failure failure;
	} table[] = {
		{UV_ECONNREFUSED, CONN_REFUSED},
		{UV_ENETUNREACH, CONN_UNREACHABLE},
		{UV_EHOSTUNREACH, CONN_UNREACHABLE},
		{UV_EHOSTDOWN, CONN_UNREACHABLE},
		{UV_ENETDOWN, CONN_UNREACHABLE},
		{UV_ETIMEDOUT, CONN_UNREACHABLE},
		{-ENONET, CONN_UNREACHABLE},
		{UV_ECONNRESET, CONN_LOST},
		{UV_ECONNABORTED, CONN_LOST},
		{UV_EPIPE, CONN_LOST},
		{-EPROTO, CONN_LOST},
	};

	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		if (table[i].error == error) {
			return table[i].failure;
		}
	}
	return CONN_LOCAL; /* EMFILE, ENOBUFS, EADDRNOTAVAIL, EACCES of our own firewall ... */
}

void conn_fail(struct conn *conn, enum conn_failure failure, const char *text)
{
	if (conn_is_over(conn)) {
		return;
	}
	conn->state = CONN_STATE_FAILED;
	conn->failure = failure;
	conn->failure_text = mem_string(text);
	uv_read_stop((uv_stream_t *)&conn->tcp);
	loop_later(conn->loop, &conn->turn);
}

/* Once connected there is no host to blame for not being there: the stream is lost. */
static void fail_stream(struct conn *conn, int error)
{
	enum conn_failure failure = failure_of(error);

	if (conn->state == CONN_STATE_HANDSHAKE) {
		failure = CONN_TLS;
	} else if (failure == CONN_REFUSED || failure == CONN_UNREACHABLE) {
		failure = CONN_LOST;
	}
	conn_fail(conn, failure, uv_strerror(error));
}

/*
 * A write that failed because the peer has reset the stream: what the peer said
 * before (often "421 ...") may still be read, and it is the better evidence.  The
 * read side ends by itself.
 */
static void fail_write(struct conn *conn, int error)
{
	if (error != UV_EPIPE && error != UV_ECONNRESET) {
		fail_stream(conn, error);
		return;
	}
	conn->write_error = error;
	conn->lost += conn->out.total;
	out_clear(&conn->out);
}

/* ---- reading ---- */

static size_t room(const struct conn *conn)
{
	return CONN_IN_MAX - conn->in.n;
}

static void pause_reading(struct conn *conn)
{
	conn->paused = true;
	uv_read_stop((uv_stream_t *)&conn->tcp);
}

void conn_deliver(struct conn *conn, struct slice bytes)
{
	if (conn->in.n > 0) {
		buf_add(&conn->in, bytes);
	} else {
		conn->fresh = bytes;
	}
	tell(conn, conn->events->on_data);
	if (conn->fresh.n > 0 && !conn_is_over(conn)) {
		buf_add(&conn->in, conn->fresh);
	}
	conn->fresh = (struct slice){0};
}

void conn_end(struct conn *conn)
{
	if (conn->ended || conn_is_over(conn)) {
		return;
	}
	if (conn->state == CONN_STATE_HANDSHAKE) {
		conn_fail(conn, CONN_TLS, "the peer closed the connection during the handshake");
		return;
	}
	if (conn->write_error != 0) {
		conn_fail(conn, CONN_LOST, uv_strerror(conn->write_error));
		return;
	}
	conn->ended = true;
	tell(conn, conn->events->on_eof);
}

static void on_memory(uv_handle_t *handle, size_t suggested, uv_buf_t *ret_buf)
{
	struct conn *conn = handle->data;
	size_t size = conn->tls != NULL ? SCRATCH_BYTES : room(conn);

	(void)suggested;
	*ret_buf = uv_buf_init(loop_scratch(conn->loop)->read, (unsigned)size);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct conn *conn = stream->data;

	if (conn_is_over(conn) || n == 0) {
		return;
	}
	if (n == UV_EOF) {
		conn_end(conn);
		return;
	}
	if (n < 0) {
		fail_stream(conn, (int)n);
		return;
	}
	if ((size_t)n == buf->len) {
		/* There may be more: the others' turn first.  on_turn goes on. */
		pause_reading(conn);
		loop_later(conn->loop, &conn->turn);
	}
	if (conn->tls != NULL) {
		conn_tls_input(conn, slice_make(buf->base, (size_t)n));
	} else {
		conn_deliver(conn, slice_make(buf->base, (size_t)n));
	}
	if (!conn_is_over(conn) && !conn->paused && (room(conn) == 0 || conn_tls_holds(conn))) {
		pause_reading(conn);
	}
}

static void resume_reading(struct conn *conn)
{
	if (!conn->paused || conn->ended || room(conn) == 0) {
		return;
	}
	if (conn->tls != NULL) {
		conn_tls_resume(conn);
		if (conn_is_over(conn) || conn_tls_holds(conn)) {
			return;
		}
	}
	conn->paused = false;
	uv_read_start((uv_stream_t *)&conn->tcp, on_memory, on_read);
}

struct slice conn_peek(const struct conn *conn)
{
	return conn->in.n > 0 ? buf_slice(&conn->in) : conn->fresh;
}

void conn_take(struct conn *conn, size_t n)
{
	if (conn->in.n == 0) {
		conn->fresh = slice_from(conn->fresh, n);
		return;
	}
	if (n >= conn->in.n) {
		buf_clear(&conn->in); /* a quiet connection owns no buffer */
	} else {
		buf_drop(&conn->in, n);
	}
	if (conn->paused && !conn_is_over(conn)) {
		loop_later(conn->loop, &conn->turn);
	}
}

/* ---- writing ---- */

static void on_landed(uv_write_t *request, int error)
{
	struct flight *flight = request->data;
	struct conn *conn = flight->conn;

	conn->flight = NULL;
	out_clear(&flight->out);
	mem_free(flight);
	if (conn_is_over(conn)) {
		return;
	}
	if (error < 0) {
		fail_write(conn, error);
		return;
	}
	loop_later(conn->loop, &conn->turn);
}

/* Takes what waits in *out; the bytes keep their places while the kernel is slow. */
static void fly(struct conn *conn, struct out *out)
{
	struct flight *flight = MEM_NEW(struct flight);
	struct iovec vectors[OUT_PIECES];
	uv_buf_t bufs[OUT_PIECES];

	flight->conn = conn;
	flight->request.data = flight;
	flight->out = *out;
	out_init(out);
	unsigned count = out_vectors(&flight->out, vectors);

	for (unsigned i = 0; i < count; i++) {
		bufs[i] = uv_buf_init(vectors[i].iov_base, (unsigned)vectors[i].iov_len);
	}
	conn->flight = flight;
	int error = uv_write(&flight->request, (uv_stream_t *)&conn->tcp, bufs, count, on_landed);

	if (error != 0) { /* then on_landed will not come */
		conn->flight = NULL;
		conn->lost += flight->out.total;
		out_clear(&flight->out);
		mem_free(flight);
		fail_write(conn, error);
	}
}

static void write_out(struct conn *conn, struct out *out)
{
	struct iovec vectors[OUT_PIECES];
	uv_buf_t bufs[OUT_PIECES];
	unsigned count = out_vectors(out, vectors);

	for (unsigned i = 0; i < count; i++) {
		bufs[i] = uv_buf_init(vectors[i].iov_base, (unsigned)vectors[i].iov_len);
	}
	int n = uv_try_write((uv_stream_t *)&conn->tcp, bufs, count);

	if (n < 0 && n != UV_EAGAIN) {
		fail_write(conn, n);
		return;
	}
	if (n > 0) {
		out_sent(out, (size_t)n);
	}
	if (out->total > 0) {
		fly(conn, out);
	}
}

void conn_send(struct conn *conn, struct slice bytes)
{
	uv_buf_t buf = uv_buf_init((char *)bytes.p, (unsigned)bytes.n);
	int n = uv_try_write((uv_stream_t *)&conn->tcp, &buf, 1);
	struct out rest;

	if (n < 0 && n != UV_EAGAIN) {
		conn->lost += bytes.n;
		fail_write(conn, n);
		return;
	}
	if (n < 0) {
		n = 0;
	}
	if ((size_t)n < bytes.n) {
		out_init(&rest);
		out_add(&rest, slice_from(bytes, (size_t)n));
		fly(conn, &rest);
	}
}

static void flush(struct conn *conn)
{
	if (conn->state == CONN_STATE_CONNECTING || conn->flight != NULL ||
		conn->write_error != 0) {
		return;
	}
	loop_commit(conn->loop);
	if (conn->tls != NULL) {
		conn_tls_flush(conn);
	} else if (conn->out.total > 0) {
		write_out(conn, &conn->out);
	}
	if (conn->owed && !conn_is_over(conn) && conn->write_error == 0 && conn_unsent(conn) == 0) {
		conn->owed = false;
		tell(conn, conn->events->on_drained);
	}
}

static void on_turn(void *owner)
{
	struct conn *conn = owner;

	if (conn->state == CONN_STATE_FAILED && conn->failure_text != NULL) {
		char *text = conn->failure_text;

		conn->failure_text = NULL;
		if (conn->events->on_failed != NULL) {
			conn->events->on_failed(conn->owner, conn->failure, slice_of(text));
		}
		mem_free(text);
	}
	if (!conn_is_over(conn)) {
		flush(conn);
	}
	if (!conn_is_over(conn) && conn->state != CONN_STATE_CONNECTING) {
		resume_reading(conn);
	}
}

static void wrote(struct conn *conn, size_t n)
{
	if (n > 0) {
		conn->owed = true;
		loop_later(conn->loop, &conn->turn);
	}
}

static bool is_writable(const struct conn *conn)
{
	return !conn_is_over(conn) && conn->write_error == 0;
}

void conn_write(struct conn *conn, struct slice bytes)
{
	if (is_writable(conn)) {
		out_add(&conn->out, bytes);
		wrote(conn, bytes.n);
	} else {
		conn->lost += bytes.n;
	}
}

void conn_write_borrow(struct conn *conn, struct slice bytes)
{
	if (is_writable(conn)) {
		out_borrow(&conn->out, bytes);
		wrote(conn, bytes.n);
	} else {
		conn->lost += bytes.n;
	}
}

size_t conn_unsent(const struct conn *conn)
{
	size_t flying = conn->flight == NULL
		? 0
		: uv_stream_get_write_queue_size((const uv_stream_t *)&conn->tcp);

	return conn->out.total + flying + conn->lost;
}

/* ---- opening and closing ---- */

static void on_connect(uv_connect_t *request, int error)
{
	struct conn *conn = request->data;
	int size = sizeof(conn->local);

	if (conn_is_over(conn)) {
		return;
	}
	if (error != 0) {
		conn_fail(conn, failure_of(error), uv_strerror(error));
		return;
	}
	conn->state = CONN_STATE_PLAIN;
	uv_tcp_getsockname(&conn->tcp, &conn->local.any, &size);
	uv_read_start((uv_stream_t *)&conn->tcp, on_memory, on_read);
	if (conn->out.total > 0) {
		loop_later(conn->loop, &conn->turn);
	}
	tell(conn, conn->events->on_connected);
}

static socklen_t endpoint_size(const union endpoint *endpoint)
{
	return endpoint->any.sa_family == AF_INET6 ? sizeof(endpoint->v6) : sizeof(endpoint->v4);
}

static int bind_local(int fd, const union endpoint *local)
{
	union endpoint address = *local;
	int on = 1;

	if (address.any.sa_family == AF_INET6) {
		address.v6.sin6_port = 0;
	} else {
		address.v4.sin_port = 0;
	}
	/* The port is chosen at connect, so that 64k connections fit to each peer, not in all. */
	(void)setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
	return bind(fd, &address.any, endpoint_size(&address));
}

/*
 * Without this the kernel takes megabytes in one go, and a host that refuses a large
 * body after its first lines would be heard when all of it, and its dot, is gone.
 */
static void bound_what_waits(int fd)
{
	unsigned bytes = KERNEL_BYTES;

	(void)setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &bytes, sizeof(bytes));
}

static int open_socket(struct conn *conn, int family, const union endpoint *local)
{
	int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);

	if (fd < 0) {
		return -errno;
	}
	if (local != NULL && bind_local(fd, local) < 0) {
		int error = -errno;

		close(fd);
		return error;
	}
	int error = uv_tcp_open(&conn->tcp, fd);

	if (error != 0) {
		close(fd);
		return error;
	}
	uv_tcp_nodelay(&conn->tcp, 1);
	bound_what_waits(fd);
	return 0;
}

struct conn *conn_open(struct loop *loop, const union endpoint *remote, const union endpoint *local,
	const struct conn_events *events, void *owner)
{
	struct conn *conn = MEM_NEW(struct conn);

	conn->loop = loop;
	conn->events = events;
	conn->owner = owner;
	conn->connect.data = conn;
	later_init(&conn->turn, on_turn, conn);
	buf_init(&conn->in, 0);
	out_init(&conn->out);
	uv_tcp_init(loop_handle(loop), &conn->tcp);
	conn->tcp.data = conn;
	int error = open_socket(conn, remote->any.sa_family, local);

	if (error == 0) {
		error = uv_tcp_connect(&conn->connect, &conn->tcp, &remote->any, on_connect);
	}
	if (error != 0) {
		conn_fail(conn, failure_of(error), uv_strerror(error));
	}
	return conn;
}

static void on_closed(uv_handle_t *handle)
{
	struct conn *conn = handle->data;
	void (*on_gone)(void *owner) = conn->events->on_gone;
	void *owner = conn->owner;

	loop_later_cancel(conn->loop, &conn->turn);
	conn_tls_free(&conn->tls);
	out_clear(&conn->out);
	buf_clear(&conn->in);
	mem_free(conn->failure_text);
	mem_free(conn);
	if (on_gone != NULL) {
		on_gone(owner);
	}
}

void conn_close(struct conn *conn, bool reset)
{
	const struct linger linger = {.l_onoff = 1, .l_linger = 0};
	uv_os_fd_t fd;

	if (conn->state == CONN_STATE_CLOSED) {
		return;
	}
	if (conn->state == CONN_STATE_SECURE && !reset && conn_unsent(conn) == 0) {
		conn_tls_goodbye(conn);
	}
	conn->state = CONN_STATE_CLOSED;
	loop_later_cancel(conn->loop, &conn->turn);
	if (reset && uv_fileno((uv_handle_t *)&conn->tcp, &fd) == 0) {
		(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	}
	uv_close((uv_handle_t *)&conn->tcp, on_closed);
}

void conn_local(const struct conn *conn, union endpoint *ret_local)
{
	*ret_local = conn->local;
}
