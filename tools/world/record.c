/*
 * The final dot: what a message was, in a line of the ledger for each recipient.
 *
 * The line is made when the dot is read, before the reply is even queued: a real
 * server is bound by its decision, not by whether its 250 arrives.  A rule that
 * says `accept: true` makes just that case: in the ledger, but never answered.
 */
#include "session.h"

#include "base/time.h"

static void add_tls(struct buf *line, const struct session *session)
{
	const char *sni;

	if (session->ssl == NULL) {
		buf_add_text(line, ",\"tls\":null");
		return;
	}
	sni = SSL_get_servername(session->ssl, TLSEXT_NAMETYPE_host_name);
	buf_add_text(line, ",\"tls\":{");
	json_text(line, "version", slice_of(SSL_get_version(session->ssl)));
	json_text(line, "cipher", slice_of(SSL_get_cipher_name(session->ssl)));
	json_null_or_text(line, "sni", slice_of(sni));
	buf_add_byte(line, '}');
}

static void add_violations(struct buf *line, uint32_t violations)
{
	bool first = true;

	buf_add_text(line, ",\"violations\":[");
	for (unsigned i = 0; i < VIOLATIONS; i++) {
		if ((violations & UINT32_C(1) << i) != 0) {
			buf_add_format(line, "%s\"%s\"", first ? "" : ",",
				violation_word((enum violation)i));
			first = false;
		}
	}
	buf_add_byte(line, ']');
}

struct receipt {
	struct slice recipient;
	struct slice domain;
	const char *sha256;
	uint32_t violations;
};

static void write_line(struct session *session, const struct receipt *receipt)
{
	const struct talk *talk = &session->talk;
	struct slice sender = buf_slice(&talk->envelope.sender);
	struct buf *line = ledger_begin(session->server->ledger);

	buf_add_text(line, "\"time\":\"");
	time_add_rfc3339(line, time_wall_us());
	buf_add_byte(line, '"');
	json_null_or_text(line, "job", message_job(&talk->message, sender));
	json_text(line, "recipient", receipt->recipient);
	json_text(line, "mail_from", sender);
	json_text(line, "domain", receipt->domain);
	json_text(line, "source", slice_of(session->source));
	json_text(line, "local", session->site->host->address);
	json_text(line, "mx", session->site->host->name);
	json_text(line, "sha256", slice_of(receipt->sha256));
	json_number(line, "size", talk->message.size);
	add_tls(line, session);
	json_null_or_text(line, "message_id", message_field(&talk->message, SLICE("Message-ID")));
	json_text(line, "ehlo", buf_slice(&talk->ehlo));
	json_null_or_text(
		line, "auth", talk->authenticated ? buf_slice(&talk->auth_user) : SLICE(""));
	json_number(line, "session", session->number);
	buf_add_text(line, talk->envelope.smtputf8 ? ",\"smtputf8\":true" : ",\"smtputf8\":false");
	add_violations(line, receipt->violations);
	ledger_end(line);
}

void record_message(struct session *session)
{
	struct talk *talk = &session->talk;
	struct slice rest = buf_slice(&talk->envelope.recipients);
	char sha256[65];
	struct receipt receipt = {
		.sha256 = sha256,
		.violations = talk->violations | talk->message.violations,
	};

	message_digest(&talk->message, sha256);
	while (slice_split(&rest, '\n', &receipt.recipient) && receipt.recipient.n > 0) {
		receipt.domain =
			slice_from(receipt.recipient, slice_find_last(receipt.recipient, '@') + 1);
		write_line(session, &receipt);
		if (ledger_wants_mail(session->server->ledger) &&
			err_is(ledger_store(session->server->ledger, receipt.domain,
				receipt.recipient, buf_slice(&talk->message.whole)))) {
			session->server->failed = true;
		}
	}
	session->server->stats.messages++;
	session->server->stats.bytes += talk->message.size;
	talk->messages++;
	talk->violations = 0;
}
