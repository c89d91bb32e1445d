/* What a server offers, however it spells it. */
#include <criterion/criterion.h>

#include "base/err.h"
#include "mail/ehlo.h"
#include "no_leaks.h"

TestSuite(ehlo, .fini = no_leaks);

static const struct {
	const char *label;
	const char *text;
	unsigned offers;
	uint64_t size_bytes;
} rows[] = {
	{"nothing", "", 0, 0},
	{"only a greeting", "mx.test at your service", 0, 0},
	{"the greeting is no keyword", "PIPELINING", 0, 0},
	{"all", "mx\nPIPELINING\nSTARTTLS\nSIZE 1000\n8BITMIME\nSMTPUTF8\nDSN\nENHANCEDSTATUSCODES",
		EHLO_PIPELINING | EHLO_STARTTLS | EHLO_SIZE | EHLO_8BITMIME | EHLO_SMTPUTF8 |
			EHLO_DSN | EHLO_ENHANCED,
		1000},
	{"any case", "mx\npipelining\nsTarTtLs", EHLO_PIPELINING | EHLO_STARTTLS, 0},
	{"unknown ones", "mx\nXCLIENT NAME ADDR\nCHUNKING\nHELP", 0, 0},
	{"empty lines", "mx\n\n\nDSN", EHLO_DSN, 0},
	{"a prefix is not the word", "mx\nPIPELININGX\nPIPE", 0, 0},
	{"with parameters nobody asked for", "mx\nSTARTTLS now", EHLO_STARTTLS, 0},
	{"blanks at the end", "mx\nPIPELINING \nDSN\r", EHLO_PIPELINING | EHLO_DSN, 0},
	{"SIZE without a number", "mx\nSIZE", EHLO_SIZE, 0},
	{"SIZE 0", "mx\nSIZE 0", EHLO_SIZE, 0},
	{"SIZE beyond 64 bits", "mx\nSIZE 99999999999999999999", EHLO_SIZE, UINT64_MAX},
	{"SIZE at 64 bits", "mx\nSIZE 18446744073709551615", EHLO_SIZE, UINT64_MAX},
	{"SIZE just beyond", "mx\nSIZE 18446744073709551616", EHLO_SIZE, UINT64_MAX},
	{"SIZE negative", "mx\nSIZE -1", EHLO_SIZE, 0},
	{"SIZE of letters", "mx\nSIZE abc", EHLO_SIZE, 0},
	{"SIZE of both", "mx\nSIZE 10kB", EHLO_SIZE, 0},
	{"AUTH", "mx\nAUTH PLAIN LOGIN", EHLO_AUTH_PLAIN | EHLO_AUTH_LOGIN, 0},
	{"AUTH in another order", "mx\nAUTH CRAM-MD5 login GSSAPI", EHLO_AUTH_LOGIN, 0},
	{"AUTH= of old servers", "mx\nAUTH=LOGIN PLAIN", EHLO_AUTH_PLAIN | EHLO_AUTH_LOGIN, 0},
	{"AUTH with nothing", "mx\nAUTH\nAUTH=", 0, 0},
	{"two AUTH lines add up", "mx\nAUTH PLAIN\nAUTH=LOGIN", EHLO_AUTH_PLAIN | EHLO_AUTH_LOGIN,
		0},
};

Test(ehlo, smtp_S6_reads_keywords)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct ehlo ehlo = ehlo_parse(slice_of(rows[i].text));

		cr_assert_eq(ehlo.offers, rows[i].offers, "%s: %x", rows[i].label, ehlo.offers);
		cr_assert_eq(ehlo.size_bytes, rows[i].size_bytes, "%s", rows[i].label);
	}
}

Test(ehlo, asks_for_one_offer)
{
	struct ehlo ehlo = ehlo_parse(SLICE("mx\nDSN"));

	cr_assert(ehlo_offers(&ehlo, EHLO_DSN));
	cr_assert(!ehlo_offers(&ehlo, EHLO_STARTTLS));
}

static const struct {
	const char *name;
	bool full;
} names[] = {
	{"mx1.example.com", true},
	{"MX1.Example.COM", true},
	{"xn--mx-hia.example", true},
	{"a.b", true},
	{"", false},
	{"mx1", false},
	{"localhost", false},
	{"mx1.", false},
	{".example.com", false},
	{"mx1..example.com", false},
	{"-mx1.example.com", false},
	{"mx_1.example.com", false},
	{"192.0.2.1", false},
	{"[192.0.2.1]", false},
	{"mx1.example.com\r\nQUIT", false},
	{"mx1 .example.com", false},
	{"m\xc3\xbc.example.com", false},
};

Test(ehlo, smtp_S5_only_full_names_are_said)
{
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		cr_assert_eq(
			ehlo_is_name(slice_of(names[i].name)), names[i].full, "%s", names[i].name);
	}
}
