/*
 * A packet is a line: the kernel keeps their bounds, so there is nothing to put together
 * and nothing to wait for, and what is too long shows as cut.  Neither side ever waits for
 * the other: a peer that has not read hundreds of lines is as good as gone.
 *
 * What may go wrong while something is said is told from the loop, like everything else.
 */
#include "supervisor/control.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/codec.h"
#include "base/mem.h"
#include "io/watch.h"

#define TURN_MAX 64 /* lines that are read before others get a turn */

enum content { NOTHING, NAME, NAMES, TEXT };

static const struct {
	const char *word;
	enum control_side side;
	enum content content;
} verbs[] = {
	[CONTROL_OWN] = {"own", CONTROL_WORKER, NAMES},
	[CONTROL_LEAVE] = {"leave", CONTROL_WORKER, NAMES},
	[CONTROL_RELOAD] = {"reload", CONTROL_WORKER, NOTHING},
	[CONTROL_REOPEN] = {"reopen", CONTROL_WORKER, NOTHING},
	[CONTROL_DRAIN] = {"drain", CONTROL_WORKER, NOTHING},
	[CONTROL_STOP_NOW] = {"stop-now", CONTROL_WORKER, NOTHING},
	[CONTROL_PING] = {"ping", CONTROL_WORKER, NOTHING},
	[CONTROL_READY] = {"ready", CONTROL_SUPERVISOR, NOTHING},
	[CONTROL_ALIVE] = {"alive", CONTROL_SUPERVISOR, TEXT},
	[CONTROL_OWNS] = {"owns", CONTROL_SUPERVISOR, NAME},
	[CONTROL_RELEASED] = {"released", CONTROL_SUPERVISOR, NAME},
	[CONTROL_RELOADED] = {"reloaded", CONTROL_SUPERVISOR, NOTHING},
	[CONTROL_REFUSED] = {"refused", CONTROL_SUPERVISOR, TEXT},
};
_Static_assert(ARRAY_LEN(verbs) == CONTROL_VERBS, "a row for every word");

bool control_next(struct slice *rest, struct slice *ret_name)
{
	while (slice_split(rest, ' ', ret_name)) {
		if (ret_name->n > 0) {
			return true;
		}
	}
	return false;
}

static size_t count_names(struct slice rest)
{
	struct slice name;
	size_t n = 0;

	while (control_next(&rest, &name)) {
		n++;
	}
	return n;
}

static bool belongs(enum content content, struct slice rest)
{
	switch (content) {
	case NOTHING:
		return rest.n == 0;
	case NAME:
		return count_names(rest) == 1;
	case NAMES:
		return count_names(rest) > 0;
	case TEXT:
		break;
	}
	return true;
}

static bool is_text(struct slice line)
{
	for (size_t i = 0; i < line.n; i++) {
		if ((unsigned char)line.p[i] < ' ' || line.p[i] == 0x7f) {
			return false;
		}
	}
	return true;
}

bool control_parse(struct slice line, enum control_side side, struct control_message *ret_message)
{
	size_t end = slice_find(line, ' ');
	struct slice word = slice_first(line, end);
	struct slice rest = slice_trim(slice_from(line, end));

	if (line.n > CONTROL_LINE_MAX || !is_text(line)) {
		return false;
	}
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
		if (verbs[i].side == side && slice_equal(word, slice_of(verbs[i].word))) {
			*ret_message = (struct control_message){(enum control_verb)i, rest};
			return belongs(verbs[i].content, rest);
		}
	}
	return false;
}

struct control {
	struct loop *loop;
	int fd;
	enum control_side side;
	struct watch *watch;
	struct later broken;
	const char *why; /* NULL = all is well */
	struct control_events events;
	void *owner;
	bool *closed; /* set where it is closed from within an event */
};

static void on_broken(void *owner)
{
	struct control *control = owner;

	watch_stop(&control->watch);
	control->events.on_gone(control->owner, control->why);
}

static void fail(struct control *control, const char *why)
{
	if (control->why == NULL) {
		control->why = why;
		loop_later(control->loop, &control->broken);
	}
}

static void on_readable(void *owner);

static void listen_again(struct control *control)
{
	if (err_is(watch_start(
		    control->loop, control->fd, on_readable, control, &control->watch))) {
		fail(control, "it cannot be watched");
	}
}

/* False: nothing is there, or nothing more is to come. */
static bool read_line(struct control *control, char *line)
{
	struct control_message message;
	ssize_t n = recv(control->fd, line, CONTROL_LINE_MAX, MSG_DONTWAIT | MSG_TRUNC);

	if (n < 0) {
		if (errno != EAGAIN && errno != EINTR) {
			fail(control, "it broke");
		}
		return false;
	}
	if (n == 0) {
		fail(control, "its other end is closed");
	} else if (n > CONTROL_LINE_MAX ||
		!control_parse(slice_make(line, (size_t)n), control->side, &message)) {
		fail(control, "something was said that is no word of ours");
	} else {
		control->events.on_message(control->owner, &message);
		return true;
	}
	return false;
}

static void on_readable(void *owner)
{
	struct control *control = owner;
	char *line = mem_new(CONTROL_LINE_MAX);
	bool closed = false;

	control->watch = NULL;
	control->closed = &closed;
	for (int i = 0; i < TURN_MAX && !closed && control->why == NULL; i++) {
		if (!read_line(control, line)) {
			break;
		}
	}
	mem_free(line);
	if (closed) {
		return;
	}
	control->closed = NULL;
	if (control->why == NULL) {
		listen_again(control);
	}
}

struct control *control_open(struct loop *loop, int fd, enum control_side side,
	const struct control_events *events, void *owner)
{
	struct control *control = MEM_NEW(struct control);

	control->loop = loop;
	control->fd = fd;
	control->side = side;
	control->events = *events;
	control->owner = owner;
	later_init(&control->broken, on_broken, control);
	listen_again(control);
	return control;
}

void control_close(struct control **control)
{
	struct control *gone = *control;

	if (gone == NULL) {
		return;
	}
	*control = NULL;
	if (gone->closed != NULL) {
		*gone->closed = true;
	}
	loop_later_cancel(gone->loop, &gone->broken);
	watch_stop(&gone->watch);
	(void)close(gone->fd);
	mem_free(gone);
}

void control_say(struct control *control, enum control_verb verb, struct slice rest)
{
	struct buf line;

	if (control->why != NULL) {
		return;
	}
	buf_init(&line, 0);
	buf_add_text(&line, verbs[verb].word);
	if (rest.n > 0) {
		buf_add_byte(&line, ' ');
		codec_printable(&line, rest, CONTROL_LINE_MAX / 4);
		for (size_t i = 0; i < line.n; i++) {
			line.p[i] = line.p[i] == '\t' ? ' ' : line.p[i];
		}
	}
	if (send(control->fd, line.p, line.n, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
		fail(control, errno == EAGAIN ? "it does not listen" : "its other end is closed");
	}
	buf_clear(&line);
}

void control_say_names(
	struct control *control, enum control_verb verb, const struct slice *names, size_t count)
{
	struct buf rest;

	buf_init(&rest, 0);
	for (size_t i = 0; i < count; i++) {
		if (rest.n > 0 && rest.n + names[i].n + 1 > CONTROL_LINE_MAX / 8) {
			control_say(control, verb, buf_slice(&rest));
			buf_reset(&rest);
		}
		buf_add_text(&rest, rest.n > 0 ? " " : "");
		buf_add(&rest, names[i]);
	}
	if (rest.n > 0) {
		control_say(control, verb, buf_slice(&rest));
	}
	buf_clear(&rest);
}
