/*
 * The event loop of penguin-world, on epoll itself.
 *
 * The world must never be what a benchmark measures, so a message on a reused
 * connection should cost it little more than the reads and writes themselves:
 * level-triggered epoll, registered once a connection, one clock reading a turn,
 * timers in a heap, and all writes of a turn together at its end.
 */
#include "loop.h"

#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/time.h"

struct loop {
	int fd;
	bool stopping;
	int64_t now_us;
	struct heap alarms;
};

struct err loop_new(struct loop **ret_loop)
{
	int fd = epoll_create1(EPOLL_CLOEXEC);

	if (fd < 0) {
		return err_system();
	}
	*ret_loop = MEM_NEW(struct loop);
	(*ret_loop)->fd = fd;
	(*ret_loop)->now_us = time_monotonic_us();
	heap_init(&(*ret_loop)->alarms);
	return ERR_OK;
}

void loop_free(struct loop **loop)
{
	if (*loop == NULL) {
		return;
	}
	close((*loop)->fd);
	heap_clear(&(*loop)->alarms);
	mem_free(*loop);
	*loop = NULL;
}

struct err loop_watch(struct loop *loop, struct watch *watch, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.ptr = watch};

	watch->events = events;
	return epoll_ctl(loop->fd, EPOLL_CTL_ADD, watch->fd, &event) < 0 ? err_system() : ERR_OK;
}

void loop_change(struct loop *loop, struct watch *watch, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.ptr = watch};

	if (watch->events != events) {
		watch->events = events;
		(void)epoll_ctl(loop->fd, EPOLL_CTL_MOD, watch->fd, &event);
	}
}

void loop_unwatch(struct loop *loop, struct watch *watch)
{
	(void)epoll_ctl(loop->fd, EPOLL_CTL_DEL, watch->fd, NULL);
}

void loop_alarm(struct loop *loop, struct alarm *alarm, int64_t at_us)
{
	heap_set(&loop->alarms, &alarm->node, at_us);
}

void loop_cancel(struct loop *loop, struct alarm *alarm)
{
	heap_remove(&loop->alarms, &alarm->node);
}

int64_t loop_now_us(const struct loop *loop)
{
	return loop->now_us;
}

void loop_stop(struct loop *loop)
{
	loop->stopping = true;
}

/* epoll counts in milliseconds: rounded up, so that nothing comes early. */
static int wait_ms(const struct loop *loop)
{
	const struct heap_node *first = heap_top(&loop->alarms);
	int64_t wait_us;

	if (first == NULL) {
		return -1;
	}
	wait_us = first->key - time_monotonic_us();
	if (wait_us <= 0) {
		return 0;
	}
	return wait_us > 3600 * TIME_SECOND_US ? 3600 * 1000 : (int)((wait_us + 999) / 1000);
}

static void run_due(struct loop *loop)
{
	for (;;) {
		struct heap_node *first = heap_top(&loop->alarms);
		struct alarm *alarm;

		if (first == NULL || first->key > loop->now_us) {
			return;
		}
		heap_remove(&loop->alarms, first);
		alarm = HEAP_OWNER(first, struct alarm, node);
		alarm->on_due(alarm);
	}
}

void loop_run(struct loop *loop, void (*on_turn)(void *owner), void *owner)
{
	struct epoll_event events[256];

	while (!loop->stopping) {
		int count = epoll_wait(loop->fd, events, ARRAY_LEN(events), wait_ms(loop));

		if (count < 0 && errno != EINTR) {
			return;
		}
		loop->now_us = time_monotonic_us();
		for (int i = 0; i < count; i++) {
			struct watch *watch = events[i].data.ptr;

			watch->on_ready(watch, events[i].events);
		}
		run_due(loop);
		on_turn(owner);
	}
}
