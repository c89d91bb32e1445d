/*
 * sign-cli make DIRECTORY TENANT DOMAIN SELECTOR rsa|ed25519
 *	makes a key and prints its record: "NAME TEXT"
 * sign-cli sign DIRECTORY TENANT DOMAIN native|libopendkim FILE...
 *	writes FILE.signed for each FILE, a message with CRLF, with all keys of the domain
 *
 * For system tests, where others than libopendkim judge.  Exit 1 with the reason.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/time.h"
#include "sign/keyring.h"
#include "sign/signer.h"

static _Noreturn void fail(const char *what, const char *why)
{
	fprintf(stderr, "sign-cli: %s: %s\n", what, why);
	exit(1);
}

static struct keyring *open_ring(const char *directory)
{
	struct keyring_settings settings = {
		.directory = slice_of(directory), .sets_max = 10, .ed25519 = true};
	struct keyring *keyring = NULL;
	struct buf why;

	buf_init(&why, 0);
	if (err_is(keyring_open(&settings, &keyring, &why))) {
		fail(directory, buf_string(&why));
	}
	buf_clear(&why);
	return keyring;
}

static struct key_set *find_set(
	struct keyring *keyring, const struct id *tenant, struct slice domain, struct slice pins)
{
	struct key_set *set;
	struct buf why;

	buf_init(&why, 0);
	set = keyring_find(keyring, tenant, domain, pins, &why);
	if (set == NULL) {
		fail("keys", buf_string(&why));
	}
	buf_clear(&why);
	return set;
}

static void read_file(const char *path, struct buf *out)
{
	FILE *file = fopen(path, "rb");
	char piece[65536];
	size_t n;

	if (file == NULL) {
		fail(path, "cannot be opened");
	}
	while ((n = fread(piece, 1, sizeof(piece), file)) > 0) {
		buf_add(out, slice_make(piece, n));
	}
	(void)fclose(file);
}

static void write_file(const char *path, const struct buf *first, const struct buf *second)
{
	FILE *file;
	struct buf name;

	buf_init(&name, 0);
	buf_add_format(&name, "%s.signed", path);
	file = fopen(buf_string(&name), "wb");
	if (file == NULL || fwrite(first->p, 1, first->n, file) != first->n ||
		fwrite(second->p, 1, second->n, file) != second->n || fclose(file) != 0) {
		fail(buf_string(&name), "cannot be written");
	}
	buf_clear(&name);
}

static void sign_file(struct signer *signer, const struct key_set *set, const char *path)
{
	struct buf message;
	struct buf fields;
	struct slice text;
	size_t end;

	buf_init(&message, 0);
	buf_init(&fields, 0);
	read_file(path, &message);
	text = buf_slice(&message);
	end = slice_search(text, SLICE("\r\n\r\n"));
	if (end == text.n) {
		fail(path, "no empty line behind the headers");
	}
	if (err_is(signer_sign(signer, set, slice_first(text, end + 2), slice_from(text, end + 4),
		    time_wall_us() - 60 * TIME_SECOND_US, &fields))) {
		fail(path, "refused");
	}
	write_file(path, &fields, &message);
	buf_clear(&fields);
	buf_clear(&message);
}

static void run_sign(const struct id *tenant, char **argv, int count)
{
	bool native = strcmp(argv[5], "native") == 0;
	struct signer *signer = signer_new(
		native ? SIGNER_NATIVE : SIGNER_LIBOPENDKIM, INT64_C(7) * 86400 * TIME_SECOND_US);
	struct keyring *keyring = open_ring(argv[2]);
	struct key_set *set = find_set(keyring, tenant, slice_of(argv[4]), SLICE(""));

	for (int i = 6; i < count; i++) {
		sign_file(signer, set, argv[i]);
	}
	key_set_unref(&set);
	keyring_close(&keyring);
	signer_free(&signer);
}

static void run_make(const struct id *tenant, char **argv)
{
	enum key_type type = strcmp(argv[6], "rsa") == 0 ? KEY_RSA_2048 : KEY_ED25519;
	struct keyring *keyring;
	struct key_set *set;
	struct buf text;

	buf_init(&text, 0);
	if (err_is(key_generate(slice_of(argv[2]), tenant, slice_of(argv[4]), slice_of(argv[5]),
		    type, &text))) {
		fail("key", buf_string(&text));
	}
	keyring = open_ring(argv[2]);
	buf_add_format(&text, "d=%s;s=%s", argv[4], argv[5]);
	set = find_set(keyring, tenant, slice_of(argv[4]), buf_slice(&text));
	buf_reset(&text);
	key_record_name(key_set_key(set, 0), &text);
	buf_add_byte(&text, ' ');
	key_record_text(key_set_key(set, 0), &text);
	printf("%s\n", buf_string(&text));
	key_set_unref(&set);
	keyring_close(&keyring);
	buf_clear(&text);
}

int main(int argc, char **argv)
{
	struct id tenant;

	if (argc < 7 || !id_parse(slice_of(argv[3]), &tenant)) {
		fail("usage", "see the head of sign-cli.c");
	}
	if (strcmp(argv[1], "make") == 0) {
		run_make(&tenant, argv);
	} else {
		run_sign(&tenant, argv, argc);
	}
	return 0;
}
