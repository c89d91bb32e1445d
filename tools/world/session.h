/*
 * One connection to one of the world's servers.  Three files work on it:
 * session.c moves bytes (TLS, time, cuts, the end), smtp.c holds the dialogue of a
 * proper server, script.c plays the scripts of improper ones.
 */
#ifndef WORLD_SESSION_H
#define WORLD_SESSION_H

#include <arpa/inet.h>

#include "message.h"
#include "output.h"
#include "server.h"

enum session_state {
	SESSION_COMMAND,
	SESSION_MESSAGE,
	SESSION_AUTH, /* the next line answers a 334 */
	SESSION_SCRIPT,
	SESSION_HANDSHAKE,
	SESSION_ENDING, /* bytes are read and thrown away */
	SESSION_STALLED,
	SESSION_DEAD,
};

struct envelope {
	bool open; /* MAIL was accepted */
	bool smtputf8;
	bool body_8bit;
	uint64_t size; /* announced */
	uint64_t recipient_count;
	uint64_t refused_count;
	struct buf sender;
	struct buf recipients; /* a line each */
};

enum auth_step {
	AUTH_PLAIN,
	AUTH_USER,
	AUTH_PASSWORD,
};

/* What smtp.c knows. */
struct talk {
	struct buf ehlo; /* empty until the client has said who it is */
	struct envelope envelope;
	struct message message;
	uint64_t messages;    /* accepted in this session */
	uint32_t violations;  /* since the last line of the ledger */
	struct rule_do deeds; /* of the last decision */
	enum auth_step auth_step;
	struct buf auth_user; /* who signs in; kept after it was accepted */
	bool authenticated;
	bool refused; /* the greeting was no 220: only QUIT is heard (RFC 5321 section 3.1) */
	bool orderly; /* QUIT was said, or we close by ourselves */
};

struct script_run {
	const struct script *script;
	size_t at;
	uint64_t skipped;
	struct message message; /* for its end only */
	bool in_message;
};

/* Where the stream shall be cut: octets still to go, -1 = nowhere. */
struct cut {
	int64_t received;
	int64_t sent;
	enum then then;
};

struct session {
	struct watch watch;
	struct alarm alarm;
	struct list_link link; /* of server->sessions, or of dead */
	struct list_link dirty;
	struct server *server;
	struct site *site;
	struct source_count *count;
	bool known; /* to the model of the site's provider, as a connection of this source */
	uint64_t number;
	char source[INET_ADDRSTRLEN];
	SSL *ssl;
	enum session_state state;
	struct buf in; /* of a line that is not complete */
	struct output out;
	struct cut cut;
	struct talk talk;
	struct script_run run;
	int64_t active_us;
};

/* Takes the fd over. */
void session_open(struct site *site, int fd, const struct sockaddr_in *peer);

/* At the end of the turn, and when the server ends. */
void session_flush(struct session *session);
void session_free(struct session *session);

/* For smtp.c and script.c: say something, then end. */
void session_send(struct session *session, struct slice bytes, uint64_t times);
void session_end(struct session *session, enum then then);
void session_start_tls(struct session *session);
void session_note(struct session *session, enum violation violation);

/* Begins a line of the events with the session's keys; NULL when nobody listens. */
struct buf *session_event(struct session *session, const char *event);

/*
 * smtp.c: the connection is new; a whole line without its end (true when nothing may
 * be pipelined behind it); the final dot came.
 */
void smtp_connect(struct session *session);
bool smtp_line(struct session *session, struct slice line);
void smtp_dot(struct session *session);
void smtp_clear(struct session *session);

/* auth.c: AUTH and the lines that answer its 334s. */
void auth_start(struct session *session, struct slice arguments);
void auth_line(struct session *session, struct slice line);

/*
 * One reply: what the rules say, else `standard` (lines without CRLF, "250-" by
 * itself).  Returns its code, 0 when nothing with a code was said.
 */
unsigned smtp_answer(struct session *session, enum phase phase, const char *standard);

/* envelope.c */
void envelope_reset(struct envelope *envelope);
bool envelope_take_path(struct slice arguments, struct slice keyword, struct slice *ret_path,
	struct slice *ret_parameters);
bool envelope_take_parameters(struct session *session, bool of_mail, struct slice text);
uint64_t smtp_size_limit(const struct session *session); /* 0 = none */

/* Whether a keyword of the EHLO reply begins with this word. */
bool smtp_offers(const struct session *session, struct slice word);

/* record.c: writes the message of the open envelope down. */
void record_message(struct session *session);

/* How a rule shapes what follows: cuts, delays, split. */
void session_shape(struct session *session, const struct rule_do *deeds);

/* script.c: takes the connection over; then each input.  Returns how much it took. */
void script_start(struct session *session, const struct script *script);
size_t script_feed(struct session *session, struct slice bytes);

#endif
