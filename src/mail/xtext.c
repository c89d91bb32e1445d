/*
 * Values of ESMTP parameters (RFC 3461 section 4, RFC 6533 section 3).
 *
 * Parameters are split at blanks and at `=`, and `+` is xtext's own mark: so none of
 * the three may stand for itself (Postfix forgot `=` until 2026), nor may what could
 * end the command's line.
 */
#include "mail/xtext.h"

#include <stdbool.h>

static bool is_plain(unsigned char c)
{
	return c > ' ' && c < 0x7f && c != '+' && c != '=';
}

static void add_hex(struct buf *out, unsigned char c)
{
	static const char hex[] = "0123456789ABCDEF";
	char digits[2] = {hex[c >> 4], hex[c & 15]};

	buf_add(out, slice_make(digits, sizeof(digits)));
}

void xtext_add(struct buf *out, struct slice text)
{
	for (size_t i = 0; i < text.n; i++) {
		unsigned char c = (unsigned char)text.p[i];

		if (is_plain(c)) {
			buf_add_byte(out, text.p[i]);
		} else {
			buf_add_byte(out, '+');
			add_hex(out, c);
		}
	}
}

void xtext_add_unitext(struct buf *out, struct slice text)
{
	for (size_t i = 0; i < text.n; i++) {
		unsigned char c = (unsigned char)text.p[i];

		if ((is_plain(c) && c != '\\') || c >= 0x80) {
			buf_add_byte(out, text.p[i]);
		} else {
			buf_add(out, SLICE("\\x{"));
			add_hex(out, c);
			buf_add_byte(out, '}');
		}
	}
}
