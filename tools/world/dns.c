/*
 * Sockets for the name server: what comes in goes to names.c, what it says goes
 * back, at once or after the delay that the entry asks for.
 *
 * A delayed answer is an object of its own on a list; over TCP a connection that
 * ends takes its delayed answers along.  TCP connections are few (truncated
 * answers), so each has its own buffer, and questions are answered in turn (RFC 7766).
 */
#include "dns.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/list.h"
#include "base/mem.h"

#define PACKET_MAX 65535
#define TURN_MAX 64 /* questions a turn: mail shall not starve */

struct dns {
	struct loop *loop;
	struct names *names;
	struct ledger *ledger;
	struct watch udp;
	struct watch tcp;
	uint16_t port;
	uint64_t questions;
	struct buf out;
	struct list clients; /* TCP */
	struct list delayed;
};

struct client {
	struct watch watch;
	struct list_link link;
	struct dns *dns;
	struct sockaddr_storage peer;
	struct buf in;
};

struct delayed {
	struct alarm alarm;
	struct list_link link;
	struct dns *dns;
	struct client *client; /* NULL = over UDP */
	struct sockaddr_storage peer;
	struct buf bytes;
};

static void send_bytes(struct dns *dns, struct client *client, const struct sockaddr_storage *peer,
	struct slice bytes)
{
	if (client != NULL) {
		(void)!send(client->watch.fd, bytes.p, bytes.n, MSG_NOSIGNAL);
		return;
	}
	(void)!sendto(
		dns->udp.fd, bytes.p, bytes.n, 0, (const struct sockaddr *)peer, sizeof(*peer));
}

static void delayed_free(struct delayed *d)
{
	loop_cancel(d->dns->loop, &d->alarm);
	list_remove(&d->dns->delayed, &d->link);
	buf_clear(&d->bytes);
	mem_free(d);
}

static void on_delayed(struct alarm *alarm)
{
	struct delayed *d = HEAP_OWNER(alarm, struct delayed, alarm);

	send_bytes(d->dns, d->client, &d->peer, buf_slice(&d->bytes));
	delayed_free(d);
}

static void log_question(struct dns *dns, const struct wire_question *q,
	const struct names_answer *answer, bool over_tcp)
{
	struct buf *line = ledger_begin_event(dns->ledger, "dns");

	if (line == NULL) {
		return;
	}
	json_text(line, "name", q->name);
	json_number(line, "type", q->type);
	json_text(line, "transport", over_tcp ? SLICE("tcp") : SLICE("udp"));
	if (answer->silent) {
		json_null_or_text(line, "rcode", SLICE(""));
	} else {
		json_number(line, "rcode", answer->rcode);
	}
	ledger_end(line);
}

static void answer_packet(struct dns *dns, struct client *client,
	const struct sockaddr_storage *peer, struct slice packet)
{
	struct wire_question question;
	struct names_answer answer;
	struct delayed *d;

	if (!wire_read(packet, &question)) {
		return;
	}
	dns->questions++;
	buf_reset(&dns->out);
	if (client != NULL) {
		buf_add(&dns->out, SLICE("\0\0"));
	}
	answer = names_answer(
		dns->names, &question, client != NULL, loop_now_us(dns->loop), &dns->out);
	log_question(dns, &question, &answer, client != NULL);
	if (answer.silent || dns->out.spoiled) {
		return;
	}
	if (client != NULL) {
		dns->out.p[0] = (char)((dns->out.n - 2) >> 8);
		dns->out.p[1] = (char)((dns->out.n - 2) & 255);
	}
	if (answer.delay_us == 0) {
		send_bytes(dns, client, peer, buf_slice(&dns->out));
		return;
	}
	d = MEM_NEW(struct delayed);
	d->alarm.on_due = on_delayed;
	d->dns = dns;
	d->client = client;
	d->peer = *peer;
	buf_init(&d->bytes, 0);
	buf_add(&d->bytes, buf_slice(&dns->out));
	list_push(&dns->delayed, &d->link);
	loop_alarm(dns->loop, &d->alarm, loop_now_us(dns->loop) + answer.delay_us);
}

static void on_udp(struct watch *watch, uint32_t events)
{
	struct dns *dns = HEAP_OWNER(watch, struct dns, udp);
	char packet[4096];

	(void)events;
	for (int i = 0; i < TURN_MAX; i++) {
		struct sockaddr_storage peer = {0};
		socklen_t size = sizeof(peer);
		ssize_t n = recvfrom(watch->fd, packet, sizeof(packet), MSG_DONTWAIT,
			(struct sockaddr *)&peer, &size);

		if (n < 0) {
			return;
		}
		answer_packet(dns, NULL, &peer, slice_make(packet, (size_t)n));
	}
}

static void client_free(struct client *client)
{
	struct dns *dns = client->dns;
	struct list_link *link = list_first(&dns->delayed);

	while (link != NULL) {
		struct delayed *d = LIST_OWNER(link, struct delayed, link);

		link = list_next(&dns->delayed, link);
		if (d->client == client) {
			delayed_free(d);
		}
	}
	loop_unwatch(dns->loop, &client->watch);
	close(client->watch.fd);
	list_remove(&dns->clients, &client->link);
	buf_clear(&client->in);
	mem_free(client);
}

static void on_client(struct watch *watch, uint32_t events)
{
	struct client *client = HEAP_OWNER(watch, struct client, watch);
	char bytes[4096];
	ssize_t n = recv(watch->fd, bytes, sizeof(bytes), MSG_DONTWAIT);

	(void)events;
	if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
		return;
	}
	if (n <= 0) {
		client_free(client);
		return;
	}
	buf_add(&client->in, slice_make(bytes, (size_t)n));
	while (client->in.n >= 2) {
		const unsigned char *p = (const unsigned char *)client->in.p;
		size_t length = (size_t)p[0] << 8 | p[1];

		if (client->in.n < 2 + length) {
			break;
		}
		answer_packet(
			client->dns, client, &client->peer, slice_make(client->in.p + 2, length));
		buf_drop(&client->in, 2 + length);
	}
}

static void on_tcp(struct watch *watch, uint32_t events)
{
	struct dns *dns = HEAP_OWNER(watch, struct dns, tcp);
	int fd = accept4(watch->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct client *client;

	(void)events;
	if (fd < 0) {
		return;
	}
	client = MEM_NEW(struct client);
	client->watch = (struct watch){.fd = fd, .on_ready = on_client};
	client->dns = dns;
	buf_init(&client->in, 2 + PACKET_MAX);
	list_push(&dns->clients, &client->link);
	if (err_is(loop_watch(dns->loop, &client->watch, EPOLLIN))) {
		client_free(client);
	}
}

static struct err bind_socket(int type, const char *address, uint16_t *port, int *ret_fd)
{
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_port = htons(*port)};
	socklen_t size = sizeof(sin);
	int on = 1;

	if (inet_pton(AF_INET, address, &sin.sin_addr) != 1) {
		return err_input();
	}
	*ret_fd = socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (*ret_fd < 0) {
		return err_system();
	}
	if (type == SOCK_STREAM) {
		(void)setsockopt(*ret_fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	}
	if (bind(*ret_fd, (const struct sockaddr *)&sin, sizeof(sin)) < 0 ||
		(type == SOCK_STREAM && listen(*ret_fd, 64) < 0) ||
		getsockname(*ret_fd, (struct sockaddr *)&sin, &size) < 0) {
		return err_system();
	}
	*port = ntohs(sin.sin_port);
	return ERR_OK;
}

/* With port 0 the kernel's choice for UDP may be taken for TCP: then choose again. */
static struct err bind_both(struct dns *dns, const char *address, uint16_t port)
{
	struct err err = ERR_OK;

	for (int attempt = 0; attempt < 16; attempt++) {
		dns->port = port;
		err = bind_socket(SOCK_DGRAM, address, &dns->port, &dns->udp.fd);
		if (!err_is(err)) {
			err = bind_socket(SOCK_STREAM, address, &dns->port, &dns->tcp.fd);
		}
		if (!err_is(err) || port != 0) {
			return err;
		}
		close(dns->udp.fd);
		close(dns->tcp.fd);
		dns->udp.fd = dns->tcp.fd = -1;
	}
	return err;
}

struct err dns_open(struct loop *loop, struct names *names, struct ledger *ledger,
	const char *address, uint16_t port, struct dns **ret_dns)
{
	struct dns *dns = MEM_NEW(struct dns);
	struct err err;
	int size = 4 * 1024 * 1024;

	*ret_dns = dns;
	dns->loop = loop;
	dns->names = names;
	dns->ledger = ledger;
	dns->udp = (struct watch){.fd = -1, .on_ready = on_udp};
	dns->tcp = (struct watch){.fd = -1, .on_ready = on_tcp};
	buf_init(&dns->out, 2 + PACKET_MAX);
	list_init(&dns->clients);
	list_init(&dns->delayed);
	err = bind_both(dns, address, port);
	if (err_is(err)) {
		return err;
	}
	(void)setsockopt(dns->udp.fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	err = loop_watch(loop, &dns->udp, EPOLLIN);
	return err_is(err) ? err : loop_watch(loop, &dns->tcp, EPOLLIN);
}

void dns_close(struct dns **dns)
{
	struct list_link *link;

	if (*dns == NULL) {
		return;
	}
	while ((link = list_first(&(*dns)->clients)) != NULL) {
		client_free(LIST_OWNER(link, struct client, link));
	}
	while ((link = list_first(&(*dns)->delayed)) != NULL) {
		delayed_free(LIST_OWNER(link, struct delayed, link));
	}
	if ((*dns)->udp.fd >= 0) {
		loop_unwatch((*dns)->loop, &(*dns)->udp);
		close((*dns)->udp.fd);
	}
	if ((*dns)->tcp.fd >= 0) {
		loop_unwatch((*dns)->loop, &(*dns)->tcp);
		close((*dns)->tcp.fd);
	}
	buf_clear(&(*dns)->out);
	mem_free(*dns);
	*dns = NULL;
}

uint16_t dns_port(const struct dns *dns)
{
	return dns->port;
}

uint64_t dns_questions(const struct dns *dns)
{
	return dns->questions;
}
