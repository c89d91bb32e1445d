#include "io/conn.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <sys/resource.h>

#include "base/mem.h"
#include "no_leaks.h"
#include "peer.h"

TestSuite(conn, .fini = no_leaks, .timeout = 20);

static void run(struct witness *w, const union endpoint *remote, const union endpoint *local)
{
	struct loop *loop = loop_new();

	witness_open(w, loop, remote, local);
	loop_run(loop);
	loop_free(&loop);
}

/* ---- a talk in order ---- */

static void echo(int fd, void *arg)
{
	char line[256];
	ssize_t n = read(fd, line, sizeof(line));

	*(ssize_t *)arg = n;
	peer_say(fd, "250 you said ");
	if (n > 0) {
		(void)!write(fd, line, (size_t)n);
	}
}

static void talk(struct witness *w, const char *word)
{
	static const char body[] = "body ";

	if (is(word, "connected")) {
		w->in_call = true;
		conn_write(w->conn, SLICE("MAIL "));
		conn_write_borrow(w->conn, slice_of(body));
		conn_write(w->conn, SLICE("DOT"));
		cr_assert_eq(conn_unsent(w->conn), 13);
		w->in_call = false;
	} else if (is(word, "drained")) {
		cr_assert_eq(conn_unsent(w->conn), 0);
	}
}

Test(conn, what_is_written_in_a_turn_arrives_as_one)
{
	struct peer peer;
	ssize_t first_read = 0;
	struct witness w = {.then = talk};

	peer_start(&peer, echo, &first_read);
	run(&w, &peer.address, NULL);
	peer_join(&peer);
	cr_assert_eq(first_read, 13, "one write, one read: %zd", first_read);
	cr_assert_str_eq(buf_string(&w.data), "250 you said MAIL body DOT");
	cr_assert_str_eq(buf_string(&w.words), "connected drained data eof gone");
	witness_clear(&w);
}

static void check_local(struct witness *w, const char *word)
{
	union endpoint local;
	struct buf text;

	if (is(word, "connected")) {
		conn_local(w->conn, &local);
		buf_init(&text, 0);
		endpoint_add(&text, &local, false);
		cr_assert_str_eq(buf_string(&text), "127.0.0.9");
		buf_clear(&text);
	}
}

Test(conn, is_sent_from_the_address_that_was_asked_for)
{
	struct peer peer;
	ssize_t n;
	struct witness w = {.then = check_local};
	union endpoint local;

	cr_assert(endpoint_parse(SLICE("127.0.0.9"), 4711, &local));
	peer_start(&peer, echo, &n);
	struct loop *loop = loop_new();

	witness_open(&w, loop, &peer.address, &local);
	conn_write(w.conn, SLICE("written before it was open"));
	loop_run(loop);
	loop_free(&loop);
	peer_join(&peer);
	cr_assert(endpoint_equal(&peer.client, &local));
	cr_assert_neq(peer.client.v4.sin_port, htons(4711), "only the address is used");
	cr_assert_eq(n, 26);
	witness_clear(&w);
}

/* ---- failures ---- */

Test(conn, nobody_listens)
{
	struct witness w = {0};
	union endpoint remote;

	close(peer_listen(&remote));
	run(&w, &remote, NULL);
	cr_assert_str_eq(buf_string(&w.words), "refused gone");
	witness_clear(&w);
}

Test(conn, an_address_that_is_not_ours_is_a_local_failure)
{
	struct peer peer;
	struct witness w = {0};
	union endpoint local, remote;

	close(peer_listen(&remote));
	(void)peer;
	cr_assert(endpoint_parse(SLICE("192.0.2.77"), 0, &local));
	run(&w, &remote, &local);
	cr_assert_str_eq(buf_string(&w.words), "local gone");
	witness_clear(&w);
}

Test(conn, no_descriptor_left_is_a_local_failure)
{
	struct witness w = {0};
	union endpoint remote;
	struct loop *loop = loop_new();
	struct rlimit limit;

	close(peer_listen(&remote));
	cr_assert_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	struct rlimit none = {3, limit.rlim_max};

	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
	witness_open(&w, loop, &remote, NULL);
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	loop_run(loop);
	loop_free(&loop);
	cr_assert_str_eq(buf_string(&w.words), "local gone");
	witness_clear(&w);
}

Test(conn, no_route)
{
	struct witness w = {0};
	union endpoint remote;

	cr_assert(endpoint_parse(SLICE("255.255.255.255"), 25, &remote));
	run(&w, &remote, NULL);
	cr_assert_str_eq(buf_string(&w.words), "unreachable gone");
	witness_clear(&w);
}

/* ---- the end of a stream ---- */

static void say_and_reset(int fd, void *arg)
{
	struct linger linger = {1, 0};

	(void)arg;
	peer_say(fd, "421 too many\r\n");
	usleep(50000);
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
}

static void write_on(struct witness *w, const char *word)
{
	if (is(word, "data") || is(word, "drained")) {
		usleep(20000); /* so that the reset is there when we write */
		conn_write(w->conn, SLICE("MAIL FROM:<>\r\n"));
	}
}

Test(conn, what_came_before_a_reset_is_heard)
{
	struct peer peer;
	struct witness w = {.then = write_on};

	peer_start(&peer, say_and_reset, NULL);
	run(&w, &peer.address, NULL);
	peer_join(&peer);
	cr_assert_str_eq(buf_string(&w.data), "421 too many\r\n");
	cr_assert(slice_ends(buf_slice(&w.words), SLICE("lost gone")), "%s", buf_string(&w.words));
	witness_clear(&w);
}

static void read_to_end(int fd, void *arg)
{
	char byte;
	ssize_t n;

	while ((n = read(fd, &byte, 1)) > 0) {
	}
	*(int *)arg = n < 0 ? errno : 0;
}

static void close_with_reset(struct witness *w, const char *word)
{
	if (is(word, "connected")) {
		conn_close(w->conn, true);
	}
}

static void close_gently(struct witness *w, const char *word)
{
	if (is(word, "connected")) {
		conn_write(w->conn, SLICE("never sent"));
		conn_close(w->conn, false);
		conn_write(w->conn, SLICE("nor this"));
	}
}

Test(conn, close_is_fin_or_reset)
{
	struct peer peer;
	int error = -1;
	struct witness w = {.then = close_with_reset};

	peer_start(&peer, read_to_end, &error);
	run(&w, &peer.address, NULL);
	peer_join(&peer);
	cr_assert_eq(error, ECONNRESET);
	cr_assert_str_eq(buf_string(&w.words), "connected gone");
	witness_clear(&w);

	w = (struct witness){.then = close_gently};
	peer_start(&peer, read_to_end, &error);
	run(&w, &peer.address, NULL);
	peer_join(&peer);
	cr_assert_eq(error, 0);
	cr_assert_str_eq(buf_string(&w.words), "connected gone");
	witness_clear(&w);
}

static void greet(int fd, void *arg)
{
	(void)arg;
	peer_say(fd, "220 a\r\n220 b\r\n");
	usleep(20000);
	peer_say(fd, "220 c\r\n");
}

static void close_at_data(struct witness *w, const char *word)
{
	if (is(word, "data")) {
		conn_close(w->conn, false);
		cr_assert_eq(conn_peek(w->conn).n, 0);
	}
}

Test(conn, may_be_closed_from_its_own_event)
{
	struct peer peer;
	struct witness w = {.then = close_at_data};

	peer_start(&peer, greet, NULL);
	run(&w, &peer.address, NULL);
	peer_join(&peer);
	cr_assert_str_eq(buf_string(&w.words), "connected data gone");
	witness_clear(&w);
}

/* ---- much ---- */

enum { MUCH = 4 * 1024 * 1024 };

struct tally {
	size_t bytes;
	uint64_t sum;
};

static uint64_t add_up(uint64_t sum, const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		sum = sum * 31 + (unsigned char)p[i];
	}
	return sum;
}

static void read_slowly(int fd, void *arg)
{
	struct tally *tally = arg;
	static char chunk[65536];
	ssize_t n;

	usleep(50000);
	while ((n = read(fd, chunk, sizeof(chunk))) > 0) {
		tally->sum = add_up(tally->sum, chunk, (size_t)n);
		tally->bytes += (size_t)n;
		if (tally->bytes >= MUCH + 9) {
			return;
		}
	}
}

static char *much;

static void write_much(struct witness *w, const char *word)
{
	if (is(word, "connected")) {
		conn_write(w->conn, SLICE("head"));
		conn_write_borrow(w->conn, slice_make(much, MUCH));
		conn_write(w->conn, SLICE("."));
		cr_assert_eq(conn_unsent(w->conn), MUCH + 5);
	} else if (is(word, "drained") && w->lazy) {
		w->lazy = false;
		conn_write(w->conn, SLICE("tail"));
	}
}

Test(conn, a_slow_reader_gets_all_in_order)
{
	struct peer peer;
	struct tally tally = {0};
	struct witness w = {.then = write_much, .lazy = true};
	uint64_t sum;

	much = mem_new(MUCH);
	for (size_t i = 0; i < MUCH; i++) {
		much[i] = (char)(i * 7 + i / 251);
	}
	peer_start(&peer, read_slowly, &tally);
	run(&w, &peer.address, NULL);
	peer_join(&peer);
	sum = add_up(add_up(add_up(add_up(0, "head", 4), much, MUCH), ".", 1), "tail", 4);
	cr_assert_eq(tally.bytes, MUCH + 9);
	cr_assert_eq(tally.sum, sum);
	cr_assert_str_eq(buf_string(&w.words), "connected drained drained eof gone");
	mem_free(much);
	witness_clear(&w);
}

static void pour(int fd, void *arg)
{
	static char chunk[65536];
	struct tally *tally = arg;

	for (int i = 0; i < 32; i++) {
		memset(chunk, 'a' + i % 26, sizeof(chunk));
		tally->sum = add_up(tally->sum, chunk, sizeof(chunk));
		for (size_t at = 0; at < sizeof(chunk);) {
			ssize_t n = write(fd, chunk + at, sizeof(chunk) - at);

			if (n <= 0) {
				return;
			}
			at += (size_t)n;
		}
	}
}

static void on_hungry(void *owner)
{
	struct witness *w = owner;
	struct slice bytes = conn_peek(w->conn);

	w->lazy = false;
	buf_add(&w->data, bytes);
	conn_take(w->conn, bytes.n);
}

Test(conn, an_owner_that_takes_nothing_holds_up_the_peer)
{
	struct peer peer;
	struct tally tally = {0};
	struct witness w = {.lazy = true};
	struct loop *loop = loop_new();
	struct timer hungry;

	peer_start(&peer, pour, &tally);
	witness_open(&w, loop, &peer.address, NULL);
	timer_init(&hungry, loop, on_hungry, &w);
	timer_set(&hungry, loop_now_us(loop) + 200000);
	loop_run(loop);
	loop_free(&loop);
	peer_join(&peer);
	cr_assert_eq(w.most, 65536);
	cr_assert_eq(w.data.n, 32 * 65536);
	cr_assert_eq(add_up(0, w.data.p, w.data.n), tally.sum);
	cr_assert_str_eq(buf_string(&w.words), "connected data eof gone");
	witness_clear(&w);
}
