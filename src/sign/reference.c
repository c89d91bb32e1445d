/*
 * The reference signer: libopendkim, fed field by field.  The library parses the
 * key's text for every signature, asserts on bad arguments, and lets CR and LF
 * pass within a value; so it only ever sees fields that canon_split() found whole,
 * and keys that the keyring has parsed.
 *
 * Its size is found by signing the same headers over an empty body: the hash and
 * the signature are as long for any other.
 */
#include "reference.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>

#include <opendkim/dkim.h>

#include "base/mem.h"
#include "base/time.h"
#include "canon.h"
#include "key.h"

#define INITIAL_COLUMN 16 /* behind "DKIM-Signature: " */

struct reference {
	DKIM_LIB *library;
	struct fields fields;
	const char *names[CANON_NAMES];
	const char *over[CANON_NAMES];
	struct buf canon; /* where a body is checked for bare CR and LF */
	struct buf scratch;
};

static void set_option(DKIM_LIB *library, int option, void *value, size_t size)
{
	(void)dkim_options(library, DKIM_OP_SETOPT, option, value, size);
}

struct reference *reference_new(int64_t expire_us)
{
	struct reference *reference = MEM_NEW(struct reference);
	uint64_t lifetime_s = (uint64_t)(expire_us / TIME_SECOND_US);

	reference->library = dkim_init(NULL, NULL);
	buf_init(&reference->canon, 0);
	buf_init(&reference->scratch, 65536);
	canon_names(false, reference->names);
	canon_names(true, reference->over);
	/* The size asked for is that of u_char **, not of the list (ecosystem trap). */
	set_option(reference->library, DKIM_OPTS_SIGNHDRS, reference->names, sizeof(u_char **));
	set_option(reference->library, DKIM_OPTS_OVERSIGNHDRS, reference->over, sizeof(u_char **));
	if (lifetime_s > 0) {
		set_option(reference->library, DKIM_OPTS_SIGNATURETTL, &lifetime_s,
			sizeof(lifetime_s));
	}
	return reference;
}

void reference_free(struct reference **reference)
{
	if (*reference == NULL) {
		return;
	}
	dkim_close((*reference)->library);
	buf_clear(&(*reference)->canon);
	buf_clear(&(*reference)->scratch);
	mem_free(*reference);
	*reference = NULL;
}

/* The library does not end the last line by itself, as RFC 6376 section 3.4.4 wants. */
static bool feed_body(DKIM *dkim, struct slice body)
{
	static const char end[] = "\r\n";

	return (body.n == 0 || dkim_body(dkim, (u_char *)body.p, body.n) == DKIM_STAT_OK) &&
		(body.n == 0 || slice_ends(body, SLICE("\r\n")) ||
			dkim_body(dkim, (u_char *)end, 2) == DKIM_STAT_OK);
}

static bool feed(const struct reference *reference, DKIM *dkim, struct slice body)
{
	for (size_t i = 0; i < reference->fields.count; i++) {
		struct slice text = reference->fields.at[i].text;

		/* Without the last CRLF; folds stay. */
		if (dkim_header(dkim, (u_char *)text.p, text.n - 2) != DKIM_STAT_OK) {
			return false;
		}
	}
	return dkim_eoh(dkim) == DKIM_STAT_OK && feed_body(dkim, body) &&
		dkim_eom(dkim, NULL) == DKIM_STAT_OK;
}

/* The library's folds may be LF alone; ours are CRLF. */
static void add_field(struct slice value, struct buf *out)
{
	buf_add_text(out, "DKIM-Signature: ");
	for (size_t i = 0; i < value.n; i++) {
		if (value.p[i] == '\n' && (i == 0 || value.p[i - 1] != '\r')) {
			buf_add_byte(out, '\r');
		}
		buf_add_byte(out, value.p[i]);
	}
	buf_add_text(out, "\r\n");
}

static struct err sign_one(
	struct reference *reference, const struct key *key, struct slice body, struct buf *out)
{
	DKIM_STAT status = DKIM_STAT_OK;
	struct err err = err_os(0);
	u_char *text = NULL;
	size_t n = 0;
	DKIM *dkim = dkim_sign(reference->library, (const u_char *)"penguin", NULL,
		(dkim_sigkey_t)key->pem, (const u_char *)key->selector, (const u_char *)key->domain,
		DKIM_CANON_RELAXED, DKIM_CANON_RELAXED,
		key_is_ed25519(key) ? DKIM_SIGN_ED25519SHA256 : DKIM_SIGN_RSASHA256, -1, &status);

	if (dkim == NULL) {
		return err;
	}
	if (feed(reference, dkim, body) &&
		dkim_getsighdr_d(dkim, INITIAL_COLUMN, &text, &n) == DKIM_STAT_OK) {
		add_field(slice_make((const char *)text, n), out);
		err = out->spoiled ? err_limit() : ERR_OK;
	}
	(void)dkim_free(dkim);
	return err;
}

static struct err sign_all(struct reference *reference, const struct key_set *set,
	struct slice headers, struct slice body, int64_t first_us, struct buf *out)
{
	uint64_t time_s = (uint64_t)(first_us / TIME_SECOND_US);
	struct err err = ERR_OK;

	if (!canon_split(headers, &reference->fields)) {
		return err_input();
	}
	set_option(reference->library, DKIM_OPTS_FIXEDTIME, &time_s, sizeof(time_s));
	for (size_t i = 0; i < set->count && !err_is(err); i++) {
		err = sign_one(reference, &set->keys[i], body, out);
	}
	return err;
}

size_t reference_size(struct reference *reference, const struct key_set *set, struct slice headers,
	int64_t first_us)
{
	buf_reset(&reference->scratch);
	if (err_is(sign_all(reference, set, headers, SLICE(""), first_us, &reference->scratch))) {
		return 0;
	}
	return reference->scratch.n;
}

struct err reference_sign(struct reference *reference, const struct key_set *set,
	struct slice headers, struct slice body, int64_t first_us, struct buf *out)
{
	buf_reset(&reference->canon);
	if (!canon_body(body, &reference->canon)) {
		return err_input();
	}
	return sign_all(reference, set, headers, body, first_us, out);
}
