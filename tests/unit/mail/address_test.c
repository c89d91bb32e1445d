/* mail/address: what is a mailbox, whose it is, and what is refused with which reason. */
#include "mail/address.h"

#include <criterion/criterion.h>
#include <string.h>

#include "no_leaks.h"

TestSuite(address, .fini = no_leaks);

#define L64 "1234567890123456789012345678901234567890123456789012345678901234"
#define LABEL63 "a23456789012345678901234567890123456789012345678901234567890123"

static const struct {
	const char *label;
	struct slice text;
	enum address_fault fault;
	const char *local;
	const char *domain;
} rows[] = {
	{"plain", SLICE("ann@example.org"), ADDRESS_OK, "ann", "example.org"},
	{"case of the local part stays", SLICE("Ann.B@Example.ORG"), ADDRESS_OK, "Ann.B",
		"example.org"},
	{"all of atext", SLICE("a!#$%&'*+-/=?^_`{|}~9@x.y"), ADDRESS_OK, "a!#$%&'*+-/=?^_`{|}~9",
		"x.y"},
	{"single label", SLICE("root@localhost"), ADDRESS_OK, "root", "localhost"},
	{"u-label",
		SLICE("ann@B\xc3\xbc"
		      "cher.example"),
		ADDRESS_OK, "ann", "xn--bcher-kva.example"},
	{"non-transitional sharp s", SLICE("a@fa\xc3\x9f.de"), ADDRESS_OK, "a", "xn--fa-hia.de"},
	{"decomposed u-label",
		SLICE("a@bu\xcc\x88"
		      "cher.example"),
		ADDRESS_OK, "a", "xn--bcher-kva.example"},
	{"utf-8 local part", SLICE("\xce\xb4\xce\xbf\xce\xba@\xcf\x80\xce\xb1\xcf\x81.gr"),
		ADDRESS_OK, "\xce\xb4\xce\xbf\xce\xba", "xn--mxa3ae.gr"},
	{"quoted", SLICE("\"a b\"@x.y"), ADDRESS_OK, "\"a b\"", "x.y"},
	{"quoted pair", SLICE("\"a\\\"b\"@x.y"), ADDRESS_OK, "\"a\\\"b\"", "x.y"},
	{"an @ in quotes is not the domain's", SLICE("\"victim@evil.com x\"@ok.com"), ADDRESS_OK,
		"\"victim@evil.com x\"", "ok.com"},
	{"ipv4 literal", SLICE("a@[192.0.2.1]"), ADDRESS_OK, "a", "[192.0.2.1]"},
	{"ipv6 literal", SLICE("a@[IPv6:2001:db8::1]"), ADDRESS_OK, "a", "[IPv6:2001:db8::1]"},
	{"64 octets", SLICE(L64 "@x.y"), ADDRESS_OK, L64, "x.y"},
	{"label of 63", SLICE("a@" LABEL63 ".y"), ADDRESS_OK, "a", LABEL63 ".y"},

	{"empty", SLICE(""), ADDRESS_EMPTY, NULL, NULL},
	{"no @", SLICE("ann"), ADDRESS_NO_AT, NULL, NULL},
	{"no local part", SLICE("@x.y"), ADDRESS_LOCAL_EMPTY, NULL, NULL},
	{"no domain", SLICE("a@"), ADDRESS_DOMAIN_EMPTY, NULL, NULL},
	{"65 octets", SLICE("a" L64 "@x.y"), ADDRESS_LOCAL_LONG, NULL, NULL},
	{"octets, not characters",
		SLICE("\xc3\xa9"
		      "123456789012345678901234567890123456789012345678901234567890123@x.y"),
		ADDRESS_LOCAL_LONG, NULL, NULL},
	{"dot first", SLICE(".a@x.y"), ADDRESS_LOCAL_SYNTAX, NULL, NULL},
	{"dot last", SLICE("a.@x.y"), ADDRESS_LOCAL_SYNTAX, NULL, NULL},
	{"two dots", SLICE("a..b@x.y"), ADDRESS_LOCAL_SYNTAX, NULL, NULL},
	{"two @", SLICE("a@b@x.y"), ADDRESS_DOMAIN_SYNTAX, NULL, NULL},
	{"blank", SLICE("a b@x.y"), ADDRESS_LOCAL_SYNTAX, NULL, NULL},
	{"blank behind", SLICE("a@x.y "), ADDRESS_DOMAIN_SYNTAX, NULL, NULL},
	{"SIZE parameter", SLICE("a@b> SIZE=1"), ADDRESS_DOMAIN_SYNTAX, NULL, NULL},
	{"second command", SLICE("a@b\r\nRCPT TO:<x@y>"), ADDRESS_CONTROL, NULL, NULL},
	{"line end in quotes", SLICE("\"a\r\nb\"@c"), ADDRESS_CONTROL, NULL, NULL},
	{"bare line feed", SLICE("a\n@x.y"), ADDRESS_CONTROL, NULL, NULL},
	{"nul", SLICE("a@b\0c"), ADDRESS_CONTROL, NULL, NULL},
	{"del", SLICE("a\x7f@x.y"), ADDRESS_CONTROL, NULL, NULL},
	{"next line U+0085", SLICE("a\xc2\x85@x.y"), ADDRESS_CONTROL, NULL, NULL},
	{"line separator U+2028", SLICE("\"a\xe2\x80\xa8\"@x.y"), ADDRESS_CONTROL, NULL, NULL},
	{"comment", SLICE("a(x)@x.y"), ADDRESS_LOCAL_SYNTAX, NULL, NULL},
	{"comment in the domain", SLICE("a@(x)x.y"), ADDRESS_DOMAIN_SYNTAX, NULL, NULL},
	{"group", SLICE("g:a@x.y;"), ADDRESS_LOCAL_SYNTAX, NULL, NULL},
	{"display name", SLICE("Ann <a@x.y>"), ADDRESS_LOCAL_SYNTAX, NULL, NULL},
	{"source route", SLICE("@a,@b:c@d.e"), ADDRESS_LOCAL_EMPTY, NULL, NULL},
	{"open quote", SLICE("\"a@x.y"), ADDRESS_LOCAL_QUOTES, NULL, NULL},
	{"text behind the quote", SLICE("\"a\"b@x.y"), ADDRESS_LOCAL_QUOTES, NULL, NULL},
	{"escaped closing quote", SLICE("\"a\\\"@x.y"), ADDRESS_LOCAL_QUOTES, NULL, NULL},
	{"label of 64", SLICE("a@b" LABEL63 ".y"), ADDRESS_DOMAIN_LONG, NULL, NULL},
	{"empty label", SLICE("a@x..y"), ADDRESS_DOMAIN_SYNTAX, NULL, NULL},
	{"root dot", SLICE("a@x.y."), ADDRESS_DOMAIN_SYNTAX, NULL, NULL},
	{"hyphen first", SLICE("a@-x.y"), ADDRESS_DOMAIN_SYNTAX, NULL, NULL},
	{"hyphen last", SLICE("a@x-.y"), ADDRESS_DOMAIN_SYNTAX, NULL, NULL},
	{"underscore", SLICE("a@x_y.z"), ADDRESS_DOMAIN_SYNTAX, NULL, NULL},
	{"underscore in a u-label", SLICE("a@b\xc3\xbc_cher.test"), ADDRESS_DOMAIN_SYNTAX, NULL,
		NULL},
	{"a wide underscore",
		SLICE("a@b\xc3\xbc\xef\xbc\xbf"
		      "cher.test"),
		ADDRESS_DOMAIN_SYNTAX, NULL, NULL},
	{"a wide @",
		SLICE("a@b\xc3\xbc\xef\xbc\xa0"
		      "cher.test"),
		ADDRESS_DOMAIN_SYNTAX, NULL, NULL},
	{"a slash beside a u-label",
		SLICE("a@x/y.b\xc3\xbc"
		      "cher.test"),
		ADDRESS_DOMAIN_SYNTAX, NULL, NULL},
	{"a no-break blank",
		SLICE("a@b\xc3\xbc\xc2\xa0"
		      "cher.test"),
		ADDRESS_DOMAIN_SYNTAX, NULL, NULL},
	{"a joiner where none may be", SLICE("a@b\xe2\x80\x8d\xc3\xbc.test"), ADDRESS_DOMAIN_SYNTAX,
		NULL, NULL},
	{"an address without brackets", SLICE("a@192.0.2.1"), ADDRESS_DOMAIN_SYNTAX, NULL, NULL},
	{"not a literal", SLICE("a@[x]"), ADDRESS_LITERAL_SYNTAX, NULL, NULL},
	{"open literal", SLICE("a@[192.0.2.1"), ADDRESS_LITERAL_SYNTAX, NULL, NULL},
	{"general literal", SLICE("a@[tag:text]"), ADDRESS_LITERAL_SYNTAX, NULL, NULL},
	{"bad utf-8", SLICE("a\xff@x.y"), ADDRESS_ENCODING, NULL, NULL},
	{"overlong utf-8", SLICE("a\xc0\xaf@x.y"), ADDRESS_ENCODING, NULL, NULL},
	{"latin-1 domain",
		SLICE("a@b\xfc"
		      "cher.example"),
		ADDRESS_ENCODING, NULL, NULL},
};

Test(address, smtp_S8_threat_C12_parse)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct address a = {0};
		enum address_fault fault = address_parse(rows[i].text, &a);

		cr_expect(
			fault == rows[i].fault, "%s: %s", rows[i].label, address_fault_text(fault));
		if (fault != ADDRESS_OK || rows[i].local == NULL) {
			cr_expect(a.length == 0, "%s: written on a fault", rows[i].label);
			continue;
		}
		cr_expect(slice_equal(address_local(&a), slice_of(rows[i].local)), "%s: local %s",
			rows[i].label, a.text);
		cr_expect(slice_equal(address_domain(&a), slice_of(rows[i].domain)),
			"%s: domain in %s", rows[i].label, a.text);
		cr_expect(strlen(a.text) == a.length, "%s", rows[i].label);
		cr_expect(a.literal == (rows[i].domain[0] == '['), "%s", rows[i].label);
		cr_expect(a.utf8 == ((unsigned char)rows[i].local[0] >= 0x80), "%s", rows[i].label);
	}
}

/* local@domain of exactly `octets`, with a local part of 10. */
static enum address_fault parse_of_length(size_t octets)
{
	char text[400];
	struct address a;
	size_t n = 0;

	memcpy(text, "local67890@", 11);
	for (n = 11; n < octets; n++) {
		text[n] = (n - 11) % 50 == 49 ? '.' : 'x';
	}
	text[octets - 1] = 'x';
	return address_parse(slice_make(text, octets), &a);
}

Test(address, smtp_S8_path_limit)
{
	cr_expect(parse_of_length(253) == ADDRESS_OK);
	cr_expect(parse_of_length(254) == ADDRESS_OK);
	cr_expect(parse_of_length(255) == ADDRESS_LONG);
	cr_expect(parse_of_length(256) == ADDRESS_LONG);
	cr_expect(parse_of_length(264) == ADDRESS_LONG);
	cr_expect(parse_of_length(265) == ADDRESS_DOMAIN_LONG);
}

static const struct {
	const char *label;
	const char *text;
	const char *normal;
} normals[] = {
	{"both sides lower", "Ann.B+X@Example.ORG", "ann.b+x@example.org"},
	{"needless quotes", "\"Ann.B\"@x.y", "ann.b@x.y"},
	{"needless backslash", "\"a\\nn\"@x.y", "ann@x.y"},
	{"needed quotes", "\"A b\"@x.y", "\"a b\"@x.y"},
	{"empty quotes", "\"\"@x.y", "\"\"@x.y"},
	{"u-label",
		"A@B\xc3\xbc"
		"cher.example",
		"a@xn--bcher-kva.example"},
	{"letters beyond ASCII stay", "\xc3\x89@x.y", "\xc3\x89@x.y"},
};

Test(address, normalise)
{
	for (size_t i = 0; i < ARRAY_LEN(normals); i++) {
		struct address a;
		struct address again;

		cr_assert(address_parse(slice_of(normals[i].text), &a) == ADDRESS_OK);
		a = address_normalise(&a);
		cr_expect_str_eq(a.text, normals[i].normal, "%s", normals[i].label);
		cr_expect(strlen(a.text) == a.length, "%s", normals[i].label);
		again = address_normalise(&a);
		cr_expect_str_eq(again.text, a.text, "%s: idempotent", normals[i].label);
	}
}

Test(address, domain)
{
	char domain[ADDRESS_DOMAIN_MAX + 1];

	cr_expect(address_parse_domain(SLICE("Example.COM"), domain) == ADDRESS_OK);
	cr_expect_str_eq(domain, "example.com");
	cr_expect(address_parse_domain(SLICE("b\xc3\xbc"
					     "cher.example"),
			  domain) == ADDRESS_OK);
	cr_expect_str_eq(domain, "xn--bcher-kva.example");
	cr_expect(address_parse_domain(SLICE(""), domain) == ADDRESS_DOMAIN_EMPTY);
	cr_expect(address_parse_domain(SLICE("[192.0.2.1]"), domain) == ADDRESS_DOMAIN_SYNTAX);
	cr_expect(address_parse_domain(SLICE("a\r\nb"), domain) == ADDRESS_CONTROL);
	cr_expect(address_parse_domain(SLICE("a\xe2\x80\xae.b"), domain) == ADDRESS_DOMAIN_SYNTAX);
}

Test(address, every_fault_has_a_text)
{
	for (int i = 0; i < ADDRESS_FAULTS; i++) {
		cr_expect_not_null(address_fault_text((enum address_fault)i));
	}
	cr_expect_not_null(address_fault_text((enum address_fault)ADDRESS_FAULTS));
}

Test(address, u_labels)
{
	static const struct {
		struct slice text;
		const char *want;
	} forms[] = {
		{SLICE("Ann@Example.org"), "Ann@example.org"},
		{SLICE("u@XN--BCHER-KVA.test"),
			"u@b\xc3\xbc"
			"cher.test"},
		{SLICE("u@b\xc3\xbc"
		       "cher.test"),
			"u@b\xc3\xbc"
			"cher.test"},
		{SLICE("a@xn--a.test"), "a@xn--a.test"},
		{SLICE("a@[192.0.2.1]"), "a@[192.0.2.1]"},
	};

	for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
		struct address a;
		struct buf out;

		buf_init(&out, 0);
		cr_assert(address_parse(forms[i].text, &a) == ADDRESS_OK);
		address_add_u_labels(&out, &a);
		cr_expect_str_eq(buf_string(&out), forms[i].want);
		buf_clear(&out);
	}
}
