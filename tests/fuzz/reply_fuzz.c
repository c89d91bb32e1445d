/*
 * Replies of a mail server.  The input is a stream of them; it is read whole and
 * again a byte at a time, and both ways must see the same.
 */
#include <stdint.h>
#include <stdlib.h>

#include "mail/reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* One reply, fed in portions of `portion` bytes; false at the end or when broken. */
static bool next(struct reply_parser *parser, struct slice *rest, size_t portion, struct reply *ret)
{
	enum reply_status status = REPLY_MORE;

	while (status == REPLY_MORE && rest->n > 0) {
		struct slice part = slice_first(*rest, portion);
		size_t before = part.n;

		status = reply_feed(parser, &part, ret);
		if (status == REPLY_MORE && part.n > 0) {
			abort();
		}
		*rest = slice_from(*rest, before - part.n);
	}
	if (parser->text.n > REPLY_BYTES || parser->line.n >= REPLY_LINE_BYTES) {
		abort();
	}
	return status == REPLY_DONE;
}

static bool same_enhanced(const struct enhanced *a, const struct enhanced *b)
{
	return a->class == b->class && a->subject == b->subject && a->detail == b->detail;
}

static void check(const struct reply *reply)
{
	if (reply->code < 200 || reply->code > 559 ||
		(reply->enhanced.class != 0 && reply->enhanced.class != reply->code / 100) ||
		reply->enhanced.subject > 999 || reply->enhanced.detail > 999) {
		abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct reply_parser whole;
	struct reply_parser single;
	struct slice a = slice_make((const char *)data, size);
	struct slice b = a;
	struct reply x;
	struct reply y;

	reply_init(&whole);
	reply_init(&single);
	while (next(&whole, &a, SIZE_MAX, &x)) {
		if (!next(&single, &b, 1, &y) || x.code != y.code || a.n != b.n ||
			!slice_equal(x.text, y.text) || !same_enhanced(&x.enhanced, &y.enhanced)) {
			abort();
		}
		check(&x);
		reply_join(&whole);
	}
	if (next(&single, &b, 1, &y)) {
		abort();
	}
	reply_clear(&whole);
	reply_clear(&single);
	return 0;
}
