/*
 * A leak does not fail a Criterion test by itself: the report is printed and the
 * exit code stays 0.  Every suite therefore names no_leaks as its .fini, which
 * asks LeakSanitizer there and then and aborts the test's process.
 */
#ifndef TESTS_NO_LEAKS_H
#define TESTS_NO_LEAKS_H

#include <stdlib.h>

#if defined(__SANITIZE_ADDRESS__)
#define NO_LEAKS_CHECKED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define NO_LEAKS_CHECKED 1
#endif
#endif

#ifdef NO_LEAKS_CHECKED
int __lsan_do_recoverable_leak_check(void); /* NOLINT(bugprone-reserved-identifier): LSan's name */

static inline void no_leaks(void)
{
	if (__lsan_do_recoverable_leak_check() != 0) {
		abort();
	}
}
#else
static inline void no_leaks(void)
{
}
#endif

#endif
