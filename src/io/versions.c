/*
 * Versions of the libraries, for --version and for reports of faults: what the
 * program was built with and what the machine gave it at run time may differ.
 *
 * It stands in io/ because only this folder knows the libraries.
 */
#include "io/versions.h"

#include <ares.h>
#include <libpq-fe.h>
#include <openssl/crypto.h>
#include <openssl/opensslv.h>
#include <uv.h>

static void add(struct buf *out, const char *name, const char *now, const char *built)
{
	buf_add_format(out, "%s %s (built with %s)\n", name, now, built);
}

#define TEXT_OF(number) #number
#define TEXT(number) TEXT_OF(number)

void io_versions(struct buf *out)
{
	int pq = PQlibVersion();

	add(out, "libuv", uv_version_string(),
		TEXT(UV_VERSION_MAJOR) "." TEXT(UV_VERSION_MINOR) "." TEXT(UV_VERSION_PATCH));
	add(out, "OpenSSL", OpenSSL_version(OPENSSL_VERSION_STRING), OPENSSL_VERSION_STR);
	add(out, "c-ares", ares_version(NULL), ARES_VERSION_STR);
	buf_add_format(out, "libpq %d.%d\n", pq / 10000, pq % 10000);
}
