/*
 * A dot that was written and never left (conformance M14, C8, B9): the connection fails
 * between the 354 and our body, while the signer is at work.  What the host says then is
 * no answer to a dot, and its silence no doubt.
 */
#include <criterion/criterion.h>
#include <sys/socket.h>

#include "../io/peer.h"
#include "no_leaks.h"
#include "smtp/session.h"

TestSuite(unsent, .fini = no_leaks, .timeout = 60);

static const struct envelope envelope = {
	.mail_from = {"a@b.test", 8},
	.rcpt_to = {"c@d.test", 8},
};

struct host {
	const char *lie; /* said behind the 354, or NULL */
	bool resets;
	bool reset; /* it is done */
};

struct client {
	struct loop *loop;
	struct host *host;
	unsigned sent;
	unsigned outcomes;
	struct evidence outcome;
	char text[64];
};

static void hear(int fd)
{
	char bytes[4096];

	cr_assert(read(fd, bytes, sizeof(bytes)) > 0);
}

static void script(int fd, void *arg)
{
	static const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
	static const char *const says[] = {
		"220 mx.test\r\n", "250 mx.test\r\n", "250 ok\r\n", "250 ok\r\n"};
	struct host *host = arg;

	for (size_t i = 0; i < ARRAY_LEN(says); i++) {
		peer_say(fd, says[i]);
		hear(fd);
	}
	peer_say(fd, "354 go ahead\r\n");
	if (host->lie != NULL) {
		usleep(50000); /* behind the 354, which is taken alone */
		peer_say(fd, host->lie);
	}
	if (host->resets) {
		/* What it said may still be read; what is written to it is refused. */
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
		shutdown(fd, SHUT_RD);
		usleep(50000);
	} else {
		usleep(600000);
	}
}

static void on_ready(void *owner, struct session *session)
{
	struct client *client = owner;

	if (client->sent++ == 0) {
		session_send(session, &envelope);
	} else {
		session_close(session);
	}
}

static void on_go(void *owner, struct session *session)
{
	(void)owner;
	usleep(400000); /* all of the script happens meanwhile */
	session_body(session, SLICE(""), SLICE("Subject: x\r\n\r\nhello\r\n"));
	session_release(session);
}

static void on_outcome(void *owner, struct session *session, const struct evidence *evidence)
{
	struct client *client = owner;

	(void)session;
	client->outcomes++;
	client->outcome = *evidence;
	(void)snprintf(client->text, sizeof(client->text), "%.*s", (int)evidence->text.n,
		evidence->text.p);
}

static void on_closed(void *owner, struct session *session, const struct session_end *end)
{
	(void)owner;
	(void)session;
	(void)end;
}

static void on_gone(void *owner, struct session *session)
{
	struct client *client = owner;

	(void)session;
	loop_stop(client->loop);
}

static void run(struct host *host, struct client *client)
{
	static const struct session_events events = {
		NULL, on_ready, on_go, on_outcome, on_closed, on_gone, NULL};
	static const int64_t patience = 20 * TIME_SECOND_US;
	const struct session_timeouts timeouts = {patience, patience, patience, patience, patience,
		patience, patience, patience, patience, patience, patience, patience};
	struct session_target target = {
		.host = SLICE("mx.test"),
		.local = {.any.sa_family = AF_UNSPEC},
		.ehlo = SLICE("me.test"),
		.tls = TLS_POLICY_NONE,
		.timeouts = &timeouts,
	};
	struct peer peer;

	peer_start(&peer, script, host);
	target.remote = peer.address;
	*client = (struct client){.loop = loop_new(), .host = host};
	(void)session_open(client->loop, &target, &events, client);
	loop_run(client->loop);
	loop_free(&client->loop);
	peer_join(&peer);
	cr_assert_eq(client->outcomes, 1U);
	cr_assert_not(client->outcome.dot_sent, "%s %u: the dot never left",
		failure_word(client->outcome.failure), client->outcome.code);
}

Test(unsent, smtp_M14_a_yes_before_the_reset_is_no_delivery)
{
	struct host host = {.lie = "250 2.0.0 queued\r\n", .resets = true};
	struct client client;

	run(&host, &client);
	cr_assert_neq(client.outcome.failure, FAILURE_NONE, "code %u", client.outcome.code);
}

Test(unsent, smtp_M14_a_reset_behind_the_354_is_no_doubt)
{
	struct host host = {.resets = true};
	struct client client;

	run(&host, &client);
	cr_assert_eq(
		client.outcome.failure, FAILURE_LOST, "%s", failure_word(client.outcome.failure));
}

Test(unsent, smtp_B9_a_no_before_the_reset_is_taken_at_its_word)
{
	struct host host = {.lie = "552 5.3.4 too big\r\n", .resets = true};
	struct client client;

	run(&host, &client);
	cr_assert_eq(client.outcome.failure, FAILURE_NONE);
	cr_assert_eq(client.outcome.code, 552U);
	cr_assert_eq(client.outcome.phase, PHASE_BODY);
	cr_assert_str_eq(client.text, "too big");
}

Test(unsent, smtp_B9_a_no_while_the_dot_is_in_our_hands_is_taken_at_its_word)
{
	struct host host = {.lie = "451 4.3.1 no room\r\n"};
	struct client client;

	run(&host, &client);
	cr_assert_eq(client.outcome.failure, FAILURE_NONE);
	cr_assert_eq(client.outcome.code, 451U);
}
