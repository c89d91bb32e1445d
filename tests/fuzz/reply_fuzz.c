/*
 * Replies of a mail server.  The input is a stream of them.  It is read whole and
 * again a byte at a time, and both must see what a second reader sees, which has the
 * stream before it and goes by the words of RFC 5321 section 4.2 and mail/reply.h.
 */
#include "mail/reply.h"

#include "fuzz.h"

/* What the second reader found at the start of a stream. */
struct found {
	enum reply_status status;
	size_t taken;
	unsigned code;
	struct enhanced enhanced;
	char text[REPLY_BYTES];
	size_t text_n;
	bool bare_lf;
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Length of `n.n.n` with its blank, where the class is the code's; 0 where there is none. */
static size_t enhanced_length(struct slice text, unsigned code, unsigned numbers[3])
{
	size_t at = 0;

	for (size_t i = 0; i < 3; i++) {
		size_t start = at;

		numbers[i] = 0;
		while (at < text.n && is_digit(text.p[at])) {
			numbers[i] = (numbers[i] * 10 + (unsigned)(text.p[at++] - '0')) % 100000;
		}
		if (at == start || at > start + 3 ||
			(i < 2 && (at == text.n || text.p[at++] != '.'))) {
			return 0;
		}
	}
	if (numbers[0] != code / 100 || (at < text.n && text.p[at] != ' ')) {
		return 0;
	}
	return at < text.n ? at + 1 : at;
}

static void find_text(struct found *found, struct slice text, bool first)
{
	unsigned numbers[3];
	size_t skip = enhanced_length(text, found->code, numbers);

	if (skip == 0 && text.n > 0) {
		skip = 0;
	} else if (skip > 0 && found->enhanced.class == 0) {
		found->enhanced = (struct enhanced){.class = (uint8_t)numbers[0],
			.subject = (uint16_t)numbers[1],
			.detail = (uint16_t)numbers[2]};
	}
	if (!first) {
		found->text[found->text_n++] = '\n';
	}
	for (size_t i = skip; i < text.n; i++) {
		found->text[found->text_n++] = text.p[i];
	}
}

/* One line without its end: REPLY_MORE when others follow. */
static enum reply_status find_line(struct found *found, struct slice line, unsigned number)
{
	unsigned code;

	if (line.n < 3 || line.p[0] < '2' || line.p[0] > '5' || line.p[1] < '0' ||
		line.p[1] > '5' || !is_digit(line.p[2])) {
		return REPLY_BROKEN;
	}
	code = (unsigned)((line.p[0] - '0') * 100 + (line.p[1] - '0') * 10 + line.p[2] - '0');
	if ((line.n > 3 && line.p[3] != ' ' && line.p[3] != '-') ||
		(number > 1 && code != found->code) || number > REPLY_LINES) {
		return REPLY_BROKEN;
	}
	found->code = code;
	find_text(found, slice_from(line, 4), number == 1);
	return line.n > 3 && line.p[3] == '-' ? REPLY_MORE : REPLY_DONE;
}

static void find(struct found *found, struct slice stream)
{
	size_t at = 0;

	found->text_n = 0;
	found->enhanced = (struct enhanced){0};
	found->status = REPLY_MORE;
	for (unsigned number = 1; found->status == REPLY_MORE && at < stream.n; number++) {
		size_t end = at;
		size_t n;

		while (end < stream.n && stream.p[end] != '\n') {
			end++;
		}
		n = end - at;
		if (n + 1 > REPLY_LINE_BYTES || end + (end < stream.n) > REPLY_BYTES) {
			found->status = REPLY_BROKEN;
			return;
		}
		if (end == stream.n) {
			return;
		}
		if (n > 0 && stream.p[end - 1] == '\r') {
			n--;
		} else {
			found->bare_lf = true;
		}
		found->status = find_line(found, slice_make(stream.p + at, n), number);
		at = end + 1;
	}
	found->taken = at;
}

/* One reply, fed in portions of `portion` bytes. */
static enum reply_status next(
	struct reply_parser *parser, struct slice *rest, size_t portion, struct reply *ret)
{
	enum reply_status status = REPLY_MORE;

	while (status == REPLY_MORE && rest->n > 0) {
		struct slice part = slice_first(*rest, portion);
		size_t before = part.n;

		status = reply_feed(parser, &part, ret);
		must(status != REPLY_MORE || part.n == 0);
		*rest = slice_from(*rest, before - part.n);
	}
	must(parser->text.n <= REPLY_BYTES && parser->line.n < REPLY_LINE_BYTES);
	must(status == REPLY_MORE || reply_idle(parser));
	return status;
}

static void check(const struct reply *reply, const struct found *found)
{
	must(reply->code == found->code);
	must(slice_equal(reply->text, slice_make(found->text, found->text_n)));
	must(reply->enhanced.class == found->enhanced.class &&
		reply->enhanced.subject == found->enhanced.subject &&
		reply->enhanced.detail == found->enhanced.detail);
}

static void check_joined(struct reply_parser *parser, const struct found *found)
{
	struct slice joined = reply_join(parser);

	must(joined.n == found->text_n);
	for (size_t i = 0; i < joined.n; i++) {
		must(joined.p[i] == (found->text[i] == '\n' ? ' ' : found->text[i]));
	}
}

static void read_in_portions(struct slice stream, size_t portion, struct found *found)
{
	struct reply_parser parser;
	struct slice rest = stream;
	struct reply reply;
	enum reply_status status;

	reply_init(&parser);
	found->bare_lf = false;
	do {
		find(found, rest);
		status = next(&parser, &rest, portion, &reply);
		must(status == found->status);
		if (status == REPLY_DONE) {
			must(stream.p + stream.n - (rest.n > 0 ? rest.p : stream.p + stream.n) ==
				(ptrdiff_t)rest.n);
			check(&reply, found);
			check_joined(&parser, found);
		}
	} while (status == REPLY_DONE && rest.n > 0);
	must(parser.bare_lf == found->bare_lf || status == REPLY_BROKEN);
	reply_clear(&parser);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct found found; /* large, and written before it is read */
	struct slice stream = slice_make((const char *)data, size);

	read_in_portions(stream, SIZE_MAX, &found);
	read_in_portions(stream, 1, &found);
	return 0;
}
