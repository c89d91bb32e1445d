/*
 * Who has been served goes to the end, so all get their turn; who rests keeps a place, for
 * every poll finds a tenant's rows again and would bring it back at once.  There are few
 * places, so everything is a walk over an array.  Invariant: nobody is in it twice.
 */
#include "line.h"

static void move(struct line *line, size_t from, size_t to)
{
	struct turn turn = line->turns[from];

	for (; from > to; from--) {
		line->turns[from] = line->turns[from - 1];
	}
	for (; from < to; from++) {
		line->turns[from] = line->turns[from + 1];
	}
	line->turns[to] = turn;
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
		move(line, last, line->count - 1);
		line->count--;
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
			move(line, i, 0);
			return &line->turns[0].tenant;
		}
	}
	return NULL;
}

void line_leave(struct line *line)
{
	move(line, 0, line->count - 1);
	line->count--;
}

void line_return(struct line *line, int64_t due_us)
{
	line->turns[0].due_us = due_us;
	move(line, 0, line->count - 1);
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
