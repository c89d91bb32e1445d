/* The nearest of some words, if it is near. */
#include "base/nearest.h"

#include <criterion/criterion.h>

#include "base/err.h"
#include "no_leaks.h"

TestSuite(nearest, .fini = no_leaks);

Test(nearest, typing_errors_and_no_more)
{
	static const char *const offered[] = {"connections", "connect", "conns", "rate"};
	static const struct {
		const char *text;
		const char *best; /* "" = none */
	} pairs[] = {
		{"conections", "connections"},
		{"connectoins", "connections"},
		{"connec", "connect"},
		{"rat", "rate"},
		{"tare", ""},
		{"x", ""},
		{"", ""},
		{"connectionsconnectionsconnectionsconnectionsconnectionsconnections", ""},
	};

	for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
		struct nearest nearest;

		nearest_init(&nearest, slice_of(pairs[i].text));
		for (size_t j = 0; j < ARRAY_LEN(offered); j++) {
			nearest_offer(&nearest, offered[j]);
		}
		cr_expect_str_eq(nearest.best != NULL ? nearest.best : "", pairs[i].best, "%s",
			pairs[i].text);
	}
}
