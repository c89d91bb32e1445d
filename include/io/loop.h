/*
 * The event loop: a thin cover over libuv that owns time.  The clocks are read
 * once a turn; everything in that turn sees the same now.  Timers are one-shot
 * and cheap to move (a heap of ours over one libuv timer).
 */
#ifndef IO_LOOP_H
#define IO_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/heap.h"
#include "base/list.h"

struct loop;

struct loop *loop_new(void);
void loop_free(struct loop **loop); /* all handles must be closed: loop_drain() */

/* Runs until loop_stop(), or until nothing is left to wait for. */
void loop_run(struct loop *loop);
void loop_stop(struct loop *loop);

/* Runs the turns that pending closes need; for the end of a program or a test. */
void loop_drain(struct loop *loop);

int64_t loop_now_us(const struct loop *loop); /* monotonic */
/* Goes on during suspend.  Not the turn's: who stood still in mid-turn must notice at once. */
int64_t loop_boot_us(const struct loop *loop);
int64_t loop_wall_us(const struct loop *loop); /* the node's clock, until loop_steer() */

/*
 * Somebody who is believed more than the node's wall clock says how much later than
 * CLOCK_BOOTTIME it is: from here on loop_wall_us() goes by that, whatever is done to the
 * node's clock.
 */
void loop_steer(struct loop *loop, int64_t wall_less_boot_us);

/* How much the node's clock is ahead of loop_wall_us(). */
int64_t loop_wall_error_us(const struct loop *loop);

/*
 * Members are the loop's; on_due is called once, never from within timer_set().
 * Zeroed + timer_init() before use; timer_stop() before its memory goes.
 */
struct timer {
	struct heap_node node;
	struct loop *loop;
	void (*on_due)(void *owner);
	void *owner;
};

void timer_init(struct timer *timer, struct loop *loop, void (*on_due)(void *owner), void *owner);
void timer_set(struct timer *timer, int64_t due_us); /* monotonic; moves a set timer */
void timer_stop(struct timer *timer);
bool timer_is_set(const struct timer *timer);

/* Called at the end of this turn, before the loop waits; the same rules as a timer. */
struct later {
	struct list_link link;
	void (*on_turn)(void *owner);
	void *owner;
};

void later_init(struct later *later, void (*on_turn)(void *owner), void *owner);
void loop_later(struct loop *loop, struct later *later); /* queued once */
void loop_later_cancel(struct loop *loop, struct later *later);

/*
 * What must be written down before anything is said to anybody: called before sockets are
 * written to, as often as that is.  One owner; NULL takes it away.
 */
void loop_before_writes(struct loop *loop, void (*on_write)(void *owner), void *owner);
void loop_commit(struct loop *loop); /* for io/: calls it */

/* Signals as calls in the loop.  One owner a signal. */
MUST_USE struct err loop_on_signal(
	struct loop *loop, int signal, void (*on_signal)(void *owner), void *owner);

/* For io/ only: what libuv calls uv_loop_t. */
void *loop_handle(struct loop *loop);

#endif
