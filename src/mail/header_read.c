/*
 * Reading header fields: splitting a block at the line ends that no fold follows
 * (RFC 5322 section 2.2.3), and finding the one mailbox of a From.
 *
 * Strict on purpose: what is read here is what an app wrote for us to send, and a
 * From that two readers may understand differently must not leave under anybody's
 * signature.  Comments, groups, lists and routes are refused, not interpreted.
 */
#include <string.h>

#include "mail/header.h"

/* The offset behind the CRLF that ends the field, or 0 where there is none. */
static size_t field_length(struct slice block)
{
	size_t at = 0;

	for (;;) {
		size_t lf = slice_find(slice_from(block, at), '\n');

		at += lf + 1;
		if (at > block.n || at < 2 || block.p[at - 2] != '\r') {
			return 0;
		}
		if (at == block.n || (block.p[at] != ' ' && block.p[at] != '\t')) {
			return at;
		}
	}
}

bool header_next(struct slice *block, struct header_field *ret_field)
{
	struct slice whole;
	struct slice name;
	size_t length;
	size_t colon;

	if (block->n == 0) {
		return false;
	}
	length = field_length(*block);
	whole = slice_first(*block, length);
	colon = slice_find(whole, ':');
	name = slice_first(whole, colon);
	if (length == 0 || colon == whole.n || !header_is_name(name)) {
		return false;
	}
	ret_field->name = name;
	ret_field->value = slice_make(whole.p + colon + 1, whole.n - colon - 3);
	ret_field->whole = whole;
	*block = slice_from(*block, length);
	return true;
}

/* Length of the quoted string that starts the text, or 0 where it does not end. */
static size_t quoted_length(struct slice text)
{
	for (size_t i = 1; i < text.n; i++) {
		if (text.p[i] == '"') {
			return i + 1;
		}
		if (text.p[i] == '\\') {
			i++;
		}
	}
	return 0;
}

/* Offset of the `<` behind a display name; text.n where there is none; SIZE_MAX on bad syntax. */
static size_t find_bracket(struct slice text)
{
	size_t at = 0;

	while (at < text.n && text.p[at] != '<') {
		bool quote = text.p[at] == '"';
		size_t n = quote ? quoted_length(slice_from(text, at)) : 1;

		if (n == 0 || (!quote && strchr("(),:;>", text.p[at]) != NULL)) {
			return SIZE_MAX;
		}
		at += n;
	}
	return at;
}

enum header_fault header_parse_mailbox(struct slice value, struct address *ret_address)
{
	struct slice text = slice_trim(value);
	size_t open = find_bracket(text);

	if (open == SIZE_MAX) {
		return HEADER_SYNTAX;
	}
	if (open < text.n) {
		if (text.p[text.n - 1] != '>') {
			return HEADER_SYNTAX;
		}
		text = slice_make(text.p + open + 1, text.n - open - 2);
	}
	return address_parse(text, ret_address) == ADDRESS_OK ? HEADER_OK : HEADER_SYNTAX;
}
