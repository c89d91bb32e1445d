/*
 * A lock as a bound abstract Unix socket.  The kernel lets one process have a name
 * and takes it back when that process is gone, also after SIGKILL; nothing is left
 * on a disk.  Names of any length are hashed.
 *
 * Only processes of one network namespace see each other: containers with their own
 * are told apart by their node names.
 */
#include "io/lock.h"

#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/codec.h"
#include "base/mem.h"
#include "io/digest.h"

struct lock {
	int fd;
};

struct err lock_take(struct slice name, struct lock **ret_lock)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	uint8_t digest[DIGEST_BYTES];
	struct buf text;
	struct err err = ERR_OK;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0) {
		return err_system();
	}
	digest_sha256(name, digest);
	buf_init(&text, sizeof(address.sun_path) - 1);
	buf_add_text(&text, "penguin-mta-");
	codec_hex(&text, slice_make((const char *)digest, sizeof(digest) / 2));
	memcpy(address.sun_path + 1, text.p, text.n); /* a NUL first: no file */
	if (bind(fd, (const struct sockaddr *)&address,
		    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + text.n)) < 0) {
		err = err_system();
		(void)close(fd);
	} else {
		*ret_lock = MEM_NEW(struct lock);
		(*ret_lock)->fd = fd;
	}
	buf_clear(&text);
	return err;
}

void lock_free(struct lock **lock)
{
	if (*lock != NULL) {
		(void)close((*lock)->fd);
		mem_free(*lock);
		*lock = NULL;
	}
}
