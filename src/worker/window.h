/*
 * What the last claims taught of a kind of jobs (tenant, pool, tag, careful or not): how many
 * of it find room, what one of them weighs, and of a careful kind how many leave in a while.
 */
#ifndef WORKER_WINDOW_H
#define WORKER_WINDOW_H

#include "intake/events.h"
#include "parts.h"

enum {
	WINDOW_LEAST = 50,
	JOB_BYTES = 1024, /* of a job without its variables: a plan, ids, an address */
};

/* What is nowhere else leased so far ahead: where nothing may be sent twice. */
#define CAREFUL_US (5 * TIME_SECOND_US)

struct windows;

struct window {
	unsigned jobs;  /* that are asked for at a time */
	unsigned probe; /* ... while the site it is for is not known to take any */
	size_t bytes;   /* of a job of this kind, about */
	/* Of a careful kind: */
	unsigned held;  /* jobs at hand */
	unsigned sent;  /* since since_us */
	unsigned ahead; /* as many as went in five seconds, of late */
	int64_t since_us;
};

struct windows *windows_new(struct loop *loop);
void windows_free(struct windows **windows); /* accepts NULL */

/* Never NULL.  It lives as long as jobs of it are held, and until the next windows_forget(). */
struct window *window_of(struct windows *windows, const struct ready *kind);
struct window *window_of_job(struct windows *windows, const struct job *job);

/* A job of it has so many bytes of variables. */
void window_learn(struct window *window, size_t bytes);

/* One of it found no room at its site; or all that was granted may have found some. */
void window_narrow(struct window *window, bool refiled);
void window_widen(struct window *window, unsigned granted);

/* How many may be sent within five seconds, as the last second went; those at hand are of them. */
unsigned window_careful(struct windows *windows, struct window *window);

/* Kinds come and go; a window is quickly found again. */
void windows_forget(struct windows *windows);

#endif
