/*
 * What the supervisor and a worker say to each other, over one end each of a pair of
 * SOCK_SEQPACKET sockets: one line of text a packet, a word and what belongs to it.
 *
 *	to the worker                    to the supervisor
 *	own SOURCE...    send from them  ready            configuration and journal are good
 *	leave SOURCE...  and no more     alive TEXT       the answer to ping; text for people
 *	reload                           owns SOURCE      its addresses are ours in Postgres
 *	reopen                           released SOURCE  left: nothing of it is open any more
 *	drain            end in order    reloaded
 *	stop-now         wait no longer  refused TEXT     the reload: why
 *	ping
 *
 * `own` and `leave` add to what was said before.  Whatever is no such line ends the
 * connection, and only that.
 */
#ifndef SUPERVISOR_CONTROL_H
#define SUPERVISOR_CONTROL_H

#include <stdbool.h>

#include "base/slice.h"
#include "io/loop.h"

enum { CONTROL_LINE_MAX = 32768 };

enum control_verb {
	CONTROL_OWN,
	CONTROL_LEAVE,
	CONTROL_RELOAD,
	CONTROL_REOPEN,
	CONTROL_DRAIN,
	CONTROL_STOP_NOW,
	CONTROL_PING,
	CONTROL_READY,
	CONTROL_ALIVE,
	CONTROL_OWNS,
	CONTROL_RELEASED,
	CONTROL_RELOADED,
	CONTROL_REFUSED,
	CONTROL_VERBS,
};

/* Who reads. */
enum control_side { CONTROL_WORKER, CONTROL_SUPERVISOR };

struct control_message {
	enum control_verb verb;
	struct slice
		rest; /* one name, names with a blank between, or text; empty where none belongs */
};

/* Pure.  False: too long, a word that this side is not told, controls, too little or too much. */
bool control_parse(struct slice line, enum control_side side, struct control_message *ret_message);

/* The next of the names; false when none is left. */
bool control_next(struct slice *rest, struct slice *ret_name);

struct control;

struct control_events {
	void (*on_message)(void *owner, const struct control_message *message);
	/* The other end closed, broke the rules, or does not listen.  Once, and nothing after it. */
	void (*on_gone)(void *owner, const char *why);
};

/* The descriptor is taken.  Events come from the loop only. */
struct control *control_open(struct loop *loop, int fd, enum control_side side,
	const struct control_events *events, void *owner);
void control_close(struct control **control); /* accepts NULL */

/* What is no text becomes \xNN, and what is too long is cut. */
void control_say(struct control *control, enum control_verb verb, struct slice rest);

/* `own` or `leave`, in as many lines as it takes. */
void control_say_names(
	struct control *control, enum control_verb verb, const struct slice *names, size_t count);

#endif
