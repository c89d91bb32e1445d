#include "io/tls.h"

#include <criterion/criterion.h>

#include "base/mem.h"
#include "no_leaks.h"
#include "tls_peer.h"

TestSuite(conn_tls, .fini = no_leaks, .timeout = 30);

static void secure_at_greeting(struct witness *w, const char *word)
{
	if (is(word, "connected") || (is(word, "data") && w->lazy)) {
		w->in_call = true;
		conn_secure(w->conn, w->tls, slice_of(w->name), w->verify);
		w->in_call = false;
	} else if (is(word, "secure")) {
		conn_write(w->conn, SLICE("EHLO me\r\n"));
	} else if (is(word, "data")) {
		conn_close(w->conn, false);
	}
}

static void greet_inside(SSL *ssl, struct tls_script *script)
{
	char line[100];
	int n = SSL_read(ssl, line, sizeof(line));

	script->bytes = n > 0 ? (size_t)n : 0;
	SSL_write(ssl, "250 hello\r\n", 11);
	(void)SSL_read(ssl, line, sizeof(line)); /* until close_notify */
}

static void run(struct witness *w, struct tls_script *script)
{
	struct loop *loop = loop_new();
	struct peer peer;

	peer_start(&peer, tls_accept, script);
	witness_open(w, loop, &peer.address, NULL);
	loop_run(loop);
	loop_free(&loop);
	peer_join(&peer);
}

static struct tls_context *context(enum tls_version least, const char *ca_file)
{
	struct tls_context *tls = NULL;
	struct buf why;

	buf_init(&why, 0);
	cr_assert(!err_is(tls_context_new(least, ca_file, &tls, &why)), "%s", buf_string(&why));
	buf_clear(&why);
	return tls;
}

/* ---- certificates ---- */

static bool verified;
static char version[16], cipher[64];

static void look_and_go_on(struct witness *w, const char *word)
{
	if (is(word, "secure")) {
		verified = conn_tls_verified(w->conn);
		buf_add(&w->failure_text, conn_tls_version(w->conn));
		snprintf(version, sizeof(version), "%s", conn_tls_version(w->conn).p);
		snprintf(cipher, sizeof(cipher), "%s", conn_tls_cipher(w->conn).p);
	}
	secure_at_greeting(w, word);
}

enum { BY_CA, BY_ITSELF, EXPIRED, IDENTITIES };

static const struct {
	const char *label;
	int identity;
	const char *name;
	bool verify;
	const char *words;
	bool verified;
	const char *sni;
} certificates[] = {
	{"good, asked", BY_CA, "mx.example.org", true, "connected secure drained data gone", true,
		"mx.example.org"},
	{"good, not asked", BY_CA, "mx.example.org", false, "connected secure drained data gone",
		true, "mx.example.org"},
	{"final dot", BY_CA, "mx.example.org.", true, "connected secure drained data gone", true,
		"mx.example.org"},
	{"wrong name, asked", BY_CA, "mx.example.net", true, "connected unverified gone", false,
		"mx.example.net"},
	{"wrong name, not asked", BY_CA, "mx.example.net", false,
		"connected secure drained data gone", false, "mx.example.net"},
	{"address in certificate", BY_CA, "127.0.0.1", true, "connected secure drained data gone",
		true, "-"},
	{"address not in it", BY_CA, "127.0.0.2", true, "connected unverified gone", false, "-"},
	{"self-signed, asked", BY_ITSELF, "mx.example.org", true, "connected unverified gone",
		false, "mx.example.org"},
	{"self-signed, not asked", BY_ITSELF, "mx.example.org", false,
		"connected secure drained data gone", false, "mx.example.org"},
	{"expired, asked", EXPIRED, "mx.example.org", true, "connected unverified gone", false,
		"mx.example.org"},
	{"expired, not asked", EXPIRED, "mx.example.org", false,
		"connected secure drained data gone", false, "mx.example.org"},
	{"no name, asked", BY_CA, "", true, "connected tls gone", false, "-"},
	{"no name, not asked", BY_CA, "", false, "connected secure drained data gone", false, "-"},
};

Test(conn_tls, smtp_T5_smtp_T6_certificates_prove_names_or_not)
{
	static const char san[] = "DNS:mx.example.org,IP:127.0.0.1";
	struct identity ca = identity_make("test CA", NULL, NULL, -60);
	struct identity ids[IDENTITIES] = {
		[BY_CA] = identity_make("by CA", san, &ca, -60),
		[BY_ITSELF] = identity_make("self", san, NULL, -60),
		[EXPIRED] = identity_make("expired", san, &ca, -7200),
	};
	char path[] = "/tmp/penguin-test-ca-XXXXXX";

	identity_write(&ca, path);
	for (size_t i = 0; i < ARRAY_LEN(certificates); i++) {
		struct tls_script script = {
			.identity = &ids[certificates[i].identity], .talk = greet_inside};
		struct witness w = {.then = look_and_go_on,
			.tls = context(TLS_VERSION_1_2, path),
			.name = certificates[i].name,
			.verify = certificates[i].verify};

		verified = false;
		run(&w, &script);
		cr_assert_str_eq(buf_string(&w.words), certificates[i].words, "%s: %s (%s)",
			certificates[i].label, buf_string(&w.words), buf_string(&w.failure_text));
		cr_assert_eq(verified, certificates[i].verified, "%s", certificates[i].label);
		if (!is(certificates[i].words, "connected tls gone")) {
			cr_assert_str_eq(
				script.sni, certificates[i].sni, "%s", certificates[i].label);
		}
		if (slice_ends(buf_slice(&w.words), SLICE("data gone"))) {
			cr_assert_str_eq(buf_string(&w.data), "250 hello\r\n");
			cr_assert_eq(script.bytes, 9);
			cr_assert(script.notified, "%s: no close_notify", certificates[i].label);
			cr_assert_str_eq(version, "TLSv1.3");
			cr_assert(strncmp(cipher, "TLS_", 4) == 0, "%s", cipher);
		}
		tls_context_free(&w.tls);
		witness_clear(&w);
	}
	unlink(path);
	for (int i = 0; i < IDENTITIES; i++) {
		identity_free(&ids[i]);
	}
	identity_free(&ca);
}

/* ---- versions ---- */

Test(conn_tls, smtp_T5_old_versions_only_by_permission)
{
	struct identity id = identity_make("old", "DNS:mx.test", NULL, -60);

	for (int allowed = 0; allowed < 2; allowed++) {
		struct tls_script script = {
			.identity = &id, .version_max = TLS1_VERSION, .talk = greet_inside};
		struct witness w = {.then = look_and_go_on,
			.tls = context(allowed ? TLS_VERSION_1_0 : TLS_VERSION_1_2, NULL),
			.name = "mx.test"};

		run(&w, &script);
		cr_assert_str_eq(buf_string(&w.words),
			allowed ? "connected secure drained data gone" : "connected tls gone");
		cr_assert(!allowed || is(version, "TLSv1"), "%s", version);
		tls_context_free(&w.tls);
		witness_clear(&w);
	}
	identity_free(&id);
}

/* ---- peers that do not speak TLS ---- */

static void say_plain(int fd, void *arg)
{
	char hello[2000];

	(void)!read(fd, hello, sizeof(hello));
	peer_say(fd, arg);
}

static const struct {
	const char *label;
	const char *says;
	const char *words;
} sabotage[] = {
	{"closes", "", "connected tls gone"},
	{"answers in plain", "250-EVIL\r\n250 SIZE 1\r\n", "connected injected gone"},
	{"a digit", "2", "connected injected gone"},
	{"one byte", "\x16", "connected tls gone"},
	{"an alert", "\x15\x03\x03\x00\x02\x02\x28", "connected tls gone"},
	{"text", "this is no TLS\r\n", "connected tls gone"},
};

Test(conn_tls, smtp_T1_smtp_T4_threat_C3_a_broken_handshake_is_a_failure_of_tls)
{
	for (size_t i = 0; i < ARRAY_LEN(sabotage); i++) {
		struct loop *loop = loop_new();
		struct peer peer;
		struct witness w = {.then = secure_at_greeting,
			.tls = context(TLS_VERSION_1_2, NULL),
			.name = "mx.test"};

		peer_start(&peer, say_plain, (void *)sabotage[i].says);
		witness_open(&w, loop, &peer.address, NULL);
		loop_run(loop);
		loop_free(&loop);
		peer_join(&peer);
		cr_assert_str_eq(buf_string(&w.words), sabotage[i].words, "%s: %s",
			sabotage[i].label, buf_string(&w.words));
		cr_assert_eq(w.data.n, 0, "%s", sabotage[i].label);
		cr_assert(w.failure_text.n > 0);
		tls_context_free(&w.tls);
		witness_clear(&w);
	}
}

static void greet_plain(int fd, void *arg)
{
	char byte;

	(void)arg;
	peer_say(fd, "220 go ahead\r\n250 injected\r\n");
	(void)!read(fd, &byte, 1);
}

Test(conn_tls, smtp_T1_threat_C1_plain_bytes_do_not_get_into_tls)
{
	struct loop *loop = loop_new();
	struct peer peer;
	struct witness w = {.lazy = true,
		.tls = context(TLS_VERSION_1_2, NULL),
		.name = "mx.test",
		.then = secure_at_greeting};

	peer_start(&peer, greet_plain, NULL);
	witness_open(&w, loop, &peer.address, NULL);
	w.then = NULL;
	while (conn_peek(w.conn).n == 0) {
		loop_drain(loop);
	}
	conn_secure(w.conn, w.tls, slice_of(w.name), false);
	loop_run(loop);
	loop_free(&loop);
	peer_join(&peer);
	cr_assert_str_eq(buf_string(&w.words), "connected data injected gone");
	tls_context_free(&w.tls);
	witness_clear(&w);
}

/* ---- the end ---- */

static void end_without_notify(SSL *ssl, struct tls_script *script)
{
	(void)script;
	SSL_write(ssl, "221 bye\r\n", 9);
	SSL_set_quiet_shutdown(ssl, 1);
}

static void end_with_notify(SSL *ssl, struct tls_script *script)
{
	(void)script;
	SSL_write(ssl, "221 bye\r\n", 9);
	SSL_shutdown(ssl);
}

static void only_secure(struct witness *w, const char *word)
{
	if (is(word, "connected")) {
		conn_secure(w->conn, w->tls, slice_of(w->name), w->verify);
	}
}

Test(conn_tls, smtp_T8_an_end_is_an_end_with_or_without_close_notify)
{
	struct identity id = identity_make("end", "DNS:mx.test", NULL, -60);

	for (int notify = 0; notify < 2; notify++) {
		struct tls_script script = {
			.identity = &id, .talk = notify ? end_with_notify : end_without_notify};
		struct witness w = {.then = only_secure,
			.tls = context(TLS_VERSION_1_2, NULL),
			.name = "mx.test"};

		run(&w, &script);
		cr_assert_str_eq(buf_string(&w.data), "221 bye\r\n");
		cr_assert_str_eq(buf_string(&w.words), "connected secure data eof gone");
		tls_context_free(&w.tls);
		witness_clear(&w);
	}
	identity_free(&id);
}

/* ---- floods ---- */

static void flood_key_updates(SSL *ssl, struct tls_script *script)
{
	for (int i = 0; i < 200; i++) {
		SSL_key_update(ssl, SSL_KEY_UPDATE_REQUESTED);
		if (SSL_write(ssl, "x", 1) != 1) {
			break;
		}
		script->bytes++;
	}
	usleep(100000);
}

/* HelloRequest, which asks for a renegotiation; TLS 1.2 only. */
static void flood_hello_requests(SSL *ssl, struct tls_script *script)
{
	for (int i = 0; i < 200; i++) {
		if (SSL_renegotiate(ssl) != 1 || SSL_do_handshake(ssl) != 1) {
			break;
		}
		script->bytes++;
	}
	usleep(100000);
}

/* Asks once, and listens until the client has gone. */
static void ask_once(SSL *ssl, struct tls_script *script)
{
	char line[100];

	script->sum = SSL_renegotiate(ssl) == 1 && SSL_do_handshake(ssl) == 1;
	SSL_write(ssl, "221 bye\r\n", 9);
	while (SSL_read(ssl, line, sizeof(line)) > 0) {
	}
}

static const struct {
	const char *label;
	int version_max;
	void (*talk)(SSL *ssl, struct tls_script *script);
} floods[] = {
	{"KeyUpdate", 0, flood_key_updates},
	{"HelloRequest", TLS1_2_VERSION, flood_hello_requests},
};

Test(conn_tls, smtp_T7_threat_C4_a_peer_cannot_shake_hands_for_ever)
{
	struct identity id = identity_make("flood", "DNS:mx.test", NULL, -60);

	for (size_t i = 0; i < ARRAY_LEN(floods); i++) {
		struct tls_script script = {.identity = &id,
			.version_max = floods[i].version_max,
			.talk = floods[i].talk};
		struct witness w = {.then = only_secure,
			.tls = context(TLS_VERSION_1_2, NULL),
			.name = "mx.test"};

		run(&w, &script);
		cr_assert(slice_ends(buf_slice(&w.words), SLICE("tls gone")), "%s: %s",
			floods[i].label, buf_string(&w.words));
		cr_assert(slice_search(buf_slice(&w.failure_text), SLICE("without end")) <
				w.failure_text.n,
			"%s: %s", floods[i].label, buf_string(&w.failure_text));
		tls_context_free(&w.tls);
		witness_clear(&w);
	}
	identity_free(&id);
}

Test(conn_tls, smtp_T7_threat_C4_a_renegotiation_is_refused)
{
	struct identity id = identity_make("again", "DNS:mx.test", NULL, -60);
	struct tls_script script = {
		.identity = &id, .version_max = TLS1_2_VERSION, .talk = ask_once};
	struct witness w = {.then = secure_at_greeting,
		.tls = context(TLS_VERSION_1_2, NULL),
		.name = "mx.test"};

	run(&w, &script);
	cr_assert_str_eq(buf_string(&w.data), "221 bye\r\n");
	cr_assert_eq(script.sum, 1);
	cr_assert_eq(script.renegotiations, 0, "%u", script.renegotiations);
	tls_context_free(&w.tls);
	witness_clear(&w);
	identity_free(&id);
}

/* A certificate of 80 kB: more than any chain needs, and less than OpenSSL itself would refuse. */
Test(conn_tls, threat_C4_a_giant_chain_is_not_read)
{
	struct buf names;
	struct identity id;
	struct tls_script script = {.identity = &id, .talk = greet_inside};
	struct witness w = {.then = secure_at_greeting,
		.tls = context(TLS_VERSION_1_2, NULL),
		.name = "mx.test"};

	buf_init(&names, 0);
	buf_add_text(&names, "DNS:mx.test");
	for (int i = 0; i < 2000; i++) {
		buf_add_format(&names, ",DNS:a-name-that-is-long-enough-%07d.test", i);
	}
	id = identity_make("giant", buf_string(&names), NULL, -60);
	run(&w, &script);
	cr_assert_str_eq(buf_string(&w.words), "connected tls gone");
	cr_assert_lt(slice_search(buf_slice(&w.failure_text), SLICE("excessive message size")),
		w.failure_text.n, "%s", buf_string(&w.failure_text));
	tls_context_free(&w.tls);
	witness_clear(&w);
	identity_free(&id);
	buf_clear(&names);
}

/* ---- much, in both directions ---- */

enum { MUCH = 3 * 1024 * 1024 };

static char *much;

static uint64_t add_up(uint64_t sum, const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		sum = sum * 31 + (unsigned char)p[i];
	}
	return sum;
}

static void take_and_give(SSL *ssl, struct tls_script *script)
{
	static char chunk[16384];
	int n;

	usleep(50000);
	while (script->bytes < MUCH + 2 && (n = SSL_read(ssl, chunk, sizeof(chunk))) > 0) {
		script->sum = add_up(script->sum, chunk, (size_t)n);
		script->bytes += (size_t)n;
	}
	for (size_t at = 0; at < MUCH; at += 3 * 1024) {
		if (SSL_write(ssl, much + at, 3 * 1024) <= 0) {
			return;
		}
	}
	SSL_shutdown(ssl);
}

static void on_hungry(void *owner)
{
	struct witness *w = owner;
	struct slice bytes = conn_peek(w->conn);

	w->lazy = false;
	buf_add(&w->data, bytes);
	conn_take(w->conn, bytes.n);
}

static struct timer hungry;

static void write_much(struct witness *w, const char *word)
{
	if (is(word, "connected")) {
		conn_secure(w->conn, w->tls, slice_of(w->name), w->verify);
		tls_context_free(&w->tls); /* the connection holds it */
	} else if (is(word, "secure")) {
		conn_write(w->conn, SLICE("a"));
		conn_write_borrow(w->conn, slice_make(much, MUCH));
		conn_write(w->conn, SLICE("z"));
	} else if (is(word, "data")) {
		timer_set(&hungry, loop_now_us(w->loop) + 200000);
	}
}

Test(conn_tls, much_goes_through_at_the_pace_of_the_slower)
{
	struct identity id = identity_make("much", "DNS:mx.test", NULL, -60);
	struct tls_script script = {.identity = &id, .talk = take_and_give};
	struct witness w = {.then = write_much,
		.lazy = true,
		.tls = context(TLS_VERSION_1_2, NULL),
		.name = "mx.test"};
	struct loop *loop = loop_new();
	struct peer peer;

	much = mem_new(MUCH);
	for (size_t i = 0; i < MUCH; i++) {
		much[i] = (char)(i * 7 + i / 251);
	}
	timer_init(&hungry, loop, on_hungry, &w);
	peer_start(&peer, tls_accept, &script);
	witness_open(&w, loop, &peer.address, NULL);
	loop_run(loop);
	loop_free(&loop);
	peer_join(&peer);
	cr_assert_eq(script.bytes, MUCH + 2);
	cr_assert_eq(script.sum, add_up(add_up(add_up(0, "a", 1), much, MUCH), "z", 1));
	cr_assert_eq(w.data.n, MUCH);
	cr_assert_eq(memcmp(w.data.p, much, MUCH), 0);
	cr_assert_leq(w.most, 65536);
	cr_assert_str_eq(buf_string(&w.words), "connected secure drained data eof gone");
	mem_free(much);
	witness_clear(&w);
	identity_free(&id);
}

Test(conn_tls, a_trust_store_that_cannot_be_read_is_said)
{
	struct tls_context *tls = NULL;
	struct buf why;

	buf_init(&why, 0);
	cr_assert(err_is(tls_context_new(TLS_VERSION_1_2, "/nowhere/ca.pem", &tls, &why)));
	cr_assert_null(tls);
	cr_assert(slice_search(buf_slice(&why), SLICE("/nowhere/ca.pem")) < why.n);
	buf_clear(&why);
}
