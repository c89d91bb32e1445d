/*
 * The dialogue up to the first MAIL: greeting, EHLO or HELO, STARTTLS, AUTH
 * (RFC 5321 sections 3.1 and 3.2, RFC 3207, RFC 4954).
 *
 * A host that refuses here says something about itself, not about a message: the
 * session ends with QUIT and the next host is tried.  Credentials go to configured
 * relays only and only inside TLS, however loudly a server offers AUTH (T17).
 */
#include <string.h>

#include "base/codec.h"
#include "dialogue_private.h"

static void refuse(struct dialogue *d, enum step step, const struct reply *reply)
{
	struct evidence evidence = dialogue_evidence(d, step, reply);

	dialogue_leave(d, &evidence);
}

static void give_up(struct dialogue *d, enum phase phase, enum failure failure)
{
	struct evidence evidence = evidence_of_failure(phase, failure);

	dialogue_leave(d, &evidence);
}

static void greet(struct dialogue *d, const char *verb, enum step step)
{
	buf_add_text(d->out, verb);
	buf_add(d->out, d->settings->ehlo);
	dialogue_command(d, "", step);
}

void dialogue_hello(struct dialogue *d)
{
	greet(d, "EHLO ", STEP_EHLO);
}

void dialogue_on_greeting(struct dialogue *d, enum step step, const struct reply *reply)
{
	if (reply_class(reply) == 2) {
		dialogue_hello(d);
	} else if (reply_refuses(reply)) {
		refuse(d, step, reply);
	} else {
		dialogue_wrong(d, step, reply);
	}
}

static void log_in_plain(struct dialogue *d)
{
	struct buf plain;

	buf_init(&plain, 0);
	buf_add_byte(&plain, '\0');
	buf_add(&plain, d->settings->username);
	buf_add_byte(&plain, '\0');
	buf_add(&plain, d->settings->password);
	buf_add_text(d->out, "AUTH PLAIN ");
	codec_base64(d->out, buf_slice(&plain), 0);
	dialogue_command(d, "", STEP_AUTH_PLAIN);
	explicit_bzero(plain.p, plain.n);
	buf_clear(&plain);
}

static void log_in(struct dialogue *d)
{
	if (d->settings->username.n == 0) {
		dialogue_ready(d);
	} else if (d->secure && ehlo_offers(&d->ehlo, EHLO_AUTH_PLAIN)) {
		log_in_plain(d);
	} else if (d->secure && ehlo_offers(&d->ehlo, EHLO_AUTH_LOGIN)) {
		dialogue_command(d, "AUTH LOGIN", STEP_AUTH_LOGIN);
	} else {
		give_up(d, PHASE_AUTH, FAILURE_AUTH_MISSING);
	}
}

/* EHLO or HELO was accepted. */
static void go_on(struct dialogue *d)
{
	enum tls_policy tls = d->settings->tls;
	bool offered = ehlo_offers(&d->ehlo, EHLO_STARTTLS);
	bool wanted =
		tls == TLS_POLICY_OPPORTUNISTIC ? !d->settings->clear_only : tls != TLS_POLICY_NONE;

	if (!d->secure && offered && wanted) {
		dialogue_command(d, "STARTTLS", STEP_STARTTLS);
	} else if (!d->secure && tls >= TLS_POLICY_REQUIRED) {
		give_up(d, PHASE_EHLO, FAILURE_TLS_MISSING);
	} else {
		log_in(d);
	}
}

/* The codes for "I do not know EHLO" (RFC 5321 section 3.2). */
static bool is_old_server(unsigned code)
{
	return code == 500 || code == 502 || code == 504 || code == 550;
}

void dialogue_on_ehlo(struct dialogue *d, enum step step, const struct reply *reply)
{
	if (reply_class(reply) == 2) {
		d->ehlo = ehlo_parse(reply->text);
		go_on(d);
	} else if (is_old_server(reply->code)) {
		greet(d, "HELO ", STEP_HELO);
	} else if (reply_refuses(reply)) {
		refuse(d, step, reply);
	} else {
		dialogue_wrong(d, step, reply);
	}
}

void dialogue_on_helo(struct dialogue *d, enum step step, const struct reply *reply)
{
	if (reply_class(reply) == 2) {
		go_on(d);
	} else if (reply_refuses(reply)) {
		refuse(d, step, reply);
	} else {
		dialogue_wrong(d, step, reply);
	}
}

void dialogue_on_starttls(struct dialogue *d, enum step step, const struct reply *reply)
{
	if (reply->code == 220) {
		dialogue_push(d, STEP_TLS);
	} else if (!reply_refuses(reply)) {
		dialogue_wrong(d, step, reply);
	} else if (d->settings->tls == TLS_POLICY_OPPORTUNISTIC) {
		log_in(d);
	} else {
		refuse(d, step, reply);
	}
}

void dialogue_on_auth(struct dialogue *d, enum step step, const struct reply *reply)
{
	if (reply_refuses(reply)) {
		refuse(d, step, reply);
	} else if (reply->code == 235 && step != STEP_AUTH_LOGIN && step != STEP_AUTH_USER) {
		dialogue_ready(d);
	} else if (reply->code == 334 && step == STEP_AUTH_LOGIN) {
		codec_base64(d->out, d->settings->username, 0);
		dialogue_command(d, "", STEP_AUTH_USER);
	} else if (reply->code == 334 && step == STEP_AUTH_USER) {
		codec_base64(d->out, d->settings->password, 0);
		dialogue_command(d, "", STEP_AUTH_PASSWORD);
	} else {
		dialogue_wrong(d, step, reply);
	}
}
