/*
 * What systemd is told (sd_notify(3)): a datagram of NAME=VALUE lines to the socket that
 * $NOTIFY_SOCKET names.  Without one all of this does nothing.
 */
#ifndef SUPERVISOR_NOTIFY_H
#define SUPERVISOR_NOTIFY_H

#include <stdint.h>

#include "base/slice.h"

struct notify;

/* Reads $NOTIFY_SOCKET, $WATCHDOG_USEC and $WATCHDOG_PID. */
struct notify *notify_open(void);
void notify_close(struct notify **notify); /* accepts NULL */

void notify_say(struct notify *notify, struct slice lines);
void notify_status(
	struct notify *notify, struct slice text); /* what was said already costs nothing */

/* How often WATCHDOG=1 is awaited; 0 = not at all. */
int64_t notify_watchdog_us(const struct notify *notify);

#endif
