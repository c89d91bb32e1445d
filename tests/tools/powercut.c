/*
 * Preloaded, it makes the directory POWERCUT_DIR lie on a disk that forgets what was not
 * synced.  What is durable is kept in POWERCUT_SHADOW, and after the process was killed
 * tests/system/powercut.py puts that in the directory's place.
 *
 * The model is the strict one.  The bytes of a file, and its size, are durable when
 * fsync() or fdatasync() of that file has returned, and no sooner.  A name, whether it was
 * made, renamed or removed, is durable when fsync() of the directory that has it has
 * returned; the sync of a file says nothing of its name.
 *
 *	INODE.data   the durable bytes of a file; none: it is empty
 *	INODE.names  the durable names of a directory: kind, inode and name, one a line
 *	INODE.pin    a second link, so that the number is never given to another file
 *
 * A call on a file of that directory which is not modelled here aborts: better no answer
 * than a wrong one.  A file that lives in a shared mapping and need not outlive a power cut
 * is named in POWERCUT_EXEMPT.  A process that goes around the C library is not seen, but
 * a file that it makes is, when its directory is synced.
 *
 * POWERCUT_SLOW_MS is how long the disk takes to sync a file; only what was there when it
 * began is durable afterwards.  The kernel is asked itself,
 * not the next library, so that this works before any constructor ran.
 */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { FDS = 65536, FILES = 4096 };

/* A file of the directory that this process has opened. */
struct kept {
	ino_t inode;
	bool whole; /* all of it is to be copied at the next sync */
	bool append;
	bool exempt;
	off_t from; /* ... else from here */
	off_t to;
};

static struct kept files[FILES];
static size_t files_count;
static struct kept *by_fd[FDS];
static pthread_mutex_t table = PTHREAD_MUTEX_INITIALIZER;
/* Nobody's sync returns while another one's bytes are under way. */
static pthread_mutex_t syncing = PTHREAD_MUTEX_INITIALIZER;

static const char *directory(void)
{
	return getenv("POWERCUT_DIR");
}

__attribute__((noreturn)) static void refuse(const char *what)
{
	static const char begin[] = "powercut: not modelled: ";

	(void)!write(STDERR_FILENO, begin, sizeof(begin) - 1);
	(void)!write(STDERR_FILENO, what, strlen(what));
	(void)!write(STDERR_FILENO, "\n", 1);
	abort();
}

static bool is_inside(const char *path)
{
	const char *top = directory();
	size_t n = top ? strlen(top) : 0;

	return n > 0 && strncmp(path, top, n) == 0 && (path[n] == '/' || path[n] == '\0');
}

/* False where it is no file of ours. */
static bool path_of(int fd, char *path)
{
	char link[64];
	ssize_t n;

	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, PATH_MAX - 1);
	if (n < 0) {
		return false;
	}
	path[n] = '\0';
	return is_inside(path);
}

/* Whether what a name leads to would lie inside. */
static bool leads_inside(int at, const char *name)
{
	char parent[PATH_MAX];
	char real[PATH_MAX];
	char *slash;
	int fd;
	bool inside;

	(void)snprintf(parent, sizeof(parent), "%s", name);
	slash = strrchr(parent, '/');
	if (slash == parent) {
		return false;
	}
	(void)snprintf(slash ? slash : parent, 2, "%s", slash ? "" : ".");
	fd = (int)syscall(SYS_openat, at, parent, O_PATH | O_CLOEXEC, 0);
	if (fd < 0) {
		return false;
	}
	inside = path_of(fd, real);
	(void)syscall(SYS_close, fd);
	return inside;
}

static void shadow_path(char *out, ino_t inode, const char *ending)
{
	const char *shadow = getenv("POWERCUT_SHADOW");

	if (!shadow) {
		refuse("POWERCUT_SHADOW is not set");
	}
	(void)snprintf(out, PATH_MAX, "%s/%ju%s", shadow, (uintmax_t)inode, ending);
}

static struct kept *kept_of(int fd)
{
	return fd >= 0 && fd < FDS ? by_fd[fd] : NULL;
}

static void pin(int fd, ino_t inode)
{
	char from[64];
	char to[PATH_MAX];

	(void)snprintf(from, sizeof(from), "/proc/self/fd/%d", fd);
	shadow_path(to, inode, ".pin");
	if (linkat(AT_FDCWD, from, AT_FDCWD, to, AT_SYMLINK_FOLLOW) < 0 && errno != EEXIST) {
		refuse("the shadow is not on the same file system");
	}
}

static struct kept *find(const struct stat *st)
{
	for (size_t i = 0; i < files_count; i++) {
		if (files[i].inode == st->st_ino) {
			return &files[i];
		}
	}
	if (files_count == FILES) {
		refuse("so many files");
	}
	files[files_count] = (struct kept){.inode = st->st_ino, .whole = st->st_size > 0};
	return &files[files_count++];
}

/* What was opened is looked at once, whatever name it was opened by. */
static int watch(int fd, int flags)
{
	int error = errno;
	char path[PATH_MAX];
	const char *exempt = getenv("POWERCUT_EXEMPT");
	struct stat st;
	struct kept *kept;

	if (fd < 0 || !directory() || !path_of(fd, path) || fstat(fd, &st) < 0 ||
		!S_ISREG(st.st_mode)) {
		errno = error;
		return fd;
	}
	if (fd >= FDS) {
		refuse("a descriptor of such a number");
	}
	if ((flags & (O_DSYNC | O_DIRECT)) || (flags & O_TMPFILE) == O_TMPFILE) {
		refuse("open() with O_SYNC, O_DSYNC, O_DIRECT or O_TMPFILE");
	}
	pin(fd, st.st_ino);
	pthread_mutex_lock(&table);
	kept = find(&st);
	kept->whole = kept->whole || (flags & O_TRUNC);
	kept->append = flags & O_APPEND;
	kept->exempt = exempt && strcmp(strrchr(path, '/') + 1, exempt) == 0;
	by_fd[fd] = kept;
	pthread_mutex_unlock(&table);
	errno = error;
	return fd;
}

static void note(struct kept *kept, off_t at, ssize_t n)
{
	if (n <= 0) {
		return;
	}
	pthread_mutex_lock(&table);
	if (kept->append) {
		kept->whole = true;
	} else if (kept->to == kept->from) {
		kept->from = at;
		kept->to = at + n;
	} else {
		kept->from = at < kept->from ? at : kept->from;
		kept->to = at + n > kept->to ? at + n : kept->to;
	}
	pthread_mutex_unlock(&table);
}

/* Syncs. */

/* Read when the sync began, written when it is over: what comes meanwhile is the next one's. */
static char *read_part(int fd, off_t at, size_t size)
{
	char *bytes = malloc(size + 1);
	size_t have = 0;

	while (bytes && have < size) {
		ssize_t n = syscall(SYS_pread64, fd, bytes + have, size - have, at + (off_t)have);

		if (n <= 0) {
			break;
		}
		have += (size_t)n;
	}
	if (!bytes || have < size) {
		refuse("a file that became shorter during its sync");
	}
	return bytes;
}

static void write_part(ino_t inode, const char *bytes, off_t at, size_t size, off_t whole)
{
	char path[PATH_MAX];
	int fd;

	shadow_path(path, inode, ".data");
	fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || syscall(SYS_ftruncate, fd, whole) < 0 ||
		syscall(SYS_pwrite64, fd, bytes, size, at) != (ssize_t)size) {
		refuse("the shadow cannot be written");
	}
	(void)syscall(SYS_close, fd);
}

static void take_time(void)
{
	const char *ms = getenv("POWERCUT_SLOW_MS");
	long wait = ms ? strtol(ms, NULL, 10) : 0;
	struct timespec pause = {wait / 1000, wait % 1000 * 1000000};

	if (wait > 0) {
		(void)nanosleep(&pause, NULL);
	}
}

static void keep_data(int fd, struct kept *kept)
{
	char path[PATH_MAX];
	struct stat st;
	char *bytes;
	off_t end;
	off_t at;
	int from;

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	from = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
	pthread_mutex_lock(&table);
	if (from < 0 || fstat(from, &st) < 0) {
		refuse("a file that cannot be read");
	}
	at = kept->whole ? 0 : kept->from;
	end = kept->whole ? st.st_size : kept->to;
	end = end < st.st_size ? end : st.st_size;
	at = at < end ? at : end;
	kept->whole = false;
	kept->from = kept->to = 0;
	pthread_mutex_unlock(&table);
	bytes = read_part(from, at, (size_t)(end - at));
	take_time();
	write_part(kept->inode, bytes, at, (size_t)(end - at), st.st_size);
	free(bytes);
	(void)syscall(SYS_close, from);
}

static void add_name(FILE *out, int fd, const char *name)
{
	char path[PATH_MAX];
	struct stat st;

	if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		return; /* gone meanwhile */
	}
	if (S_ISDIR(st.st_mode)) {
		(void)fprintf(out, "d %ju %s\n", (uintmax_t)st.st_ino, name);
		return;
	}
	shadow_path(path, st.st_ino, ".pin");
	if (!S_ISREG(st.st_mode) || access(path, F_OK) < 0) {
		refuse(name); /* it came in some other way than through here */
	}
	(void)fprintf(out, "f %ju %s\n", (uintmax_t)st.st_ino, name);
}

/* All of a directory's names become durable at once. */
static void keep_names(int fd)
{
	char path[PATH_MAX];
	char draft[PATH_MAX];
	const struct dirent *entry;
	struct stat st;
	char *text = NULL;
	size_t n = 0;
	FILE *out = open_memstream(&text, &n);
	int again = (int)syscall(SYS_openat, fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	DIR *dir = fdopendir(again);
	int to;

	if (!dir || !out || fstat(fd, &st) < 0) {
		refuse("the shadow cannot be written");
	}
	while ((entry = readdir(dir))) {
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
			add_name(out, fd, entry->d_name);
		}
	}
	(void)closedir(dir);
	(void)fclose(out);
	shadow_path(path, st.st_ino, ".names");
	shadow_path(draft, st.st_ino, ".draft");
	to = (int)syscall(
		SYS_openat, AT_FDCWD, draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (to < 0 || syscall(SYS_write, to, text, n) != (ssize_t)n || rename(draft, path) < 0) {
		refuse("the shadow cannot be written");
	}
	(void)syscall(SYS_close, to);
	free(text);
}

/* Several processes may sync what is above their own directories. */
static int lock_shadow(void)
{
	char path[PATH_MAX];
	int fd;

	shadow_path(path, 0, ".lock");
	fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || flock(fd, LOCK_EX) < 0) {
		refuse("the shadow cannot be locked");
	}
	return fd;
}

static int sync_it(int fd, long number)
{
	char path[PATH_MAX];
	struct kept *kept = kept_of(fd);
	struct stat st;
	int lock;

	if (!kept && (!directory() || !path_of(fd, path) || fstat(fd, &st) < 0)) {
		return (int)syscall(number, fd);
	}
	if (!kept && !S_ISDIR(st.st_mode)) {
		refuse("a file that was opened in some other way");
	}
	pthread_mutex_lock(&syncing);
	if (kept) {
		keep_data(fd, kept);
	} else {
		lock = lock_shadow();
		keep_names(fd);
		(void)syscall(SYS_close, lock);
	}
	pthread_mutex_unlock(&syncing);
	return 0;
}

/*
 * The calls, under names of our own, since the headers have others for the parameters.
 * On this machine the 64-bit names are the same calls.
 */
#define CALL(name) __asm__(#name)
#define ALSO(name, of) __asm__(#name) __attribute__((alias(#of)))

int cut_open(const char *path, int flags, ...) CALL(open);
int cut_openat(int at, const char *path, int flags, ...) CALL(openat);

static mode_t mode_of(int flags, va_list list)
{
	return (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE ? va_arg(list, mode_t) : 0;
}

int cut_open(const char *path, int flags, ...)
{
	va_list list;
	mode_t mode;

	va_start(list, flags);
	mode = mode_of(flags, list);
	va_end(list);
	return watch((int)syscall(SYS_openat, AT_FDCWD, path, flags, mode), flags);
}

int cut_openat(int at, const char *path, int flags, ...)
{
	va_list list;
	mode_t mode;

	va_start(list, flags);
	mode = mode_of(flags, list);
	va_end(list);
	return watch((int)syscall(SYS_openat, at, path, flags, mode), flags);
}

int cut_open64(const char *path, int flags, ...) ALSO(open64, open);
int cut_openat64(int at, const char *path, int flags, ...) ALSO(openat64, openat);
int cut_open_2(const char *path, int flags, ...) ALSO(__open_2, open);
int cut_open64_2(const char *path, int flags, ...) ALSO(__open64_2, open);
int cut_openat_2(int at, const char *path, int flags, ...) ALSO(__openat_2, openat);
int cut_openat64_2(int at, const char *path, int flags, ...) ALSO(__openat64_2, openat);

int cut_creat(const char *path, mode_t mode) CALL(creat);
int cut_creat(const char *path, mode_t mode)
{
	return cut_open(path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}
int cut_creat64(const char *path, mode_t mode) ALSO(creat64, creat);

int cut_close(int fd) CALL(close);
int cut_close(int fd)
{
	if (kept_of(fd)) {
		pthread_mutex_lock(&table);
		by_fd[fd] = NULL;
		pthread_mutex_unlock(&table);
	}
	return (int)syscall(SYS_close, fd);
}

ssize_t cut_pwrite(int fd, const void *bytes, size_t size, off_t at) CALL(pwrite);
ssize_t cut_pwrite(int fd, const void *bytes, size_t size, off_t at)
{
	struct kept *kept = kept_of(fd);
	ssize_t n = syscall(SYS_pwrite64, fd, bytes, size, at);

	if (kept) {
		note(kept, at, n);
	}
	return n;
}
ssize_t cut_pwrite64(int fd, const void *bytes, size_t size, off_t at) ALSO(pwrite64, pwrite);

ssize_t cut_write(int fd, const void *bytes, size_t size) CALL(write);
ssize_t cut_write(int fd, const void *bytes, size_t size)
{
	struct kept *kept = kept_of(fd);
	off_t at = kept ? syscall(SYS_lseek, fd, 0, SEEK_CUR) : 0;
	ssize_t n = syscall(SYS_write, fd, bytes, size);

	if (kept) {
		note(kept, at, n);
	}
	return n;
}

int cut_ftruncate(int fd, off_t size) CALL(ftruncate);
int cut_ftruncate(int fd, off_t size)
{
	struct kept *kept = kept_of(fd);

	if (kept) {
		pthread_mutex_lock(&table);
		kept->whole = true;
		pthread_mutex_unlock(&table);
	}
	return (int)syscall(SYS_ftruncate, fd, size);
}
int cut_ftruncate64(int fd, off_t size) ALSO(ftruncate64, ftruncate);

/* Room alone: what it adds to the size are zeros, and so they are in the shadow. */
int cut_fallocate(int fd, int mode, off_t at, off_t size) CALL(fallocate);
int cut_fallocate(int fd, int mode, off_t at, off_t size)
{
	if (kept_of(fd) && mode != 0) {
		refuse("fallocate() with a mode");
	}
	return (int)syscall(SYS_fallocate, fd, mode, at, size);
}
int cut_fallocate64(int fd, int mode, off_t at, off_t size) ALSO(fallocate64, fallocate);

int cut_posix_fallocate(int fd, off_t at, off_t size) CALL(posix_fallocate);
int cut_posix_fallocate(int fd, off_t at, off_t size)
{
	return syscall(SYS_fallocate, fd, 0, at, size) < 0 ? errno : 0;
}
int cut_posix_fallocate64(int fd, off_t at, off_t size) ALSO(posix_fallocate64, posix_fallocate);

int cut_fsync(int fd) CALL(fsync);
int cut_fsync(int fd)
{
	return sync_it(fd, SYS_fsync);
}

int cut_fdatasync(int fd) CALL(fdatasync);
int cut_fdatasync(int fd)
{
	return sync_it(fd, SYS_fdatasync);
}

void *cut_mmap(void *at, size_t size, int rights, int flags, int fd, off_t from) CALL(mmap);
void *cut_mmap(void *at, size_t size, int rights, int flags, int fd, off_t from)
{
	const struct kept *kept = flags & MAP_ANONYMOUS ? NULL : kept_of(fd);
	void *mapped;
	long place;

	if (kept && (flags & MAP_SHARED) && !kept->exempt) {
		refuse("mmap() that is shared");
	}
	place = syscall(SYS_mmap, at, size, rights, flags, fd, from);
	memcpy(&mapped, &place, sizeof(mapped));
	return mapped;
}
void *cut_mmap64(void *at, size_t size, int rights, int flags, int fd, off_t from)
	ALSO(mmap64, mmap);

/* What is not modelled: the next library's call where it is no file of ours. */

#define NEXT(name) dlsym(RTLD_NEXT, name)

static void refuse_fd(int fd, const char *what)
{
	if (kept_of(fd)) {
		refuse(what);
	}
}

#define REFUSE_FD(name, type, parameters, arguments, fd) \
	type cut_##name parameters CALL(name); \
	type cut_##name parameters \
	{ \
		type(*next) parameters = (type(*) parameters)NEXT(#name); \
		refuse_fd(fd, #name "()"); \
		return next arguments; \
	}

struct iovec;

REFUSE_FD(writev, ssize_t, (int fd, const struct iovec *v, int n), (fd, v, n), fd)
REFUSE_FD(pwritev, ssize_t, (int fd, const struct iovec *v, int n, off_t at), (fd, v, n, at), fd)
REFUSE_FD(pwritev64, ssize_t, (int fd, const struct iovec *v, int n, off_t at), (fd, v, n, at), fd)
REFUSE_FD(pwritev2, ssize_t, (int fd, const struct iovec *v, int n, off_t at, int f),
	(fd, v, n, at, f), fd)
REFUSE_FD(pwritev64v2, ssize_t, (int fd, const struct iovec *v, int n, off_t at, int f),
	(fd, v, n, at, f), fd)
REFUSE_FD(dup, int, (int fd), (fd), fd)
REFUSE_FD(dup2, int, (int fd, int to), (fd, to), fd)
REFUSE_FD(dup3, int, (int fd, int to, int f), (fd, to, f), fd)
REFUSE_FD(syncfs, int, (int fd), (fd), fd)
REFUSE_FD(sync_file_range, int, (int fd, off_t at, off_t n, unsigned f), (fd, at, n, f), fd)
REFUSE_FD(sendfile, ssize_t, (int fd, int in, off_t *at, size_t n), (fd, in, at, n), fd)
REFUSE_FD(sendfile64, ssize_t, (int fd, int in, off_t *at, size_t n), (fd, in, at, n), fd)
REFUSE_FD(splice, ssize_t, (int in, off_t *i, int fd, off_t *o, size_t n, unsigned f),
	(in, i, fd, o, n, f), fd)
REFUSE_FD(copy_file_range, ssize_t, (int in, off_t *i, int fd, off_t *o, size_t n, unsigned f),
	(in, i, fd, o, n, f), fd)
REFUSE_FD(fdopen, FILE *, (int fd, const char *mode), (fd, mode), fd)

#define REFUSE_PATH(name, type, parameters, arguments, at, path) \
	type cut_##name parameters CALL(name); \
	type cut_##name parameters \
	{ \
		type(*next) parameters = (type(*) parameters)NEXT(#name); \
		if (directory() && leads_inside(at, path)) { \
			refuse(#name "()"); \
		} \
		return next arguments; \
	}

REFUSE_PATH(truncate, int, (const char *p, off_t n), (p, n), AT_FDCWD, p)
REFUSE_PATH(truncate64, int, (const char *p, off_t n), (p, n), AT_FDCWD, p)
REFUSE_PATH(mkstemp, int, (char *p), (p), AT_FDCWD, p)
REFUSE_PATH(mkstemp64, int, (char *p), (p), AT_FDCWD, p)
REFUSE_PATH(mkostemp, int, (char *p, int f), (p, f), AT_FDCWD, p)
REFUSE_PATH(mkostemp64, int, (char *p, int f), (p, f), AT_FDCWD, p)

/* A stream for reading does no harm. */
static FILE *stream(const char *call, const char *path, const char *mode)
{
	FILE *(*next)(const char *, const char *) =
		(FILE * (*)(const char *, const char *)) NEXT(call);

	if (directory() && strpbrk(mode, "wa+") && leads_inside(AT_FDCWD, path)) {
		refuse(call);
	}
	return next(path, mode);
}

FILE *cut_fopen(const char *path, const char *mode) CALL(fopen);
FILE *cut_fopen(const char *path, const char *mode)
{
	return stream("fopen", path, mode);
}

FILE *cut_fopen64(const char *path, const char *mode) CALL(fopen64);
FILE *cut_fopen64(const char *path, const char *mode)
{
	return stream("fopen64", path, mode);
}
