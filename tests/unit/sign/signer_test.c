/* Both signers, judged by libopendkim. */

#include "sign/signer.h"
#include "base/time.h"
#include "bench.h"
#include "no_leaks.h"
#include "sign/keyring.h"

#ifdef NO_LEAKS_CHECKED
#include <sanitizer/allocator_interface.h>
#else
#include <malloc.h>
#endif

/* libopendkim leaks with Ed25519; its suite of tests does not look for leaks. */
TestSuite(signer, .fini = no_leaks);
TestSuite(reference);

#define FIRST_US (time_wall_us() - 60 * TIME_SECOND_US)

static const char headers[] = "From: \"Ann  Example\" <ann@mail.example.org>\r\n"
			      "To: bob@example.com\r\n"
			      "Subject: =?utf-8?q?caf=C3=A9?=\r\n \tand more\r\n"
			      "Date: Tue, 24 Nov 2026 03:30:00 +0000\r\n"
			      "Message-ID: <x@mail.example.org>\r\n"
			      "MIME-Version: 1.0\r\n"
			      "Content-Type: text/plain; charset=utf-8\r\n"
			      "List-Unsubscribe: <https://t.example.org/u/x>\r\n";
static const char body[] = "Hello  there \t \r\n\r\n.dot\r\n  two  \r\n\r\n\r\n";

/* How many signatures pass; 0 when one does not. */
static unsigned sign_and_judge_of(
	struct bench *bench, enum signer_kind kind, const char *extra, int64_t first_us)
{
	struct signer *signer = signer_new(kind, INT64_C(7) * 86400 * 1000000);
	struct buf out;
	size_t size = signer_size(signer, bench->set, slice_of(headers), first_us);
	unsigned passed;
	struct buf why;

	buf_init(&out, 0);
	cr_assert(!err_is(signer_sign(
		signer, bench->set, slice_of(headers), slice_of(body), first_us, &out)));
	cr_assert_eq(out.n, size, "said %zu, is %zu", size, out.n);
	buf_add_text(&out, extra);
	buf_add_text(&out, headers);
	buf_add_text(&out, "\r\n");
	buf_add_text(&out, body);
	buf_init(&why, 0);
	passed = judge_message(bench->judge, buf_slice(&out), &why);
	buf_clear(&why);
	buf_clear(&out);
	signer_free(&signer);
	return passed;
}

static unsigned sign_and_judge(struct bench *bench, enum signer_kind kind, const char *extra)
{
	return sign_and_judge_of(bench, kind, extra, FIRST_US);
}

Test(signer, gen_G13_native_signatures_verify)
{
	struct bench bench;

	bench_init(&bench, true, true);
	cr_assert_eq(key_set_count(bench.set), 2);
	cr_assert_eq(sign_and_judge(&bench, SIGNER_NATIVE, ""), 2);
	bench_clear(&bench);
}

Test(signer, gen_G12_threat_K1_a_field_that_was_added_on_the_way_breaks_it)
{
	static const char *const extras[] = {"From: eve@example.net\r\n", "Subject: other\r\n",
		"To: all@example.net\r\n", "Reply-To: eve@example.net\r\n",
		"Cc: x@example.net\r\n"};
	struct bench bench;

	bench_init(&bench, true, false);
	for (size_t i = 0; i < ARRAY_LEN(extras); i++) {
		cr_expect_eq(sign_and_judge(&bench, SIGNER_NATIVE, extras[i]), 0, "%s", extras[i]);
	}
	bench_clear(&bench);
}

/* Seven days (here and by default): who sends it again then sends what does not verify. */
Test(signer, threat_K1_a_signature_expires)
{
	const int64_t day_us = 86400 * TIME_SECOND_US;
	struct bench bench;

	bench_init(&bench, true, true);
	cr_expect_eq(sign_and_judge_of(&bench, SIGNER_NATIVE, "", FIRST_US - 6 * day_us), 2);
	cr_expect_eq(sign_and_judge_of(&bench, SIGNER_NATIVE, "", FIRST_US - 8 * day_us), 0);
	bench_clear(&bench);
}

/* What is allocated at this moment, by the sanitizer's word where there is one. */
static size_t allocated(void)
{
#ifdef NO_LEAKS_CHECKED
	return __sanitizer_get_current_allocated_bytes();
#else
	return mallinfo2().uordblks;
#endif
}

Test(signer, threat_K3_memory_does_not_grow_with_signatures, .timeout = 120)
{
	struct signer *signer = signer_new(SIGNER_NATIVE, 0);
	struct bench bench;
	struct buf out;
	size_t before = 0;

	bench_init(&bench, true, true);
	buf_init(&out, 0);
	for (int i = 0; i < 600; i++) {
		buf_reset(&out);
		cr_assert(!err_is(signer_sign(signer, bench.set, slice_of(headers), slice_of(body),
			FIRST_US + i * TIME_SECOND_US, &out)));
		if (i == 99) {
			before = allocated();
		}
	}
	cr_expect_leq(allocated(), before + 1000, "%zu, was %zu", allocated(), before);
	buf_clear(&out);
	signer_free(&signer);
	bench_clear(&bench);
}

Test(signer, the_same_inputs_give_the_same_bytes)
{
	struct bench bench;
	struct signer *signer = signer_new(SIGNER_NATIVE, 0);
	int64_t first_us = FIRST_US;
	struct buf first;
	struct buf second;

	bench_init(&bench, true, true);
	buf_init(&first, 0);
	buf_init(&second, 0);
	cr_assert(!err_is(signer_sign(
		signer, bench.set, slice_of(headers), slice_of(body), first_us, &first)));
	cr_assert(!err_is(signer_sign(
		signer, bench.set, slice_of(headers), slice_of(body), first_us, &second)));
	cr_assert(slice_equal(buf_slice(&first), buf_slice(&second)));
	cr_assert_eq(slice_search(buf_slice(&first), SLICE("l=")), first.n);
	buf_clear(&first);
	buf_clear(&second);
	signer_free(&signer);
	bench_clear(&bench);
}

static const struct {
	const char *label;
	const char *headers;
	const char *body;
} refused[] = {
	{"a bare LF in a field", "From: a@b\r\nSubject: x\ny\r\n", "hi\r\n"},
	{"a bare CR in a field", "From: a@b\r\nSubject: x\ry\r\n", "hi\r\n"},
	{"a line that is no field", "From: a@b\r\nnonsense\r\n", "hi\r\n"},
	{"no From", "Subject: x\r\n", "hi\r\n"},
	{"a bare LF in the body", "From: a@b\r\n", "hi\nho\r\n"},
	{"a bare CR in the body", "From: a@b\r\n", "hi\rho\r\n"},
};

Test(signer, gen_G18_what_is_not_canonical_is_refused)
{
	struct bench bench;
	struct signer *signer = signer_new(SIGNER_NATIVE, 0);

	bench_init(&bench, false, true);
	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		struct buf out;
		struct err err;

		buf_init(&out, 0);
		err = signer_sign(signer, bench.set, slice_of(refused[i].headers),
			slice_of(refused[i].body), FIRST_US, &out);
		cr_expect_eq(err.kind, ERR_INPUT, "%s", refused[i].label);
		buf_clear(&out);
	}
	signer_free(&signer);
	bench_clear(&bench);
}

Test(reference, its_signatures_verify)
{
	struct bench bench;

	bench_init(&bench, true, false);
	cr_assert_eq(sign_and_judge(&bench, SIGNER_LIBOPENDKIM, ""), 1);
	bench_clear(&bench);
}
