/*
 * Preloaded, it makes libopendkim return a signature with a CR that has no LF behind it: a signer with a fault, for
 * the last look at the octets before they leave.
 */
#include <dlfcn.h>
#include <stddef.h>
#include <string.h>

typedef int (*getter)(void *dkim, size_t column, unsigned char **text, size_t *n);

/* Its type is the library's: dkim.h is not read here. */
int bare_signature(void *dkim, size_t column, unsigned char **text, size_t *n) __asm__(
	"dkim_getsighdr_d");

int bare_signature(void *dkim, size_t column, unsigned char **text, size_t *n)
{
	getter real;
	void *found = dlsym(RTLD_NEXT, "dkim_getsighdr_d");
	int status;

	memcpy(&real, &found, sizeof(real));
	status = real(dkim, column, text, n);
	if (status == 0 && *n > 3) {
		(*text)[3] = '\r';
	}
	return status;
}
