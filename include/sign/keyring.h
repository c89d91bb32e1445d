/*
 * The DKIM keys, from a directory: TENANT-UUID/DOMAIN/SELECTOR.pem, so that a key
 * is bound to its tenant by where it lies; penguin-keys(5).  Parsed keys are kept
 * (parsing costs more than signing), in an LRU that should be larger than the
 * number of domains.  A key file that others may read is refused.
 */
#ifndef SIGN_KEYRING_H
#define SIGN_KEYRING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/id.h"
#include "base/slice.h"

struct keyring;
struct key_set;

struct keyring_settings {
	struct slice directory;
	size_t sets_max;       /* domains kept parsed */
	unsigned rsa_bits_min; /* shorter keys are refused; 0 = 1024 */
	bool ed25519;          /* use Ed25519 keys too, beside RSA */
	bool needs_rsa;        /* never Ed25519 alone: most receivers would see no signature */
};

/* why gets the reason: no such directory, not readable, modes too open. */
MUST_USE struct err keyring_open(
	const struct keyring_settings *settings, struct keyring **ret_keyring, struct buf *why);
void keyring_close(struct keyring **keyring); /* sets in use live on */

/* Files may have changed: every set is read anew when next asked for. */
void keyring_reload(struct keyring *keyring);

/*
 * The keys that sign for a From domain (A-labels, lower case): those of the domain
 * itself, else of its nearest parent that has any (relaxed alignment), never a
 * public suffix.  `pins` names the selectors to use ("d=example.org;s=a,b" as
 * key_set_pins() wrote it), empty = all keys there are now.  NULL with a reason
 * and the remedy in why when there are none; the result is the caller's (unref).
 */
struct key_set *keyring_find(struct keyring *keyring, const struct id *tenant, struct slice domain,
	struct slice pins, struct buf *why);
/* Every tenant and domain that has a folder with a key file, in no order. */
void keyring_each(const struct keyring *keyring,
	void (*on_domain)(void *owner, const struct id *tenant, struct slice domain), void *owner);

/* Whether a key file is there at all, usable or not: who has one is never sent unsigned. */
bool keyring_has(const struct keyring *keyring, const struct id *tenant, struct slice domain);

struct key_set *key_set_ref(struct key_set *set);
void key_set_unref(struct key_set **set);

/* What is carried along with a retry, so that every attempt signs alike. */
struct slice key_set_pins(const struct key_set *set);
struct slice key_set_domain(const struct key_set *set); /* d= */

/* The keys one by one, for checks against DNS and for people. */
struct key;
size_t key_set_count(const struct key_set *set);
const struct key *key_set_key(const struct key_set *set, size_t at);

/* SELECTOR._domainkey.DOMAIN, and the record's text: "v=DKIM1; k=rsa; p=..." */
void key_record_name(const struct key *key, struct buf *out);
void key_record_text(const struct key *key, struct buf *out);

bool key_is_rsa(const struct key *key); /* else Ed25519 */
unsigned key_bits(const struct key *key);

/*
 * NULL when what DNS has published at the key's name holds the key; *ret_record is
 * then that text.  Otherwise what is wrong, as the end of a sentence; of several
 * texts at one name one that is right is enough here; a verifier may take another.
 */
struct dns_answer;
const char *key_published(
	const struct key *key, const struct dns_answer *answer, struct slice *ret_record);

/* The record to publish, in zone-file form. */
void key_add_remedy(const struct key *key, struct buf *out);

/* For tools: makes TENANT/DOMAIN/SELECTOR.pem (mode 0600); refuses to overwrite. */
enum key_type {
	KEY_RSA_2048,
	KEY_ED25519,
};
MUST_USE struct err key_generate(struct slice directory, const struct id *tenant,
	struct slice domain, struct slice selector, enum key_type type, struct buf *why);

#endif
