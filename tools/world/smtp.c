/*
 * A proper SMTP server (RFC 5321), as strict as a receiver may be, with the rules
 * of behave.c asked before each reply.
 *
 * A command is first judged as a server must (order, syntax, what was offered);
 * then the rules may replace the reply; and the command takes effect exactly when
 * the reply that was sent says so.  What a client does wrong is noted as a
 * violation, even where a real server would let it pass.
 */
#include "session.h"

#include <stdio.h>

static const struct profile *profile_of(const struct session *session)
{
	return session->site->host->profile;
}

static struct slice domain_of(struct slice address)
{
	size_t at = slice_find_last(address, '@');

	return slice_from(address, at + 1);
}

static struct slice last_recipient(const struct session *session)
{
	struct slice all = buf_slice(&session->talk.envelope.recipients);
	size_t end;

	if (all.n == 0) {
		return all;
	}
	all.n--; /* its newline */
	end = slice_find_last(all, '\n');
	return end < all.n ? slice_from(all, end + 1) : all;
}

static void log_text(struct session *session, const char *event, struct slice text)
{
	struct buf *line = session_event(session, event);

	if (line != NULL) {
		json_text(line, "text", text);
		ledger_end(line);
	}
}

static unsigned code_of(struct slice text)
{
	uint64_t code = 0;

	(void)slice_number(slice_first(text, 3), 999, &code);
	return text.n >= 3 ? (unsigned)code : 0;
}

/* Lines as of the configuration: the hyphen of all but the last is ours. */
static unsigned send_lines(struct session *session, const struct slice *lines, size_t count)
{
	struct buf text;

	buf_init(&text, 0);
	for (size_t i = 0; i < count; i++) {
		buf_add(&text, slice_first(lines[i], 3));
		buf_add_byte(&text, i + 1 < count ? '-' : ' ');
		buf_add(&text, slice_from(lines[i], 4));
		buf_add(&text, SLICE("\r\n"));
	}
	log_text(session, "reply", buf_slice(&text));
	session_send(session, buf_slice(&text), 1);
	buf_clear(&text);
	return count > 0 ? code_of(lines[count - 1]) : 0;
}

static unsigned send_standard(struct session *session, const char *standard)
{
	struct slice text = slice_of(standard);
	struct buf line;

	buf_init(&line, 0);
	buf_add(&line, text);
	buf_add(&line, SLICE("\r\n"));
	log_text(session, "reply", text);
	session_send(session, buf_slice(&line), 1);
	buf_clear(&line);
	return code_of(text);
}

/* What no rule decides is the provider's to say. */
static void decide(struct session *session, enum phase phase, struct slice recipient)
{
	struct talk *talk = &session->talk;
	const struct occasion occasion = {
		.at = phase,
		.host = session->site->host->name,
		.domain = domain_of(recipient),
		.recipient = recipient,
		.sender = buf_slice(&talk->envelope.sender),
		.source = slice_of(session->source),
		.ehlo = buf_slice(&talk->ehlo),
		.tls = session->ssl != NULL,
		.session = session->number,
		.messages = talk->messages,
		.connections = session->count->open,
		.recipients = talk->envelope.recipient_count,
		.now_us = loop_now_us(session->server->loop),
	};

	if (!behaviour_decide(session->server->behaviour, &occasion, &talk->deeds) &&
		session->site->isp != NULL) {
		enum isp_cause cause = isp_decide(session->site->isp, &occasion, &talk->deeds);

		session->known = session->known || (phase == PHASE_CONNECT && cause == ISP_FINE);
	}
	session_shape(session, &talk->deeds);
}

static unsigned answer_to(
	struct session *session, enum phase phase, struct slice recipient, const char *standard)
{
	const struct rule_do *deeds = &session->talk.deeds;
	unsigned code = 0;

	decide(session, phase, recipient);
	if (deeds->script != NULL) {
		script_start(session, deeds->script);
		return 0;
	}
	if (deeds->raw.n > 0) {
		log_text(session, "reply", deeds->raw);
		session_send(session, deeds->raw, 1);
		code = code_of(deeds->raw);
	} else if (deeds->reply.count > 0) {
		code = send_lines(session, deeds->reply.at, deeds->reply.count);
	} else if (deeds->then == THEN_GO_ON || deeds->cut_received.high > 0 ||
		deeds->cut_sent.high > 0) {
		code = send_standard(session, standard);
	}
	if (deeds->cut_received.high == 0 && deeds->cut_sent.high == 0) {
		session_end(session, (enum then)deeds->then);
	}
	if (code == 421) {
		session->talk.orderly = true;
		session_end(session, THEN_CLOSE);
	}
	return code;
}

unsigned smtp_answer(struct session *session, enum phase phase, const char *standard)
{
	return answer_to(session, phase, last_recipient(session), standard);
}

/* A reply that no rule may change: the client broke the protocol. */
static void refuse(struct session *session, enum violation violation, const char *reply)
{
	session_note(session, violation);
	(void)send_standard(session, reply);
}

void smtp_clear(struct session *session)
{
	buf_clear(&session->talk.ehlo);
	buf_clear(&session->talk.auth_user);
	buf_clear(&session->talk.envelope.sender);
	buf_clear(&session->talk.envelope.recipients);
	message_clear(&session->talk.message);
}

void smtp_connect(struct session *session)
{
	const struct profile *profile = profile_of(session);
	struct buf greeting;

	buf_init(&session->talk.envelope.recipients, 1024 * 1024);
	if (profile->connections_max > 0 && session->count->open > profile->connections_max) {
		(void)smtp_answer(
			session, PHASE_CONNECT, "421 4.7.0 too many connections from your address");
		return;
	}
	buf_init(&greeting, 0);
	buf_add_text(&greeting, "220 ");
	if (profile->greeting.n > 0) {
		buf_add(&greeting, profile->greeting);
	} else {
		buf_add(&greeting, session->site->host->name);
		buf_add_text(&greeting, " ESMTP penguin-world");
	}
	session->talk.refused = smtp_answer(session, PHASE_CONNECT, buf_string(&greeting)) != 220;
	buf_clear(&greeting);
}

static void on_helo(struct session *session, struct slice arguments)
{
	if (arguments.n == 0) {
		refuse(session, VIOLATION_SYNTAX, "501 5.5.4 HELO needs a name");
		return;
	}
	buf_reset(&session->talk.ehlo);
	buf_add(&session->talk.ehlo, arguments);
	envelope_reset(&session->talk.envelope);
	(void)smtp_answer(session, PHASE_HELO, "250 hello");
}

/* STARTTLS is not offered again under TLS (RFC 3207 section 4.2). */
static bool is_offered_now(const struct session *session, struct slice keyword)
{
	return session->ssl == NULL || !slice_equal_nocase(keyword, SLICE("STARTTLS"));
}

static void add_line(struct buf *text, struct slice line, size_t *last)
{
	buf_add_text(text, text->n > 0 ? "\r\n250-" : "250-");
	*last = text->n - 1;
	buf_add(text, line);
}

static void on_ehlo(struct session *session, struct slice arguments)
{
	const struct texts *keywords = &profile_of(session)->keywords;
	struct buf text;
	size_t last;

	if (arguments.n == 0) {
		refuse(session, VIOLATION_SYNTAX, "501 5.5.4 EHLO needs a name");
		return;
	}
	buf_reset(&session->talk.ehlo);
	buf_add(&session->talk.ehlo, arguments);
	envelope_reset(&session->talk.envelope);
	buf_init(&text, 0);
	add_line(&text, session->site->host->name, &last);
	for (size_t i = 0; i < keywords->count; i++) {
		if (is_offered_now(session, keywords->at[i])) {
			add_line(&text, keywords->at[i], &last);
		}
	}
	text.p[last] = ' ';
	if (smtp_answer(session, PHASE_EHLO, buf_string(&text)) / 100 != 2) {
		buf_reset(&session->talk.ehlo);
	}
	buf_clear(&text);
}

static void on_starttls(struct session *session, struct slice arguments)
{
	if (!smtp_offers(session, SLICE("STARTTLS"))) {
		refuse(session, VIOLATION_NOT_OFFERED, "502 5.5.1 STARTTLS is not offered");
	} else if (session->ssl != NULL) {
		refuse(session, VIOLATION_SEQUENCE, "503 5.5.1 TLS is already on");
	} else if (arguments.n > 0) {
		refuse(session, VIOLATION_SYNTAX, "501 5.5.4 STARTTLS takes no argument");
	} else if (smtp_answer(session, PHASE_STARTTLS, "220 2.0.0 go ahead") == 220) {
		/* All that was said before is forgotten (RFC 3207 section 4.2). */
		envelope_reset(&session->talk.envelope);
		buf_reset(&session->talk.ehlo);
		if (session->state != SESSION_ENDING) {
			session_start_tls(session);
		}
	}
}

/* Why MAIL cannot be said now; NULL when it can. */
static const char *mail_forbidden(const struct session *session)
{
	const struct profile *profile = profile_of(session);

	if (profile->tls_required && session->ssl == NULL) {
		return "530 5.7.0 must issue a STARTTLS command first";
	}
	if (profile->auth_required && !session->talk.authenticated) {
		return "530 5.7.0 authentication required";
	}
	if (profile->messages_max > 0 && session->talk.messages >= profile->messages_max) {
		return "421 4.7.0 too many messages in this connection";
	}
	return NULL;
}

static void on_mail(struct session *session, struct slice arguments)
{
	struct envelope *envelope = &session->talk.envelope;
	const char *forbidden = mail_forbidden(session);
	struct slice path;
	struct slice rest;

	if (session->talk.ehlo.n == 0 || envelope->open) {
		refuse(session, VIOLATION_SEQUENCE, "503 5.5.1 bad sequence of commands");
		return;
	}
	envelope_reset(envelope);
	if (!envelope_take_path(arguments, SLICE("FROM:"), &path, &rest)) {
		refuse(session, VIOLATION_SYNTAX, "501 5.5.4 syntax: MAIL FROM:<address>");
		return;
	}
	if (!envelope_take_parameters(session, true, rest)) {
		refuse(session, VIOLATION_NOT_OFFERED, "555 5.5.4 unknown MAIL parameter");
		return;
	}
	buf_add(&envelope->sender, path);
	if (forbidden == NULL && smtp_size_limit(session) > 0 &&
		envelope->size > smtp_size_limit(session)) {
		forbidden = "552 5.3.4 message too big";
	}
	envelope->open = smtp_answer(session, PHASE_MAIL,
				 forbidden != NULL ? forbidden : "250 2.1.0 sender ok") /
			100 ==
		2;
}

static void on_rcpt(struct session *session, struct slice arguments)
{
	struct envelope *envelope = &session->talk.envelope;
	struct slice path;
	struct slice rest;
	bool full = envelope->recipient_count >= profile_of(session)->recipients_max;

	if (!envelope->open) {
		refuse(session, VIOLATION_SEQUENCE, "503 5.5.1 need MAIL before RCPT");
		return;
	}
	if (!envelope_take_path(arguments, SLICE("TO:"), &path, &rest) || path.n == 0) {
		refuse(session, VIOLATION_SYNTAX, "501 5.5.4 syntax: RCPT TO:<address>");
		return;
	}
	if (!envelope_take_parameters(session, false, rest)) {
		refuse(session, VIOLATION_NOT_OFFERED, "555 5.5.4 unknown RCPT parameter");
		return;
	}
	envelope->recipient_count++;
	if (answer_to(session, PHASE_RCPT, path,
		    full ? "452 4.5.3 too many recipients" : "250 2.1.5 recipient ok") /
			100 ==
		2) {
		buf_add(&envelope->recipients, path);
		buf_add_byte(&envelope->recipients, '\n');
	} else {
		envelope->recipient_count--;
		envelope->refused_count++;
	}
}

static void on_data(struct session *session, struct slice arguments)
{
	struct envelope *envelope = &session->talk.envelope;

	if (arguments.n > 0) {
		refuse(session, VIOLATION_SYNTAX, "501 5.5.4 DATA takes no argument");
		return;
	}
	if (envelope->recipient_count == 0) {
		/* With PIPELINING a client may learn too late that nobody was accepted. */
		if (envelope->open && envelope->refused_count > 0) {
			(void)send_standard(session, "554 5.5.1 no valid recipients");
		} else {
			refuse(session, VIOLATION_SEQUENCE, "503 5.5.1 need RCPT before DATA");
		}
		return;
	}
	if (smtp_answer(session, PHASE_DATA, "354 go ahead") == 354 &&
		session->state == SESSION_COMMAND) {
		session->state = SESSION_MESSAGE;
		message_begin(&session->talk.message, ledger_wants_mail(session->server->ledger));
	}
}

static void on_rset(struct session *session, struct slice arguments)
{
	(void)arguments;
	envelope_reset(&session->talk.envelope);
	(void)smtp_answer(session, PHASE_RSET, "250 2.0.0 reset");
}

static void on_noop(struct session *session, struct slice arguments)
{
	(void)arguments;
	(void)smtp_answer(session, PHASE_NOOP, "250 2.0.0 still here");
}

static void on_vrfy(struct session *session, struct slice arguments)
{
	(void)arguments;
	(void)smtp_answer(session, PHASE_VRFY, "252 2.5.0 send some mail and see");
}

static void on_quit(struct session *session, struct slice arguments)
{
	(void)arguments;
	session->talk.orderly = true;
	if (smtp_answer(session, PHASE_QUIT, "221 2.0.0 bye") / 100 == 2) {
		session_end(session, THEN_CLOSE);
	}
}

/* `last`: nothing may be pipelined behind it (RFC 2920 section 3.1). */
static const struct command {
	struct slice name;
	void (*handle)(struct session *session, struct slice arguments);
	bool last;
} commands[] = {
	{{"MAIL", 4}, on_mail, false},
	{{"RCPT", 4}, on_rcpt, false},
	{{"DATA", 4}, on_data, true},
	{{"RSET", 4}, on_rset, false},
	{{"EHLO", 4}, on_ehlo, true},
	{{"HELO", 4}, on_helo, true},
	{{"STARTTLS", 8}, on_starttls, true},
	{{"AUTH", 4}, auth_start, true},
	{{"NOOP", 4}, on_noop, true},
	{{"QUIT", 4}, on_quit, true},
	{{"VRFY", 4}, on_vrfy, true},
};

static const struct command *find_command(struct slice name)
{
	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		if (slice_equal_nocase(commands[i].name, name)) {
			return &commands[i];
		}
	}
	return NULL;
}

bool smtp_line(struct session *session, struct slice line)
{
	const struct command *command;
	struct slice arguments = line;
	struct slice name = {0};

	log_text(session, "command", line);
	if (session->state == SESSION_AUTH) {
		auth_line(session, line);
		return true;
	}
	if (!output_is_empty(&session->out) && !smtp_offers(session, SLICE("PIPELINING"))) {
		session_note(session, VIOLATION_PIPELINING);
	}
	(void)slice_split(&arguments, ' ', &name);
	command = find_command(name);
	if (command == NULL) {
		session_note(session, VIOLATION_UNKNOWN_COMMAND);
		(void)smtp_answer(session, PHASE_UNKNOWN, "500 5.5.1 unknown command");
		return false;
	}
	if (session->talk.refused && command->handle != on_quit) {
		refuse(session, VIOLATION_SEQUENCE, "503 5.5.1 only QUIT is heard here");
		return true;
	}
	command->handle(session, arguments);
	return command->last;
}

/* What the message itself did wrong that only the envelope can tell. */
static void judge_message(struct session *session)
{
	struct message *message = &session->talk.message;
	const struct envelope *envelope = &session->talk.envelope;
	uint64_t limit = smtp_size_limit(session);

	if (message->has_8bit && !envelope->body_8bit && !envelope->smtputf8) {
		message->violations |= UINT32_C(1) << VIOLATION_8BIT;
	}
	if ((limit > 0 && message->size > limit) ||
		(envelope->size > 0 && message->size > envelope->size)) {
		message->violations |= UINT32_C(1) << VIOLATION_SIZE;
	}
}

static void tell_provider(struct session *session)
{
	if (session->site->isp != NULL) {
		isp_accepted(session->site->isp, slice_of(session->source), last_recipient(session),
			loop_now_us(session->server->loop));
	}
}

void smtp_dot(struct session *session)
{
	struct talk *talk = &session->talk;
	uint64_t limit = smtp_size_limit(session);
	char reply[64];
	unsigned code;

	judge_message(session);
	(void)snprintf(reply, sizeof(reply), "250 2.0.0 queued as %llu-%llu",
		(unsigned long long)session->number, (unsigned long long)talk->messages + 1);
	code = smtp_answer(session, PHASE_DOT,
		limit > 0 && talk->message.size > limit ? "552 5.3.4 message too big" : reply);
	if (code / 100 == 2 || talk->deeds.accept) {
		record_message(session);
		tell_provider(session);
	}
	envelope_reset(&talk->envelope);
}
