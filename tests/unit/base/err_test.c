/* Errors and their words. */
#include <criterion/criterion.h>
#include <errno.h>

#include "base/err.h"
#include "no_leaks.h"

TestSuite(err, .fini = no_leaks);

Test(err, kinds)
{
	errno = ENOSPC;
	struct err system = err_system();

	cr_expect_eq(system.kind, ERR_SYSTEM);
	cr_expect_eq(system.os, ENOSPC);
	cr_expect_eq(err_os(EIO).os, EIO);
	cr_expect_eq(err_input().kind, ERR_INPUT);
	cr_expect_eq(err_limit().kind, ERR_LIMIT);
	cr_expect(!err_is(ERR_OK));
	cr_expect(err_is(system));
	cr_expect(err_is(err_input()));
}

Test(err, texts)
{
	static const struct {
		struct err err;
		const char *want;
	} rows[] = {
		{{ERR_NONE, 0}, "no error"},
		{{ERR_INPUT, 0}, "invalid input"},
		{{ERR_LIMIT, 0}, "a configured limit was reached"},
		{{ERR_SYSTEM, 0}, "the system refused"},
		{{ERR_SYSTEM, ENOENT}, "No such file or directory"},
		{{ERR_SYSTEM, -ENOENT}, "No such file or directory"},
		{{ERR_SYSTEM, 99999}, "an unknown system error"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		cr_expect_str_eq(err_text(rows[i].err), rows[i].want, "row %zu", i);
	}
}
