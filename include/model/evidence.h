/*
 * What happened to one attempt, before anybody says what it means: the phase, and
 * either a receiver's reply or a failure of our own.  Both are of one type, so
 * that one classifier and one log line serve both.  No opinion is in here; the
 * opinion is the verdict (model/verdict.h).
 */
#ifndef MODEL_EVIDENCE_H
#define MODEL_EVIDENCE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

/* name, word (log, SQL), the command a reply answers */
#define PHASES(X) \
	X(COMPOSE, "compose", "") \
	X(RESOLVE, "resolve", "") \
	X(CONNECT, "connect", "") \
	X(GREETING, "greeting", "") \
	X(EHLO, "ehlo", "EHLO") \
	X(STARTTLS, "starttls", "STARTTLS") \
	X(TLS, "tls", "") \
	X(AUTH, "auth", "AUTH") \
	X(MAIL, "mail", "MAIL FROM") \
	X(RCPT, "rcpt", "RCPT TO") \
	X(DATA, "data", "DATA") \
	X(BODY, "body", "") \
	X(DOT, "dot", ".") \
	X(RSET, "rset", "RSET") \
	X(QUIT, "quit", "QUIT") \
	X(IDLE, "idle", "")

#define PHASE_ENUM(name, word, command) PHASE_##name,
enum phase { PHASES(PHASE_ENUM) PHASE_COUNT };
#undef PHASE_ENUM

/*
 * Failures that are ours or the network's: name, word, enhanced code, text.  They
 * carry the RFC 3463 code that a reply saying the same would have had.
 */
#define FAILURES(X) \
	X(NONE, "", 0, 0, 0, "") \
	X(DNS_TEMPORARY, "dns_temporary", 4, 4, 3, "the domain's DNS did not answer") \
	X(DNS_NO_DOMAIN, "dns_no_domain", 5, 1, 2, "the domain does not exist") \
	X(DNS_NULL_MX, "null_mx", 5, 1, 10, "556 the domain accepts no mail (null MX)") \
	X(DNS_NO_ADDRESS, "dns_no_address", 5, 4, 4, "no mail host of the domain has an address") \
	X(DNS_LOOP, "mail_loop", 5, 4, 6, "the domain's best mail host is this system") \
	X(GUARDED, "mx_prohibited", 5, 4, 4, "the mail hosts' addresses are not allowed") \
	X(REFUSED, "connect_refused", 4, 4, 1, "the connection was refused") \
	X(UNREACHABLE, "unreachable", 4, 4, 1, "the host cannot be reached") \
	X(TIMED_OUT, "timed_out", 4, 4, 2, "the host did not answer in time") \
	X(LOST, "connection_lost", 4, 4, 2, "the connection was lost") \
	X(PROTOCOL, "protocol", 4, 5, 0, "the host broke the SMTP protocol") \
	X(UNSOLICITED, "unsolicited", 4, 5, 0, "the host answered what was not asked") \
	X(TLS_INJECTION, "starttls_injection", 4, 7, 5, \
		"plain bytes followed the answer to STARTTLS") \
	X(TLS_FAILED, "tls_failed", 4, 7, 5, "the TLS handshake failed") \
	X(TLS_UNVERIFIED, "tls_unverified", 4, 7, 5, \
		"the host's certificate does not prove its name") \
	X(TLS_MISSING, "tls_missing", 4, 7, 4, "TLS is required and the host does not offer it") \
	X(AUTH_MISSING, "auth_missing", 4, 7, 8, \
		"the relay offers no way to log in that we may use") \
	X(TOO_LARGE, "too_large", 5, 3, 4, "the message is larger than the host accepts") \
	X(NO_SMTPUTF8, "no_smtputf8", 5, 6, 7, "the address needs SMTPUTF8, which the host lacks") \
	X(BAD_ADDRESS, "bad_address", 5, 1, 3, "the recipient's address is not valid") \
	X(COMPOSE, "compose_error", 5, 6, 0, "the message cannot be composed") \
	X(NO_KEY, "no_key", 4, 7, 0, "no usable DKIM key for the sender's domain") \
	X(NO_ROUTE, "no_route", 5, 4, 4, "no pool or source can send it") \
	X(HELD_BACK, "gate_closed", 4, 3, 0, "stopped before the final dot") \
	X(LOCAL, "local_shortage", 4, 3, 1, "this system is short of a resource")

#define FAILURE_ENUM(name, word, class, subject, detail, text) FAILURE_##name,
enum failure { FAILURES(FAILURE_ENUM) FAILURE_COUNT };
#undef FAILURE_ENUM

/* RFC 3463: class 2, 4 or 5; all zero = there was none. */
struct enhanced {
	uint8_t class;
	uint16_t subject;
	uint16_t detail;
};

/* The text is borrowed from whoever made the evidence: for the call only. */
struct evidence {
	enum phase phase;
	enum failure failure; /* FAILURE_NONE: code and text are the receiver's */
	unsigned code;        /* 200..599; 0 where no reply came */
	struct enhanced enhanced;
	struct slice text; /* lines joined by a blank, raw bytes, without code and enhanced code */
	bool dot_sent;     /* the final dot was (partly) written and has no answer */
};

const char *phase_word(enum phase phase);
const char *phase_command(enum phase phase);
bool phase_parse(struct slice word, enum phase *ret_phase);
const char *failure_word(enum failure failure); /* "" = none */
bool failure_parse(struct slice word, enum failure *ret_failure);
const char *failure_text(enum failure failure);
struct enhanced failure_enhanced(enum failure failure);

/* Of a failure of our own, with its enhanced code and its text. */
struct evidence evidence_of_failure(enum phase phase, enum failure failure);

#endif
