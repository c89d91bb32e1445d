/*
 * A window grows and shrinks like a TCP sender's: it doubles when all that was granted
 * found room, and halves when a site was full.
 *
 * What a job weighs is a mean of the last ones; of a careful kind what went in the last
 * second says what five seconds are.
 */
#include "window.h"

#include "base/map.h"
#include "base/mem.h"
#include "base/time.h"
#include "shape/place.h"

#define WINDOW_FIRST 500
#define WINDOW_MOST 8000
#define KINDS_MOST 100000
#define CAREFUL_LEAST 10 /* while nothing was sent yet */
#define MEASURE_US TIME_SECOND_US
#define LEARN 16 /* the last so many jobs say what a kind's jobs weigh */

struct windows {
	struct loop *loop;
	struct map *all; /* by kind: struct window */
};

struct windows *windows_new(struct loop *loop)
{
	struct windows *windows = MEM_NEW(struct windows);

	windows->loop = loop;
	windows->all = map_new();
	return windows;
}

void windows_free(struct windows **windows)
{
	size_t at = 0;
	struct slice key;
	void *window;

	if (*windows == NULL) {
		return;
	}
	while (map_next((*windows)->all, &at, &key, &window)) {
		mem_free(window);
	}
	map_free(&(*windows)->all);
	mem_free(*windows);
	*windows = NULL;
}

struct window *window_of(struct windows *windows, const struct ready *kind)
{
	struct buf key;
	struct window *window;

	buf_init(&key, 0);
	buf_add(&key, id_slice(&kind->tenant));
	buf_add(&key, kind->pool);
	buf_add_byte(&key, kind->careful ? '!' : 0);
	buf_add(&key, kind->tag);
	window = map_get(windows->all, buf_slice(&key));
	if (window == NULL) {
		window = MEM_NEW(struct window);
		window->jobs = WINDOW_FIRST;
		window->probe = PLACE_PROBE;
		window->bytes = JOB_BYTES;
		map_put(windows->all, buf_slice(&key), window);
	}
	buf_clear(&key);
	return window;
}

struct window *window_of_job(struct windows *windows, const struct job *job)
{
	const struct campaign *campaign = job->batch->campaign;

	return window_of(windows,
		&(struct ready){
			.tenant = campaign->tenant->id,
			.pool = campaign->pool,
			.tag = job->batch->tag,
			.careful = campaign->on_in_doubt != ON_IN_DOUBT_RETRY,
		});
}

void window_learn(struct window *window, size_t bytes)
{
	window->bytes += (bytes + JOB_BYTES) / LEARN;
	window->bytes -= window->bytes / LEARN;
}

/* What was not filed for its site yet will be now, and does not wash through here again. */
void window_narrow(struct window *window, bool refiled)
{
	unsigned least = refiled ? WINDOW_LEAST : WINDOW_FIRST;

	window->jobs = window->jobs / 2 > least ? window->jobs / 2 : least;
	window->probe = PLACE_PROBE;
}

void window_widen(struct window *window, unsigned granted)
{
	if (granted == window->jobs && window->jobs < WINDOW_MOST) {
		window->jobs *= 2;
	}
	if (granted >= window->probe && window->probe < WINDOW_MOST) {
		window->probe *= 2;
	}
}

unsigned window_careful(struct windows *windows, struct window *window)
{
	int64_t now_us = loop_now_us(windows->loop);
	int64_t passed_us = now_us - window->since_us;

	if (passed_us >= MEASURE_US) {
		window->ahead = (unsigned)(window->sent * CAREFUL_US / passed_us);
		window->sent = 0;
		window->since_us = now_us;
	}
	return window->ahead > CAREFUL_LEAST ? window->ahead : CAREFUL_LEAST;
}

void windows_forget(struct windows *windows)
{
	struct map *kept;
	size_t at = 0;
	struct slice key;
	void *value;

	if (map_count(windows->all) <= KINDS_MOST) {
		return;
	}
	kept = map_new();
	while (map_next(windows->all, &at, &key, &value)) {
		struct window *window = value;

		if (window->held > 0) {
			map_put(kept, key, window);
		} else {
			mem_free(window);
		}
	}
	map_free(&windows->all);
	windows->all = kept;
}
