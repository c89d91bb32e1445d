/*
 * TLS on a connection.  OpenSSL never sees the socket: it reads the bytes of this
 * read where they lie in the loop's scratch, and writes into the loop's scratch,
 * from where all records of a turn leave in one write.  So a read event costs one
 * read() and a turn one write(), however many records there are, and a quiet
 * connection owns no buffer.
 *
 * Every call into OpenSSL that may write is followed by push().  A peer that makes
 * us work is bounded: handshake messages after the handshake are counted, answers
 * that the socket does not take have a cap (conformance T7).
 */
#include <string.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "base/mem.h"

#include "conn_private.h"
#include "scratch.h"
#include "tls_private.h"

enum {
	POSTS_MAX = 32,      /* session tickets and key updates of one connection */
	PENDING_MAX = 65536, /* what we answer while the socket is full */
	NAME_MAX_BYTES = 255,
	BATCH_BYTES = 65536, /* encrypted at once; then the socket must show that it takes more */
};

struct conn_tls {
	SSL *ssl;
	struct tls_context *context;
	struct slice incoming; /* encrypted bytes of this event, not yet read by OpenSSL */
	struct buf held;       /* the same, kept while the owner takes no more */
	struct buf pending;    /* handshake records that wait for a flight to land */
	unsigned posts;
	bool named; /* the chain is checked against a name */
	bool heard; /* something came since TLS was begun */
};

/* ---- OpenSSL's view of the stream ---- */

static int bio_read(BIO *bio, char *p, size_t size, size_t *ret_n)
{
	struct conn *conn = BIO_get_data(bio);
	struct slice *incoming = &conn->tls->incoming;
	size_t n = size < incoming->n ? size : incoming->n;

	BIO_clear_retry_flags(bio);
	*ret_n = n;
	if (n == 0) {
		BIO_set_retry_read(bio);
		return 0;
	}
	memcpy(p, incoming->p, n);
	*incoming = slice_from(*incoming, n);
	return 1;
}

static int bio_write(BIO *bio, const char *p, size_t size, size_t *ret_n)
{
	const struct conn *conn = BIO_get_data(bio);

	BIO_clear_retry_flags(bio);
	buf_add(&loop_scratch(conn->loop)->cipher, slice_make(p, size));
	*ret_n = size;
	return 1;
}

static long bio_control(BIO *bio, int command, long number, void *p)
{
	(void)bio;
	(void)number;
	(void)p;
	return command == BIO_CTRL_FLUSH || command == BIO_CTRL_DUP ? 1 : 0;
}

BIO_METHOD *conn_tls_bio(void)
{
	BIO_METHOD *method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "conn");

	if (method != NULL) {
		BIO_meth_set_read_ex(method, bio_read);
		BIO_meth_set_write_ex(method, bio_write);
		BIO_meth_set_ctrl(method, bio_control);
	}
	return method;
}

/* NOLINTNEXTLINE(readability-function-size): OpenSSL's signature */
static void on_message(
	int written, int version, int type, const void *p, size_t n, SSL *ssl, void *arg)
{
	struct conn *conn = arg;

	(void)version;
	(void)p;
	(void)n;
	(void)ssl;
	if (written == 0 && type == SSL3_RT_HANDSHAKE && conn->state == CONN_STATE_SECURE) {
		conn->tls->posts++;
	}
}

/* Sends what OpenSSL has written; behind what flies or waits already it waits too. */
static void push(struct conn *conn)
{
	struct buf *cipher = &loop_scratch(conn->loop)->cipher;
	struct buf *pending = &conn->tls->pending;

	if (cipher->n > 0 && (conn->flight != NULL || pending->n > 0)) {
		buf_add(pending, buf_slice(cipher));
		if (pending->spoiled) {
			conn_fail(
				conn, CONN_TLS, "the peer asks for answers and does not read them");
		}
	} else if (cipher->n > 0) {
		conn_send(conn, buf_slice(cipher));
	}
	buf_reset(cipher);
}

/* ---- failures ---- */

static void fail_tls(struct conn *conn)
{
	unsigned long error = ERR_peek_last_error();
	const char *reason = ERR_reason_error_string(error);
	long verdict = SSL_get_verify_result(conn->tls->ssl);

	if (ERR_GET_LIB(error) == ERR_LIB_SSL &&
		ERR_GET_REASON(error) == SSL_R_CERTIFICATE_VERIFY_FAILED) {
		conn_fail(conn, CONN_UNVERIFIED, X509_verify_cert_error_string(verdict));
	} else {
		conn_fail(conn, CONN_TLS, reason == NULL ? "the TLS stream is broken" : reason);
	}
	ERR_clear_error();
}

/* ---- reading ---- */

static void shake(struct conn *conn)
{
	ERR_clear_error();
	int done = SSL_do_handshake(conn->tls->ssl);
	int error = SSL_get_error(conn->tls->ssl, done);

	push(conn);
	if (conn_is_over(conn)) {
		return;
	}
	if (done == 1) {
		conn->state = CONN_STATE_SECURE;
		if (conn->events->on_secure != NULL) {
			conn->events->on_secure(conn->owner);
		}
	} else if (error != SSL_ERROR_WANT_READ) {
		fail_tls(conn);
	}
}

/* Decrypts at most `room` bytes into scratch; false when the stream cannot go on. */
static bool decrypt(struct conn *conn, size_t room, size_t *ret_n)
{
	struct conn_tls *tls = conn->tls;
	char *plain = loop_scratch(conn->loop)->plain;
	size_t n = 0;
	size_t part = 0;
	int done = 1;

	ERR_clear_error();
	while (n < room && (done = SSL_read_ex(tls->ssl, plain + n, room - n, &part)) == 1) {
		n += part;
	}
	*ret_n = n;
	return done == 1 || SSL_get_error(tls->ssl, done) == SSL_ERROR_WANT_READ;
}

static void finish(struct conn *conn)
{
	if (SSL_get_shutdown(conn->tls->ssl) & SSL_RECEIVED_SHUTDOWN) {
		conn_end(conn);
	} else {
		fail_tls(conn);
	}
}

/* Brings the owner all that can be decrypted and that it has room for. */
static void pump(struct conn *conn)
{
	bool more = true;

	while (more && !conn_is_over(conn) && !conn->ended && conn->in.n < CONN_IN_MAX) {
		size_t room = CONN_IN_MAX - conn->in.n;
		size_t n;
		bool sound = decrypt(conn, room, &n);

		push(conn);
		if (conn->tls->posts > POSTS_MAX) {
			conn_fail(conn, CONN_TLS, "the peer sends handshake messages without end");
		}
		if (n > 0 && !conn_is_over(conn)) {
			conn_deliver(conn, slice_make(loop_scratch(conn->loop)->plain, n));
		}
		if (!sound && !conn_is_over(conn)) {
			finish(conn);
		}
		more = sound && n == room;
	}
}

/*
 * A reply where the ServerHello was due was sent before its time, by somebody who wants
 * it to be read inside TLS, whether it came in one segment with the 220 or behind it
 * (conformance T1).  No TLS record begins with a digit.
 */
static bool is_reply(struct slice bytes)
{
	return bytes.n > 0 && bytes.p[0] >= '0' && bytes.p[0] <= '9';
}

void conn_tls_input(struct conn *conn, struct slice bytes)
{
	struct conn_tls *tls = conn->tls;

	if (!tls->heard && is_reply(bytes)) {
		conn_fail(conn, CONN_INJECTED, "a reply came in place of TLS");
		return;
	}
	tls->heard = true;
	tls->incoming = bytes;
	if (conn->state == CONN_STATE_HANDSHAKE) {
		shake(conn);
	}
	if (conn->state == CONN_STATE_SECURE) {
		pump(conn);
	}
	if (tls->incoming.n > 0 && !conn_is_over(conn) && !conn->ended) {
		buf_add(&tls->held, tls->incoming);
	}
	tls->incoming = (struct slice){0};
}

void conn_tls_resume(struct conn *conn)
{
	struct conn_tls *tls = conn->tls;

	if (conn->state != CONN_STATE_SECURE) {
		return;
	}
	tls->incoming = buf_slice(&tls->held);
	pump(conn);
	if (tls->incoming.n == 0) {
		buf_clear(&tls->held);
	} else {
		buf_drop(&tls->held, tls->held.n - tls->incoming.n);
	}
	tls->incoming = (struct slice){0};
}

bool conn_tls_holds(const struct conn *conn)
{
	return conn->tls != NULL && conn->tls->held.n > 0;
}

/* ---- writing ---- */

/* Encrypts from the front of `out`, about a batch. */
static bool encrypt(struct conn *conn)
{
	const struct buf *cipher = &loop_scratch(conn->loop)->cipher;
	struct iovec vectors[OUT_PIECES];
	size_t n;

	ERR_clear_error();
	while (conn->out.total > 0 && cipher->n < BATCH_BYTES) {
		(void)out_vectors(&conn->out, vectors);
		n = vectors[0].iov_len < BATCH_BYTES ? vectors[0].iov_len : BATCH_BYTES;
		if (SSL_write_ex(conn->tls->ssl, vectors[0].iov_base, n, &n) != 1) {
			return false;
		}
		out_sent(&conn->out, n);
	}
	return true;
}

void conn_tls_flush(struct conn *conn)
{
	struct buf *pending = &conn->tls->pending;

	if (pending->n > 0) {
		conn_send(conn, buf_slice(pending));
		buf_clear(pending);
	}
	while (conn->state == CONN_STATE_SECURE && conn->flight == NULL && conn->out.total > 0 &&
		conn->write_error == 0) {
		bool sound = encrypt(conn);

		push(conn);
		if (!sound && !conn_is_over(conn)) {
			fail_tls(conn);
		}
	}
}

void conn_tls_goodbye(struct conn *conn)
{
	struct buf *cipher = &loop_scratch(conn->loop)->cipher;
	uv_buf_t buf;

	ERR_clear_error();
	(void)SSL_shutdown(conn->tls->ssl);
	ERR_clear_error();
	buf = uv_buf_init(cipher->p, (unsigned)cipher->n);
	if (cipher->n > 0) {
		(void)uv_try_write((uv_stream_t *)&conn->tcp, &buf, 1);
	}
	buf_reset(cipher);
}

/* ---- beginning and end ---- */

/* SNI is for names only (RFC 6066 section 3); an address is proved as an address. */
static bool set_name(struct conn_tls *tls, struct slice name)
{
	char text[NAME_MAX_BYTES + 1];
	union endpoint address;
	X509_VERIFY_PARAM *param = SSL_get0_param(tls->ssl);

	if (slice_ends(name, SLICE("."))) {
		name.n--;
	}
	if (name.n == 0 || name.n > NAME_MAX_BYTES || memchr(name.p, '\0', name.n) != NULL) {
		return false;
	}
	memcpy(text, name.p, name.n);
	text[name.n] = '\0';
	if (endpoint_parse(name, 0, &address)) {
		return X509_VERIFY_PARAM_set1_ip_asc(param, text) == 1;
	}
	X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	return SSL_set_tlsext_host_name(tls->ssl, text) == 1 && SSL_set1_host(tls->ssl, text) == 1;
}

static bool set_up(struct conn *conn, struct slice name, bool verify)
{
	struct conn_tls *tls = conn->tls;
	BIO *bio = BIO_new(tls->context->bio);

	tls->ssl = SSL_new(tls->context->ctx);
	if (tls->ssl == NULL || bio == NULL) {
		BIO_free(bio);
		return false;
	}
	BIO_set_data(bio, conn);
	BIO_set_init(bio, 1);
	SSL_set_bio(tls->ssl, bio, bio);
	SSL_set_msg_callback(tls->ssl, on_message);
	SSL_set_msg_callback_arg(tls->ssl, conn);
	SSL_set_connect_state(tls->ssl);
	tls->named = set_name(tls, name);
	if (verify) {
		SSL_set_verify(tls->ssl, SSL_VERIFY_PEER, NULL);
	}
	return tls->named || !verify;
}

void conn_secure(struct conn *conn, struct tls_context *context, struct slice name, bool verify)
{
	if (conn_is_over(conn)) {
		return;
	}
	if (conn->state != CONN_STATE_PLAIN || conn_peek(conn).n > 0 || conn_unsent(conn) > 0) {
		/* Neither their plain bytes nor ours may end up inside TLS. */
		conn_fail(conn, conn_peek(conn).n > 0 ? CONN_INJECTED : CONN_TLS,
			"the stream was not quiet when TLS was to begin");
		return;
	}
	conn->tls = MEM_NEW(struct conn_tls);
	conn->tls->context = tls_context_ref(context);
	buf_init(&conn->tls->held, 0);
	buf_init(&conn->tls->pending, PENDING_MAX);
	conn->state = CONN_STATE_HANDSHAKE;
	if (!set_up(conn, name, verify)) {
		conn_fail(conn, CONN_TLS, "there is no name to prove");
		return;
	}
	shake(conn); /* writes the ClientHello; it cannot be done yet */
}

void conn_tls_free(struct conn_tls **tls)
{
	struct conn_tls *t = *tls;

	if (t == NULL) {
		return;
	}
	*tls = NULL;
	SSL_free(t->ssl);
	tls_context_free(&t->context);
	buf_clear(&t->held);
	buf_clear(&t->pending);
	mem_free(t);
}

struct slice conn_tls_version(const struct conn *conn)
{
	return conn->tls == NULL ? (struct slice){0} : slice_of(SSL_get_version(conn->tls->ssl));
}

struct slice conn_tls_cipher(const struct conn *conn)
{
	return conn->tls == NULL ? (struct slice){0}
				 : slice_of(SSL_get_cipher_name(conn->tls->ssl));
}

bool conn_tls_verified(const struct conn *conn)
{
	return conn->tls != NULL && conn->tls->named &&
		SSL_get0_peer_certificate(conn->tls->ssl) != NULL &&
		SSL_get_verify_result(conn->tls->ssl) == X509_V_OK;
}
