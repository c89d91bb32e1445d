/*
 * Replies of an SMTP server, incrementally (RFC 5321 section 4.2, RFC 2034).
 *
 * A line that came whole is read where it lies; only one that was cut is collected
 * in `line`.  Text is copied once, into `text`, up to the limits of the header: the
 * memory of a parser is bounded whatever the peer sends.  Slices with lengths all
 * the way: a reply without text once gave OpenSMTPD's attackers a root shell
 * (CVE-2020-8794).
 */
#include "mail/reply.h"

#include <string.h>

enum {
	CODE_BYTES = 3,
	ENHANCED_DIGITS = 3,
	KEEP_BYTES = 4096, /* memory kept from one reply to the next */
};

void reply_init(struct reply_parser *parser)
{
	*parser = (struct reply_parser){0};
	buf_init(&parser->line, REPLY_LINE_BYTES);
	buf_init(&parser->text, REPLY_BYTES);
}

void reply_clear(struct reply_parser *parser)
{
	buf_clear(&parser->line);
	buf_clear(&parser->text);
}

bool reply_idle(const struct reply_parser *parser)
{
	return parser->code == 0 && parser->line.n == 0;
}

struct slice reply_join(struct reply_parser *parser)
{
	for (size_t i = 0; i < parser->text.n; i++) {
		if (parser->text.p[i] == '\n') {
			parser->text.p[i] = ' ';
		}
	}
	return buf_slice(&parser->text);
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* 0 when the line does not begin with a code of the grammar. */
static unsigned line_code(struct slice line)
{
	if (line.n < CODE_BYTES || line.p[0] < '2' || line.p[0] > '5' || line.p[1] < '0' ||
		line.p[1] > '5' || !is_digit(line.p[2])) {
		return 0;
	}
	return (unsigned)(line.p[0] - '0') * 100 + (unsigned)(line.p[1] - '0') * 10 +
		(unsigned)(line.p[2] - '0');
}

/* One to three digits off the front; false when there is none or a fourth. */
static bool take_number(struct slice *rest, uint16_t *ret_number)
{
	unsigned number = 0;
	size_t n = 0;

	while (n < rest->n && is_digit(rest->p[n])) {
		if (n == ENHANCED_DIGITS) {
			return false;
		}
		number = number * 10 + (unsigned)(rest->p[n] - '0');
		n++;
	}
	*rest = slice_from(*rest, n);
	*ret_number = (uint16_t)number;
	return n > 0;
}

static bool take_dot(struct slice *rest)
{
	if (rest->n == 0 || rest->p[0] != '.') {
		return false;
	}
	*rest = slice_from(*rest, 1);
	return true;
}

bool reply_enhanced(unsigned code, struct slice *text, struct enhanced *ret_enhanced)
{
	struct slice rest = *text;
	struct enhanced found = {0};
	uint16_t class = 0;

	*ret_enhanced = found;
	if (!take_number(&rest, &class) || class != code / 100 || !take_dot(&rest) ||
		!take_number(&rest, &found.subject) || !take_dot(&rest) ||
		!take_number(&rest, &found.detail) || (rest.n > 0 && rest.p[0] != ' ')) {
		return false;
	}
	found.class = (uint8_t) class;
	*ret_enhanced = found;
	*text = slice_from(rest, rest.n > 0 ? 1 : 0);
	return true;
}

static void begin(struct reply_parser *parser)
{
	buf_reset(&parser->text);
	if (parser->text.cap > KEEP_BYTES) {
		buf_clear(&parser->text);
	}
	parser->bytes = 0;
	parser->lines = 0;
	parser->enhanced = (struct enhanced){0};
}

static void add_text(struct reply_parser *parser, struct slice text)
{
	struct enhanced enhanced;

	if (reply_enhanced(parser->code, &text, &enhanced) && parser->enhanced.class == 0) {
		parser->enhanced = enhanced;
	}
	if (parser->lines > 1) {
		buf_add_byte(&parser->text, '\n');
	}
	buf_add(&parser->text, text);
}

/* One whole line, without its LF. */
static enum reply_status take_line(struct reply_parser *parser, struct slice line)
{
	unsigned code;
	char after;

	if (line.n > 0 && line.p[line.n - 1] == '\r') {
		line.n--;
	} else {
		parser->bare_lf = true;
	}
	code = line_code(line);
	after = line.n > CODE_BYTES ? line.p[CODE_BYTES] : ' ';
	if (code == 0 || (after != ' ' && after != '-') ||
		(parser->code != 0 && parser->code != code) || ++parser->lines > REPLY_LINES) {
		return REPLY_BROKEN;
	}
	parser->code = code;
	add_text(parser, slice_from(line, CODE_BYTES + 1));
	return after == '-' ? REPLY_MORE : REPLY_DONE;
}

/* The bytes up to and with the next LF, joined with what came of the line before. */
static enum reply_status take_bytes(struct reply_parser *parser, struct slice *bytes)
{
	size_t n = slice_find(*bytes, '\n');
	struct slice line = slice_first(*bytes, n);
	bool whole = n < bytes->n;
	enum reply_status status;

	*bytes = slice_from(*bytes, whole ? n + 1 : n);
	parser->bytes += line.n + (whole ? 1 : 0);
	if (parser->line.n + line.n + 1 > REPLY_LINE_BYTES || parser->bytes > REPLY_BYTES) {
		return REPLY_BROKEN;
	}
	if (!whole) {
		buf_add(&parser->line, line);
		return REPLY_MORE;
	}
	if (parser->line.n > 0) {
		buf_add(&parser->line, line);
		line = buf_slice(&parser->line);
	}
	status = take_line(parser, line);
	buf_reset(&parser->line);
	return status;
}

enum reply_status reply_feed(
	struct reply_parser *parser, struct slice *bytes, struct reply *ret_reply)
{
	enum reply_status status = REPLY_MORE;

	if (reply_idle(parser) && bytes->n > 0) {
		begin(parser);
	}
	while (status == REPLY_MORE && bytes->n > 0) {
		status = take_bytes(parser, bytes);
	}
	if (status == REPLY_DONE) {
		*ret_reply = (struct reply){
			.code = parser->code,
			.enhanced = parser->enhanced,
			.text = buf_slice(&parser->text),
		};
	}
	if (status != REPLY_MORE) {
		parser->code = 0;
		buf_reset(&parser->line);
	}
	return status;
}
