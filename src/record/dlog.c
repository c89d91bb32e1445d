/*
 * The delivery log's file.  Lines gather in a buffer and are appended by one write at
 * the end of the turn, so that a line is never torn by a crash of ours and a rotation
 * finds whole lines.  A disk that is full holds up no mail: what cannot be written
 * waits, up to a bound; beyond it lines are dropped and counted, and Postgres still has
 * all of it.
 */
#include "record/dlog.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/time.h"
#include "dlog_line.h"

#define AGAIN_US TIME_SECOND_US

enum { FILE_MODE = 0640, WAITING_MAX = 16 * 1024 * 1024 };

struct dlog {
	struct loop *loop;
	char *path;
	struct slice node;
	struct buf lines;
	struct later turn;
	struct timer again; /* for what could not be written */
	int fd;
	bool failing;
	uint64_t dropped;
};

static int open_file(const char *path)
{
	return open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, FILE_MODE);
}

/* One line for the whole time of trouble, one for its end. */
static void trouble(struct dlog *dlog, const char *why)
{
	if (!dlog->failing) {
		dlog->failing = true;
		log_error(NULL, "delivery_log_failing", "path=%s text=%s",
			log_quote(slice_of(dlog->path)), log_quote(slice_of(why)));
	}
}

static void recovered(struct dlog *dlog)
{
	if (dlog->failing) {
		log_warning(NULL, "delivery_log_recovered", "lines_dropped=%lu",
			(unsigned long)dlog->dropped);
		dlog->failing = false;
		dlog->dropped = 0;
	}
}

static void write_lines(void *owner)
{
	struct dlog *dlog = owner;

	while (dlog->lines.n > 0) {
		ssize_t n = write(dlog->fd, dlog->lines.p, dlog->lines.n);

		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n <= 0) {
			trouble(dlog, n < 0 ? err_text(err_system()) : "nothing was written");
			timer_set(&dlog->again, loop_now_us(dlog->loop) + AGAIN_US);
			return;
		}
		if ((size_t)n == dlog->lines.n) {
			buf_reset(&dlog->lines);
			recovered(dlog);
		} else {
			buf_drop(&dlog->lines, (size_t)n);
		}
	}
}

struct err dlog_open(struct loop *loop, const char *path, struct slice node, struct dlog **ret_dlog)
{
	struct dlog *dlog;
	int fd = open_file(path);

	if (fd < 0) {
		return err_system();
	}
	dlog = MEM_NEW(struct dlog);
	dlog->loop = loop;
	dlog->path = mem_string(path);
	dlog->node = slice_make(mem_copy(node.p, node.n), node.n);
	dlog->fd = fd;
	buf_init(&dlog->lines, 0);
	later_init(&dlog->turn, write_lines, dlog);
	timer_init(&dlog->again, loop, write_lines, dlog);
	*ret_dlog = dlog;
	return ERR_OK;
}

void dlog_close(struct dlog **dlog)
{
	struct dlog *d = *dlog;

	if (d == NULL) {
		return;
	}
	*dlog = NULL;
	loop_later_cancel(d->loop, &d->turn);
	write_lines(d);
	timer_stop(&d->again);
	(void)close(d->fd);
	mem_free(d->path);
	mem_free((char *)(uintptr_t)d->node.p);
	buf_clear(&d->lines);
	mem_free(d);
}

struct err dlog_reopen(struct dlog *dlog)
{
	return dlog_move(dlog, dlog->path);
}

struct err dlog_move(struct dlog *dlog, const char *path)
{
	int fd = open_file(path);
	char *name;

	if (fd < 0) {
		return err_system(); /* the old file goes on being written */
	}
	write_lines(dlog);
	(void)close(dlog->fd);
	dlog->fd = fd;
	name = mem_string(path); /* which may be the old one */
	mem_free(dlog->path);
	dlog->path = name;
	if (dlog->lines.n > 0) {
		loop_later(dlog->loop, &dlog->turn);
	}
	return ERR_OK;
}

static bool has_room(struct dlog *dlog)
{
	loop_later(dlog->loop, &dlog->turn);
	if (dlog->lines.n >= WAITING_MAX) {
		dlog->dropped++;
		return false;
	}
	return true;
}

void dlog_attempt(struct dlog *dlog, const struct attempt *attempt)
{
	if (has_room(dlog)) {
		dlog_add_attempt(&dlog->lines, dlog->node, attempt);
	}
}

void dlog_skip(struct dlog *dlog, const struct job *job, enum outcome state, struct slice reason,
	int64_t wall_us)
{
	if (has_room(dlog)) {
		dlog_add_skip(&dlog->lines, dlog->node, job, state, reason, wall_us);
	}
}
