/*
 * Fields stand in a fixed order, numbers in fixed widths, texts behind their length.
 * Writing and reading are two lists that must be in step; the unit test sends every
 * field through both.
 */
#include "spool/entry.h"

#include "number.h"

/* What the words and numbers of an entry come to besides its texts: generous. */
enum { FIXED_MOST = 512 };

static void add_id(struct buf *out, const struct id *id)
{
	buf_add(out, id_slice(id));
}

static void add_text(struct buf *out, struct slice text, size_t most)
{
	struct slice kept = slice_first(text, most);

	number_add16(out, (uint16_t)kept.n);
	buf_add(out, kept);
}

static void add_word(struct buf *out, const char *word)
{
	add_text(out, slice_of(word), ENTRY_TEXT_MAX);
}

static void add_flags(struct buf *out, const struct attempt *attempt)
{
	const struct batch *batch = attempt->job->batch;

	buf_add_byte(out,
		(char)((attempt->evidence.dot_sent ? 1 : 0) |
			(attempt->possible_duplicate ? 2 : 0) | (batch->refiled ? 4 : 0) |
			(attempt->bytes_differ ? 8 : 0)));
}

static void add_job(struct buf *out, const struct job *job)
{
	const struct batch *batch = job->batch;
	const struct campaign *campaign = batch->campaign;

	add_id(out, &campaign->tenant->id);
	add_id(out, &campaign->id);
	add_id(out, &campaign->content);
	add_id(out, &batch->id);
	add_id(out, &batch->token);
	add_id(out, &job->id);
	number_add32(out, (uint32_t)job->content_version);
	number_add32(out, (uint32_t)job->attempts);
	number_add64(out, (uint64_t)job->first_us);
	number_add32(out, (uint32_t)campaign->priority);
	number_add64(out, (uint64_t)campaign->expires_us);
	add_word(out, on_in_doubt_word(campaign->on_in_doubt));
	add_text(out, campaign->pool, ENTRY_TEXT_MAX);
	add_text(out, batch->tag, ENTRY_TEXT_MAX);
	add_text(out, job->keys, ENTRY_TEXT_MAX);
}

static void add_route(struct buf *out, const struct route *route)
{
	add_text(out, route->pool, ENTRY_TEXT_MAX);
	add_text(out, route->source, ENTRY_TEXT_MAX);
	add_text(out, route->source_address, ENTRY_TEXT_MAX);
	add_text(out, route->provider, ENTRY_TEXT_MAX);
	add_text(out, route->site, ENTRY_TEXT_MAX);
	add_text(out, route->mx, ENTRY_TEXT_MAX);
	add_text(out, route->mx_address, ENTRY_TEXT_MAX);
	add_text(out, route->session, ENTRY_TEXT_MAX);
	add_text(out, route->tls_version, ENTRY_TEXT_MAX);
	add_text(out, route->tls_cipher, ENTRY_TEXT_MAX);
}

static void add_evidence(struct buf *out, const struct evidence *evidence)
{
	add_word(out, phase_word(evidence->phase));
	add_word(out, failure_word(evidence->failure));
	number_add16(out, (uint16_t)evidence->code);
	number_add16(out, evidence->enhanced.class);
	number_add16(out, evidence->enhanced.subject);
	number_add16(out, evidence->enhanced.detail);
	add_text(out, evidence->text, ENTRY_REPLY_MAX);
}

void entry_add(struct buf *out, const struct attempt *attempt)
{
	size_t begin = out->n;

	add_flags(out, attempt);
	add_job(out, attempt->job);
	add_id(out, &attempt->id);
	number_add32(out, (uint32_t)attempt->number);
	add_evidence(out, &attempt->evidence);
	add_word(out, category_word(attempt->verdict.category));
	add_word(out, scope_word(attempt->verdict.scope));
	add_word(out, action_word(attempt->verdict.action));
	add_word(out, outcome_word(attempt->state));
	add_route(out, &attempt->route);
	add_text(out, attempt->mail_from, ENTRY_TEXT_MAX);
	add_text(out, attempt->recipient, ENTRY_TEXT_MAX);
	number_add64(out, attempt->size_bytes);
	number_add64(out, (uint64_t)attempt->at_us);
	number_add64(out, (uint64_t)attempt->duration_us);
	number_add64(out, (uint64_t)attempt->due_us);
	if (out->n - begin > ENTRY_MAX) {
		out->spoiled = true;
	}
}

size_t entry_most(const struct attempt *attempt)
{
	const struct job *job = attempt->job;
	const struct route *route = &attempt->route;
	/* What may still be unknown when the room is taken: keys are pinned at the end. */
	size_t most = FIXED_MOST + ENTRY_REPLY_MAX + ENTRY_TEXT_MAX;

	most += job->batch->campaign->pool.n + job->batch->tag.n;
	most += route->pool.n + route->source.n + route->source_address.n + route->provider.n;
	most += route->site.n + route->mx.n + route->mx_address.n + route->session.n;
	most += route->tls_version.n + route->tls_cipher.n;
	most += attempt->mail_from.n + attempt->recipient.n;
	return most < ENTRY_MAX ? most : ENTRY_MAX;
}

static struct slice read_text(struct numbers *in)
{
	return numbers_bytes(in, numbers_u16(in));
}

static void read_job(struct numbers *in, struct entry *entry)
{
	entry->tenant.id = numbers_id(in);
	entry->campaign.id = numbers_id(in);
	entry->campaign.content = numbers_id(in);
	entry->batch.id = numbers_id(in);
	entry->batch.token = numbers_id(in);
	entry->job.id = numbers_id(in);
	entry->job.content_version = (int)numbers_u32(in);
	entry->job.attempts = (int)numbers_u32(in);
	entry->job.first_us = (int64_t)numbers_u64(in);
	entry->campaign.priority = (int)numbers_u32(in);
	entry->campaign.expires_us = (int64_t)numbers_u64(in);
	in->failed |= !on_in_doubt_parse(read_text(in), &entry->campaign.on_in_doubt);
	entry->campaign.pool = read_text(in);
	entry->batch.tag = read_text(in);
	entry->job.keys = read_text(in);
}

static void read_route(struct numbers *in, struct route *route)
{
	route->pool = read_text(in);
	route->source = read_text(in);
	route->source_address = read_text(in);
	route->provider = read_text(in);
	route->site = read_text(in);
	route->mx = read_text(in);
	route->mx_address = read_text(in);
	route->session = read_text(in);
	route->tls_version = read_text(in);
	route->tls_cipher = read_text(in);
}

static void read_evidence(struct numbers *in, struct evidence *evidence)
{
	in->failed |= !phase_parse(read_text(in), &evidence->phase);
	in->failed |= !failure_parse(read_text(in), &evidence->failure);
	evidence->code = numbers_u16(in);
	evidence->enhanced.class = (uint8_t)numbers_u16(in);
	evidence->enhanced.subject = numbers_u16(in);
	evidence->enhanced.detail = numbers_u16(in);
	evidence->text = read_text(in);
}

static void read_verdict(struct numbers *in, struct verdict *verdict)
{
	in->failed |= !category_parse(read_text(in), &verdict->category);
	in->failed |= !scope_parse(read_text(in), &verdict->scope);
	in->failed |= !action_parse(read_text(in), &verdict->action);
}

static void link_up(struct entry *entry)
{
	entry->campaign.tenant = &entry->tenant;
	entry->batch.campaign = &entry->campaign;
	entry->job.batch = &entry->batch;
	entry->job.recipient = entry->attempt.recipient;
	entry->attempt.job = &entry->job;
}

bool entry_read(struct slice bytes, struct entry *ret_entry)
{
	struct numbers in = {.rest = bytes};
	struct attempt *attempt = &ret_entry->attempt;
	uint8_t flags;

	*ret_entry = (struct entry){.job.attempts = 0};
	flags = numbers_u8(&in);
	attempt->evidence.dot_sent = flags & 1;
	attempt->possible_duplicate = flags & 2;
	ret_entry->batch.refiled = flags & 4;
	attempt->bytes_differ = flags & 8;
	read_job(&in, ret_entry);
	attempt->id = numbers_id(&in);
	attempt->number = (int)numbers_u32(&in);
	read_evidence(&in, &attempt->evidence);
	read_verdict(&in, &attempt->verdict);
	in.failed |= !outcome_parse(read_text(&in), &attempt->state);
	read_route(&in, &attempt->route);
	attempt->mail_from = read_text(&in);
	attempt->recipient = read_text(&in);
	attempt->size_bytes = numbers_u64(&in);
	attempt->at_us = (int64_t)numbers_u64(&in);
	attempt->duration_us = (int64_t)numbers_u64(&in);
	attempt->due_us = (int64_t)numbers_u64(&in);
	link_up(ret_entry);
	return !in.failed;
}
