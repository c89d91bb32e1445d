/*
 * Scripts: a server that follows a fixed course of bytes, waits and expectations,
 * whatever the client says.  For servers that no set of rules could describe.
 *
 * Steps that say something are queued at once, up to the next step that needs
 * input.  A script without an `end` goes silent where it ends.
 */
#include "session.h"

static void run(struct session *session)
{
	struct script_run *r = &session->run;

	while (r->at < r->script->count && session->state == SESSION_SCRIPT) {
		const struct step *step = &r->script->steps[r->at];

		switch (step->kind) {
		case STEP_SEND:
			session_send(session, step->bytes, step->count);
			break;
		case STEP_WAIT:
			output_wait(&session->out, step->wait_us);
			break;
		case STEP_END:
			session->talk.orderly = true;
			session_end(session, step->then);
			break;
		default: /* needs input */
			return;
		}
		r->at++;
	}
	if (session->state == SESSION_SCRIPT) {
		session_end(session, THEN_SILENCE);
	}
}

void script_start(struct session *session, const struct script *script)
{
	session->run.script = script;
	session->run.at = 0;
	session->run.skipped = 0;
	session->state = SESSION_SCRIPT;
	run(session);
}

/* Lines that do not begin as expected are passed over. */
static size_t take_expected(struct session *session, struct slice wanted, struct slice bytes)
{
	size_t end = slice_find(bytes, '\n');
	struct slice line = slice_trim(slice_first(bytes, end));
	struct buf *event;

	if (end == bytes.n) {
		return 0;
	}
	event = session_event(session, "command");
	if (event != NULL) {
		json_text(event, "text", line);
		ledger_end(event);
	}
	if (slice_starts_nocase(line, wanted)) {
		session->run.at++;
	}
	return end + 1;
}

static size_t take_skipped(struct script_run *r, uint64_t wanted, struct slice bytes)
{
	size_t taken = slice_first(bytes, (size_t)(wanted - r->skipped)).n;

	r->skipped += taken;
	if (r->skipped == wanted) {
		r->skipped = 0;
		r->at++;
	}
	return taken;
}

static size_t take_message(struct script_run *r, struct slice bytes)
{
	size_t taken;

	if (!r->in_message) {
		message_begin(&r->message, false);
		r->in_message = true;
	}
	if (message_feed(&r->message, bytes, &taken)) {
		r->in_message = false;
		r->at++;
	}
	return taken;
}

size_t script_feed(struct session *session, struct slice bytes)
{
	struct script_run *r = &session->run;
	const struct step *step = &r->script->steps[r->at];
	size_t taken;

	switch (step->kind) {
	case STEP_SKIP:
		taken = take_skipped(r, step->count, bytes);
		break;
	case STEP_MESSAGE:
		taken = take_message(r, bytes);
		break;
	default:
		taken = take_expected(session, step->bytes, bytes);
		break;
	}
	run(session);
	return taken;
}
