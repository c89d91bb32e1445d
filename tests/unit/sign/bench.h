/*
 * A tenant with a directory of keys, a keyring on it, and libopendkim as the judge,
 * for the tests of this folder.
 */
#ifndef TESTS_SIGN_BENCH_H
#define TESTS_SIGN_BENCH_H

#include <criterion/criterion.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/id.h"
#include "sign/judge.h"
#include "sign/keyring.h"

struct bench {
	char directory[64];
	struct id tenant;
	struct keyring *keyring;
	struct key_set *set;
	struct buf records; /* of the set */
	struct judge *judge;
};

static inline void bench_add_key(const struct bench *bench, const struct id *tenant,
	const char *domain, const char *selector, enum key_type type)
{
	struct buf why;

	buf_init(&why, 0);
	cr_assert(!err_is(key_generate(slice_of(bench->directory), tenant, slice_of(domain),
			  slice_of(selector), type, &why)),
		"%s", buf_string(&why));
	buf_clear(&why);
}

/* An empty directory and a keyring on it. */
static inline void bench_open(struct bench *bench, size_t sets_max)
{
	struct keyring_settings settings = {.sets_max = sets_max, .ed25519 = true};
	struct buf why;

	*bench = (struct bench){.directory = "/tmp/penguin-keys-XXXXXX"};
	cr_assert_not_null(mkdtemp(bench->directory));
	bench->tenant = id_random();
	buf_init(&why, 0);
	settings.directory = slice_of(bench->directory);
	cr_assert(!err_is(keyring_open(&settings, &bench->keyring, &why)), "%s", buf_string(&why));
	buf_clear(&why);
	buf_init(&bench->records, 0);
}

/* "SELECTOR._domainkey.DOMAIN v=DKIM1; ..." for each key of the set. */
static inline void bench_add_records(const struct key_set *set, struct buf *out)
{
	for (size_t i = 0; i < key_set_count(set); i++) {
		key_record_name(key_set_key(set, i), out);
		buf_add_byte(out, ' ');
		key_record_text(key_set_key(set, i), out);
		buf_add_byte(out, '\n');
	}
}

/* Keys of example.org, the set for mail.example.org, and a judge who knows them. */
static inline void bench_init(struct bench *bench, bool rsa, bool ed25519)
{
	struct buf why;

	bench_open(bench, 10);
	buf_init(&why, 0);
	if (rsa) {
		bench_add_key(bench, &bench->tenant, "example.org", "r1", KEY_RSA_2048);
	}
	if (ed25519) {
		bench_add_key(bench, &bench->tenant, "example.org", "e1", KEY_ED25519);
	}
	bench->set = keyring_find(
		bench->keyring, &bench->tenant, SLICE("mail.example.org"), SLICE(""), &why);
	cr_assert_not_null(bench->set, "%s", buf_string(&why));
	bench_add_records(bench->set, &bench->records);
	cr_assert(!err_is(judge_new(buf_slice(&bench->records), &bench->judge, &why)));
	buf_clear(&why);
}

static inline int bench_remove(
	const char *path, const struct stat *status, int type, struct FTW *at)
{
	(void)status;
	(void)type;
	(void)at;
	return remove(path);
}

static inline void bench_clear(struct bench *bench)
{
	key_set_unref(&bench->set);
	keyring_close(&bench->keyring);
	judge_free(&bench->judge);
	buf_clear(&bench->records);
	(void)nftw(bench->directory, bench_remove, 16, FTW_DEPTH | FTW_PHYS);
}

#endif
