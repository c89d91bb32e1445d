/*
 * sign: any bytes are either refused, or signed so that libopendkim passes them.
 * The canonical forms are compared with a second, slow and obvious one, and are
 * their own canonical forms.  The key is fixed, so that an input means the same
 * every time.
 */
#include <stdint.h>
#include <stdlib.h>

#include "canon.h"
#include "key.h"
#include "sign/judge.h"
#include "sign/signer.h"

#define FIRST_US (INT64_C(1764000000) * 1000000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
	if (!holds) {
		abort();
	}
}

/* Blanks reduced to one, none at the end; also none at the beginning when `lead` is false. */
static void slow_blanks(struct slice text, bool lead, struct buf *out)
{
	size_t start = out->n;

	for (size_t i = 0; i < text.n; i++) {
		char c = text.p[i];
		bool blank = c == ' ' || c == '\t';
		bool after = out->n > start && out->p[out->n - 1] == ' ';

		if (c == '\r' || c == '\n' || (blank && (after || (!lead && out->n == start)))) {
			continue;
		}
		buf_add_byte(out, blank ? ' ' : c);
	}
	if (out->n > start && out->p[out->n - 1] == ' ') {
		buf_cut(out, out->n - 1);
	}
}

static bool has_bare(struct slice text)
{
	for (size_t i = 0; i < text.n; i++) {
		if ((text.p[i] == '\r' && (i + 1 == text.n || text.p[i + 1] != '\n')) ||
			(text.p[i] == '\n' && (i == 0 || text.p[i - 1] != '\r'))) {
			return true;
		}
	}
	return false;
}

static void slow_body(struct slice body, struct buf *out)
{
	struct slice line;

	while (body.p != NULL) {
		bool ended = slice_split(&body, '\n', &line);

		if (ended || line.n > 0) {
			slow_blanks(line, true, out);
			buf_add_text(out, "\r\n");
		}
	}
	while (slice_ends(buf_slice(out), SLICE("\r\n\r\n"))) {
		buf_cut(out, out->n - 2);
	}
	if (slice_equal(buf_slice(out), SLICE("\r\n"))) {
		buf_reset(out);
	}
}

static void check_body(struct slice body)
{
	struct buf fast;
	struct buf slow;
	struct buf again;

	buf_init(&fast, 0);
	buf_init(&slow, 0);
	buf_init(&again, 0);
	if (canon_body(body, &fast)) {
		check(!has_bare(body));
		slow_body(body, &slow);
		check(slice_equal(buf_slice(&fast), buf_slice(&slow)));
		check(canon_body(buf_slice(&fast), &again));
		check(slice_equal(buf_slice(&fast), buf_slice(&again)));
	} else {
		check(has_bare(body));
	}
	buf_clear(&fast);
	buf_clear(&slow);
	buf_clear(&again);
}

static void check_field(const struct field *field)
{
	size_t colon = slice_find(field->text, ':');
	struct fields again;
	struct buf fast;
	struct buf slow;

	buf_init(&fast, 0);
	buf_init(&slow, 0);
	canon_field(field, &fast);
	slow_blanks(field->name, false, &slow);
	check(slow.n == field->name.n);
	for (size_t i = 0; i < slow.n; i++) {
		slow.p[i] =
			(char)(slow.p[i] >= 'A' && slow.p[i] <= 'Z' ? slow.p[i] + 32 : slow.p[i]);
	}
	buf_add_byte(&slow, ':');
	slow_blanks(slice_from(field->text, colon + 1), false, &slow);
	buf_add_text(&slow, "\r\n");
	check(slice_equal(buf_slice(&fast), buf_slice(&slow)));
	check(canon_split(buf_slice(&fast), &again) && again.count == 1);
	buf_reset(&slow);
	canon_field(&again.at[0], &slow);
	check(slice_equal(buf_slice(&fast), buf_slice(&slow)));
	buf_clear(&fast);
	buf_clear(&slow);
}

/* True when it is a header block that has no signature yet. */
static bool check_headers(struct slice headers)
{
	struct fields fields;
	size_t length = 0;
	bool fresh = true;

	if (!canon_split(headers, &fields)) {
		return false;
	}
	for (size_t i = 0; i < fields.count; i++) {
		length += fields.at[i].text.n;
		fresh = fresh && !slice_equal_nocase(fields.at[i].name, SLICE("DKIM-Signature"));
		check_field(&fields.at[i]);
	}
	check(length == headers.n);
	return fresh;
}

/* The judge takes the first From for the author's, so that one is ours. */
static void check_signature(struct slice headers, struct slice body, struct buf *message)
{
	static const unsigned char secret[32] = {1, 2, 3};
	struct key key = {.domain = (char *)"example.org", .selector = (char *)"k"};
	struct key_set set = {.domain = key.domain, .keys = &key, .count = 1};
	struct signer *signer = signer_new(SIGNER_NATIVE, 0);
	struct judge *judge = NULL;
	struct buf block;
	struct buf records;
	struct buf why;

	key.pkey = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, secret, sizeof(secret));
	key.signature_bytes = 64;
	buf_init(&block, 0);
	buf_init(&records, 0);
	buf_init(&why, 0);
	buf_add_text(&block, "From: ann@example.org\r\n");
	buf_add(&block, headers);
	key_record_name(&key, &records);
	buf_add_byte(&records, ' ');
	key_record_text(&key, &records);
	check(!err_is(judge_new(buf_slice(&records), &judge, &why)));
	if (!err_is(signer_sign(signer, &set, buf_slice(&block), body, FIRST_US, message))) {
		check(message->n == signer_size(signer, &set, buf_slice(&block), FIRST_US));
		buf_add(message, buf_slice(&block));
		buf_add_text(message, "\r\n");
		buf_add(message, body);
		check(judge_message(judge, buf_slice(message), &why) == 1);
	}
	judge_free(&judge);
	signer_free(&signer);
	EVP_PKEY_free(key.pkey);
	buf_clear(&block);
	buf_clear(&records);
	buf_clear(&why);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice text = slice_make((const char *)data, size);
	size_t end = slice_search(text, SLICE("\r\n\r\n"));
	struct slice headers = slice_first(text, end + 2);
	struct slice body = slice_from(text, end + 4);

	check_body(text);
	check_body(body);
	if (check_headers(headers)) {
		struct buf message;

		buf_init(&message, 0);
		check_signature(headers, body, &message);
		buf_clear(&message);
	}
	return 0;
}
