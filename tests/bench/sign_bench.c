/*
 * sign_bench [SECONDS]: what signing one message of about 10 KB costs, in microseconds
 * of CPU, beside one bare signature with the same key in the same run.  The two are
 * measured in turns of a few milliseconds, so that a machine that others use too
 * slows both alike; what is beyond the bare signature is ours.
 */
#include <ftw.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/err.h"
#include "base/time.h"
#include "sign/keyring.h"
#include "sign/signer.h"

#define BODY_BYTES 10240
#define TURN 20

static const struct slice headers = SLICE(
	"From: \"Shop News\" <news@shop.example>\r\nTo: =?utf-8?q?J=C3=B6rg?= <j@example.net>\r\n"
	"Subject: J, your offers of the week and what else there is to be had this month\r\n"
	"Date: Tue, 24 Nov 2026 03:30:00 +0000\r\nMessage-ID: <0123456789@shop.example>\r\n"
	"MIME-Version: 1.0\r\nContent-Type: multipart/alternative;\r\n\tboundary=\"=_penguin\"\r\n"
	"List-Id: News <news.shop.example>\r\n"
	"List-Unsubscribe: <https://t.shop.example/u/abcdefghijklmnopqrstuvwxyz234567>,\r\n"
	" <mailto:abcdefghijklmnopqrstuvwxyz234567@b.shop.example>\r\n"
	"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\nFeedback-ID: a:b:c:penguin\r\n"
	"Reply-To: shop@shop.example\r\n");

struct run {
	char directory[64];
	struct id tenant;
	struct keyring *keyring;
	struct buf body;
	struct buf out;
	EVP_PKEY_CTX *bare;
};

static void check(bool holds, const char *what)
{
	if (!holds) {
		fprintf(stderr, "sign_bench: %s\n", what);
		exit(1);
	}
}

static struct key_set *make_set(struct run *run, const char *domain, enum key_type type)
{
	struct key_set *set;
	struct buf why;

	buf_init(&why, 0);
	check(!err_is(key_generate(slice_of(run->directory), &run->tenant, slice_of(domain),
		      SLICE("s1"), type, &why)),
		"no key");
	set = keyring_find(run->keyring, &run->tenant, slice_of(domain), SLICE(""), &why);
	check(set != NULL, buf_string(&why));
	buf_clear(&why);
	return set;
}

/* Lines of an HTML mail after quoted-printable: up to 76 characters, some indented. */
static void make_body(struct buf *out)
{
	while (out->n < BODY_BYTES) {
		buf_add_text(out,
			"  <td style=3D\"padding:8px;font-family:Arial,sans-serif\">Dear J=\r\n"
			"=C3=B6rg, this week we have put together what you may like: tea.\r\n");
	}
}

static EVP_PKEY_CTX *make_bare(EVP_PKEY *pkey)
{
	EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(pkey, NULL);

	check(EVP_PKEY_sign_init(context) > 0 &&
			EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PADDING) > 0 &&
			EVP_PKEY_CTX_set_signature_md(context, EVP_sha256()) > 0,
		"no context");
	return context;
}

static int64_t sign_bare(const struct run *run, int count)
{
	unsigned char digest[32] = {1};
	unsigned char signature[256];
	int64_t start = time_cpu_us();

	for (int i = 0; i < count; i++) {
		size_t n = sizeof(signature);

		digest[0]++;
		check(EVP_PKEY_sign(run->bare, signature, &n, digest, sizeof(digest)) > 0, "bare");
	}
	return time_cpu_us() - start;
}

static int64_t sign_whole(
	struct run *run, struct signer *signer, const struct key_set *set, int count)
{
	int64_t start = time_cpu_us();

	for (int i = 0; i < count; i++) {
		run->body.p[i] = (char)('a' + i % 26);
		buf_reset(&run->out);
		check(!err_is(signer_sign(signer, set, headers, buf_slice(&run->body),
			      INT64_C(1764000000000000) + i, &run->out)),
			"signer");
	}
	return time_cpu_us() - start;
}

static void measure(struct run *run, const char *name, enum signer_kind kind,
	const struct key_set *set, int64_t limit_us)
{
	struct signer *signer = signer_new(kind, INT64_C(7) * 86400 * TIME_SECOND_US);
	int64_t bare_us = 0;
	int64_t whole_us = 0;
	int count = 0;

	(void)sign_whole(run, signer, set, 2); /* a key's first use costs more */
	(void)sign_bare(run, 2);
	while (bare_us + whole_us < limit_us) {
		bare_us += sign_bare(run, TURN);
		whole_us += sign_whole(run, signer, set, TURN);
		count += TURN;
	}
	printf("%s us %.1f bare_rsa_us %.1f ratio %.3f beyond_us %.1f count %d\n", name,
		(double)whole_us / count, (double)bare_us / count,
		(double)whole_us / (double)bare_us, (double)(whole_us - bare_us) / count, count);
	signer_free(&signer);
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *at)
{
	(void)status;
	(void)type;
	(void)at;
	return remove(path);
}

static EVP_PKEY *new_rsa(void)
{
	EVP_PKEY *pkey = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048);

	check(pkey != NULL, "no bare key");
	return pkey;
}

int main(int argc, char **argv)
{
	int64_t limit_us = (argc > 1 ? strtol(argv[1], NULL, 10) : 4) * TIME_SECOND_US / 4;
	struct run run = {.directory = "/tmp/penguin-bench-XXXXXX", .tenant = id_random()};
	struct keyring_settings settings = {.sets_max = 10, .ed25519 = true};
	EVP_PKEY *pkey = new_rsa();
	struct key_set *rsa;
	struct key_set *ed25519;

	check(mkdtemp(run.directory) != NULL, "no directory");
	settings.directory = slice_of(run.directory);
	buf_init(&run.out, 0);
	check(!err_is(keyring_open(&settings, &run.keyring, &run.out)), "no keyring");
	buf_init(&run.body, 0);
	make_body(&run.body);
	run.bare = make_bare(pkey);
	rsa = make_set(&run, "shop.example", KEY_RSA_2048);
	ed25519 = make_set(&run, "tea.example", KEY_ED25519);
	measure(&run, "native_rsa", SIGNER_NATIVE, rsa, limit_us);
	measure(&run, "native_ed25519", SIGNER_NATIVE, ed25519, limit_us);
	measure(&run, "libopendkim_rsa", SIGNER_LIBOPENDKIM, rsa, limit_us);
	measure(&run, "libopendkim_ed25519", SIGNER_LIBOPENDKIM, ed25519, limit_us);
	key_set_unref(&rsa);
	key_set_unref(&ed25519);
	keyring_close(&run.keyring);
	EVP_PKEY_CTX_free(run.bare);
	EVP_PKEY_free(pkey);
	buf_clear(&run.body);
	buf_clear(&run.out);
	(void)nftw(run.directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	return 0;
}
