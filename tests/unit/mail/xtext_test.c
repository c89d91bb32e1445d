/* mail/xtext: what a parameter's value may hold. */
#include "mail/xtext.h"

#include <criterion/criterion.h>

#include "no_leaks.h"

TestSuite(xtext, .fini = no_leaks);

static const struct {
	struct slice text;
	const char *xtext;
	const char *unitext;
} rows[] = {
	{SLICE(""), "", ""},
	{SLICE("ann@example.org"), "ann@example.org", "ann@example.org"},
	{SLICE("a+b=c@x"), "a+2Bb+3Dc@x", "a\\x{2B}b\\x{3D}c@x"},
	{SLICE("\"a b\"@x"), "\"a+20b\"@x", "\"a\\x{20}b\"@x"},
	{SLICE("a\\b@x"), "a\\b@x", "a\\x{5C}b@x"},
	{SLICE("a\r\nRCPT TO:<x>"), "a+0D+0ARCPT+20TO:<x>", "a\\x{0D}\\x{0A}RCPT\\x{20}TO:<x>"},
	{SLICE("\0\x7f~!"), "+00+7F~!", "\\x{00}\\x{7F}~!"},
	{SLICE("\xce\xb4@x"), "+CE+B4@x", "\xce\xb4@x"},
};

Test(xtext, smtp_M5_nothing_ends_a_parameter)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct buf out;

		buf_init(&out, 0);
		xtext_add(&out, rows[i].text);
		cr_expect_str_eq(buf_string(&out), rows[i].xtext);
		buf_reset(&out);
		xtext_add_unitext(&out, rows[i].text);
		cr_expect_str_eq(buf_string(&out), rows[i].unitext);
		buf_clear(&out);
	}
}
