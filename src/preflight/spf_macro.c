/*
 * Macros of SPF (RFC 7208 section 7): %{i}, %{d2}, %{l1r-}, and %% %_ %-.
 *
 * A letter gives a text; the transformer splits it at its delimiters, may turn the
 * parts round, keeps the rightmost so many, and joins them with dots.  A name that
 * became too long loses labels on the left (section 7.3).
 */
#include <string.h>

#include "spf_term.h"

enum { NAME_MAX_TEXT = 253, PARTS_MAX = 128 };

struct macro {
	char letter;   /* lower case */
	bool escape;   /* it was a capital: as in a URL */
	unsigned keep; /* parts; 0 = all */
	bool turn;
	struct slice delimiters;
};

static void add_nibbles(struct buf *out, const uint8_t *bytes)
{
	for (size_t i = 0; i < 16; i++) {
		buf_add_format(out, "%s%x.%x", i > 0 ? "." : "", (unsigned)bytes[i] >> 4,
			(unsigned)bytes[i] & 15);
	}
}

/* False for a letter that is none, or has no meaning outside of exp=. */
static bool add_letter(
	struct buf *out, char letter, const struct spf_question *q, struct slice domain)
{
	bool v6 = q->address.any.sa_family == AF_INET6;

	switch (letter) {
	case 's':
	case 'l':
		buf_add(out, q->local);
		if (letter == 's') {
			buf_add_byte(out, '@');
			buf_add(out, q->domain);
		}
		return true;
	case 'o':
		buf_add(out, q->domain);
		return true;
	case 'd':
		buf_add(out, domain);
		return true;
	case 'i':
		if (v6) {
			add_nibbles(out, q->address.v6.sin6_addr.s6_addr);
		} else {
			endpoint_add(out, &q->address, false);
		}
		return true;
	case 'p':
		buf_add_text(out, "unknown");
		return true;
	case 'v':
		buf_add_text(out, v6 ? "ip6" : "in-addr");
		return true;
	case 'h':
		buf_add(out, q->helo);
		return true;
	default:
		return false;
	}
}

/* What stands between the braces. */
static bool read_macro(struct slice text, struct macro *ret_macro)
{
	struct macro m = {.delimiters = SLICE(".")};
	uint64_t number = 0;
	size_t n = 1;

	if (text.n == 0) {
		return false;
	}
	m.escape = text.p[0] >= 'A' && text.p[0] <= 'Z';
	m.letter = m.escape ? (char)(text.p[0] + ('a' - 'A')) : text.p[0];
	while (n < text.n && text.p[n] >= '0' && text.p[n] <= '9') {
		n++;
	}
	if (n > 1 &&
		(!slice_number(slice_make(text.p + 1, n - 1), PARTS_MAX, &number) || number == 0)) {
		return false;
	}
	m.keep = (unsigned)number;
	if (n < text.n && (text.p[n] == 'r' || text.p[n] == 'R')) {
		m.turn = true;
		n++;
	}
	if (n < text.n) {
		m.delimiters = slice_from(text, n);
	}
	for (size_t i = 0; i < m.delimiters.n; i++) {
		if (strchr(".-+,/_=", m.delimiters.p[i]) == NULL || m.delimiters.p[i] == '\0') {
			return false;
		}
	}
	*ret_macro = m;
	return true;
}

static size_t split(struct slice text, struct slice delimiters, struct slice *parts)
{
	size_t count = 0;
	size_t start = 0;

	for (size_t i = 0; i <= text.n && count < PARTS_MAX; i++) {
		if (i == text.n || slice_find(delimiters, text.p[i]) < delimiters.n) {
			parts[count++] = slice_from(slice_first(text, i), start);
			start = i + 1;
		}
	}
	return count;
}

static void add_part(struct buf *out, struct slice part, bool escape)
{
	for (size_t i = 0; i < part.n; i++) {
		unsigned char c = (unsigned char)part.p[i];
		bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
			(c >= 'A' && c <= 'Z') || (c != 0 && strchr("-._~", c) != NULL);

		if (escape && !plain) {
			buf_add_format(out, "%%%02X", (unsigned)c);
		} else {
			buf_add_byte(out, (char)c);
		}
	}
}

static void add_transformed(struct buf *out, const struct macro *m, struct slice text)
{
	struct slice parts[PARTS_MAX];
	size_t count = split(text, m->delimiters, parts);
	size_t first = m->keep > 0 && m->keep < count ? count - m->keep : 0;

	for (size_t i = first; i < count; i++) {
		if (i > first) {
			buf_add_byte(out, '.');
		}
		add_part(out, parts[m->turn ? count - 1 - i : i], m->escape);
	}
}

static bool add_macro(struct buf *out, struct slice text, const struct spf_question *question,
	struct slice domain)
{
	struct macro macro;
	struct buf value;
	bool fine;

	if (!read_macro(text, &macro)) {
		return false;
	}
	buf_init(&value, 0);
	fine = add_letter(&value, macro.letter, question, domain);
	if (fine) {
		add_transformed(out, &macro, buf_slice(&value));
	}
	buf_clear(&value);
	return fine;
}

/* Behind a %: returns the octets it takes, 0 when it is no macro. */
static size_t add_escape(struct buf *out, struct slice rest, const struct spf_question *question,
	struct slice domain)
{
	size_t end = slice_find(rest, '}');

	if (rest.n == 0) {
		return 0;
	}
	switch (rest.p[0]) {
	case '%':
		buf_add_byte(out, '%');
		return 1;
	case '_':
		buf_add_byte(out, ' ');
		return 1;
	case '-':
		buf_add_text(out, "%20");
		return 1;
	case '{':
		return end < rest.n &&
				add_macro(out, slice_from(slice_first(rest, end), 1), question,
					domain)
			? end + 1
			: 0;
	default:
		return 0;
	}
}

static void shorten(struct buf *out, size_t start)
{
	while (out->n - start > NAME_MAX_TEXT) {
		struct slice name = slice_from(buf_slice(out), start);
		size_t cut = slice_find(name, '.') + 1;

		if (cut > name.n) {
			return; /* one label that is too long: the DNS says no to it */
		}
		memmove(out->p + start, out->p + start + cut, name.n - cut);
		buf_cut(out, out->n - cut);
	}
}

bool spf_expand(struct slice spec, const struct spf_question *question, struct slice domain,
	struct buf *out)
{
	size_t start = out->n;
	bool fine = true;
	size_t n = 1;

	for (; fine && spec.n > 0; spec = slice_from(spec, n)) {
		if (spec.p[0] == '%') {
			n = 1 + add_escape(out, slice_from(spec, 1), question, domain);
			fine = n > 1;
		} else {
			n = 1;
			fine = spec.p[0] > ' ' && spec.p[0] <= '~';
			buf_add_byte(out, spec.p[0]);
		}
	}
	shorten(out, start);
	return fine;
}
