/*
 * Mailbox grammar of RFC 5321 section 4.1.2, with UTF-8 as RFC 6531 adds it.
 *
 * One pass from the left decides where the local part ends: a dot-string ends at
 * its first `@`, a quoted string at its closing quote, which `@` must follow.  So
 * `"victim@evil.com x"@ok.com` is a mailbox of ok.com, and an address that hides a
 * second `@` anywhere else does not parse.  There is no backtracking, no comment
 * and no recursion.
 *
 * The invariant that the command encoder rests on: a parsed address holds no byte
 * below 0x20, no DEL, and a blank or `>` only within quotes.
 */
#include "mail/address.h"

#include <arpa/inet.h>
#include <idn2.h>
#include <string.h>

#include "base/codec.h"

static const char *const fault_texts[] = {
	[ADDRESS_OK] = "the address is valid",
	[ADDRESS_EMPTY] = "the address is empty",
	[ADDRESS_NO_AT] = "the address has no '@'",
	[ADDRESS_LOCAL_EMPTY] = "nothing stands before the '@'",
	[ADDRESS_LOCAL_LONG] = "the local part has more than 64 octets",
	[ADDRESS_LOCAL_SYNTAX] =
		"the local part has a character or a dot that is not allowed there",
	[ADDRESS_LOCAL_QUOTES] = "the quoted local part is not closed right before the '@'",
	[ADDRESS_DOMAIN_EMPTY] = "nothing stands behind the '@'",
	[ADDRESS_DOMAIN_LONG] = "the domain or one of its labels is too long",
	[ADDRESS_DOMAIN_SYNTAX] = "the domain is not a valid host name",
	[ADDRESS_LITERAL_SYNTAX] = "the address literal is not a valid [IPv4] or [IPv6:...]",
	[ADDRESS_LONG] = "the address has more than 254 octets",
	[ADDRESS_CONTROL] = "the address has a control character",
	[ADDRESS_ENCODING] = "the address is not valid UTF-8",
};
_Static_assert(ARRAY_LEN(fault_texts) == ADDRESS_FAULTS, "a text for every fault");

const char *address_fault_text(enum address_fault fault)
{
	return fault < ADDRESS_FAULTS ? fault_texts[fault] : "the address is not valid";
}

static bool is_letter_or_digit(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* atext of RFC 5322 section 3.2.3; bytes above ASCII have been checked as UTF-8 before. */
static bool is_atext(unsigned char c)
{
	return is_letter_or_digit(c) || c >= 0x80 ||
		(c != '\0' && strchr("!#$%&'*+-/=?^_`{|}~", c));
}

/* C1 controls and the separators that some parsers take for a line end. */
static bool is_control_point(uint32_t point)
{
	return (point >= 0x80 && point <= 0x9f) || point == 0x2028 || point == 0x2029;
}

static enum address_fault check_bytes(struct slice text)
{
	for (size_t i = 0; i < text.n;) {
		size_t length = codec_utf8(slice_from(text, i));

		if (length == 0) {
			return ADDRESS_ENCODING;
		}
		if ((unsigned char)text.p[i] < 0x20 || text.p[i] == 0x7f ||
			is_control_point(codec_utf8_point(slice_from(text, i), length))) {
			return ADDRESS_CONTROL;
		}
		i += length;
	}
	return ADDRESS_OK;
}

/* *ret_end is where the closing quote's successor, the `@`, must stand. */
static enum address_fault find_quoted_end(struct slice text, size_t *ret_end)
{
	size_t i = 1;

	while (i < text.n && text.p[i] != '"') {
		bool pair = text.p[i] == '\\';

		if (pair && (i + 1 == text.n || (unsigned char)text.p[i + 1] >= 0x80)) {
			return ADDRESS_LOCAL_QUOTES;
		}
		i += pair ? 2 : 1;
	}
	if (i + 1 >= text.n || text.p[i + 1] != '@') {
		return ADDRESS_LOCAL_QUOTES;
	}
	*ret_end = i + 1;
	return ADDRESS_OK;
}

static enum address_fault check_dot_string(struct slice local)
{
	bool after_atom = false;

	for (size_t i = 0; i < local.n; i++) {
		bool dot = local.p[i] == '.';

		if (dot ? !after_atom : !is_atext((unsigned char)local.p[i])) {
			return ADDRESS_LOCAL_SYNTAX;
		}
		after_atom = !dot;
	}
	return after_atom ? ADDRESS_OK : ADDRESS_LOCAL_SYNTAX;
}

static enum address_fault parse_local(struct slice text, size_t *ret_length)
{
	enum address_fault fault;
	size_t length = slice_find(text, '@');

	if (text.p[0] == '"') {
		fault = find_quoted_end(text, &length);
	} else if (length == text.n) {
		return ADDRESS_NO_AT;
	} else if (length == 0) {
		return ADDRESS_LOCAL_EMPTY;
	} else {
		fault = check_dot_string(slice_first(text, length));
	}
	if (fault == ADDRESS_OK && length > ADDRESS_LOCAL_MAX) {
		fault = ADDRESS_LOCAL_LONG;
	}
	*ret_length = length;
	return fault;
}

/* The last label decides whether a name looks like an IPv4 address without brackets. */
static bool is_number(struct slice label)
{
	for (size_t i = 0; i < label.n; i++) {
		if (label.p[i] < '0' || label.p[i] > '9') {
			return false;
		}
	}
	return true;
}

static enum address_fault check_label(struct slice label)
{
	if (label.n == 0 || label.p[0] == '-' || label.p[label.n - 1] == '-') {
		return ADDRESS_DOMAIN_SYNTAX;
	}
	for (size_t i = 0; i < label.n; i++) {
		if (!is_letter_or_digit((unsigned char)label.p[i]) && label.p[i] != '-') {
			return ADDRESS_DOMAIN_SYNTAX;
		}
	}
	return label.n > 63 ? ADDRESS_DOMAIN_LONG : ADDRESS_OK;
}

static enum address_fault check_host_name(struct slice name)
{
	struct slice rest = name;
	struct slice label = {NULL, 0};

	while (slice_split(&rest, '.', &label)) {
		enum address_fault fault = check_label(label);

		if (fault != ADDRESS_OK) {
			return fault;
		}
	}
	if (is_number(label)) {
		return ADDRESS_DOMAIN_SYNTAX;
	}
	return name.n > ADDRESS_DOMAIN_MAX ? ADDRESS_DOMAIN_LONG : ADDRESS_OK;
}

static void put_lower(char *out, struct slice text)
{
	for (size_t i = 0; i < text.n; i++) {
		char c = text.p[i];

		out[i] = (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
	}
	out[text.n] = '\0';
}

/*
 * U-labels by libidn2: NFC, non-transitional, with the checks of RFC 5891.  Not with
 * its STD3 rules: they leave out what no host name has and go on with the rest, which
 * is somebody else's domain.  Such a character comes through here as it is, also in a
 * label that was encoded, and is found.
 */
static enum address_fault to_a_labels(struct slice text, char ret_domain[ADDRESS_DOMAIN_MAX + 1])
{
	char u_labels[4 * ADDRESS_DOMAIN_MAX + 1];
	uint8_t *a_labels = NULL;
	enum address_fault fault;
	struct slice name;
	int rc;

	if (text.n >= sizeof(u_labels)) {
		return ADDRESS_DOMAIN_LONG;
	}
	memcpy(u_labels, text.p, text.n);
	u_labels[text.n] = '\0';
	rc = idn2_lookup_u8(
		(const uint8_t *)u_labels, &a_labels, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
	if (rc != IDN2_OK) {
		return rc == IDN2_TOO_BIG_DOMAIN || rc == IDN2_TOO_BIG_LABEL
			? ADDRESS_DOMAIN_LONG
			: ADDRESS_DOMAIN_SYNTAX;
	}
	name = slice_of((const char *)a_labels);
	fault = check_host_name(name);
	if (fault == ADDRESS_OK) {
		put_lower(ret_domain, name);
	}
	idn2_free(a_labels);
	return fault;
}

enum address_fault address_parse_domain(struct slice text, char ret_domain[ADDRESS_DOMAIN_MAX + 1])
{
	enum address_fault fault;

	if (text.n == 0) {
		return ADDRESS_DOMAIN_EMPTY;
	}
	fault = check_bytes(text);
	if (fault != ADDRESS_OK) {
		return fault;
	}
	if (!codec_is_ascii(text)) {
		return to_a_labels(text, ret_domain);
	}
	fault = check_host_name(text);
	if (fault == ADDRESS_OK) {
		put_lower(ret_domain, text);
	}
	return fault;
}

/* Only the two forms that can be connected to; General-address-literal is refused. */
static enum address_fault parse_literal(struct slice text, char ret_domain[ADDRESS_DOMAIN_MAX + 1])
{
	static const struct slice v6 = {"IPv6:", 5};
	struct slice inner;
	struct in6_addr binary;
	char host[INET6_ADDRSTRLEN];
	int family = AF_INET;

	if (text.n < 2 || text.p[text.n - 1] != ']' || text.n > ADDRESS_DOMAIN_MAX) {
		return ADDRESS_LITERAL_SYNTAX;
	}
	inner = slice_make(text.p + 1, text.n - 2);
	if (slice_starts_nocase(inner, v6)) {
		inner = slice_from(inner, v6.n);
		family = AF_INET6;
	}
	if (inner.n >= sizeof(host)) {
		return ADDRESS_LITERAL_SYNTAX;
	}
	memcpy(host, inner.p, inner.n);
	host[inner.n] = '\0';
	if (inet_pton(family, host, &binary) != 1) {
		return ADDRESS_LITERAL_SYNTAX;
	}
	memcpy(ret_domain, text.p, text.n);
	ret_domain[text.n] = '\0';
	return ADDRESS_OK;
}

static enum address_fault parse_parts(struct slice text, struct address *ret_address)
{
	char domain[ADDRESS_DOMAIN_MAX + 1];
	struct address a = {0};
	enum address_fault fault;
	struct slice host;
	size_t local = 0;
	size_t n;

	fault = parse_local(text, &local);
	if (fault != ADDRESS_OK) {
		return fault;
	}
	host = slice_from(text, local + 1);
	a.literal = host.n > 0 && host.p[0] == '[';
	fault = a.literal ? parse_literal(host, domain) : address_parse_domain(host, domain);
	if (fault != ADDRESS_OK) {
		return fault;
	}
	n = strlen(domain);
	if (local + 1 + n > ADDRESS_MAX) {
		return ADDRESS_LONG;
	}
	memcpy(a.text, text.p, local + 1);
	memcpy(a.text + local + 1, domain, n + 1);
	a.local_length = (uint8_t)local;
	a.length = (uint8_t)(local + 1 + n);
	a.utf8 = !codec_is_ascii(slice_first(text, local));
	*ret_address = a;
	return ADDRESS_OK;
}

enum address_fault address_parse(struct slice text, struct address *ret_address)
{
	enum address_fault fault;

	if (text.n == 0) {
		return ADDRESS_EMPTY;
	}
	if (text.n > (size_t)ADDRESS_LOCAL_MAX + 1 + 4 * (size_t)ADDRESS_DOMAIN_MAX) {
		return ADDRESS_LONG;
	}
	fault = check_bytes(text);
	return fault == ADDRESS_OK ? parse_parts(text, ret_address) : fault;
}

/* The content of a quoted string without its quotes and backslashes. */
static size_t put_unquoted(char *out, struct slice quoted)
{
	size_t n = 0;

	for (size_t i = 1; i + 1 < quoted.n; i++) {
		if (quoted.p[i] == '\\') {
			i++;
		}
		out[n++] = quoted.p[i];
	}
	return n;
}

struct address address_normalise(const struct address *address)
{
	struct address a = *address;
	struct slice domain = address_domain(address);
	char local[ADDRESS_LOCAL_MAX + 1];
	size_t n = address->local_length;

	put_lower(local, address_local(address));
	if (local[0] == '"') {
		char bare[ADDRESS_LOCAL_MAX + 1];
		size_t bare_n = put_unquoted(bare, slice_make(local, n));

		if (bare_n > 0 && check_dot_string(slice_make(bare, bare_n)) == ADDRESS_OK) {
			memcpy(local, bare, bare_n);
			n = bare_n;
		}
	}
	memset(a.text, 0, sizeof(a.text));
	memcpy(a.text, local, n);
	a.text[n] = '@';
	memcpy(a.text + n + 1, domain.p, domain.n);
	a.local_length = (uint8_t)n;
	a.length = (uint8_t)(n + 1 + domain.n);
	return a;
}

void address_add_u_labels(struct buf *out, const struct address *address)
{
	struct slice domain = address_domain(address);
	char again[ADDRESS_DOMAIN_MAX + 1];
	char *u_labels = NULL;

	buf_add(out, slice_first(address_text(address), address->local_length + 1u));
	if (idn2_to_unicode_8z8z(domain.p, &u_labels, 0) == IDN2_OK &&
		address_parse_domain(slice_of(u_labels), again) == ADDRESS_OK &&
		slice_equal(slice_of(again), domain)) {
		domain = slice_of(u_labels); /* anybody can make up an A-label of nothing */
	}
	buf_add(out, domain);
	idn2_free(u_labels);
}
