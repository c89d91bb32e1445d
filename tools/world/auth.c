/*
 * AUTH PLAIN and LOGIN (RFC 4954, RFC 4616), with the users of the configuration.
 *
 * Rules of the phase `auth` replace the verdict, not the 334s: those only carry the
 * exchange.  A password is compared and never logged: the events show the command
 * lines of an exchange as they came, so a world's users must be made-up ones.
 */
#include "session.h"

#include "base/codec.h"

static bool is_user(const struct session *session, struct slice user, struct slice password)
{
	const struct texts *users = &session->site->host->profile->users;

	for (size_t i = 0; i < users->count; i++) {
		struct slice rest = users->at[i];
		struct slice name = {0};

		(void)slice_split(&rest, ':', &name);
		if (slice_equal(name, user) && slice_equal(rest, password)) {
			return true;
		}
	}
	return false;
}

static void finish(struct session *session, struct slice user, struct slice password)
{
	struct talk *talk = &session->talk;
	bool known = is_user(session, user, password);

	session->state = SESSION_COMMAND;
	talk->authenticated =
		smtp_answer(session, PHASE_AUTH,
			known ? "235 2.7.0 welcome" : "535 5.7.8 wrong user or password") == 235;
	if (talk->authenticated && user.p != talk->auth_user.p) {
		buf_reset(&talk->auth_user);
		buf_add(&talk->auth_user, user);
	}
}

static void fail(struct session *session, const char *reply)
{
	session->state = SESSION_COMMAND;
	session_note(session, VIOLATION_SYNTAX);
	session_send(session, slice_of(reply), 1);
}

static void ask(struct session *session, enum auth_step step, struct slice challenge)
{
	session->state = SESSION_AUTH;
	session->talk.auth_step = step;
	session_send(session, SLICE("334 "), 1);
	session_send(session, challenge, 1);
	session_send(session, SLICE("\r\n"), 1);
}

/* authorization NUL user NUL password */
static void take_plain(struct session *session, struct slice decoded)
{
	struct slice part;
	struct slice user;

	if (!slice_split(&decoded, '\0', &part) || !slice_split(&decoded, '\0', &user) ||
		decoded.p == NULL) {
		fail(session, "501 5.5.2 malformed PLAIN response\r\n");
		return;
	}
	finish(session, user, decoded);
}

static void take_response(struct session *session, struct slice decoded)
{
	struct talk *talk = &session->talk;

	switch (talk->auth_step) {
	case AUTH_PLAIN:
		take_plain(session, decoded);
		break;
	case AUTH_USER:
		buf_reset(&talk->auth_user);
		buf_add(&talk->auth_user, decoded);
		ask(session, AUTH_PASSWORD, SLICE("UGFzc3dvcmQ6"));
		break;
	case AUTH_PASSWORD:
		finish(session, buf_slice(&talk->auth_user), decoded);
		break;
	}
}

void auth_line(struct session *session, struct slice line)
{
	struct buf decoded;

	if (slice_equal(line, SLICE("*"))) {
		session->state = SESSION_COMMAND;
		session_send(session, SLICE("501 5.7.0 given up\r\n"), 1);
		return;
	}
	buf_init(&decoded, 0);
	if (codec_base64_decode(&decoded, line)) {
		take_response(session, buf_slice(&decoded));
	} else {
		fail(session, "501 5.5.2 not base64\r\n");
	}
	buf_clear(&decoded);
}

void auth_start(struct session *session, struct slice arguments)
{
	struct slice mechanism = {0};

	if (!smtp_offers(session, SLICE("AUTH"))) {
		session_note(session, VIOLATION_NOT_OFFERED);
		session_send(session, SLICE("502 5.5.1 AUTH is not offered\r\n"), 1);
		return;
	}
	if (session->talk.ehlo.n == 0 || session->talk.authenticated ||
		session->talk.envelope.open) {
		session_note(session, VIOLATION_SEQUENCE);
		session_send(session, SLICE("503 5.5.1 AUTH is not allowed here\r\n"), 1);
		return;
	}
	(void)slice_split(&arguments, ' ', &mechanism);
	if (slice_equal_nocase(mechanism, SLICE("PLAIN"))) {
		session->talk.auth_step = AUTH_PLAIN;
		if (arguments.p != NULL) {
			auth_line(session, arguments);
		} else {
			ask(session, AUTH_PLAIN, SLICE(""));
		}
	} else if (slice_equal_nocase(mechanism, SLICE("LOGIN"))) {
		session->talk.auth_step = AUTH_USER;
		if (arguments.p != NULL) {
			auth_line(session, arguments);
		} else {
			ask(session, AUTH_USER, SLICE("VXNlcm5hbWU6"));
		}
	} else {
		session_send(session, SLICE("504 5.5.4 unknown mechanism\r\n"), 1);
	}
}
