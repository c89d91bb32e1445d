/*
 * A message of the campaign for preflight to look at, made as a worker makes it.
 *
 * Of the jobs that wait some are tried, each with its own address, values and variant.
 * One that fails is told by its id and holds nothing up: a campaign of a million has a
 * bad address in it.  The first that goes well is what the variants are composed with.  A
 * variant is at fault only when it fails for a reader without values as well.
 *
 * Tokens are signed with a secret of the moment: only their length matters, and nobody
 * who checks a campaign needs the real ones.
 */
#include "base/time.h"
#include "config/config.h"
#include "sign/signer.h"
#include "subject.h"

#define READER "reader@example.org" /* for an address that is none, and where no job waits */

struct sample {
	struct subject *subject;
	struct composer *composer;
	const struct content *content;
	struct compose_settings settings;
	struct compose_input plain; /* a reader without values */
	struct compose_input best;  /* what went well; else plain */
	bool found;
	struct preflight_job *failed;
};

static bool make(
	struct sample *sample, const struct compose_input *input, struct message *ret_message)
{
	return composer_make(sample->composer, sample->content, input, ret_message) == FAILURE_NONE;
}

static void try_job(struct sample *sample, struct ctl *ctl, size_t row, struct message *message)
{
	struct preflight_content *to = &sample->subject->content;
	struct arena *arena = sample->subject->arena;
	struct compose_input input = sample->plain;
	bool made;

	(void)id_parse(slice_of(pg_sync_text(ctl->pg, row, 0)), &input.job);
	input.recipient = slice_trim(slice_of(pg_sync_text(ctl->pg, row, 1)));
	input.vars = slice_of(pg_sync_text(ctl->pg, row, 2));
	input.variant = COMPOSE_VARIANT_BY_JOB;
	to->job_count++;
	made = make(sample, &input, message);
	if (!made) {
		sample->failed[to->failed_count++] = (struct preflight_job){
			arena_slice(arena, slice_of(pg_sync_text(ctl->pg, row, 0))),
			arena_slice(arena, slice_of(message->fault))};
		input.recipient = slice_of(READER); /* its values may still be good */
		made = make(sample, &input, message);
	}
	if (made && !sample->found) {
		sample->found = true;
		sample->best = input;
	}
}

static void note_fault(struct sample *sample, const struct message *message)
{
	struct preflight_content *to = &sample->subject->content;

	to->fault = arena_slice(sample->subject->arena, slice_of(message->fault));
	to->kind = message->cause == MESSAGE_CAUSE_HEADER_SIZE ? PREFLIGHT_FAULT_HEADER_SIZE
		: message->cause == MESSAGE_CAUSE_VALUE && to->job_count == 0
		? PREFLIGHT_FAULT_NO_VALUES
		: PREFLIGHT_FAULT_CONTENT;
}

/* The variant with the largest header counts, and the first one with a fault. */
static void make_variants(struct sample *sample, struct message *message)
{
	struct message *largest = &sample->subject->message;

	for (size_t i = 0; i < content_variants(sample->content); i++) {
		struct message other;

		sample->best.variant = sample->plain.variant = i;
		if (!make(sample, &sample->best, message) &&
			!make(sample, &sample->plain, message)) {
			note_fault(sample, message);
			return;
		}
		if (message->header_bytes > largest->header_bytes) {
			other = *largest;
			*largest = *message;
			*message = other;
		}
	}
	sample->subject->content.headers = message_headers(largest);
}

static void measure_signatures(const struct config *config, struct subject *subject)
{
	struct signer *signer;

	if (subject->keys == NULL) {
		return;
	}
	signer = signer_new(
		config->keys.signer == CONFIG_SIGNER_NATIVE ? SIGNER_NATIVE : SIGNER_LIBOPENDKIM,
		config->keys.expire_us);
	subject->content.signature_bytes =
		signer_size(signer, subject->keys, subject->content.headers, time_wall_us());
	signer_free(&signer);
}

static void run(struct sample *sample, struct ctl *ctl)
{
	struct message message;

	message_init(&message);
	for (size_t row = 0; row < pg_sync_rows(ctl->pg); row++) {
		try_job(sample, ctl, row, &message);
	}
	if (!sample->found) {
		sample->best = sample->plain;
	}
	make_variants(sample, &message);
	message_clear(&message);
}

int subject_compose(struct ctl *ctl, const char *tenant, const char *campaign,
	const struct content *content, struct subject *subject)
{
	struct token_ring *ring = token_ring_new();
	struct id secret[2] = {id_random(), id_random()};
	struct sample sample = {
		.subject = subject,
		.content = content,
		.settings = {subject->about.bounce_domain, subject->about.tracking_domain,
			subject->sender_id},
		.plain = {.job = id_make(time_wall_us() / 1000),
			.recipient = slice_of(READER),
			.vars = SLICE("{}"),
			.first_us = time_wall_us(),
			.token_key = 1},
	};
	int code = ctl_run(ctl, SQL_CAMPAIGN_SAMPLE, (const char *const[]){tenant, campaign});

	sample.plain.settings = &sample.settings;
	sample.composer = composer_new(ring, ctl->config->limits.message_bytes);
	(void)id_parse(subject->about.tenant, &sample.plain.tenant);
	(void)id_parse(slice_of(campaign), &sample.plain.campaign);
	if (code == 0 &&
		!err_is(token_ring_add(
			ring, 1, slice_make((const char *)secret, sizeof(secret))))) {
		sample.failed = arena_array(
			subject->arena, pg_sync_rows(ctl->pg) + 1, sizeof(*sample.failed));
		subject->content.failed = sample.failed;
		subject->content.marketing = content_is_marketing(content);
		subject->about.content = &subject->content;
		run(&sample, ctl);
		measure_signatures(ctl->config, subject);
	}
	composer_free(&sample.composer);
	token_ring_free(&ring);
	return code;
}
