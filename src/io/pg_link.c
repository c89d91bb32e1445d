/*
 * libpq's asynchronous connection.  PQconnectPoll() may close the socket and open
 * another (the next host, TLS refused), perhaps under the same number: so the watch
 * is taken off before each call, which makes libuv forget the number, and put on again
 * behind it.
 *
 * A watch (uv_poll_t) lives until libuv has closed it, longer than the link: it is an
 * object of its own and loses its link when the link lets go.
 */
#include "pg_link.h"

#include <uv.h>

#include "base/log.h"
#include "base/mem.h"
#include "pg_host.h"

struct watch {
	uv_poll_t handle;
	struct pg_link *link; /* NULL: nobody cares any more */
	int fd;
};

struct pg_link {
	struct loop *loop;
	const struct pg_settings *settings;
	const struct pg_link_events *events;
	void *owner;
	PGconn *conn;
	struct watch *watch;
	struct pg_lookup *lookup;
	struct timer patience; /* for the connecting */
	struct later starting;
	bool open;
};

static void step(struct pg_link *link);

static void on_watch_closed(uv_handle_t *handle)
{
	mem_free(handle->data);
}

static void unwatch(struct pg_link *link)
{
	struct watch *watch = link->watch;

	if (watch != NULL) {
		link->watch = NULL;
		watch->link = NULL;
		uv_poll_stop(&watch->handle);
		uv_close((uv_handle_t *)&watch->handle, on_watch_closed);
	}
}

static void let_go(struct pg_link *link)
{
	timer_stop(&link->patience);
	loop_later_cancel(link->loop, &link->starting);
	pg_lookup_cancel(&link->lookup);
	unwatch(link);
	PQfinish(link->conn);
	link->conn = NULL;
	link->open = false;
}

void pg_link_close(struct pg_link *link, struct slice why)
{
	char *text = slice_string(why); /* it may lie in what goes now */

	let_go(link);
	link->events->on_lost(link->owner, slice_of(text));
	mem_free(text);
}

static void fail(struct pg_link *link)
{
	pg_link_close(link, slice_trim(slice_of(PQerrorMessage(link->conn))));
}

static void on_ready(uv_poll_t *handle, int status, int events)
{
	struct watch *watch = handle->data;
	struct pg_link *link = watch->link;

	if (link == NULL) {
		return;
	}
	if (!link->open) {
		step(link);
		return;
	}
	if (status < 0 || (events & UV_READABLE) != 0) {
		if (PQconsumeInput(link->conn) == 0) {
			fail(link);
			return;
		}
		link->events->on_input(link->owner);
	}
	if (watch->link != NULL && (events & UV_WRITABLE) != 0) {
		pg_link_flush(link);
	}
}

static bool watch_for(struct pg_link *link, int events)
{
	int fd = PQsocket(link->conn);

	if (link->watch != NULL && link->watch->fd != fd) {
		unwatch(link);
	}
	if (link->watch == NULL) {
		struct watch *watch = MEM_NEW(struct watch);

		if (fd < 0 || uv_poll_init(loop_handle(link->loop), &watch->handle, fd) != 0) {
			mem_free(watch);
			return false;
		}
		watch->handle.data = watch;
		watch->link = link;
		watch->fd = fd;
		link->watch = watch;
	}
	return uv_poll_start(&link->watch->handle, events, on_ready) == 0;
}

/* Notices are the server's small talk; libpq would print them. */
static void on_notice(void *arg, const PGresult *notice)
{
	(void)arg;
	log_debug(NULL, "postgres_notice", "text=%s",
		log_quote(slice_of(PQresultErrorField(notice, PG_DIAG_MESSAGE_PRIMARY))));
}

static void opened(struct pg_link *link)
{
	timer_stop(&link->patience);
	PQsetNoticeReceiver(link->conn, on_notice, NULL);
	if (PQsetnonblocking(link->conn, 1) != 0 || PQenterPipelineMode(link->conn) != 1 ||
		!watch_for(link, UV_READABLE)) {
		fail(link);
		return;
	}
	link->open = true;
	link->events->on_open(link->owner);
}

static void step(struct pg_link *link)
{
	bool watched = true;

	if (link->watch != NULL) {
		uv_poll_stop(&link->watch->handle);
	}
	switch (PQconnectPoll(link->conn)) {
	case PGRES_POLLING_OK:
		opened(link);
		return;
	case PGRES_POLLING_READING:
		watched = watch_for(link, UV_READABLE);
		break;
	case PGRES_POLLING_WRITING:
		watched = watch_for(link, UV_WRITABLE);
		break;
	default:
		fail(link);
		return;
	}
	if (!watched) {
		pg_link_close(link, SLICE("the socket cannot be watched"));
	}
}

static void add(const char **keywords, const char **values, size_t *at, const char *keyword,
	const char *value)
{
	if (value != NULL && *value != '\0') {
		keywords[*at] = keyword;
		values[*at] = value;
		(*at)++;
	}
}

/* Ours first, so that the string can say otherwise; what must be so comes behind it. */
static PGconn *connect_start(const struct pg_settings *settings, const struct pg_hosts *hosts)
{
	enum { OPTIONS_MAX = 16 };
	const char *keywords[OPTIONS_MAX] = {NULL};
	const char *values[OPTIONS_MAX] = {NULL};
	size_t n = 0;
	char *dsn = slice_string(settings->dsn);
	char *password = slice_string(settings->password);
	char *application = slice_string(settings->application);

	add(keywords, values, &n, "target_session_attrs", "read-write");
	add(keywords, values, &n, "keepalives_idle", "10");
	add(keywords, values, &n, "keepalives_interval", "5");
	add(keywords, values, &n, "keepalives_count", "3");
	add(keywords, values, &n, "tcp_user_timeout", "15000");
	add(keywords, values, &n, "fallback_application_name", application);
	add(keywords, values, &n, "dbname", dsn);
	add(keywords, values, &n, "password", password);
	add(keywords, values, &n, "client_encoding", "UTF8");
	add(keywords, values, &n, "host", hosts->hosts);
	add(keywords, values, &n, "hostaddr", hosts->addresses);
	add(keywords, values, &n, "port", hosts->ports);
	PGconn *conn = PQconnectStartParams(keywords, values, 1);

	mem_free(dsn);
	mem_free(password);
	mem_free(application);
	return conn;
}

static void start(struct pg_link *link, const struct pg_hosts *hosts)
{
	link->conn = connect_start(link->settings, hosts);
	if (link->conn == NULL) {
		pg_link_close(link, SLICE("out of memory"));
	} else if (PQstatus(link->conn) == CONNECTION_BAD) {
		fail(link);
	} else if (!watch_for(link, UV_WRITABLE)) {
		pg_link_close(link, SLICE("the socket cannot be watched"));
	}
}

static void on_hosts(void *owner, const struct pg_hosts *hosts)
{
	struct pg_link *link = owner;

	link->lookup = NULL;
	if (hosts->hosts == NULL) {
		pg_link_close(link, SLICE("the server's name has no address"));
	} else {
		start(link, hosts);
	}
}

static void on_start(void *owner)
{
	static const struct pg_hosts as_given = {NULL, NULL, NULL};
	struct pg_link *link = owner;

	link->lookup = pg_lookup_start(link->loop, link->settings->dsn, on_hosts, link);
	if (link->lookup == NULL) {
		start(link, &as_given);
	}
}

static void on_impatient(void *owner)
{
	pg_link_close(owner, SLICE("the server did not answer in time"));
}

void pg_link_open(struct pg_link *link)
{
	if (link->conn == NULL && link->lookup == NULL) {
		timer_set(&link->patience,
			loop_now_us(link->loop) + link->settings->connect_timeout_us);
		loop_later(link->loop, &link->starting);
	}
}

void pg_link_flush(struct pg_link *link)
{
	int left = PQflush(link->conn);

	if (left < 0) {
		fail(link);
	} else if (!watch_for(link, left > 0 ? UV_READABLE | UV_WRITABLE : UV_READABLE)) {
		pg_link_close(link, SLICE("the socket cannot be watched"));
	}
}

PGconn *pg_link_conn(const struct pg_link *link)
{
	return link->open ? link->conn : NULL;
}

struct pg_link *pg_link_new(struct loop *loop, const struct pg_settings *settings,
	const struct pg_link_events *events, void *owner)
{
	struct pg_link *link = MEM_NEW(struct pg_link);

	link->loop = loop;
	link->settings = settings;
	link->events = events;
	link->owner = owner;
	timer_init(&link->patience, loop, on_impatient, link);
	later_init(&link->starting, on_start, link);
	return link;
}

void pg_link_free(struct pg_link **link)
{
	if (*link != NULL) {
		let_go(*link);
		mem_free(*link);
		*link = NULL;
	}
}
