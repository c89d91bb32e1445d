/*
 * Preloaded, it makes a program die of what it handles, as a fault in its code would: while a message is composed
 * (memchr over the header), while it is signed (the bytes that are hashed), or while a receiver's reply is read (memchr
 * over it).  Who shall die writes one of these texts into the message or the reply.
 */
#include <dlfcn.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

static const char in_compose[] = "Hello poison-compose";
static const char in_sign[] = "Hello poison-sign";
static const char in_session[] = "poison-session";

/* Without a call that could come back here. */
static bool holds(const char *s, size_t n, const char *text, size_t length)
{
	for (size_t at = 0; at + length <= n; at++) {
		size_t same = 0;

		while (same < length && s[at + same] == text[same]) {
			same++;
		}
		if (same == length) {
			return true;
		}
	}
	return false;
}

static void die_if(const void *s, size_t n, const char *text, size_t length)
{
	if (holds(s, n, text, length)) {
		(void)raise(SIGSEGV);
	}
}

/* Under names of our own, since the headers have others for the parameters. */
void *poison_memchr(const void *s, int c, size_t n) __asm__("memchr");
int poison_digest(void *context, const void *data, size_t n) __asm__("EVP_DigestUpdate");

void *poison_memchr(const void *s, int c, size_t n)
{
	const unsigned char *p = s;

	die_if(s, n, in_compose, sizeof(in_compose) - 1);
	die_if(s, n, in_session, sizeof(in_session) - 1);
	for (size_t i = 0; i < n; i++) {
		if (p[i] == (unsigned char)c) {
			return (void *)(p + i);
		}
	}
	return NULL;
}

int poison_digest(void *context, const void *data, size_t n)
{
	int (*real)(void *context, const void *data, size_t n);
	void *found = dlsym(RTLD_NEXT, "EVP_DigestUpdate");

	die_if(data, n, in_sign, sizeof(in_sign) - 1);
	memcpy(&real, &found, sizeof(real));
	return real(context, data, n);
}
