/*
 * The MIME tree of a structured message:
 *
 *	multipart/mixed           where there are attachments
 *	  multipart/alternative   where there are both texts
 *	    text/plain
 *	    multipart/related     where the HTML shows images of its own
 *	      text/html
 *	      image...            by cid
 *	  attachment...
 *
 * Levels that would hold one part are left out.  Each writer appends its Content-*
 * fields, an empty line and its body: the outermost one's fields are the last of the
 * message's header.  The CRLF before a delimiter belongs to the delimiter (RFC 2046
 * section 5.1.1), so a text comes out at the other end as it went in.
 */
#include "body.h"

#include <string.h>

#include "base/codec.h"
#include "mail/header.h"
#include "mail/mime.h"

static void end_headers(struct run *run)
{
	struct message *m = run->message;

	if (m->header_bytes == 0) {
		m->header_bytes = m->bytes.n;
	}
	buf_add(&m->bytes, SLICE("\r\n"));
}

static void open_multipart(
	struct run *run, const char *type, unsigned depth, char ret_boundary[MIME_BOUNDARY + 1])
{
	mime_boundary(run->input->job, depth, ret_boundary);
	if (header_add_with_parameter(&run->message->bytes, "Content-Type", slice_of(type),
		    "boundary", slice_of(ret_boundary)) != HEADER_OK) {
		run_fail(run, FAILURE_TOO_LARGE, "the message is too large");
	}
	end_headers(run);
	mime_add_delimiter(&run->message->bytes, ret_boundary);
}

static void next_part(struct run *run, const char *boundary)
{
	buf_add(&run->message->bytes, SLICE("\r\n"));
	mime_add_delimiter(&run->message->bytes, boundary);
}

static void close_multipart(struct run *run, const char *boundary)
{
	buf_add(&run->message->bytes, SLICE("\r\n"));
	mime_add_close(&run->message->bytes, boundary);
}

/* Base64 is of the canonical form, whose line ends are CRLF (RFC 2045 section 6.8). */
static void add_base64_text(struct run *run, const struct template *template, const char *field)
{
	struct buf *text = &run->composer->scratch;
	struct buf *canonical = &run->composer->canonical;
	size_t from = 0;

	buf_reset(text);
	buf_reset(canonical);
	run_template(run, template, field, text);
	for (size_t i = 0; i < text->n; i++) {
		if (text->p[i] != '\r' && text->p[i] != '\n') {
			continue;
		}
		buf_add(canonical, slice_make(text->p + from, i - from));
		buf_add(canonical, SLICE("\r\n"));
		i += text->p[i] == '\r' && i + 1 < text->n && text->p[i + 1] == '\n';
		from = i + 1;
	}
	buf_add(canonical, slice_from(buf_slice(text), from));
	mime_add_base64(&run->message->bytes, buf_slice(canonical));
}

static void write_text(struct run *run, const struct text_part *part, bool html)
{
	struct buf *out = &run->message->bytes;
	const char *field = html ? "html" : "text";

	buf_add(out,
		html ? SLICE("Content-Type: text/html; charset=utf-8\r\n")
		     : SLICE("Content-Type: text/plain; charset=utf-8\r\n"));
	buf_add(out, SLICE("Content-Transfer-Encoding: "));
	buf_add_text(out, mime_encoding_word(part->encoding));
	buf_add(out, SLICE("\r\n"));
	end_headers(run);
	if (part->encoding == MIME_BASE64) {
		add_base64_text(run, part->template, field);
	} else {
		run_template(run, part->template, field, out);
	}
}

static bool has_attachments(const struct content *content, bool is_inline)
{
	for (size_t i = 0; i < content->attachment_count; i++) {
		if (content->attachments[i].is_inline == is_inline) {
			return true;
		}
	}
	return false;
}

static void write_attachments(struct run *run, bool is_inline, const char *boundary)
{
	for (size_t i = 0; i < run->content->attachment_count; i++) {
		if (run->content->attachments[i].is_inline == is_inline) {
			next_part(run, boundary);
			buf_add(&run->message->bytes, run->content->attachments[i].block);
		}
	}
	close_multipart(run, boundary);
}

static void write_html(struct run *run, unsigned depth)
{
	char boundary[MIME_BOUNDARY + 1];

	if (!has_attachments(run->content, true)) {
		write_text(run, &run->variant->html, true);
		return;
	}
	open_multipart(run, "multipart/related", depth, boundary);
	write_text(run, &run->variant->html, true);
	write_attachments(run, true, boundary);
}

static void write_alternative(struct run *run, unsigned depth)
{
	const struct variant *v = run->variant;
	char boundary[MIME_BOUNDARY + 1];

	if (v->html.template == NULL) {
		write_text(run, &v->text, false);
	} else if (v->text.template == NULL) {
		write_html(run, depth);
	} else {
		open_multipart(run, "multipart/alternative", depth, boundary);
		write_text(run, &v->text, false);
		next_part(run, boundary);
		write_html(run, depth + 1);
		close_multipart(run, boundary);
	}
}

void run_body(struct run *run)
{
	struct buf *out = &run->message->bytes;
	char boundary[MIME_BOUNDARY + 1];

	if (has_attachments(run->content, false)) {
		open_multipart(run, "multipart/mixed", 0, boundary);
		write_alternative(run, 1);
		write_attachments(run, false, boundary);
	} else {
		write_alternative(run, 0);
	}
	if (!slice_ends(buf_slice(out), SLICE("\r\n"))) {
		buf_add(out, SLICE("\r\n"));
	}
}
