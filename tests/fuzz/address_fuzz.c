/*
 * mail/address: whatever parses has no byte that could end a command, is within
 * the limits, and parses again to the same.  ASCII is judged by a second reader too,
 * which starts from the last `@` where address.c starts from the left: both must
 * take the same addresses, and keep the same of them.
 */
#include "mail/address.h"

#include <arpa/inet.h>
#include <string.h>

#include "fuzz.h"

static bool is_alphanumeric(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool is_ascii_text(struct slice s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < ' ' || s.p[i] > '~') {
			return false;
		}
	}
	return true;
}

/* Quoted-string of RFC 5321: no bare quote within, no backslash at the end. */
static bool is_quoted(struct slice local)
{
	bool escaped = false;

	if (local.n < 2 || local.p[0] != '"' || local.p[local.n - 1] != '"') {
		return false;
	}
	for (size_t i = 1; i + 1 < local.n; i++) {
		if (local.p[i] == '"' && !escaped) {
			return false;
		}
		escaped = local.p[i] == '\\' && !escaped;
	}
	return !escaped;
}

static bool is_dot_string(struct slice local)
{
	for (size_t i = 0; i < local.n; i++) {
		bool edge = i == 0 || i + 1 == local.n || local.p[i - 1] == '.';

		if (local.p[i] == '.' ? edge : strchr(" \"(),:;<>@[\\]", local.p[i]) != NULL) {
			return false;
		}
	}
	return local.n > 0;
}

static bool is_literal(struct slice domain)
{
	char text[64] = "";
	unsigned char binary[16];

	if (domain.n < 2 || domain.n > sizeof(text) || domain.p[domain.n - 1] != ']') {
		return false;
	}
	memcpy(text, domain.p + 1, domain.n - 2);
	return strncasecmp(text, "ipv6:", 5) == 0 ? inet_pton(AF_INET6, text + 5, binary) == 1
						  : inet_pton(AF_INET, text, binary) == 1;
}

static bool is_host_name(struct slice domain)
{
	size_t label = 0;
	bool number = true;

	if (domain.n == 0 || domain.n > ADDRESS_DOMAIN_MAX) {
		return false;
	}
	for (size_t i = 0; i < domain.n; i++) {
		char c = domain.p[i];
		bool last = i + 1 == domain.n || domain.p[i + 1] == '.';

		if (c == '.') {
			if (label == 0) {
				return false;
			}
			label = 0;
			number = true;
			continue;
		}
		if ((!is_alphanumeric(c) && c != '-') || (c == '-' && (label == 0 || last)) ||
			++label > 63) {
			return false;
		}
		number = number && c >= '0' && c <= '9';
	}
	return label > 0 && !number;
}

static void check_by_second_reader(struct slice text, bool parsed, const struct address *a)
{
	size_t at = text.n;
	struct slice local;
	struct slice domain;
	bool valid;

	while (at > 0 && text.p[at - 1] != '@') {
		at--;
	}
	if (at == 0) {
		must(!parsed);
		return;
	}
	local = slice_first(text, at - 1);
	domain = slice_from(text, at);
	valid = text.n <= ADDRESS_MAX && local.n <= ADDRESS_LOCAL_MAX &&
		(is_quoted(local) || is_dot_string(local)) &&
		(domain.n > 0 && domain.p[0] == '[' ? is_literal(domain) : is_host_name(domain));
	must(valid == parsed);
	if (parsed) {
		must(slice_equal(address_local(a), local));
		must(slice_equal_nocase(address_domain(a), domain));
		must(a->literal == (domain.p[0] == '[') && !a->utf8);
	}
}

static void check_address(const struct address *a)
{
	struct slice local = address_local(a);

	must(a->length <= ADDRESS_MAX && a->local_length <= ADDRESS_LOCAL_MAX);
	must(strlen(a->text) == a->length && a->text[a->local_length] == '@');
	for (size_t i = 0; i < a->length; i++) {
		must((unsigned char)a->text[i] >= ' ' && a->text[i] != 0x7f);
		must(a->literal || i < a->local_length || a->text[i] < 'A' || a->text[i] > 'Z');
	}
	must(local.p[0] == '"' || slice_find(local, '@') == local.n);
	must(slice_find(address_domain(a), '@') == address_domain(a).n);
	must(slice_find(address_domain(a), '>') == address_domain(a).n);
}

static void check_again(const struct address *a)
{
	struct address again = {0};

	must(address_parse(address_text(a), &again) == ADDRESS_OK);
	must(slice_equal(address_text(&again), address_text(a)));
	must(again.utf8 == a->utf8 && again.literal == a->literal);
}

/* The normal form is its own, and the same for another case of the letters. */
static void check_normal(const struct address *a)
{
	struct address normal = address_normalise(a);
	struct address twice = address_normalise(&normal);
	struct address other = *a;

	check_address(&normal);
	check_again(&normal);
	must(slice_equal(address_domain(a), address_domain(&normal)));
	must(slice_equal(address_text(&twice), address_text(&normal)));
	for (size_t i = 0; i < other.local_length; i++) {
		char c = other.text[i];

		other.text[i] = (char)(c >= 'a' && c <= 'z' ? c - 32 : c);
	}
	other = address_normalise(&other);
	must(slice_equal(address_text(&other), address_text(&normal)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice text = slice_make((const char *)data, size);
	char domain[ADDRESS_DOMAIN_MAX + 1];
	struct address a = {0};
	enum address_fault fault = address_parse(text, &a);

	must(address_fault_text(fault)[0] != '\0');
	if (fault == ADDRESS_OK) {
		check_address(&a);
		check_again(&a);
		check_normal(&a);
	} else {
		must(a.length == 0);
	}
	if (is_ascii_text(text)) {
		check_by_second_reader(text, fault == ADDRESS_OK, &a);
	}
	fault = address_parse_domain(text, domain);
	if (fault == ADDRESS_OK) {
		must(is_host_name(slice_of(domain)));
	}
	if (is_ascii_text(text)) {
		must((fault == ADDRESS_OK) == is_host_name(text));
	}
	return 0;
}
