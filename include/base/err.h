/*
 * Our own failures, as a small value that is returned: `kind` says what to do,
 * `os` what the kernel or a library said (an errno, or 0).  What a receiver did
 * with a message is never an err: that is an outcome (model/outcome.h).
 *
 * Texts for people are built where they are shown; err_text() serves where there
 * is nothing better to say.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include <stdbool.h>

#define MUST_USE __attribute__((warn_unused_result))
#define PRINTF_LIKE(string, first) __attribute__((format(printf, string, first)))
#define ARRAY_LEN(array) (sizeof(array) / sizeof((array)[0]))

enum err_kind {
	ERR_NONE,
	ERR_INPUT,  /* what we were given is wrong; trying again cannot help */
	ERR_LIMIT,  /* a configured bound was reached */
	ERR_SYSTEM, /* the kernel or a library refused; `os` says why, where it is known */
};

struct err {
	enum err_kind kind;
	int os;
};

#define ERR_OK ((struct err){ERR_NONE, 0})

MUST_USE struct err err_system(void); /* from errno as it is now */
MUST_USE struct err err_os(int os);
MUST_USE struct err err_input(void);
MUST_USE struct err err_limit(void);

static inline bool err_is(struct err err)
{
	return err.kind != ERR_NONE;
}

/* A short text in English; valid until the next call. */
const char *err_text(struct err err);

#endif
