/* The self-check: what it passes, what it does not, and that it comes to an end. */
#include <poll.h>

#include "base/time.h"
#include "bench.h"
#include "no_leaks.h"
#include "sign/selfcheck.h"

TestSuite(selfcheck, .fini = no_leaks);

#define LARGE (48U << 20)

/* Watched as a loop would. */
static struct err check_message(struct slice records, struct slice message, struct buf *why)
{
	struct selfcheck *check = NULL;
	struct pollfd waiting = {.events = POLLIN};
	struct err err;

	cr_assert(!err_is(selfcheck_start(records, message, &check)));
	waiting.fd = selfcheck_fd(check);
	cr_assert_eq(poll(&waiting, 1, SELFCHECK_SECONDS * 1000), 1);
	err = selfcheck_finish(&check, why);
	cr_assert_null(check);
	return err;
}

static struct err run(const struct bench *bench, struct slice records, struct buf *why)
{
	struct signer *signer = signer_new(SIGNER_NATIVE, INT64_C(7) * 86400 * TIME_SECOND_US);
	struct buf message;
	struct err err;

	buf_init(&message, 0);
	cr_assert(!err_is(selfcheck_sample(bench->set, signer, time_wall_us(), &message)));
	err = check_message(records, buf_slice(&message), why);
	buf_clear(&message);
	signer_free(&signer);
	return err;
}

Test(selfcheck, what_we_sign_passes_with_the_records_we_ask_for)
{
	struct bench bench;
	struct buf why;

	bench_init(&bench, true, true);
	buf_init(&why, 0);
	cr_assert(!err_is(run(&bench, buf_slice(&bench.records), &why)), "%s", buf_string(&why));
	cr_assert_eq(why.n, 0);
	buf_clear(&why);
	bench_clear(&bench);
}

static const struct {
	const char *label;
	const char *records;
	const char *reason;
} faults[] = {
	{"no record", "", "key not found"},
	{"another name", "r2._domainkey.example.org v=DKIM1; p=AAAA\n", "key not found"},
	{"no key at all", "r1._domainkey.example.org v=DKIM1; k=rsa; p=AAAA\n",
		"d=example.org s=r1"},
	{"revoked", "r1._domainkey.example.org v=DKIM1; k=rsa; p=\n", "revoked"},
	{"no DKIM key", "r1._domainkey.example.org v=spf1 -all\n", "d=example.org s=r1"},
	{"an email service only by name", "r1._domainkey.example.org v=DKIM1; s=tlsrpt; p=AAAA\n",
		"d=example.org s=r1"},
	{"not a record", "r1._domainkey.example.org\n", "line 1"},
};

Test(selfcheck, what_receivers_could_not_verify_is_found)
{
	struct bench bench;

	bench_init(&bench, true, false);
	for (size_t i = 0; i < ARRAY_LEN(faults); i++) {
		struct buf why;

		buf_init(&why, 0);
		cr_expect_eq(run(&bench, slice_of(faults[i].records), &why).kind, ERR_INPUT, "%s",
			faults[i].label);
		cr_expect_lt(slice_search(buf_slice(&why), slice_of(faults[i].reason)), why.n,
			"%s: %s", faults[i].label, buf_string(&why));
		buf_clear(&why);
	}
	bench_clear(&bench);
}

Test(selfcheck, the_record_of_another_key_is_found)
{
	struct bench bench;
	struct bench other;
	struct buf why;

	bench_init(&bench, true, false);
	bench_init(&other, true, false);
	buf_init(&why, 0);
	cr_assert_eq(run(&bench, buf_slice(&other.records), &why).kind, ERR_INPUT);
	buf_clear(&why);
	bench_clear(&other);
	bench_clear(&bench);
}

/* A sample of traffic. */
Test(selfcheck, a_message_of_ours_and_one_that_was_changed)
{
	struct signer *signer = signer_new(SIGNER_NATIVE, 0);
	struct bench bench;
	struct buf message;
	struct buf why;

	bench_init(&bench, true, false);
	buf_init(&message, 0);
	buf_init(&why, 0);
	cr_assert(!err_is(selfcheck_sample(bench.set, signer, time_wall_us(), &message)));
	for (int changed = 0; changed < 2; changed++) {
		struct err err =
			check_message(buf_slice(&bench.records), buf_slice(&message), &why);

		cr_expect_eq(err.kind, changed ? ERR_INPUT : ERR_NONE, "%s", buf_string(&why));
		buf_add_text(&message, "one line more\r\n");
	}
	buf_clear(&why);
	buf_clear(&message);
	signer_free(&signer);
	bench_clear(&bench);
}

/* A body so large that the child cannot have done with it when it is asked at once. */
Test(selfcheck, a_child_that_takes_too_long_is_ended)
{
	struct signer *signer = signer_new(SIGNER_NATIVE, 0);
	struct selfcheck *check = NULL;
	struct bench bench;
	struct buf message;
	struct buf why;

	bench_init(&bench, true, false);
	buf_init(&message, 0);
	buf_init(&why, 0);
	cr_assert(!err_is(selfcheck_sample(bench.set, signer, time_wall_us(), &message)));
	while (message.n < LARGE) {
		buf_add_text(
			&message, "0123456789012345678901234567890123456789012345678901234\r\n");
	}
	cr_assert(!err_is(selfcheck_start(buf_slice(&bench.records), buf_slice(&message), &check)));
	cr_assert_eq(selfcheck_finish(&check, &why).kind, ERR_LIMIT);
	cr_assert_null(check);
	cr_assert_gt(why.n, 0);
	buf_clear(&why);
	buf_clear(&message);
	signer_free(&signer);
	bench_clear(&bench);
}
