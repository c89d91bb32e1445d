/*
 * Errors as values.  The text comes from tables that are never written, so that
 * err_text() needs no buffer and may be called from anywhere.
 * Negative errno values, as libuv hands them out, are understood.
 */
#include "base/err.h"

#include <errno.h>
#include <string.h>

struct err err_system(void)
{
	return err_os(errno);
}

struct err err_os(int os)
{
	return (struct err){ERR_SYSTEM, os};
}

struct err err_input(void)
{
	return (struct err){ERR_INPUT, 0};
}

struct err err_limit(void)
{
	return (struct err){ERR_LIMIT, 0};
}

static const char *system_text(int os)
{
	const char *text;

	if (os == 0) {
		return "the system refused";
	}
	text = strerrordesc_np(os < 0 ? -os : os);
	return text != NULL ? text : "an unknown system error";
}

const char *err_text(struct err err)
{
	switch (err.kind) {
	case ERR_NONE:
		return "no error";
	case ERR_INPUT:
		return "invalid input";
	case ERR_LIMIT:
		return "a configured limit was reached";
	case ERR_SYSTEM:
		return system_text(err.os);
	}
	return "an unknown error";
}
