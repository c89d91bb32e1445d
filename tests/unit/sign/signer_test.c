/* Both signers, judged by libopendkim. */
#include <criterion/criterion.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "base/time.h"
#include "judge.h"
#include "no_leaks.h"
#include "sign/keyring.h"
#include "sign/signer.h"

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

struct bench {
	char directory[64];
	struct id tenant;
	struct keyring *keyring;
	struct key_set *set;
	struct judge judge;
};

static void add_key(struct bench *bench, const char *selector, enum key_type type)
{
	struct buf why;

	buf_init(&why, 0);
	cr_assert(!err_is(key_generate(slice_of(bench->directory), &bench->tenant,
			  slice_of("example.org"), slice_of(selector), type, &why)),
		"%s", buf_string(&why));
	buf_clear(&why);
}

static void bench_init(struct bench *bench, bool rsa, bool ed25519)
{
	struct keyring_settings settings = {.sets_max = 10, .ed25519 = true};
	struct buf why;
	struct buf records;

	snprintf(bench->directory, sizeof(bench->directory), "/tmp/penguin-keys-XXXXXX");
	cr_assert_not_null(mkdtemp(bench->directory));
	bench->tenant = id_random();
	if (rsa) {
		add_key(bench, "r1", KEY_RSA_2048);
	}
	if (ed25519) {
		add_key(bench, "e1", KEY_ED25519);
	}
	buf_init(&why, 0);
	settings.directory = slice_of(bench->directory);
	cr_assert(!err_is(keyring_open(&settings, &bench->keyring, &why)));
	bench->set = keyring_find(
		bench->keyring, &bench->tenant, slice_of("mail.example.org"), slice_of(""), &why);
	cr_assert_not_null(bench->set, "%s", buf_string(&why));
	buf_init(&records, 0);
	for (size_t i = 0; i < key_set_count(bench->set); i++) {
		key_record_name(key_set_key(bench->set, i), &records);
		buf_add_byte(&records, ' ');
		key_record_text(key_set_key(bench->set, i), &records);
		buf_add_byte(&records, '\n');
	}
	judge_init(&bench->judge, buf_slice(&records));
	buf_clear(&records);
	buf_clear(&why);
}

static void remove_tree(const char *directory)
{
	char command[128];
	struct slice unused = slice_of(directory);

	snprintf(command, sizeof(command), "/bin/rm");
	if (unused.n > 10 && fork() == 0) {
		execl(command, "rm", "-r", directory, (char *)NULL);
		_exit(1);
	}
}

static void bench_clear(struct bench *bench)
{
	key_set_unref(&bench->set);
	keyring_close(&bench->keyring);
	judge_clear(&bench->judge);
	remove_tree(bench->directory);
}

static int sign_and_judge(struct bench *bench, enum signer_kind kind, const char *extra)
{
	struct signer *signer = signer_new(kind, INT64_C(7) * 86400 * 1000000);
	struct buf out;
	size_t size = signer_size(signer, bench->set, slice_of(headers), FIRST_US);
	int passed;

	buf_init(&out, 0);
	cr_assert(!err_is(signer_sign(
		signer, bench->set, slice_of(headers), slice_of(body), FIRST_US, &out)));
	cr_assert_eq(out.n, size, "said %zu, is %zu", size, out.n);
	buf_add_text(&out, extra);
	buf_add_text(&out, headers);
	buf_add_text(&out, "\r\n");
	buf_add_text(&out, body);
	passed = judge_message(&bench->judge, buf_slice(&out));
	buf_clear(&out);
	signer_free(&signer);
	return passed;
}

Test(signer, native_signatures_verify)
{
	struct bench bench;

	bench_init(&bench, true, true);
	cr_assert_eq(key_set_count(bench.set), 2);
	cr_assert_eq(sign_and_judge(&bench, SIGNER_NATIVE, ""), 2);
	bench_clear(&bench);
}

Test(signer, a_field_that_was_added_on_the_way_breaks_it)
{
	static const char *const extras[] = {"From: eve@example.net\r\n", "Subject: other\r\n",
		"To: all@example.net\r\n", "Reply-To: eve@example.net\r\n",
		"Cc: x@example.net\r\n"};
	struct bench bench;

	bench_init(&bench, true, false);
	for (size_t i = 0; i < ARRAY_LEN(extras); i++) {
		cr_expect_eq(sign_and_judge(&bench, SIGNER_NATIVE, extras[i]), -1, "%s", extras[i]);
	}
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

Test(signer, what_is_not_canonical_is_refused)
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
