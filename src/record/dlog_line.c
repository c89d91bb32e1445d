/*
 * A line is written field by field into the turn's buffer; the names are KumoMTA's
 * where the meaning is equal, so that what reads its logs reads ours.  Everything that
 * came from somebody else goes through codec_json(): bytes are data here, whatever they
 * are.  What a receiver said is made printable before, as in Postgres: \xNN for what is
 * no text, so that the octets are kept and no terminal is steered by them.
 */
#include "dlog_line.h"

#include <string.h>

#include "base/codec.h"
#include "base/time.h"

enum { CONTENT_MAX = 1000 };

static void key(struct buf *out, const char *name)
{
	buf_add(out, SLICE(",\""));
	buf_add_text(out, name);
	buf_add(out, SLICE("\":"));
}

static void add_text(struct buf *out, const char *name, struct slice text)
{
	key(out, name);
	codec_json(out, text);
}

/* null where there is none. */
static void add_maybe(struct buf *out, const char *name, struct slice text)
{
	if (text.n > 0) {
		add_text(out, name, text);
	} else {
		key(out, name);
		buf_add(out, SLICE("null"));
	}
}

static void add_number(struct buf *out, const char *name, uint64_t number)
{
	key(out, name);
	buf_add_number(out, number);
}

static void add_id(struct buf *out, const char *name, const struct id *id)
{
	key(out, name);
	buf_add_byte(out, '"');
	id_add(out, *id);
	buf_add_byte(out, '"');
}

static void add_time(struct buf *out, const char *name, int64_t wall_us)
{
	key(out, name);
	buf_add_byte(out, '"');
	time_add_rfc3339(out, wall_us);
	buf_add_byte(out, '"');
}

static void add_flag(struct buf *out, const char *name, bool flag)
{
	key(out, name);
	buf_add(out, flag ? SLICE("true") : SLICE("false"));
}

static const char *type_of(enum outcome state)
{
	static const char *const types[OUTCOME_COUNT] = {
		[OUTCOME_RETRYING] = "TransientFailure",
		[OUTCOME_IN_DOUBT] = "InDoubt",
		[OUTCOME_DELIVERED] = "Delivery",
		[OUTCOME_BOUNCED] = "Bounce",
		[OUTCOME_EXPIRED] = "Expiration",
		[OUTCOME_SUPPRESSED] = "AdminBounce",
		[OUTCOME_CANCELLED] = "AdminBounce",
		[OUTCOME_FAILED] = "AdminBounce",
	};

	return types[state] != NULL ? types[state] : "TransientFailure";
}

/*
 * Blanks and colons in a name would make it unclear where the next part begins; what
 * is not printable ASCII has no business in a key.
 */
static void add_queue_part(struct buf *out, struct slice name)
{
	for (size_t i = 0; i < name.n; i++) {
		char c = name.p[i];
		bool plain = c > ' ' && c < 0x7f && strchr(":@\"\\", c) == NULL;

		buf_add_byte(out, plain ? c : '_');
	}
}

static void add_queue(struct buf *out, const struct campaign *campaign, struct slice recipient)
{
	size_t at = slice_find_last(recipient, '@');

	key(out, "queue");
	buf_add_byte(out, '"');
	add_queue_part(out, campaign->name);
	buf_add_byte(out, ':');
	add_queue_part(out, campaign->tenant->name);
	buf_add_byte(out, '@');
	add_queue_part(out, slice_from(recipient, at + 1));
	buf_add_byte(out, '"');
}

/* What both kinds of line begin with. */
static void add_head(struct buf *out, const struct job *job, enum outcome state,
	struct slice sender, struct slice recipient)
{
	buf_add(out, SLICE("{\"type\":\""));
	buf_add_text(out, type_of(state));
	buf_add_byte(out, '"');
	add_id(out, "id", &job->id);
	add_text(out, "sender", sender);
	add_text(out, "recipient", recipient);
	add_queue(out, job->batch->campaign, recipient);
}

static void add_times(struct buf *out, const struct job *job, int64_t wall_us)
{
	int64_t created_ms = id_wall_ms(job->id);

	add_number(out, "timestamp", (uint64_t)(wall_us / TIME_SECOND_US));
	add_time(out, "event_time", wall_us);
	add_number(out, "created", (uint64_t)(created_ms / 1000));
	add_time(out, "created_time", created_ms * 1000);
}

/* What both kinds of line end with: the names that are ours alone. */
static void add_tail(struct buf *out, struct slice node, const struct job *job, enum outcome state)
{
	const struct campaign *campaign = job->batch->campaign;

	add_text(out, "nodeid", node);
	add_text(out, "state", slice_of(outcome_word(state)));
	add_id(out, "tenant_id", &campaign->tenant->id);
	add_text(out, "tenant", campaign->tenant->name);
	add_id(out, "campaign_id", &campaign->id);
	add_text(out, "campaign", campaign->name);
	buf_add(out, SLICE(",\"meta\":{}}\n"));
}

static void add_enhanced(struct buf *out, const struct enhanced *enhanced)
{
	key(out, "enhanced_code");
	if (enhanced->class == 0) {
		buf_add(out, SLICE("null"));
		return;
	}
	buf_add(out, SLICE("{\"class\":"));
	buf_add_number(out, enhanced->class);
	add_number(out, "subject", enhanced->subject);
	add_number(out, "detail", enhanced->detail);
	buf_add_byte(out, '}');
}

static void add_content(struct buf *out, struct slice text)
{
	struct buf printable;

	buf_init(&printable, 0);
	codec_printable(&printable, text, CONTENT_MAX);
	add_text(out, "content", buf_slice(&printable));
	buf_clear(&printable);
}

static void add_response(struct buf *out, const struct evidence *evidence)
{
	bool reply = evidence->code != 0;

	key(out, "response");
	buf_add(out, SLICE("{\"code\":"));
	buf_add_number(out, evidence->code);
	add_enhanced(out, &evidence->enhanced);
	add_content(out, evidence->text);
	add_maybe(out, "command",
		reply ? slice_of(phase_command(evidence->phase)) : (struct slice){NULL, 0});
	buf_add_byte(out, '}');
}

static void add_peer(struct buf *out, const struct route *route)
{
	key(out, "peer_address");
	if (route->mx.n == 0 && route->mx_address.n == 0) {
		buf_add(out, SLICE("null"));
		return;
	}
	buf_add(out, SLICE("{\"name\":"));
	codec_json(out, route->mx);
	add_maybe(out, "addr", route->mx_address);
	buf_add_byte(out, '}');
}

static void add_source_address(struct buf *out, struct slice address)
{
	key(out, "source_address");
	if (address.n == 0) {
		buf_add(out, SLICE("null"));
		return;
	}
	buf_add(out, SLICE("{\"address\":"));
	codec_json(out, address);
	buf_add_byte(out, '}');
}

static void add_route(struct buf *out, const struct route *route)
{
	add_maybe(out, "egress_pool", route->pool);
	add_maybe(out, "egress_source", route->source);
	add_source_address(out, route->source_address);
	add_text(out, "delivery_protocol", SLICE("ESMTP"));
	add_maybe(out, "tls_cipher", route->tls_cipher);
	add_maybe(out, "tls_protocol_version", route->tls_version);
	add_maybe(out, "session_id", route->session);
	add_maybe(out, "provider", route->provider);
}

static void add_verdict(struct buf *out, const struct attempt *attempt)
{
	const struct evidence *evidence = &attempt->evidence;

	add_text(out, "category", slice_of(category_word(attempt->verdict.category)));
	add_text(out, "scope", slice_of(scope_word(attempt->verdict.scope)));
	add_text(out, "action", slice_of(action_word(attempt->verdict.action)));
	add_text(out, "phase", slice_of(phase_word(evidence->phase)));
	add_maybe(out, "failure", slice_of(failure_word(evidence->failure)));
	add_id(out, "attempt_id", &attempt->id);
	add_number(out, "attempt", (uint64_t)(unsigned)attempt->number);
	add_number(out, "duration_ms", (uint64_t)(attempt->duration_us / 1000));
	add_flag(out, "possible_duplicate", attempt->possible_duplicate);
	add_flag(out, "bytes_differ", attempt->bytes_differ);
	if (attempt->state == OUTCOME_RETRYING) {
		add_time(out, "due", attempt->due_us);
	}
}

/* KumoMTA's word for what it cannot classify, and for what needs no class. */
static struct slice classification(const struct attempt *attempt)
{
	if (attempt->state == OUTCOME_DELIVERED || attempt->verdict.category == CATEGORY_UNKNOWN) {
		return SLICE("Uncategorized");
	}
	return slice_of(category_word(attempt->verdict.category));
}

void dlog_add_attempt(struct buf *out, struct slice node, const struct attempt *attempt)
{
	const struct job *job = attempt->job;
	struct slice recipient = attempt->recipient.n > 0 ? attempt->recipient : job->recipient;
	int before = attempt->number > 0 ? attempt->number - 1 : 0;

	add_head(out, job, attempt->state, attempt->mail_from, recipient);
	add_text(out, "site", attempt->route.site);
	add_number(out, "size", attempt->size_bytes);
	add_response(out, &attempt->evidence);
	add_peer(out, &attempt->route);
	add_times(out, job, attempt->at_us);
	add_number(out, "num_attempts", (uint64_t)(unsigned)before);
	add_text(out, "bounce_classification", classification(attempt));
	add_route(out, &attempt->route);
	add_verdict(out, attempt);
	add_tail(out, node, job, attempt->state);
}

void dlog_add_skip(struct buf *out, struct slice node, const struct job *job, enum outcome state,
	struct slice reason, int64_t wall_us)
{
	struct evidence evidence = {.text = reason};

	add_head(out, job, state, (struct slice){NULL, 0}, job->recipient);
	add_text(out, "site", (struct slice){NULL, 0});
	add_number(out, "size", 0);
	add_response(out, &evidence);
	add_times(out, job, wall_us);
	add_number(out, "num_attempts", (uint64_t)(unsigned)job->attempts);
	add_text(out, "bounce_classification", SLICE("Uncategorized"));
	add_tail(out, node, job, state);
}
