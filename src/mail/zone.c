/*
 * Zone-file form.  A TXT record is a list of strings of at most 255 octets that
 * readers join (RFC 1035 section 3.3, RFC 7208 section 3.3); in a string a quote, a
 * backslash and what is not printable are escaped (RFC 1035 section 5.1).
 */
#include "mail/zone.h"

#define STRING_MAX 255

static void add_string(struct buf *out, struct slice text)
{
	buf_add_text(out, " \"");
	for (size_t i = 0; i < text.n; i++) {
		unsigned char c = (unsigned char)text.p[i];

		if (c < ' ' || c > '~') {
			buf_add_format(out, "\\%03u", (unsigned)c);
		} else {
			buf_add_text(out, c == '"' || c == '\\' ? "\\" : "");
			buf_add_byte(out, (char)c);
		}
	}
	buf_add_byte(out, '"');
}

void zone_add_txt(struct buf *out, struct slice name, struct slice text)
{
	buf_add(out, name);
	buf_add_text(out, ". IN TXT (");
	do {
		add_string(out, slice_first(text, STRING_MAX));
		text = slice_from(text, STRING_MAX);
	} while (text.n > 0);
	buf_add_text(out, " )");
}
