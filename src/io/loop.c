/*
 * The event loop over libuv.  libuv's order of a turn is: wait, sockets, closed
 * handles, timers, prepare.  We hang everything of ours on prepare, the last thing
 * before the next wait: due timers first, then what was put off to the end of the
 * turn (so that all writes of a turn leave together), then the alarm is set to the
 * next timer, and the clocks are forgotten.
 *
 * The clocks are read when somebody first asks after a wait; that reading then
 * holds for the whole turn.  Laters that make laters run in the same turn up to a
 * bound; beyond it the idle handle keeps the loop from waiting.
 */
#include "io/loop.h"

#include <signal.h>
#include <stdlib.h>
#include <uv.h>

#include "base/list.h"
#include "base/mem.h"
#include "base/time.h"

#include "scratch.h"

enum { ROUNDS_MAX = 16, DRAIN_TURNS_MAX = 1000 };

#define LATE_US TIME_SECOND_US /* a timer that is so late was waited for by nobody */

struct clocks {
	bool read;
	int64_t now_us;
	int64_t boot_us;
	int64_t wall_us;
};

struct signal_watch {
	uv_signal_t handle;
	void (*on_signal)(void *owner);
	void *owner;
	int signal;
	struct signal_watch *next;
};

struct loop {
	uv_loop_t uv;
	uv_prepare_t prepare;
	uv_idle_t idle;
	uv_timer_t alarm;
	int64_t alarm_us; /* what the alarm is set to */
	struct heap timers;
	struct list laters;
	struct signal_watch *signals;
	struct clocks *clocks;
	bool late; /* timers wait for one look at the sockets */
	bool steered;
	int64_t wall_less_boot_us; /* as loop_steer() was told */
	struct scratch scratch;
	void (*before_writes)(void *owner);
	void *before_owner;
};

static void on_nothing(uv_idle_t *idle)
{
	(void)idle;
}

static void on_alarm(uv_timer_t *alarm)
{
	(void)alarm; /* it only ends the wait */
}

static void run_timers(struct loop *loop)
{
	int64_t now_us = loop_now_us(loop);
	struct heap_node *node = heap_top(&loop->timers);
	/* A timer that sets itself to the past must not starve the sockets. */
	size_t budget = loop->timers.count;

	while (node != NULL && node->key <= now_us && budget-- > 0) {
		struct timer *timer = HEAP_OWNER(node, struct timer, node);

		heap_pop(&loop->timers);
		timer->on_due(timer->owner);
		node = heap_top(&loop->timers);
	}
}

/* Those that are queued now; what they queue stands behind the mark. */
static void run_round(struct loop *loop)
{
	struct list_link mark = {0};
	struct list_link *link;

	list_push(&loop->laters, &mark);
	while ((link = list_pop(&loop->laters)) != &mark) {
		struct later *later = LIST_OWNER(link, struct later, link);

		later->on_turn(later->owner);
	}
}

static void run_laters(struct loop *loop)
{
	for (int round = 0; loop->laters.count > 0 && round < ROUNDS_MAX; round++) {
		run_round(loop);
	}
	if (loop->laters.count == 0) {
		uv_idle_stop(&loop->idle);
	}
}

static void set_alarm(struct loop *loop)
{
	const struct heap_node *node = heap_top(&loop->timers);

	if (node == NULL) {
		uv_timer_stop(&loop->alarm);
		return;
	}
	if (uv_is_active((uv_handle_t *)&loop->alarm) && loop->alarm_us == node->key) {
		return;
	}
	int64_t wait_us = node->key - loop_now_us(loop);
	uint64_t wait_ms = wait_us <= 0 ? 0 : (uint64_t)(wait_us + 999) / 1000;

	uv_timer_start(&loop->alarm, on_alarm, wait_ms, 0);
	loop->alarm_us = node->key;
}

/*
 * A process that was stopped comes back from the wait without a look at the sockets, and with
 * timers that are long due.  Answers may have come meanwhile: they are read first, or what was
 * delivered would pass for lost.
 */
static bool let_sockets_first(struct loop *loop)
{
	const struct heap_node *node = heap_top(&loop->timers);

	loop->late = !loop->late && node != NULL && node->key < loop_now_us(loop) - LATE_US;
	return loop->late;
}

static void on_prepare(uv_prepare_t *prepare)
{
	struct loop *loop = prepare->data;

	if (!let_sockets_first(loop)) {
		run_timers(loop);
	}
	run_laters(loop);
	set_alarm(loop);
	loop->clocks->read = false;
}

struct loop *loop_new(void)
{
	struct loop *loop = MEM_NEW(struct loop);

	if (uv_loop_init(&loop->uv) != 0) {
		abort(); /* no epoll descriptor at start: nothing can work */
	}
	/* A peer that is gone is an error of the write, not a signal. */
	(void)signal(SIGPIPE, SIG_IGN);
	loop->uv.data = loop;
	loop->clocks = MEM_NEW(struct clocks);
	heap_init(&loop->timers);
	list_init(&loop->laters);
	uv_prepare_init(&loop->uv, &loop->prepare);
	loop->prepare.data = loop;
	uv_prepare_start(&loop->prepare, on_prepare);
	uv_unref((uv_handle_t *)&loop->prepare);
	uv_idle_init(&loop->uv, &loop->idle);
	uv_timer_init(&loop->uv, &loop->alarm);
	loop->scratch.read = mem_new(SCRATCH_BYTES);
	loop->scratch.plain = mem_new(SCRATCH_BYTES);
	buf_init(&loop->scratch.cipher, 0);
	return loop;
}

void loop_free(struct loop **loop)
{
	struct loop *l = *loop;

	if (l == NULL) {
		return;
	}
	*loop = NULL;
	for (struct signal_watch *watch = l->signals; watch != NULL; watch = watch->next) {
		uv_close((uv_handle_t *)&watch->handle, NULL);
	}
	uv_close((uv_handle_t *)&l->prepare, NULL);
	uv_close((uv_handle_t *)&l->idle, NULL);
	uv_close((uv_handle_t *)&l->alarm, NULL);
	do {
		uv_run(&l->uv, UV_RUN_NOWAIT);
	} while (l->uv.closing_handles != NULL);
	if (uv_loop_close(&l->uv) != 0) {
		abort(); /* somebody left a handle open and would touch freed memory */
	}
	while (l->signals != NULL) {
		struct signal_watch *next = l->signals->next;

		mem_free(l->signals);
		l->signals = next;
	}
	heap_clear(&l->timers);
	mem_free(l->clocks);
	mem_free(l->scratch.read);
	mem_free(l->scratch.plain);
	buf_clear(&l->scratch.cipher);
	mem_free(l);
}

void loop_run(struct loop *loop)
{
	uv_run(&loop->uv, UV_RUN_DEFAULT);
}

void loop_stop(struct loop *loop)
{
	uv_stop(&loop->uv);
}

void loop_drain(struct loop *loop)
{
	int turns = 0;

	do {
		uv_run(&loop->uv, UV_RUN_NOWAIT);
	} while ((loop->uv.closing_handles != NULL || loop->laters.count > 0) &&
		++turns < DRAIN_TURNS_MAX);
}

static const struct clocks *clocks(const struct loop *loop)
{
	if (!loop->clocks->read) {
		*loop->clocks = (struct clocks){
			.read = true,
			.now_us = time_monotonic_us(),
			.boot_us = time_boot_us(),
			.wall_us = time_wall_us(),
		};
	}
	return loop->clocks;
}

int64_t loop_now_us(const struct loop *loop)
{
	return clocks(loop)->now_us;
}

int64_t loop_boot_us(const struct loop *loop)
{
	(void)loop;
	return time_boot_us();
}

int64_t loop_wall_us(const struct loop *loop)
{
	const struct clocks *read = clocks(loop);

	return loop->steered ? read->boot_us + loop->wall_less_boot_us : read->wall_us;
}

void loop_steer(struct loop *loop, int64_t wall_less_boot_us)
{
	loop->steered = true;
	loop->wall_less_boot_us = wall_less_boot_us;
}

int64_t loop_wall_error_us(const struct loop *loop)
{
	return clocks(loop)->wall_us - loop_wall_us(loop);
}

void timer_init(struct timer *timer, struct loop *loop, void (*on_due)(void *owner), void *owner)
{
	*timer = (struct timer){.loop = loop, .on_due = on_due, .owner = owner};
}

void timer_set(struct timer *timer, int64_t due_us)
{
	struct loop *loop = timer->loop;

	heap_set(&loop->timers, &timer->node, due_us);
	if (!uv_is_active((uv_handle_t *)&loop->alarm)) {
		/* Holds the loop alive until prepare sets the right time. */
		uv_timer_start(&loop->alarm, on_alarm, 0, 0);
		loop->alarm_us = INT64_MIN;
	}
}

void timer_stop(struct timer *timer)
{
	if (timer->loop != NULL) {
		heap_remove(&timer->loop->timers, &timer->node);
	}
}

bool timer_is_set(const struct timer *timer)
{
	return heap_holds(&timer->node);
}

void later_init(struct later *later, void (*on_turn)(void *owner), void *owner)
{
	*later = (struct later){.on_turn = on_turn, .owner = owner};
}

void loop_later(struct loop *loop, struct later *later)
{
	if (list_linked(&later->link)) {
		return;
	}
	list_push(&loop->laters, &later->link);
	uv_idle_start(&loop->idle, on_nothing); /* no-op when it is started */
}

void loop_later_cancel(struct loop *loop, struct later *later)
{
	if (list_linked(&later->link)) {
		list_remove(&loop->laters, &later->link);
	}
}

void loop_before_writes(struct loop *loop, void (*on_write)(void *owner), void *owner)
{
	loop->before_writes = on_write;
	loop->before_owner = owner;
}

void loop_commit(struct loop *loop)
{
	if (loop->before_writes != NULL) {
		loop->before_writes(loop->before_owner);
	}
}

static void on_signal(uv_signal_t *handle, int number)
{
	struct signal_watch *watch = handle->data;

	(void)number;
	watch->on_signal(watch->owner);
}

struct err loop_on_signal(
	struct loop *loop, int signal, void (*on_signal_call)(void *owner), void *owner)
{
	struct signal_watch *watch = loop->signals;

	while (watch != NULL && watch->signal != signal) {
		watch = watch->next;
	}
	if (watch != NULL) {
		return err_input();
	}
	watch = MEM_NEW(struct signal_watch);
	watch->on_signal = on_signal_call;
	watch->owner = owner;
	watch->signal = signal;
	uv_signal_init(&loop->uv, &watch->handle);
	watch->handle.data = watch;
	watch->next = loop->signals;
	loop->signals = watch;
	int failed = uv_signal_start(&watch->handle, on_signal, signal);

	uv_unref((uv_handle_t *)&watch->handle);
	return failed == 0 ? ERR_OK : err_os(-failed);
}

void *loop_handle(struct loop *loop)
{
	return &loop->uv;
}

struct scratch *loop_scratch(struct loop *loop)
{
	return &loop->scratch;
}
