/*
 * The words are stored in the order in which they are to be believed: the stage last
 * when a job comes, and first when it goes.  A process that dies has done all stores
 * before its last instruction, so a barrier for the compiler is enough.
 *
 * The page is written in full when the file is made, so that a store needs no block
 * of a disk that may be full by then.
 */
#include "spool/cell.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"

#define NAME "/at-hand"
#define MAGIC "PENGCELL"

enum { PAGE_BYTES = 4096, VERSION = 1 };

/* As it is in the file, of this machine alone: byte order and padding are its own. */
struct page {
	char magic[8];
	uint32_t version;
	_Atomic uint32_t stage;
	struct id boot;
	struct id worker;
	struct cell_job job;
};

_Static_assert(sizeof(struct page) <= PAGE_BYTES, "it is one page");

struct cell {
	struct page *page;
	struct id boot;
	bool ours; /* not the one of before any more */
};

static const char *const words[] = {
	[CELL_NOTHING] = "",
	[CELL_CLAIM] = "claim",
	[CELL_COMPOSE] = "compose",
	[CELL_SIGN] = "sign",
	[CELL_SESSION] = "session",
};
_Static_assert(ARRAY_LEN(words) == CELL_STAGES, "a word for every stage");

const char *cell_stage_word(enum cell_stage stage)
{
	return words[stage];
}

/* Of the right size, with blocks of its own; an older one keeps what it has. */
static bool make_whole(int fd)
{
	static const char zeros[PAGE_BYTES];
	struct stat st;

	return fstat(fd, &st) == 0 &&
		(st.st_size == PAGE_BYTES ||
			(ftruncate(fd, 0) == 0 &&
				pwrite(fd, zeros, sizeof(zeros), 0) == (ssize_t)sizeof(zeros)));
}

static void *map_page(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	void *page = MAP_FAILED;
	int error;

	if (fd >= 0 && make_whole(fd)) {
		page = mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	}
	error = errno;
	if (fd >= 0) {
		(void)close(fd);
	}
	errno = error;
	return page;
}

bool cell_open(struct slice directory, struct id boot, struct cell **ret_cell, struct buf *why)
{
	struct buf path;
	void *page;

	buf_init(&path, 0);
	buf_add(&path, directory);
	buf_add_text(&path, NAME);
	page = map_page(buf_string(&path));
	if (page == MAP_FAILED) {
		buf_add_format(why,
			"%s: %s; it is made anew where it is missing, so it may be removed",
			buf_string(&path), err_text(err_system()));
	} else {
		*ret_cell = MEM_NEW(struct cell);
		**ret_cell = (struct cell){page, boot, false};
	}
	buf_clear(&path);
	return page != MAP_FAILED;
}

void cell_close(struct cell **cell)
{
	if (*cell == NULL) {
		return;
	}
	if ((*cell)->ours) {
		cell_unmark(*cell);
	}
	(void)munmap((*cell)->page, PAGE_BYTES);
	mem_free(*cell);
	*cell = NULL;
}

bool cell_left(const struct cell *cell, struct cell_left *ret_left)
{
	const struct page *page = cell->page;
	uint32_t stage = atomic_load_explicit(&page->stage, memory_order_relaxed);

	if (memcmp(page->magic, MAGIC, sizeof(page->magic)) != 0 || page->version != VERSION ||
		stage == CELL_NOTHING || stage >= CELL_STAGES || id_is_zero(page->boot) ||
		!id_equal(page->boot, cell->boot)) {
		return false;
	}
	*ret_left = (struct cell_left){page->worker, page->job, (enum cell_stage)stage};
	return true;
}

void cell_begin(struct cell *cell, struct id worker)
{
	struct page *page = cell->page;

	cell->ours = true;
	cell_unmark(cell);
	memcpy(page->magic, MAGIC, sizeof(page->magic));
	page->version = VERSION;
	page->boot = cell->boot;
	page->worker = worker;
}

static void store(struct page *page, enum cell_stage stage)
{
	atomic_store_explicit(&page->stage, stage, memory_order_relaxed);
	atomic_signal_fence(memory_order_seq_cst);
}

void cell_mark(struct cell *cell, const struct cell_job *job, enum cell_stage stage)
{
	store(cell->page, CELL_NOTHING);
	cell->page->job = *job;
	atomic_signal_fence(memory_order_seq_cst);
	store(cell->page, stage);
}

void cell_unmark(struct cell *cell)
{
	store(cell->page, CELL_NOTHING);
}
