/*
 * DNS by c-ares.  c-ares only carries questions to servers and answers back: it
 * reads no file, its sockets hang on the loop by uv_poll, its retries on one timer.
 *
 * Two rules keep its callbacks harmless (conformance N1): they only file the
 * answer, and what the askers hear, they hear at the end of the turn; and the
 * channel is destroyed there as well, never below one of its own callbacks
 * (CVE-2026-33630); questions are never cancelled.  A debug build asserts it.
 *
 * A question lives until its askers were told and c-ares has let go of it, which
 * may be later: after 30 s the askers are told DNS_TEMPORARY anyway.
 */
#include "io/dns.h"

#include <ares.h>
#include <assert.h>
#include <string.h>
#include <uv.h>

#include "base/arena.h"
#include "base/list.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/time.h"

#include "dns_wire.h"

enum { NAME_TEXT_MAX = 253, EDNS_BYTES = 1232, CLASS_IN = 1 };

#define QUESTION_US (30 * TIME_SECOND_US)

struct dns {
	struct loop *loop;
	ares_channel channel;
	struct timer tick;
	struct later turn;
	struct map *waiting; /* the questions that more askers may join, by type and name */
	struct list open;    /* all questions without an answer */
	struct list done;    /* with an answer, askers not told yet */
	struct list sockets;
	uint64_t answered;
	uint64_t failed;
	unsigned inside;  /* calls of c-ares that may call back */
	struct dns *next; /* who is asked instead since the servers have changed; NULL = nobody */
	bool retired;     /* it ends with its last question */
	bool closing;
};

struct dns_socket {
	struct list_link link;
	uv_poll_t poll;
	struct dns *dns;
	ares_socket_t fd;
};

struct asker {
	void (*on_answer)(void *owner, const struct dns_answer *answer);
	void *owner;
};

enum question_state {
	QUESTION_OPEN,  /* on dns->open */
	QUESTION_FILED, /* has its answer; on dns->done */
	QUESTION_TOLD,  /* the askers have heard; c-ares still holds it */
};

struct question {
	struct list_link link;
	enum question_state state;
	struct dns *dns;
	char *key;         /* a byte for the type, then the name */
	struct slice name; /* what is asked for now: of the key, or a CNAME's target */
	enum dns_type type;
	struct asker *askers;
	size_t asker_count;
	struct timer deadline;
	struct arena *arena;
	struct dns_answer answer;
	unsigned hops;
	bool asked; /* c-ares holds it */
};

/* ---- questions ---- */

static void question_free(struct question *q)
{
	arena_free(&q->arena);
	mem_free(q->askers);
	mem_free(q->key);
	mem_free(q);
}

static struct slice key_of(const struct question *q)
{
	return slice_of(q->key);
}

static void file_answer(struct question *q)
{
	struct dns *dns = q->dns;

	q->state = QUESTION_FILED;
	timer_stop(&q->deadline);
	if (map_get(dns->waiting, key_of(q)) == q) {
		(void)map_remove(dns->waiting, key_of(q));
	}
	list_remove(&dns->open, &q->link);
	list_push(&dns->done, &q->link);
	loop_later(dns->loop, &dns->turn);
}

static void answer_without_records(struct question *q, enum dns_status status)
{
	q->answer = (struct dns_answer){.status = status, .name = q->name};
	file_answer(q);
}

static void fail(struct question *q)
{
	q->dns->failed++;
	answer_without_records(q, DNS_TEMPORARY);
}

static void on_deadline(void *owner)
{
	fail(owner);
}

static void on_reply(void *arg, int status, int timeouts, unsigned char *p, int n);

static void ask(struct question *q)
{
	char name[NAME_TEXT_MAX + 1];

	memcpy(name, q->name.p, q->name.n);
	name[q->name.n] = '\0';
	q->asked = true;
	q->dns->inside++;
	ares_query(q->dns->channel, name, CLASS_IN, (int)q->type, on_reply, q);
	q->dns->inside--;
	loop_later(q->dns->loop, &q->dns->turn); /* for the tick */
}

static bool can_be_asked(struct slice name)
{
	for (size_t i = 0; i < name.n; i++) {
		char c = name.p[i];
		bool fine = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
			c == '_' || c == '.';

		if (!fine) {
			return false;
		}
	}
	return name.n > 0 && name.n <= NAME_TEXT_MAX;
}

static void read_reply(struct question *q, struct slice message)
{
	switch (dns_wire_parse(message, q->name, q->type, q->arena, &q->hops, &q->answer)) {
	case DNS_WIRE_ANSWER:
		q->dns->answered++;
		file_answer(q);
		break;
	case DNS_WIRE_FOLLOW:
		q->name = q->answer.name;
		if (can_be_asked(q->name)) {
			ask(q);
		} else {
			answer_without_records(q, DNS_NO_DOMAIN);
		}
		break;
	case DNS_WIRE_GARBAGE:
		fail(q);
		break;
	}
}

static void on_reply(void *arg, int status, int timeouts, unsigned char *p, int n)
{
	struct question *q = arg;

	(void)timeouts;
	q->asked = false;
	if (q->state == QUESTION_TOLD) {
		question_free(q);
	} else if (q->state == QUESTION_FILED) {
		return; /* the deadline was faster, or dns_close() */
	} else if (p != NULL && n > 0) {
		read_reply(q, slice_make((const char *)p, (size_t)n));
	} else if (status == ARES_EBADNAME) {
		answer_without_records(q, DNS_NO_DOMAIN);
	} else {
		fail(q);
	}
}

static struct question *question_new(struct dns *dns, const char *key)
{
	struct question *q = MEM_NEW(struct question);

	q->dns = dns;
	q->key = mem_string(key);
	q->type = (enum dns_type)(unsigned char)key[0];
	q->name = slice_of(q->key + 1);
	q->arena = arena_new(1024);
	list_push(&dns->open, &q->link);
	timer_init(&q->deadline, dns->loop, on_deadline, q);
	timer_set(&q->deadline, loop_now_us(dns->loop) + QUESTION_US);
	return q;
}

static void add_asker(struct question *q,
	void (*on_answer)(void *owner, const struct dns_answer *answer), void *owner)
{
	q->askers = mem_grow(q->askers, q->asker_count + 1, sizeof(*q->askers));
	q->askers[q->asker_count++] = (struct asker){on_answer, owner};
}

/* In lower case and without final dot, behind a byte for the type. */
static void make_key(struct slice name, enum dns_type type, char ret_key[NAME_TEXT_MAX + 2])
{
	if (slice_ends(name, SLICE("."))) {
		name.n--;
	}
	ret_key[0] = (char)type;
	name = slice_first(name, name.n > NAME_TEXT_MAX ? 0 : name.n);
	for (size_t i = 0; i < name.n; i++) {
		bool upper = name.p[i] >= 'A' && name.p[i] <= 'Z';

		ret_key[i + 1] = (char)(upper ? name.p[i] + ('a' - 'A') : name.p[i]);
	}
	ret_key[name.n + 1] = '\0';
}

void dns_find(struct dns *dns, struct slice name, enum dns_type type,
	void (*on_answer)(void *owner, const struct dns_answer *answer), void *owner)
{
	char key[NAME_TEXT_MAX + 2];

	if (dns->next != NULL) {
		dns_find(dns->next, name, type, on_answer, owner);
		return;
	}
	bool clean = memchr(name.p == NULL ? "" : name.p, '\0', name.n) == NULL;

	make_key(clean ? name : SLICE(""), type, key);
	struct question *q = map_get(dns->waiting, slice_of(key));

	if (q == NULL) {
		q = question_new(dns, key);
		if (dns->closing) {
			answer_without_records(q, DNS_TEMPORARY);
		} else if (!can_be_asked(q->name)) {
			answer_without_records(q, DNS_NO_DOMAIN);
		} else {
			(void)map_put(dns->waiting, key_of(q), q);
			ask(q);
		}
	}
	add_asker(q, on_answer, owner);
}

void dns_counts(const struct dns *dns, uint64_t *ret_answered, uint64_t *ret_failed)
{
	*ret_answered = dns->answered;
	*ret_failed = dns->failed;
	if (dns->next != NULL) {
		*ret_answered += dns->next->answered;
		*ret_failed += dns->next->failed;
	}
}

/* ---- the end of a turn ---- */

static void tell(struct question *q)
{
	for (size_t i = 0; i < q->asker_count; i++) {
		q->askers[i].on_answer(q->askers[i].owner, &q->answer);
	}
	q->state = QUESTION_TOLD;
	if (!q->asked) {
		question_free(q); /* else on_reply() does */
	}
}

static void set_tick(struct dns *dns)
{
	struct timeval wait;

	if (ares_timeout(dns->channel, NULL, &wait) == NULL) {
		timer_stop(&dns->tick);
		return;
	}
	timer_set(&dns->tick, loop_now_us(dns->loop) + wait.tv_sec * TIME_SECOND_US + wait.tv_usec);
}

static void free_when_quiet(struct dns *dns)
{
	if (!dns->closing || dns->channel != NULL || dns->sockets.count > 0) {
		return;
	}
	loop_later_cancel(dns->loop, &dns->turn);
	map_free(&dns->waiting);
	mem_free(dns);
}

static void destroy(struct dns *dns)
{
	ares_channel channel = dns->channel;

	assert(dns->inside == 0);
	timer_stop(&dns->tick);
	ares_destroy(channel); /* calls on_reply() for what it held */
	dns->channel = NULL;
	free_when_quiet(dns);
}

static void on_turn(void *owner)
{
	struct dns *dns = owner;
	struct list_link *link;

	while ((link = list_pop(&dns->done)) != NULL) {
		tell(LIST_OWNER(link, struct question, link));
	}
	if (dns->retired && dns->open.count == 0 && dns->done.count == 0) {
		dns->closing = true;
	}
	if (dns->closing) {
		destroy(dns);
	} else {
		set_tick(dns);
	}
}

/* What is due on these sockets, and the time-outs. */
static void process(struct dns *dns, ares_socket_t readable, ares_socket_t writable)
{
	dns->inside++;
	ares_process_fd(dns->channel, readable, writable);
	dns->inside--;
	loop_later(dns->loop, &dns->turn);
}

static void on_tick(void *owner)
{
	process(owner, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
}

/* ---- sockets ---- */

static void on_ready(uv_poll_t *poll, int status, int events)
{
	struct dns_socket *s = poll->data;
	bool readable = status < 0 || (events & UV_READABLE) != 0;
	bool writable = status < 0 || (events & UV_WRITABLE) != 0;

	process(s->dns, readable ? s->fd : ARES_SOCKET_BAD, writable ? s->fd : ARES_SOCKET_BAD);
}

static void on_closed(uv_handle_t *handle)
{
	struct dns_socket *s = handle->data;
	struct dns *dns = s->dns;

	list_remove(&dns->sockets, &s->link);
	mem_free(s);
	free_when_quiet(dns);
}

static struct dns_socket *find_socket(const struct dns *dns, ares_socket_t fd)
{
	for (struct list_link *at = list_first(&dns->sockets); at != NULL;
		at = list_next(&dns->sockets, at)) {
		struct dns_socket *s = LIST_OWNER(at, struct dns_socket, link);

		if (s->fd == fd) {
			return s;
		}
	}
	return NULL;
}

/* c-ares has opened a socket, waits for something else on it, or is about to close it. */
static void on_socket(void *arg, ares_socket_t fd, int readable, int writable)
{
	struct dns *dns = arg;
	struct dns_socket *s = find_socket(dns, fd);

	if (readable == 0 && writable == 0) {
		if (s != NULL) {
			s->fd = ARES_SOCKET_BAD; /* the number may come again at once */
			uv_poll_stop(&s->poll);
			uv_close((uv_handle_t *)&s->poll, on_closed);
		}
		return;
	}
	if (s == NULL) {
		s = MEM_NEW(struct dns_socket);
		s->dns = dns;
		s->fd = fd;
		s->poll.data = s;
		if (uv_poll_init(loop_handle(dns->loop), &s->poll, fd) != 0) {
			mem_free(s);
			return; /* the question ends by its time-out */
		}
		list_push(&dns->sockets, &s->link);
	}
	uv_poll_start(&s->poll,
		(readable != 0 ? UV_READABLE : 0) | (writable != 0 ? UV_WRITABLE : 0), on_ready);
}

/* ---- opening and closing ---- */

static struct err set_servers(struct dns *dns, const struct dns_settings *settings)
{
	struct ares_addr_port_node *nodes = mem_array(settings->server_count, sizeof(*nodes));

	for (size_t i = 0; i < settings->server_count; i++) {
		const union endpoint *server = &settings->servers[i];
		bool v6 = server->any.sa_family == AF_INET6;

		nodes[i].next = i + 1 < settings->server_count ? &nodes[i + 1] : NULL;
		nodes[i].family = server->any.sa_family;
		if (v6) {
			memcpy(&nodes[i].addr, &server->v6.sin6_addr, sizeof(server->v6.sin6_addr));
		} else {
			memcpy(&nodes[i].addr, &server->v4.sin_addr, sizeof(server->v4.sin_addr));
		}
		nodes[i].udp_port = ntohs(v6 ? server->v6.sin6_port : server->v4.sin_port);
		nodes[i].tcp_port = nodes[i].udp_port;
	}
	int failed = ares_set_servers_ports(dns->channel, nodes);

	mem_free(nodes);
	return failed == ARES_SUCCESS ? ERR_OK : err_input();
}

/* Every option that c-ares would otherwise look up in a file is set here. */
static struct err open_channel(struct dns *dns, const struct dns_settings *settings)
{
	struct in_addr somewhere = {.s_addr = htonl(INADDR_LOOPBACK)};
	char lookups[] = "b";
	char no_file[] = "/dev/null";
	struct ares_options options = {
		.flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES | ARES_FLAG_EDNS,
		.ednspsz = EDNS_BYTES,
		.timeout = (int)(settings->timeout_us / 1000),
		.tries = (int)settings->tries,
		.ndots = 0,
		.servers = &somewhere, /* until set_servers() */
		.nservers = 1,
		.ndomains = 0,
		.nsort = 0,
		.lookups = lookups,
		.resolvconf_path = no_file,
		.sock_state_cb = on_socket,
		.sock_state_cb_data = dns,
	};
	int mask = ARES_OPT_FLAGS | ARES_OPT_EDNSPSZ | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES |
		ARES_OPT_NDOTS | ARES_OPT_SERVERS | ARES_OPT_DOMAINS | ARES_OPT_SORTLIST |
		ARES_OPT_LOOKUPS | ARES_OPT_RESOLVCONF | ARES_OPT_SOCK_STATE_CB;

	if (ares_init_options(&dns->channel, &options, mask) != ARES_SUCCESS) {
		dns->channel = NULL;
		return err_os(0);
	}
	return set_servers(dns, settings);
}

struct err dns_open(struct loop *loop, const struct dns_settings *settings, struct dns **ret_dns)
{
	struct dns *dns;
	struct err err;

	if (settings->server_count == 0) {
		return err_input();
	}
	dns = MEM_NEW(struct dns);
	dns->loop = loop;
	dns->waiting = map_new();
	list_init(&dns->open);
	list_init(&dns->done);
	list_init(&dns->sockets);
	timer_init(&dns->tick, loop, on_tick, dns);
	later_init(&dns->turn, on_turn, dns);
	err = open_channel(dns, settings);
	if (err_is(err)) {
		dns->closing = true;
		destroy(dns);
		return err;
	}
	*ret_dns = dns;
	return ERR_OK;
}

void dns_close(struct dns **dns)
{
	struct dns *d = *dns;
	struct list_link *link;

	if (d == NULL) {
		return;
	}
	*dns = NULL;
	dns_close(&d->next);
	d->closing = true;
	while ((link = list_first(&d->open)) != NULL) {
		answer_without_records(LIST_OWNER(link, struct question, link), DNS_TEMPORARY);
	}
	loop_later(d->loop, &d->turn);
}

/* The one before may have questions yet; its counts go on, for who compares them. */
void dns_follow(struct dns *dns, struct dns **take)
{
	struct dns *last = dns->next;

	dns->next = *take;
	*take = NULL;
	if (last != NULL) {
		dns->next->answered = last->answered;
		dns->next->failed = last->failed;
		last->retired = true;
		loop_later(last->loop, &last->turn);
	}
}
