/*
 * The commands of a transaction, and the last check before an address goes on the
 * wire (conformance C11).
 *
 * Addresses were parsed long ago; this encoder trusts nobody.  No byte below 0x21
 * and no DEL, ever; no angle bracket outside a quoted string, where it would end
 * the path and start parameters; nothing beyond ASCII unless the transaction is an
 * SMTPUTF8 one.  A blank inside a quoted string is legal and refused all the same.
 */
#include <string.h>

#include "base/codec.h"
#include "dialogue_private.h"
#include "mail/xtext.h"

enum {
	PATH_BYTES = 254, /* RFC 5321 section 4.5.3.1.3, without <> */
	LINE_BYTES = 510, /* section 4.5.3.1.4, without CRLF */
};

static bool is_path_byte(unsigned char c)
{
	return c > 0x20 && c != 0x7f;
}

static bool is_path(struct slice address, bool utf8)
{
	bool quoted = false;

	for (size_t i = 0; i < address.n; i++) {
		unsigned char c = (unsigned char)address.p[i];

		if (!is_path_byte(c) || (!quoted && (c == '<' || c == '>'))) {
			return false;
		}
		if (c == '"') {
			quoted = !quoted;
		} else if (c == '\\' && quoted && ++i < address.n &&
			!is_path_byte((unsigned char)address.p[i])) {
			return false;
		}
	}
	return !quoted && address.n <= PATH_BYTES &&
		(utf8 ? codec_is_utf8(address) : codec_is_ascii(address));
}

enum failure dialogue_check(const struct dialogue *d, const struct envelope *envelope)
{
	uint64_t limit = d->ehlo.size_bytes;

	if (envelope->rcpt_to.n == 0 || !is_path(envelope->rcpt_to, envelope->utf8)) {
		return FAILURE_BAD_ADDRESS;
	}
	if (!is_path(envelope->mail_from, envelope->utf8)) {
		return FAILURE_COMPOSE; /* ours: it says nothing about the recipient */
	}
	if (envelope->utf8 &&
		!(ehlo_offers(&d->ehlo, EHLO_SMTPUTF8) && ehlo_offers(&d->ehlo, EHLO_8BITMIME))) {
		return FAILURE_NO_SMTPUTF8; /* the header is 8-bit: RFC 6531 section 3.1, (8) */
	}
	return limit > 0 && envelope->size_bytes > limit ? FAILURE_TOO_LARGE : FAILURE_NONE;
}

/*
 * A failure behind the receiver comes back as a DSN that names the job and the address
 * as we had it (RFC 3461 section 4): never one of success or delay, none at all where
 * nobody could be told.  ORCPT is left out where it would make the line too long for
 * servers that count.
 */
static void add_dsn_of_rcpt(struct dialogue *d, size_t line)
{
	const struct envelope *envelope = d->envelope;
	size_t before;

	buf_add_text(d->out, envelope->mail_from.n > 0 ? " NOTIFY=FAILURE" : " NOTIFY=NEVER");
	before = d->out->n;
	if (envelope->utf8) {
		buf_add_text(d->out, " ORCPT=utf-8;");
		xtext_add_unitext(d->out, envelope->rcpt_to);
	} else {
		buf_add_text(d->out, " ORCPT=rfc822;");
		xtext_add(d->out, envelope->rcpt_to);
	}
	if (d->out->n - line > LINE_BYTES) {
		buf_cut(d->out, before);
	}
}

void dialogue_add_rcpt(struct dialogue *d)
{
	size_t line = d->out->n;

	buf_add_text(d->out, "RCPT TO:<");
	buf_add(d->out, d->envelope->rcpt_to);
	buf_add_byte(d->out, '>');
	if (ehlo_offers(&d->ehlo, EHLO_DSN)) {
		add_dsn_of_rcpt(d, line);
	}
	dialogue_command(d, "", STEP_RCPT);
}

/* RFC 1870 section 6, RFC 6531 section 3.4, RFC 3461 sections 4.3 and 4.4. */
static void add_parameters(struct dialogue *d)
{
	if (ehlo_offers(&d->ehlo, EHLO_SIZE) && d->envelope->size_bytes > 0) {
		buf_add_text(d->out, " SIZE=");
		buf_add_number(d->out, d->envelope->size_bytes);
	}
	if (d->envelope->utf8) {
		buf_add_text(d->out, " BODY=8BITMIME SMTPUTF8");
	}
	if (ehlo_offers(&d->ehlo, EHLO_DSN)) {
		buf_add_text(d->out, " RET=HDRS");
		if (d->envelope->envid.n > 0) {
			buf_add_text(d->out, " ENVID=");
			xtext_add(d->out, d->envelope->envid);
		}
	}
}

void dialogue_add_mail(struct dialogue *d)
{
	bool pipelining = ehlo_offers(&d->ehlo, EHLO_PIPELINING);

	if (d->transaction_open) {
		dialogue_command(d, "RSET", STEP_RSET);
		if (!pipelining) {
			return; /* comes here again when it is answered */
		}
	}
	buf_add_text(d->out, "MAIL FROM:<");
	buf_add(d->out, d->envelope->mail_from);
	buf_add_byte(d->out, '>');
	add_parameters(d);
	dialogue_command(d, "", STEP_MAIL);
	if (pipelining) {
		dialogue_add_rcpt(d);
		dialogue_command(d, "DATA", STEP_DATA);
	}
}
