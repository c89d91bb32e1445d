/* An attempt in the journal's octets: every field comes back, and damage is noticed. */
#include <criterion/criterion.h>
#include <string.h>

#include "fixture.h"
#include "no_leaks.h"
#include "spool/entry.h"

TestSuite(entry, .fini = no_leaks);

static void same_text(struct slice a, struct slice b, const char *what)
{
	cr_assert(slice_equal(a, b), "%s: '%.*s' for '%.*s'", what, (int)a.n, a.p, (int)b.n, b.p);
}

static void same_job(const struct job *a, const struct job *b)
{
	const struct batch *x = a->batch;
	const struct batch *y = b->batch;

	cr_assert(id_equal(a->id, b->id));
	cr_assert(id_equal(x->id, y->id) && id_equal(x->token, y->token));
	cr_assert(id_equal(x->campaign->id, y->campaign->id));
	cr_assert(id_equal(x->campaign->content, y->campaign->content));
	cr_assert(id_equal(x->campaign->tenant->id, y->campaign->tenant->id));
	cr_assert_eq(x->campaign->priority, y->campaign->priority);
	cr_assert_eq(x->campaign->expires_us, y->campaign->expires_us);
	cr_assert_eq(x->campaign->on_in_doubt, y->campaign->on_in_doubt);
	cr_assert_eq(x->refiled, y->refiled);
	cr_assert_eq(a->content_version, b->content_version);
	cr_assert_eq(a->attempts, b->attempts);
	cr_assert_eq(a->first_us, b->first_us);
	same_text(x->campaign->pool, y->campaign->pool, "pool");
	same_text(x->tag, y->tag, "tag");
	same_text(a->keys, b->keys, "keys");
	same_text(a->recipient, b->recipient, "recipient");
}

static void same_route(const struct route *a, const struct route *b)
{
	same_text(a->pool, b->pool, "pool");
	same_text(a->source, b->source, "source");
	same_text(a->source_address, b->source_address, "source_address");
	same_text(a->provider, b->provider, "provider");
	same_text(a->site, b->site, "site");
	same_text(a->mx, b->mx, "mx");
	same_text(a->mx_address, b->mx_address, "mx_address");
	same_text(a->session, b->session, "session");
	same_text(a->tls_version, b->tls_version, "tls_version");
	same_text(a->tls_cipher, b->tls_cipher, "tls_cipher");
}

static void same(const struct attempt *a, const struct attempt *b)
{
	same_job(a->job, b->job);
	same_route(&a->route, &b->route);
	cr_assert(id_equal(a->id, b->id));
	cr_assert_eq(a->number, b->number);
	cr_assert_eq(a->evidence.phase, b->evidence.phase);
	cr_assert_eq(a->evidence.failure, b->evidence.failure);
	cr_assert_eq(a->evidence.code, b->evidence.code);
	cr_assert_eq(a->evidence.enhanced.class, b->evidence.enhanced.class);
	cr_assert_eq(a->evidence.enhanced.subject, b->evidence.enhanced.subject);
	cr_assert_eq(a->evidence.enhanced.detail, b->evidence.enhanced.detail);
	cr_assert_eq(a->evidence.dot_sent, b->evidence.dot_sent);
	same_text(a->evidence.text, b->evidence.text, "reply");
	cr_assert_eq(a->verdict.category, b->verdict.category);
	cr_assert_eq(a->verdict.scope, b->verdict.scope);
	cr_assert_eq(a->verdict.action, b->verdict.action);
	cr_assert_eq(a->state, b->state);
	same_text(a->mail_from, b->mail_from, "mail_from");
	same_text(a->recipient, b->recipient, "recipient");
	cr_assert_eq(a->size_bytes, b->size_bytes);
	cr_assert_eq(a->at_us, b->at_us);
	cr_assert_eq(a->duration_us, b->duration_us);
	cr_assert_eq(a->due_us, b->due_us);
	cr_assert_eq(a->possible_duplicate, b->possible_duplicate);
	cr_assert_eq(a->bytes_differ, b->bytes_differ);
}

static void round_trip(const struct attempt *attempt)
{
	struct entry entry;
	struct buf out;

	buf_init(&out, 0);
	entry_add(&out, attempt);
	cr_assert_not(out.spoiled);
	cr_assert_leq(out.n, entry_most(attempt));
	cr_assert(entry_read(buf_slice(&out), &entry));
	same(&entry.attempt, attempt);
	buf_clear(&out);
}

Test(entry, every_field_comes_back)
{
	struct fixture f;

	fixture_init(&f, 1);
	round_trip(&f.attempt);
	f.attempt.evidence.dot_sent = true;
	f.attempt.possible_duplicate = false;
	f.batch.refiled = false;
	f.attempt.bytes_differ = true;
	round_trip(&f.attempt);
}

Test(entry, every_word_of_the_model_comes_back)
{
	struct fixture f;

	fixture_init(&f, 1);
	for (int i = 0; i < PHASE_COUNT; i++) {
		f.attempt.evidence.phase = (enum phase)i;
		round_trip(&f.attempt);
	}
	for (int i = 0; i < FAILURE_COUNT; i++) {
		f.attempt.evidence.failure = (enum failure)i;
		round_trip(&f.attempt);
	}
	for (int i = 0; i < CATEGORY_COUNT; i++) {
		f.attempt.verdict.category = (enum category)i;
		round_trip(&f.attempt);
	}
	for (int i = 0; i < OUTCOME_COUNT; i++) {
		f.attempt.state = (enum outcome)i;
		round_trip(&f.attempt);
	}
	for (int i = 0; i < ACTION_COUNT; i++) {
		f.attempt.verdict.action = (enum action)i;
		round_trip(&f.attempt);
	}
	for (int i = 0; i < SCOPE_COUNT; i++) {
		f.attempt.verdict.scope = (enum scope)i;
		round_trip(&f.attempt);
	}
}

Test(entry, a_long_reply_is_cut_and_fits_into_the_room_that_was_kept)
{
	struct fixture f;
	struct entry entry;
	struct buf out;
	char reply[5000];
	size_t most;

	fixture_init(&f, 1);
	f.attempt.evidence.text = (struct slice){NULL, 0};
	most = entry_most(&f.attempt);
	memset(reply, 'r', sizeof(reply));
	f.attempt.evidence.text = slice_make(reply, sizeof(reply));
	buf_init(&out, 0);
	entry_add(&out, &f.attempt);
	cr_assert_leq(out.n, most);
	cr_assert(entry_read(buf_slice(&out), &entry));
	cr_assert_eq(entry.attempt.evidence.text.n, (size_t)ENTRY_REPLY_MAX);
	buf_clear(&out);
}

Test(entry, what_is_cut_off_is_no_entry)
{
	struct fixture f;
	struct entry entry;
	struct buf out;

	fixture_init(&f, 1);
	buf_init(&out, 0);
	entry_add(&out, &f.attempt);
	for (size_t n = 0; n < out.n; n++) {
		cr_assert_not(entry_read(slice_first(buf_slice(&out), n), &entry), "%zu octets", n);
	}
	buf_clear(&out);
}
