/*
 * A watch is one uv_poll_t, which lives until libuv has closed it: longer than the
 * descriptor, so it is an allocation of its own.  A watch keeps the loop running.
 * libuv closes a handle in a later turn: the memory lives until then, whoever ended
 * the watch.
 */
#include "io/watch.h"

#include <uv.h>

#include "base/mem.h"

struct watch {
	uv_poll_t handle;
	void (*on_ready)(void *owner);
	void *owner;
};

static void on_closed(uv_handle_t *handle)
{
	mem_free(handle->data);
}

/* libuv polls no more from here on, so that the descriptor may be closed. */
static void close_watch(struct watch *watch)
{
	uv_close((uv_handle_t *)&watch->handle, on_closed);
}

static void on_poll(uv_poll_t *handle, int status, int events)
{
	struct watch *watch = handle->data;

	(void)status;
	(void)events;
	close_watch(watch);
	watch->on_ready(watch->owner);
}

struct err watch_start(struct loop *loop, int fd, void (*on_ready)(void *owner), void *owner,
	struct watch **ret_watch)
{
	struct watch *watch = MEM_NEW(struct watch);
	int failed = uv_poll_init(loop_handle(loop), &watch->handle, fd);

	if (failed != 0) {
		mem_free(watch);
		return err_os(-failed);
	}
	watch->handle.data = watch;
	watch->on_ready = on_ready;
	watch->owner = owner;
	failed = uv_poll_start(&watch->handle, UV_READABLE | UV_DISCONNECT, on_poll);
	if (failed != 0) {
		close_watch(watch);
		return err_os(-failed);
	}
	*ret_watch = watch;
	return ERR_OK;
}

void watch_stop(struct watch **watch)
{
	if (*watch != NULL) {
		close_watch(*watch);
		*watch = NULL;
	}
}
