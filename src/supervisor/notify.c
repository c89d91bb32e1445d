/*
 * Written by ourselves: it is one datagram, and a library would be one more thing to keep.
 * A name that begins with @ is in the kernel's abstract space.  Nobody who does not
 * listen holds us up: what cannot be sent at once is lost, but for nobody's harm, since
 * the next look says how things are.
 */
#include "notify.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"

#define WATCHDOG_MAX_US INT64_C(1000000000000)

struct notify {
	int fd; /* -1: nobody wants to know */
	struct sockaddr_un address;
	socklen_t length;
	int64_t watchdog_us;
	char *status;
};

static void find_socket(struct notify *notify)
{
	struct slice name = slice_of(getenv("NOTIFY_SOCKET"));

	notify->fd = -1;
	if (name.n < 2 || name.n >= sizeof(notify->address.sun_path) ||
		(name.p[0] != '/' && name.p[0] != '@')) {
		return;
	}
	notify->address.sun_family = AF_UNIX;
	memcpy(notify->address.sun_path, name.p, name.n);
	if (name.p[0] == '@') {
		notify->address.sun_path[0] = '\0';
	}
	notify->length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + name.n);
	notify->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

/* The watchdog is meant for whom systemd started, not for its children. */
static int64_t find_watchdog(void)
{
	struct slice pid = slice_of(getenv("WATCHDOG_PID"));
	uint64_t number;

	if (pid.n > 0 && (!slice_number(pid, INT32_MAX, &number) || number != (uint64_t)getpid())) {
		return 0;
	}
	return slice_number(slice_of(getenv("WATCHDOG_USEC")), WATCHDOG_MAX_US, &number)
		? (int64_t)number
		: 0;
}

struct notify *notify_open(void)
{
	struct notify *notify = MEM_NEW(struct notify);

	find_socket(notify);
	notify->watchdog_us = notify->fd >= 0 ? find_watchdog() : 0;
	return notify;
}

void notify_close(struct notify **notify)
{
	if (*notify == NULL) {
		return;
	}
	if ((*notify)->fd >= 0) {
		(void)close((*notify)->fd);
	}
	mem_free((*notify)->status);
	mem_free(*notify);
	*notify = NULL;
}

void notify_say(struct notify *notify, struct slice lines)
{
	if (notify->fd >= 0) {
		(void)sendto(notify->fd, lines.p, lines.n, MSG_NOSIGNAL,
			(const struct sockaddr *)&notify->address, notify->length);
	}
}

void notify_status(struct notify *notify, struct slice text)
{
	struct buf line;

	if (notify->fd < 0 ||
		(notify->status != NULL && slice_equal(slice_of(notify->status), text))) {
		return;
	}
	mem_free(notify->status);
	notify->status = slice_string(text);
	buf_init(&line, 0);
	buf_add_text(&line, "STATUS=");
	buf_add(&line, text);
	notify_say(notify, buf_slice(&line));
	buf_clear(&line);
}

int64_t notify_watchdog_us(const struct notify *notify)
{
	return notify->watchdog_us;
}
