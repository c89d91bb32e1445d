/*
 * How a message and a session end.
 *
 * A message has one outcome and a session one end; both are evidence, kept until the
 * caller takes them.  Whatever breaks the session is also the outcome of a message
 * that was under way, in doubt if its final dot was out.  A session that is clean
 * but unwanted leaves with QUIT; one whose stream cannot be trusted says nothing more.
 */
#include "dialogue_private.h"

/* A reply without an enhanced code that is one says X.0.0 (RFC 3463 section 3.1). */
struct evidence dialogue_evidence(struct dialogue *d, enum step step, const struct reply *reply)
{
	struct evidence evidence = {
		.phase = dialogue_step_phase(step),
		.code = reply->code,
		.enhanced = reply->enhanced,
		.text = reply_join(&d->parser),
	};

	if (evidence.enhanced.class == 0) {
		evidence.enhanced.class = (uint8_t)(reply->code / 100);
	}
	return evidence;
}

void dialogue_settle(struct dialogue *d, const struct evidence *evidence)
{
	if (d->envelope != NULL) {
		d->envelope = NULL;
		d->outcome = *evidence;
		d->outcome_notice = NOTICE_WAITS;
	}
}

static bool is_tls_trouble(const struct dialogue *d, const struct evidence *evidence)
{
	if (evidence->failure == FAILURE_TLS_INJECTION || evidence->failure == FAILURE_LOCAL) {
		return false; /* an attack is no reason to go without TLS */
	}
	return dialogue_head(d) == STEP_TLS || evidence->failure == FAILURE_TLS_FAILED ||
		evidence->failure == FAILURE_TLS_UNVERIFIED;
}

/* A refused login is the same at the relay's next host; a shortage is our own. */
static bool is_hosts_fault(const struct evidence *evidence)
{
	return evidence->failure != FAILURE_LOCAL &&
		(evidence->phase != PHASE_AUTH || evidence->code / 100 != 5);
}

static void end_session(struct dialogue *d, const struct evidence *evidence)
{
	dialogue_settle(d, evidence);
	if (d->end_notice != NOTICE_NONE) {
		return;
	}
	d->end_notice = NOTICE_WAITS;
	d->end.evidence = *evidence;
	if (!d->end.was_ready && (evidence->code != 0 || evidence->failure != FAILURE_NONE)) {
		d->end.try_next_host = is_hosts_fault(evidence);
		d->end.tls_broken =
			d->settings->tls == TLS_POLICY_OPPORTUNISTIC && is_tls_trouble(d, evidence);
	}
}

void dialogue_leave(struct dialogue *d, const struct evidence *evidence)
{
	end_session(d, evidence);
	d->queued = 0;
	dialogue_command(d, "QUIT", STEP_QUIT);
}

void dialogue_break(struct dialogue *d, const struct evidence *evidence)
{
	end_session(d, evidence);
	dialogue_expect(d, STEP_OVER);
}

void dialogue_wrong(struct dialogue *d, enum step step, const struct reply *reply)
{
	struct evidence evidence = dialogue_evidence(d, step, reply);

	evidence.failure = FAILURE_PROTOCOL;
	evidence.enhanced = failure_enhanced(FAILURE_PROTOCOL);
	evidence.dot_sent = step == STEP_DOT;
	dialogue_break(d, &evidence);
}

struct evidence dialogue_failure(const struct dialogue *d, enum failure failure)
{
	struct evidence evidence = evidence_of_failure(dialogue_phase(d), failure);

	evidence.dot_sent = dialogue_head(d) == STEP_DOT;
	return evidence;
}

void dialogue_break_off(struct dialogue *d, enum failure failure)
{
	struct evidence evidence = dialogue_failure(d, failure);

	dialogue_break(d, &evidence);
}

void dialogue_ready(struct dialogue *d)
{
	static const struct evidence in_order = {0};

	d->end.was_ready = true;
	if (d->parser.bare_lf && d->messages > 0) {
		dialogue_leave(d, &in_order);
	} else {
		dialogue_expect(d, STEP_READY);
	}
}

/*
 * A connection that had served before and was closed before any answer to the next
 * MAIL (or RSET): the server had given it up while it was idle (R7).
 */
static bool is_idle_close(const struct dialogue *d)
{
	enum step step = dialogue_head(d);

	return (step == STEP_MAIL || step == STEP_RSET) && d->messages > 1 &&
		reply_idle(&d->parser);
}

void dialogue_failed(
	struct dialogue *dialogue, enum failure failure, struct slice text, int64_t now_us)
{
	struct evidence evidence = dialogue_failure(dialogue, failure);

	if (text.n > 0) {
		buf_reset(&dialogue->note);
		buf_add(&dialogue->note, slice_first(text, DIALOGUE_NOTE_BYTES));
		evidence.text = buf_slice(&dialogue->note);
	}
	if (failure == FAILURE_LOST && is_idle_close(dialogue)) {
		evidence.phase = PHASE_IDLE;
	} else if (failure == FAILURE_LOST && dialogue_head(dialogue) == STEP_READY) {
		evidence = (struct evidence){0}; /* the server closed an idle connection */
	}
	dialogue_break(dialogue, &evidence);
	dialogue_time(dialogue, now_us);
}

void dialogue_timed_out(struct dialogue *dialogue, int64_t now_us)
{
	dialogue_break_off(dialogue, FAILURE_TIMED_OUT);
	dialogue_time(dialogue, now_us);
}

void dialogue_abort(struct dialogue *dialogue, enum failure failure, int64_t now_us)
{
	struct evidence evidence = dialogue_failure(dialogue, failure);

	dialogue_settle(dialogue, &evidence);
	dialogue_break(dialogue, &(struct evidence){0});
	dialogue_time(dialogue, now_us);
}
