/*
 * Passwords and keys stand in files of their own, never in the configuration, which
 * may be readable, printed by --dump-config and kept in version control.
 *
 * The file is one line; what an editor puts behind it (a line end) is not part of
 * the secret.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "config/config.h"

enum { SECRET_BYTES_MAX = 4096 };

struct err config_secret_read(const char *path, struct buf *out)
{
	char bytes[SECRET_BYTES_MAX + 1];
	struct err err = ERR_OK;
	struct slice secret;
	ssize_t n;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0) {
		return err_system();
	}
	do {
		n = read(fd, bytes, sizeof(bytes));
	} while (n < 0 && errno == EINTR);
	if (n < 0) {
		err = err_system();
	}
	close(fd);
	if (err_is(err)) {
		return err;
	}
	secret = slice_make(bytes, (size_t)n);
	while (secret.n > 0 && (secret.p[secret.n - 1] == '\n' || secret.p[secret.n - 1] == '\r')) {
		secret.n--;
	}
	if (secret.n == 0 || n > SECRET_BYTES_MAX) {
		err = err_input();
	} else {
		buf_add(out, secret);
	}
	explicit_bzero(bytes, sizeof(bytes));
	return err;
}
