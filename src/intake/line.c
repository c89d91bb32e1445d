/*
 * Who has been served goes to the end, so all get their turn; who rests keeps a place, for
 * every poll finds a tenant's rows again and would bring it back at once.  There are few
 * places, so everything is a walk over an array.  Invariant: nobody is in it twice.
 */
#include "line.h"

#include <string.h>

/* Those between close up behind the one who goes. */
static void to_front(struct line *line, size_t at)
{
	struct turn turn = line->turns[at];

	memmove(line->turns + 1, line->turns, at * sizeof(turn));
	line->turns[0] = turn;
}

static void leave(struct line *line, size_t at)
{
	line->count--;
	memmove(line->turns + at, line->turns + at + 1,
		(line->count - at) * sizeof(line->turns[0]));
}

/* The one that rests longest gives up its place: it is found again when it can be served. */
static void make_room(struct line *line, int64_t now_us)
{
	size_t last = 0;

	for (size_t i = 1; i < line->count; i++) {
		if (line->turns[i].due_us > line->turns[last].due_us) {
			last = i;
		}
	}
	if (line->turns[last].due_us > now_us) {
		leave(line, last);
	}
}

void line_join(struct line *line, const struct id *tenant, int64_t now_us)
{
	for (size_t i = 0; i < line->count; i++) {
		if (id_equal(line->turns[i].tenant, *tenant)) {
			return;
		}
	}
	if (line->count == LINE_PLACES) {
		make_room(line, now_us);
	}
	if (line->count < LINE_PLACES) {
		line->turns[line->count++] = (struct turn){*tenant, now_us};
	}
}

const struct id *line_call(struct line *line, int64_t now_us)
{
	for (size_t i = 0; i < line->count; i++) {
		if (line->turns[i].due_us <= now_us) {
			to_front(line, i);
			return &line->turns[0].tenant;
		}
	}
	return NULL;
}

void line_leave(struct line *line)
{
	leave(line, 0);
}

void line_return(struct line *line, int64_t due_us)
{
	struct turn turn = {line->turns[0].tenant, due_us};

	leave(line, 0);
	line->turns[line->count++] = turn;
}

int64_t line_due_us(const struct line *line)
{
	int64_t due_us = INT64_MAX;

	for (size_t i = 0; i < line->count; i++) {
		if (line->turns[i].due_us < due_us) {
			due_us = line->turns[i].due_us;
		}
	}
	return due_us;
}
