/*
 * Quoted-printable as RFC 2045 section 6.7 has it, and a little more careful: a dot
 * or `From ` at the start of a line is encoded, so that no relay on the way has to
 * stuff or quote it and break the signature.
 *
 * Speed: runs of characters that stand for themselves are found by a table and
 * copied in one piece; a line of plain ASCII costs one copy.  Compiled content does
 * not even pay that: see compose/template, which keeps static text encoded.
 */
#include "mail/mime.h"

#include <string.h>

#include "base/codec.h"

enum {
	LINE = 75, /* and one for the `=` of a soft break */
};

/* Stands for itself: printable ASCII but `=`, and blanks unless the line ends behind them. */
static bool is_literal(unsigned char c)
{
	return (c >= ' ' && c <= '~' && c != '=') || c == '\t';
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

void qp_init(struct qp *qp)
{
	*qp = (struct qp){0};
}

void qp_break(struct qp *qp, struct buf *out)
{
	if (qp->column > 0) {
		buf_add(out, SLICE("=\r\n"));
	}
	*qp = (struct qp){0};
}

static void add_code(struct qp *qp, struct buf *out, unsigned char c)
{
	static const char hex[] = "0123456789ABCDEF";
	char code[3] = {'=', hex[c >> 4], hex[c & 15]};

	if (qp->column + sizeof(code) > LINE) {
		buf_add(out, SLICE("=\r\n"));
		qp->column = 0;
	}
	buf_add(out, slice_make(code, sizeof(code)));
	qp->column += sizeof(code);
	qp->blank = false;
}

/* A blank at the end of a line must not stand for itself: relays strip it. */
void qp_end(struct qp *qp, struct buf *out)
{
	if (qp->blank && !out->spoiled) {
		char blank = out->p[out->n - 1];

		buf_cut(out, out->n - 1);
		qp->column--;
		add_code(qp, out, (unsigned char)blank);
	}
	qp->blank = false;
}

static void hard_break(struct qp *qp, struct buf *out)
{
	qp_end(qp, out);
	buf_add(out, SLICE("\r\n"));
	qp->column = 0;
}

static size_t literal_run(struct slice text)
{
	size_t n = 0;

	while (n < text.n && is_literal((unsigned char)text.p[n])) {
		n++;
	}
	return n;
}

/* What some relay would touch at the start of a line.  A piece may end within `From `. */
static bool is_touchy(struct slice text)
{
	static const struct slice from = {"From ", 5};

	return text.p[0] == '.' ||
		slice_equal(slice_first(text, from.n), slice_first(from, text.n));
}

/* As much of a run as the line still takes; returns how much. */
static size_t add_line_of(struct qp *qp, struct buf *out, struct slice run)
{
	if (qp->column >= LINE) {
		buf_add(out, SLICE("=\r\n"));
		qp->column = 0;
	}
	if (qp->column == 0 && is_touchy(run)) {
		add_code(qp, out, (unsigned char)run.p[0]);
		return 1;
	}
	run = slice_first(run, LINE - qp->column);
	buf_add(out, run);
	qp->column += run.n;
	qp->blank = is_blank(run.p[run.n - 1]);
	return run.n;
}

static void add_run(struct qp *qp, struct buf *out, struct slice run)
{
	while (run.n > 0) {
		run = slice_from(run, add_line_of(qp, out, run));
	}
	qp->cr = false;
}

/* The byte that ended a run. */
static void add_special(struct qp *qp, struct buf *out, char c)
{
	if (c != '\r' && c != '\n') {
		add_code(qp, out, (unsigned char)c);
	} else if (c == '\r' || !qp->cr) {
		hard_break(qp, out);
	}
	qp->cr = c == '\r';
}

void qp_add(struct qp *qp, struct buf *out, struct slice text)
{
	while (text.n > 0) {
		size_t run = literal_run(text);

		if (run > 0) {
			add_run(qp, out, slice_first(text, run));
		} else {
			add_special(qp, out, text.p[0]);
			run = 1;
		}
		text = slice_from(text, run);
	}
}

enum mime_encoding mime_encoding_for(struct slice text)
{
	size_t coded = 0;

	for (size_t i = 0; i < text.n; i++) {
		coded += (unsigned char)text.p[i] >= 0x7f || text.p[i] == '=';
	}
	return coded * 4 > text.n ? MIME_BASE64 : MIME_QUOTED_PRINTABLE;
}

const char *mime_encoding_word(enum mime_encoding encoding)
{
	return encoding == MIME_BASE64 ? "base64" : "quoted-printable";
}

void mime_add_base64(struct buf *out, struct slice bytes)
{
	codec_base64(out, bytes, 76);
}

void mime_boundary(struct id job, unsigned depth, char ret_boundary[MIME_BOUNDARY + 1])
{
	struct buf text;

	buf_init(&text, 0);
	buf_add_text(&text, "=_");
	buf_add_byte(&text, (char)('0' + depth % 10));
	buf_add_byte(&text, '_');
	codec_base32(&text, id_slice(&job));
	buf_add_byte(&text, '_');
	memcpy(ret_boundary, text.p, MIME_BOUNDARY);
	ret_boundary[MIME_BOUNDARY] = '\0';
	buf_clear(&text);
}

void mime_add_delimiter(struct buf *out, const char *boundary)
{
	buf_add(out, SLICE("--"));
	buf_add_text(out, boundary);
	buf_add(out, SLICE("\r\n"));
}

void mime_add_close(struct buf *out, const char *boundary)
{
	buf_add(out, SLICE("--"));
	buf_add_text(out, boundary);
	buf_add(out, SLICE("--\r\n"));
}

/* token of RFC 2045 section 5.1 */
static bool is_token(struct slice text)
{
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] <= ' ' || text.p[i] > '~' ||
			strchr("()<>@,;:\\\"/[]?=", text.p[i]) != NULL) {
			return false;
		}
	}
	return text.n > 0 && text.n <= 64;
}

bool mime_is_type(struct slice type)
{
	size_t slash = slice_find(type, '/');

	return slash < type.n && is_token(slice_first(type, slash)) &&
		is_token(slice_from(type, slash + 1));
}
