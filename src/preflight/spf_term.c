/*
 * The grammar of SPF terms.  A record with one wrong term is wrong as a whole for
 * every receiver (permerror), so this is as strict as RFC 7208 section 12 is: no
 * leading zeros in prefix lengths, no domain that ends in a number, no unknown macro.
 *
 * A term with an equals sign is a modifier, and those that nobody knows are passed over
 * (section 6): so "ip4=192.0.2.7" is not wrong, it only means nothing.
 */
#include "spf_term.h"

#include <arpa/inet.h>
#include <string.h>

enum arguments {
	TAKES_NOTHING,
	TAKES_DOMAIN, /* may be left out */
	NEEDS_DOMAIN,
	NEEDS_NETWORK,
};

static const struct {
	struct slice name;
	enum spf_kind kind;
	enum arguments arguments;
	bool prefix; /* /24//64 may follow */
} mechanisms[] = {
	{{"all", 3}, SPF_ALL, TAKES_NOTHING, false},
	{{"include", 7}, SPF_INCLUDE, NEEDS_DOMAIN, false},
	{{"a", 1}, SPF_A, TAKES_DOMAIN, true},
	{{"mx", 2}, SPF_MX, TAKES_DOMAIN, true},
	{{"ptr", 3}, SPF_PTR, TAKES_DOMAIN, false},
	{{"ip4", 3}, SPF_IP4, NEEDS_NETWORK, false},
	{{"ip6", 3}, SPF_IP6, NEEDS_NETWORK, false},
	{{"exists", 6}, SPF_EXISTS, NEEDS_DOMAIN, false},
};

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

bool spf_term_next(struct slice *rest, struct slice *ret_text)
{
	while (rest->n > 0) {
		slice_split(rest, ' ', ret_text);
		if (ret_text->n > 0) {
			return true;
		}
	}
	return false;
}

/* As the grammar has it: no sign, no leading zero. */
static bool read_bits(struct slice text, unsigned max, unsigned *ret_bits)
{
	uint64_t bits;

	if (!slice_number(text, max, &bits) || (text.n > 1 && text.p[0] == '0')) {
		return false;
	}
	*ret_bits = (unsigned)bits;
	return true;
}

/* "/24", "//64" or "/24//64", behind the last macro; the rest of *args is the domain. */
static bool take_prefixes(struct slice *args, struct spf_term *term)
{
	size_t brace = slice_find_last(*args, '}');
	size_t from = brace < args->n ? brace : 0;
	size_t at = from + slice_find(slice_from(*args, from), '/');
	struct slice prefix = slice_from(*args, at);
	size_t two;

	*args = slice_first(*args, at);
	if (prefix.n == 0) {
		return true;
	}
	two = slice_search(prefix, SLICE("//"));
	if (two < prefix.n && !read_bits(slice_from(prefix, two + 2), 128, &term->bits6)) {
		return false;
	}
	prefix = slice_first(prefix, two);
	return prefix.n == 0 || read_bits(slice_from(prefix, 1), 32, &term->bits4);
}

static bool read_network(struct slice text, struct spf_term *term)
{
	bool v6 = term->kind == SPF_IP6;
	size_t slash = slice_find(text, '/');
	char address[INET6_ADDRSTRLEN];
	void *to = v6 ? (void *)&term->address.v6.sin6_addr : (void *)&term->address.v4.sin_addr;

	if (slash >= sizeof(address) || memchr(text.p, '\0', text.n) != NULL) {
		return false;
	}
	memcpy(address, text.p, slash);
	address[slash] = '\0';
	term->address.any.sa_family = v6 ? AF_INET6 : AF_INET;
	if (inet_pton(v6 ? AF_INET6 : AF_INET, address, to) != 1) {
		return false;
	}
	return slash == text.n ||
		read_bits(slice_from(text, slash + 1), v6 ? 128 : 32,
			v6 ? &term->bits6 : &term->bits4);
}

/* RFC 7208 section 7.1: it ends in a macro or in a label that is no number. */
static bool is_domain_spec(struct slice spec)
{
	static const struct spf_question none = {
		.address = {.v4 = {.sin_family = AF_INET}}, .domain = {"x.x", 3}};
	struct slice end = slice_ends(spec, SLICE(".")) ? slice_first(spec, spec.n - 1) : spec;
	size_t dot = slice_find_last(end, '.');
	struct slice label = slice_from(end, dot + 1);
	bool letter = false;
	struct buf out;
	bool fine;

	buf_init(&out, 0);
	fine = spf_expand(spec, &none, none.domain, &out);
	buf_clear(&out);
	if (!fine || spec.n == 0 || slice_ends(spec, SLICE("}"))) {
		return fine && spec.n > 0;
	}
	for (size_t i = 0; i < label.n; i++) {
		char c = label.p[i];

		letter |= is_letter(c) || c == '-';
		if (!is_letter(c) && !is_digit(c) && c != '-') {
			return false;
		}
	}
	return dot < end.n && letter && label.p[0] != '-' && label.p[label.n - 1] != '-';
}

static const char *read_arguments(struct slice args, size_t row, struct spf_term *term)
{
	bool colon = args.n > 0 && args.p[0] == ':';

	if (mechanisms[row].prefix && !take_prefixes(&args, term)) {
		return "has a prefix length that is none";
	}
	if (mechanisms[row].arguments == TAKES_NOTHING) {
		return args.n == 0 ? NULL : "takes no argument";
	}
	if (mechanisms[row].arguments == NEEDS_NETWORK) {
		return colon && read_network(slice_from(args, 1), term)
			? NULL
			: "has an address or prefix length that is none";
	}
	if (args.n == 0 && mechanisms[row].arguments == TAKES_DOMAIN) {
		return NULL;
	}
	term->domain = slice_from(args, 1);
	return colon && is_domain_spec(term->domain) ? NULL : "names no domain";
}

static const char *parse_modifier(struct slice name, struct slice value, struct spf_term *term)
{
	term->kind = slice_equal_nocase(name, SLICE("redirect")) ? SPF_REDIRECT
		: slice_equal_nocase(name, SLICE("exp"))         ? SPF_EXP
								 : SPF_OTHER;
	term->domain = value;
	return term->kind == SPF_OTHER || is_domain_spec(value) ? NULL : "names no domain";
}

static bool read_qualifier(struct slice *text, enum spf_result *ret_result)
{
	static const char signs[] = {'+', '-', '~', '?'};
	static const enum spf_result results[] = {SPF_PASS, SPF_FAIL, SPF_SOFTFAIL, SPF_NEUTRAL};

	*ret_result = SPF_PASS;
	for (size_t i = 0; i < sizeof(signs); i++) {
		if (text->n > 0 && text->p[0] == signs[i]) {
			*ret_result = results[i];
			*text = slice_from(*text, 1);
			return true;
		}
	}
	return false;
}

const char *spf_term_parse(struct slice text, struct spf_term *ret_term)
{
	bool qualified;
	size_t n = 0;

	*ret_term = (struct spf_term){.text = text, .bits4 = 32, .bits6 = 128};
	qualified = read_qualifier(&text, &ret_term->result);
	while (n < text.n &&
		(is_letter(text.p[n]) ||
			(n > 0 && (is_digit(text.p[n]) || strchr("-_.", text.p[n]) != NULL)))) {
		n++;
	}
	if (n > 0 && n < text.n && text.p[n] == '=' && !qualified) {
		return parse_modifier(slice_first(text, n), slice_from(text, n + 1), ret_term);
	}
	for (size_t i = 0; i < ARRAY_LEN(mechanisms); i++) {
		if (slice_equal_nocase(slice_first(text, n), mechanisms[i].name)) {
			ret_term->kind = mechanisms[i].kind;
			return read_arguments(slice_from(text, n), i, ret_term);
		}
	}
	return "is no mechanism of SPF";
}

bool spf_in_network(
	const union endpoint *address, const union endpoint *network, const struct spf_term *term)
{
	bool v6 = address->any.sa_family == AF_INET6;
	const uint8_t *a =
		v6 ? address->v6.sin6_addr.s6_addr : (const uint8_t *)&address->v4.sin_addr;
	const uint8_t *b =
		v6 ? network->v6.sin6_addr.s6_addr : (const uint8_t *)&network->v4.sin_addr;
	unsigned bits = v6 ? term->bits6 : term->bits4;
	unsigned rest = bits % 8;

	if (address->any.sa_family != network->any.sa_family || memcmp(a, b, bits / 8) != 0) {
		return false;
	}
	return rest == 0 || (a[bits / 8] ^ b[bits / 8]) >> (8 - rest) == 0;
}
