/*
 * The lock is flock() on a file that stays: it goes with the process, whatever end it
 * takes, and a second process is told at once.  What a file system promises is asked
 * of its type and of its mount options, before anything is trusted to it.
 */
#include "spool/directory.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/mem.h"
#include "io/disk.h"

#define LOCK "/lock"

struct directory {
	char *path;
	int lock;
};

/* The bits that statfs() reports, whatever the width of the field. */
static const struct {
	unsigned long type;
	const char *name;
} forgetful[] = {
	{TMPFS_MAGIC, "tmpfs, which is memory"},
	{RAMFS_MAGIC, "ramfs, which is memory"},
	{NFS_SUPER_MAGIC, "NFS, whose locks and syncs depend on another machine"},
};

static bool complain(struct buf *why, const char *path, const char *what)
{
	buf_add_format(why, "spool.directory: %s: %s", path, what);
	return false;
}

static bool is_safe_type(const char *path, struct buf *why)
{
	struct statfs fs;

	if (statfs(path, &fs) < 0) {
		return complain(why, path, err_text(err_system()));
	}
	for (size_t i = 0; i < ARRAY_LEN(forgetful); i++) {
		if ((unsigned long)fs.f_type == forgetful[i].type) {
			buf_add_format(why,
				"spool.directory: %s is on %s: choose a local disk, or set "
				"spool.sync: false and accept duplicates after a power cut",
				path, forgetful[i].name);
			return false;
		}
	}
	return true;
}

/* "36 35 98:0 / /mnt rw,noatime ... - ext4 /dev/sda1 rw,nobarrier": the device is field 3. */
static bool is_mount_of(const char *line, dev_t device)
{
	struct slice rest = slice_of(line);
	struct slice field = {NULL, 0};
	struct slice part;
	uint64_t numbers[2] = {0, 0};

	for (int i = 0; i < 3; i++) {
		(void)slice_split(&rest, ' ', &field);
	}
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
		(void)slice_split(&field, ':', &part);
		if (!slice_number(part, UINT32_MAX, &numbers[i])) {
			return false;
		}
	}
	return makedev((unsigned)numbers[0], (unsigned)numbers[1]) == device;
}

static bool has_option(const char *line, const char *option)
{
	const char *found = strstr(line, option);
	size_t length = strlen(option);

	while (found != NULL) {
		bool begins = found == line || found[-1] == ',' || found[-1] == ' ';
		bool ends = strchr(", \n", found[length]) != NULL;

		if (begins && ends) {
			return true;
		}
		found = strstr(found + 1, option);
	}
	return false;
}

static bool has_barriers(const char *path, struct buf *why)
{
	FILE *mounts = fopen("/proc/self/mountinfo", "re");
	char *line = NULL;
	size_t size = 0;
	struct stat st;
	bool safe = true;

	if (mounts == NULL || stat(path, &st) < 0) {
		if (mounts != NULL) {
			(void)fclose(mounts);
		}
		return true; /* nothing is known: no reason to refuse */
	}
	while (safe && getline(&line, &size, mounts) > 0) {
		const char *options = strstr(line, " - ");

		safe = options == NULL || !is_mount_of(line, st.st_dev) ||
			(!has_option(options, "nobarrier") && !has_option(options, "barrier=0"));
	}
	free(line);
	(void)fclose(mounts);
	if (!safe) {
		buf_add_format(why,
			"spool.directory: %s is mounted without write barriers: mount it with "
			"them, or set spool.sync: false",
			path);
	}
	return safe;
}

static bool make(const char *path, struct buf *why)
{
	if (mkdir(path, 0700) < 0 && errno != EEXIST) {
		buf_add_format(why,
			"spool.directory: cannot make %s: %s; make it for the user "
			"that penguin-mta runs as",
			path, err_text(err_system()));
		return false;
	}
	return true;
}

static bool take_lock(struct directory *directory, struct buf *why)
{
	struct buf name;

	buf_init(&name, 0);
	buf_add_text(&name, directory->path);
	buf_add_text(&name, LOCK);
	directory->lock = open(buf_string(&name), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	buf_clear(&name);
	if (directory->lock < 0) {
		return complain(why, directory->path, err_text(err_system()));
	}
	if (flock(directory->lock, LOCK_EX | LOCK_NB) < 0) {
		return complain(why, directory->path,
			errno == EWOULDBLOCK
				? "another penguin-mta uses it: end that first, or give each its "
				  "own spool.directory"
				: err_text(err_system()));
	}
	return true;
}

static char *join(struct slice base, struct slice name)
{
	struct buf path;
	char *copy;

	buf_init(&path, 0);
	buf_add(&path, base);
	buf_add_byte(&path, '/');
	buf_add(&path, name);
	copy = mem_string(buf_string(&path));
	buf_clear(&path);
	return copy;
}

bool directory_open(struct slice base, struct slice name, bool durable,
	struct directory **ret_directory, struct buf *why)
{
	struct directory *directory = MEM_NEW(struct directory);
	char *parent = slice_string(base);
	bool fine;

	directory->lock = -1;
	directory->path = join(base, name);
	fine = make(parent, why) && make(directory->path, why) &&
		(!durable ||
			(is_safe_type(directory->path, why) &&
				has_barriers(directory->path, why))) &&
		take_lock(directory, why);
	if (fine && err_is(disk_sync_directory(parent))) {
		fine = complain(why, parent, err_text(err_system()));
	}
	mem_free(parent);
	if (!fine) {
		directory_close(&directory);
		return false;
	}
	*ret_directory = directory;
	return true;
}

bool directory_is_busy(struct slice base, struct slice name)
{
	struct buf path;
	bool busy;
	int lock;

	buf_init(&path, 0);
	buf_add(&path, base);
	buf_add_byte(&path, '/');
	buf_add(&path, name);
	buf_add_text(&path, LOCK);
	lock = open(buf_string(&path), O_RDWR | O_CLOEXEC);
	buf_clear(&path);
	busy = lock >= 0 && flock(lock, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK;
	if (lock >= 0) {
		(void)close(lock);
	}
	return busy;
}

void directory_close(struct directory **directory)
{
	struct directory *gone = *directory;

	if (gone == NULL) {
		return;
	}
	*directory = NULL;
	if (gone->lock >= 0) {
		(void)close(gone->lock);
	}
	mem_free(gone->path);
	mem_free(gone);
}

struct slice directory_path(const struct directory *directory)
{
	return slice_of(directory->path);
}

struct id directory_boot(void)
{
	FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");
	char text[ID_TEXT + 1] = "";
	struct id id = {{0}};

	if (file != NULL) {
		if (fgets(text, sizeof(text), file) == NULL || !id_parse(slice_of(text), &id)) {
			id = (struct id){{0}};
		}
		(void)fclose(file);
	}
	return id;
}
