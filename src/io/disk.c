/*
 * A thread with two places for work, one for a sync and one for a file to make.  Each
 * place is empty, asked for, being worked at, or done; only the loop fills and empties
 * it, only the thread takes it from asked to done, and one lock covers both.  The loop
 * is woken through libuv's async handle and looks at both places.
 */
#include "io/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "base/buf.h"
#include "base/mem.h"

enum { STEP_BYTES = 1 << 20 };

enum place { PLACE_EMPTY, PLACE_ASKED, PLACE_BUSY, PLACE_DONE };

struct syncing {
	enum place place;
	int fd;
	struct err err;
	void (*on_synced)(void *owner, struct err err);
	void *owner;
};

struct making {
	enum place place;
	int fd; /* -1 = not begun */
	uint64_t bytes;
	uint64_t done;
	char *path;
	char *draft; /* the name until it is whole */
	struct err err;
	void (*on_made)(void *owner, struct err err);
	void *owner;
};

struct disk {
	uv_async_t async;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t work;
	struct syncing syncing;
	struct making making;
	char *zeros;
	bool ending;
};

struct err disk_sync_directory(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct err err = ERR_OK;

	if (fd < 0) {
		return err_system();
	}
	if (fsync(fd) < 0) {
		err = err_system();
	}
	(void)close(fd);
	return err;
}

static struct err sync_file(int fd)
{
	return fdatasync(fd) < 0 ? err_system() : ERR_OK;
}

static struct err begin_making(struct making *making)
{
	int error;

	making->fd = open(making->draft, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
	if (making->fd < 0) {
		return err_system();
	}
	error = posix_fallocate(making->fd, 0, (off_t)making->bytes);
	return error == 0 ? ERR_OK : err_os(error);
}

static struct err write_zeros(struct disk *disk)
{
	struct making *making = &disk->making;
	uint64_t left = making->bytes - making->done;
	size_t step = left < STEP_BYTES ? (size_t)left : STEP_BYTES;
	ssize_t n = pwrite(making->fd, disk->zeros, step, (off_t)making->done);

	if (n < 0) {
		return errno == EINTR ? ERR_OK : err_system();
	}
	making->done += (uint64_t)n;
	return sync_file(making->fd);
}

static struct err sync_parent(const char *path)
{
	struct slice whole = slice_of(path);
	size_t length = whole.n;
	struct buf parent;
	struct err err;

	while (length > 1 && whole.p[length - 1] != '/') {
		length--;
	}
	buf_init(&parent, 0);
	buf_add(&parent, slice_first(whole, length));
	err = disk_sync_directory(buf_string(&parent));
	buf_clear(&parent);
	return err;
}

static struct err finish_making(struct making *making)
{
	if (fsync(making->fd) < 0 || rename(making->draft, making->path) < 0) {
		return err_system();
	}
	return sync_parent(making->path);
}

/* One step; true when that was the last. */
static bool make_some(struct disk *disk)
{
	struct making *making = &disk->making;

	if (making->fd < 0) {
		making->err = begin_making(making);
	} else if (making->done < making->bytes) {
		making->err = write_zeros(disk);
	} else {
		making->err = finish_making(making);
		return true;
	}
	return err_is(making->err);
}

static void close_made(struct making *making)
{
	if (making->fd >= 0) {
		(void)close(making->fd);
		making->fd = -1;
	}
	if (err_is(making->err)) {
		(void)unlink(making->draft);
	}
}

static bool has_work(const struct disk *disk)
{
	return disk->syncing.place == PLACE_ASKED || disk->making.place == PLACE_ASKED;
}

/* Called with the lock held; not held during the work itself. */
static void work_once(struct disk *disk)
{
	if (disk->syncing.place == PLACE_ASKED) {
		struct err err;
		int fd = disk->syncing.fd;

		disk->syncing.place = PLACE_BUSY;
		pthread_mutex_unlock(&disk->lock);
		err = sync_file(fd);
		pthread_mutex_lock(&disk->lock);
		disk->syncing.err = err;
		disk->syncing.place = PLACE_DONE;
	} else {
		bool over;

		disk->making.place = PLACE_BUSY;
		pthread_mutex_unlock(&disk->lock);
		over = make_some(disk);
		if (over) {
			close_made(&disk->making);
		}
		pthread_mutex_lock(&disk->lock);
		disk->making.place = over ? PLACE_DONE : PLACE_ASKED;
		if (!over) {
			return;
		}
	}
	(void)uv_async_send(&disk->async);
}

static void *run(void *owner)
{
	struct disk *disk = owner;

	pthread_mutex_lock(&disk->lock);
	while (!disk->ending) {
		if (has_work(disk)) {
			work_once(disk);
		} else {
			pthread_cond_wait(&disk->work, &disk->lock);
		}
	}
	pthread_mutex_unlock(&disk->lock);
	return NULL;
}

/* The loop waits for the thread only while it has work. */
static void hold_loop(struct disk *disk)
{
	if (disk->syncing.place == PLACE_EMPTY && disk->making.place == PLACE_EMPTY) {
		uv_unref((uv_handle_t *)&disk->async);
	} else {
		uv_ref((uv_handle_t *)&disk->async);
	}
}

static void answer_sync(struct disk *disk)
{
	struct syncing done = disk->syncing;

	disk->syncing = (struct syncing){.place = PLACE_EMPTY};
	hold_loop(disk);
	pthread_mutex_unlock(&disk->lock);
	done.on_synced(done.owner, done.err);
	pthread_mutex_lock(&disk->lock);
}

static void answer_make(struct disk *disk)
{
	struct making done = disk->making;

	disk->making = (struct making){.place = PLACE_EMPTY, .fd = -1};
	hold_loop(disk);
	pthread_mutex_unlock(&disk->lock);
	mem_free(done.path);
	mem_free(done.draft);
	done.on_made(done.owner, done.err);
	pthread_mutex_lock(&disk->lock);
}

static void on_async(uv_async_t *async)
{
	struct disk *disk = async->data;

	pthread_mutex_lock(&disk->lock);
	if (disk->syncing.place == PLACE_DONE) {
		answer_sync(disk);
	}
	if (disk->making.place == PLACE_DONE) {
		answer_make(disk);
	}
	pthread_mutex_unlock(&disk->lock);
}

struct disk *disk_new(struct loop *loop)
{
	struct disk *disk = MEM_NEW(struct disk);
	sigset_t all;
	sigset_t before;

	disk->making.fd = -1;
	disk->zeros = mem_new(STEP_BYTES);
	pthread_mutex_init(&disk->lock, NULL);
	pthread_cond_init(&disk->work, NULL);
	if (uv_async_init(loop_handle(loop), &disk->async, on_async) != 0) {
		abort();
	}
	disk->async.data = disk;
	uv_unref((uv_handle_t *)&disk->async);
	/* Signals are the loop's. */
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	if (pthread_create(&disk->thread, NULL, run, disk) != 0) {
		abort();
	}
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	return disk;
}

static void on_closed(uv_handle_t *handle)
{
	mem_free(handle->data);
}

void disk_free(struct disk **disk)
{
	struct disk *gone = *disk;

	if (gone == NULL) {
		return;
	}
	*disk = NULL;
	pthread_mutex_lock(&gone->lock);
	gone->ending = true;
	pthread_cond_signal(&gone->work);
	pthread_mutex_unlock(&gone->lock);
	pthread_join(gone->thread, NULL);
	if (gone->making.place == PLACE_ASKED || gone->making.place == PLACE_BUSY) {
		gone->making.err = err_os(ECANCELED);
		close_made(&gone->making);
	}
	mem_free(gone->making.path);
	mem_free(gone->making.draft);
	mem_free(gone->zeros);
	pthread_mutex_destroy(&gone->lock);
	pthread_cond_destroy(&gone->work);
	uv_close((uv_handle_t *)&gone->async, on_closed);
}

bool disk_sync(
	struct disk *disk, int fd, void (*on_synced)(void *owner, struct err err), void *owner)
{
	bool taken;

	pthread_mutex_lock(&disk->lock);
	taken = disk->syncing.place == PLACE_EMPTY;
	if (taken) {
		disk->syncing = (struct syncing){
			.place = PLACE_ASKED,
			.fd = fd,
			.on_synced = on_synced,
			.owner = owner,
		};
		hold_loop(disk);
		pthread_cond_signal(&disk->work);
	}
	pthread_mutex_unlock(&disk->lock);
	return taken;
}

static char *draft_of(const char *path)
{
	struct buf draft;
	char *copy;

	buf_init(&draft, 0);
	buf_add_text(&draft, path);
	buf_add_text(&draft, ".draft");
	copy = mem_string(buf_string(&draft));
	buf_clear(&draft);
	return copy;
}

bool disk_make(struct disk *disk, const char *path, uint64_t bytes,
	void (*on_made)(void *owner, struct err err), void *owner)
{
	bool taken;

	pthread_mutex_lock(&disk->lock);
	taken = disk->making.place == PLACE_EMPTY;
	if (taken) {
		disk->making = (struct making){
			.place = PLACE_ASKED,
			.fd = -1,
			.bytes = bytes,
			.path = mem_string(path),
			.draft = draft_of(path),
			.on_made = on_made,
			.owner = owner,
		};
		hold_loop(disk);
		pthread_cond_signal(&disk->work);
	}
	pthread_mutex_unlock(&disk->lock);
	return taken;
}
