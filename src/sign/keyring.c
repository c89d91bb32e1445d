/*
 * The keyring: sets of keys by (tenant, From domain, pins), read when first asked
 * for and kept, the least recently used going first.  A set that is in use lives on
 * when the ring forgets it.
 *
 * A tenant's keys are looked for in the tenant's folder only, so no configuration,
 * content or recipient can make one tenant sign with another's key.
 */
#include "sign/keyring.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/list.h"
#include "base/map.h"
#include "base/mem.h"
#include "key.h"
#include "mail/suffix.h"

#define KEYS_MAX 8 /* of one domain; each is a signature on every message */

struct kept {
	struct list_link link; /* least recently used first */
	struct slice name;
	struct key_set *set;
	unsigned generation;
};

struct keyring {
	int directory;
	unsigned generation; /* of the files; a reload makes all sets old */
	size_t sets_max;
	unsigned rsa_bits_min;
	bool ed25519;
	bool needs_rsa;
	struct map *sets;
	struct list order;
};

struct err keyring_open(
	const struct keyring_settings *settings, struct keyring **ret_keyring, struct buf *why)
{
	char *path = slice_string(settings->directory);
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct keyring *keyring;

	if (fd < 0) {
		struct err err = err_system();

		buf_add_format(why, "keys.directory: %s: %s", path, err_text(err));
		mem_free(path);
		return err;
	}
	mem_free(path);
	keyring = MEM_NEW(struct keyring);
	keyring->directory = fd;
	keyring->sets_max = settings->sets_max > 0 ? settings->sets_max : 1;
	keyring->rsa_bits_min = settings->rsa_bits_min;
	keyring->ed25519 = settings->ed25519;
	keyring->needs_rsa = settings->needs_rsa;
	keyring->sets = map_new();
	list_init(&keyring->order);
	*ret_keyring = keyring;
	return ERR_OK;
}

static void kept_free(struct keyring *keyring, struct kept *kept)
{
	list_remove(&keyring->order, &kept->link);
	map_remove(keyring->sets, kept->name);
	key_set_unref(&kept->set);
	mem_free((void *)kept->name.p);
	mem_free(kept);
}

void keyring_close(struct keyring **keyring)
{
	struct list_link *link;

	if (*keyring == NULL) {
		return;
	}
	while ((link = list_first(&(*keyring)->order)) != NULL) {
		kept_free(*keyring, LIST_OWNER(link, struct kept, link));
	}
	map_free(&(*keyring)->sets);
	(void)close((*keyring)->directory);
	mem_free(*keyring);
	*keyring = NULL;
}

void keyring_reload(struct keyring *keyring)
{
	keyring->generation++;
}

static void key_set_free(struct key_set *set)
{
	for (size_t i = 0; i < set->count; i++) {
		key_clear(&set->keys[i]);
	}
	mem_free(set->keys);
	mem_free(set->domain);
	mem_free(set->pins);
	mem_free(set);
}

struct key_set *key_set_ref(struct key_set *set)
{
	set->refs++;
	return set;
}

void key_set_unref(struct key_set **set)
{
	struct key_set *gone = *set;

	*set = NULL;
	if (gone != NULL && --gone->refs == 0) {
		key_set_free(gone);
	}
}

struct slice key_set_pins(const struct key_set *set)
{
	return slice_of(set->pins);
}

struct slice key_set_domain(const struct key_set *set)
{
	return slice_of(set->domain);
}

size_t key_set_count(const struct key_set *set)
{
	return set->count;
}

const struct key *key_set_key(const struct key_set *set, size_t at)
{
	return &set->keys[at];
}

/* Of what failed to open: it is there, or may be.  No leave to go unsigned. */
static bool may_exist(int error)
{
	return error != ENOENT && error != ENOTDIR;
}

/* The folder of a domain; -1 when there is none, or errno says why it cannot be looked at. */
static int open_domain(const struct keyring *keyring, const struct id *tenant, struct slice domain)
{
	struct buf path;
	int error;
	int fd;

	buf_init(&path, 0);
	id_add(&path, *tenant);
	buf_add_byte(&path, '/');
	buf_add(&path, domain);
	fd = openat(keyring->directory, buf_string(&path), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	error = errno;
	buf_clear(&path);
	errno = error;
	return fd;
}

/* Pinned selectors are "s=a,b"; without pins all are wanted. */
static bool is_wanted(struct slice pinned, struct slice selector)
{
	struct slice part;

	if (pinned.n == 0) {
		return true;
	}
	while (pinned.p != NULL) {
		slice_split(&pinned, ',', &part);
		if (slice_equal(part, selector)) {
			return true;
		}
	}
	return false;
}

static int is_pem(const struct dirent *entry)
{
	struct slice name = slice_of(entry->d_name);

	return slice_ends(name, SLICE(".pem")) && key_is_name(slice_first(name, name.n - 4));
}

/* False when a key that is wanted cannot be used; why says which. */
static bool add_key(const struct keyring *keyring, struct key_set *set, int folder,
	const char *file, struct buf *why)
{
	struct key *key = &set->keys[set->count];

	if (!key_read(key, folder, file, keyring->rsa_bits_min, why)) {
		key_clear(key);
		return false;
	}
	if (key_is_ed25519(key) && !keyring->ed25519) {
		key_clear(key);
		return true;
	}
	key->domain = mem_string(set->domain);
	key->selector = mem_copy(file, strlen(file) - 4);
	set->count++;
	return true;
}

static void write_pins(struct key_set *set)
{
	struct buf text;

	buf_init(&text, 0);
	buf_add_format(&text, "d=%s;s=", set->domain);
	for (size_t i = 0; i < set->count; i++) {
		buf_add_format(&text, "%s%s", i > 0 ? "," : "", set->keys[i].selector);
	}
	set->pins = mem_string(buf_string(&text));
	buf_clear(&text);
}

/* RFC 8463 section 3: receivers that do not know Ed25519 must find something they know. */
static bool has_what_it_needs(
	const struct keyring *keyring, const struct key_set *set, struct buf *why)
{
	for (size_t i = 0; i < set->count; i++) {
		if (!key_is_ed25519(&set->keys[i])) {
			return true;
		}
	}
	if (keyring->needs_rsa && set->count > 0) {
		buf_add_format(why,
			"the domain %s has Ed25519 keys only, which many receivers do not know: "
			"make an RSA key beside them with 'penguinctl key add'",
			set->domain);
		return false;
	}
	return true;
}

/* NULL when the folder has no key that is wanted, or one that cannot be used. */
static struct key_set *read_folder(const struct keyring *keyring, int folder, struct slice domain,
	struct slice selectors, struct buf *why)
{
	struct key_set *set = MEM_NEW(struct key_set);
	struct dirent **entries = NULL;
	int count;
	bool fine = true;

	set->refs = 1;
	set->domain = slice_string(domain);
	set->keys = mem_array(KEYS_MAX, sizeof(*set->keys));
	count = scandirat(folder, ".", &entries, is_pem, alphasort);
	if (count < 0) {
		buf_add_format(why, "the keys of %s: %s", set->domain, err_text(err_system()));
	}
	for (int i = 0; i < count; i++) {
		struct slice name = slice_of(entries[i]->d_name);

		if (fine && set->count < KEYS_MAX &&
			is_wanted(selectors, slice_first(name, name.n - 4))) {
			fine = add_key(keyring, set, folder, entries[i]->d_name, why);
		}
		free(entries[i]);
	}
	free(entries);
	if (!fine || set->count == 0 || !has_what_it_needs(keyring, set, why)) {
		key_set_free(set);
		return NULL;
	}
	write_pins(set);
	return set;
}

static struct key_set *read_domain(const struct keyring *keyring, const struct id *tenant,
	struct slice domain, struct slice selectors, struct buf *why)
{
	int folder = open_domain(keyring, tenant, domain);
	struct key_set *set;

	if (folder < 0) {
		if (may_exist(errno)) {
			buf_add_format(why, "the keys of %.*s: %s", (int)domain.n, domain.p,
				err_text(err_system()));
		}
		return NULL;
	}
	set = read_folder(keyring, folder, domain, selectors, why);
	(void)close(folder);
	return set;
}

/* The domain itself, then its parents up to where the public suffix begins. */
static struct key_set *read_nearest(const struct keyring *keyring, const struct id *tenant,
	struct slice domain, struct slice selectors, struct buf *why)
{
	struct slice at = domain;

	while (at.n > 0 && !suffix_is_public(at)) {
		struct key_set *set = read_domain(keyring, tenant, at, selectors, why);

		if (set != NULL || why->n > 0) {
			return set;
		}
		at = slice_from(at, slice_find(at, '.') + 1);
	}
	return NULL;
}

static bool is_same_or_below(struct slice domain, struct slice parent)
{
	return slice_ends(domain, parent) &&
		(domain.n == parent.n || domain.p[domain.n - parent.n - 1] == '.');
}

bool keyring_has(const struct keyring *keyring, const struct id *tenant, struct slice domain)
{
	struct slice at = domain;
	bool found = false;

	while (!found && at.n > 0 && key_is_name(at) && !suffix_is_public(at)) {
		int folder = open_domain(keyring, tenant, at);
		struct dirent **entries = NULL;
		int count = folder >= 0 ? scandirat(folder, ".", &entries, is_pem, alphasort) : 0;

		found = folder >= 0 ? count != 0 : may_exist(errno);
		while (count-- > 0) {
			free(entries[count]);
		}
		free(entries);
		if (folder >= 0) {
			(void)close(folder);
		}
		at = slice_from(at, slice_find(at, '.') + 1);
	}
	return found;
}

static int is_folder_name(const struct dirent *entry)
{
	return key_is_name(slice_of(entry->d_name));
}

static void each_domain(const struct keyring *keyring, const char *folder, const struct id *tenant,
	void (*on_domain)(void *owner, const struct id *tenant, struct slice domain), void *owner)
{
	struct dirent **entries = NULL;
	int count = scandirat(keyring->directory, folder, &entries, is_folder_name, alphasort);

	for (int i = 0; i < count; i++) {
		if (keyring_has(keyring, tenant, slice_of(entries[i]->d_name))) {
			on_domain(owner, tenant, slice_of(entries[i]->d_name));
		}
		free(entries[i]);
	}
	free(entries);
}

void keyring_each(const struct keyring *keyring,
	void (*on_domain)(void *owner, const struct id *tenant, struct slice domain), void *owner)
{
	struct dirent **entries = NULL;
	int count = scandirat(keyring->directory, ".", &entries, is_folder_name, alphasort);

	for (int i = 0; i < count; i++) {
		struct id tenant;

		if (id_parse(slice_of(entries[i]->d_name), &tenant)) {
			each_domain(keyring, entries[i]->d_name, &tenant, on_domain, owner);
		}
		free(entries[i]);
	}
	free(entries);
}

/* "d=example.org;s=a,b": only a domain that is this one or a parent of it counts. */
static void split_pins(struct slice pins, struct slice domain, struct slice *ret_domain,
	struct slice *ret_selectors)
{
	size_t end = slice_find(pins, ';');
	struct slice d = slice_from(slice_first(pins, end), 2);
	struct slice s = slice_from(slice_from(pins, end + 1), 2);

	*ret_domain = domain;
	*ret_selectors = SLICE("");
	if (slice_starts(pins, SLICE("d=")) && key_is_name(d) && is_same_or_below(domain, d) &&
		!suffix_is_public(d)) {
		*ret_domain = d;
		*ret_selectors = s;
	}
}

static struct key_set *find_fresh(struct keyring *keyring, const struct id *tenant,
	struct slice domain, struct slice pins, struct buf *why)
{
	struct slice at;
	struct slice selectors;
	struct key_set *set;
	char text[ID_TEXT + 1];

	split_pins(pins, domain, &at, &selectors);
	set = selectors.n > 0 ? read_domain(keyring, tenant, at, selectors, why) : NULL;
	if (set == NULL && why->n == 0) {
		/* Nothing pinned, or what was pinned is gone from disk: what there is now. */
		set = read_nearest(keyring, tenant, domain, SLICE(""), why);
	}
	if (set == NULL && why->n == 0) {
		id_text(*tenant, text);
		buf_add_format(why,
			"no DKIM key of tenant %s for the domain %.*s: make one with "
			"'penguinctl key add', or put SELECTOR.pem into %s/%.*s of keys.directory",
			text, (int)domain.n, domain.p, text, (int)domain.n, domain.p);
	}
	return set;
}

static void keep(struct keyring *keyring, struct slice name, struct key_set *set)
{
	struct kept *kept = MEM_NEW(struct kept);

	if (map_count(keyring->sets) >= keyring->sets_max) {
		kept_free(keyring, LIST_OWNER(list_first(&keyring->order), struct kept, link));
	}
	kept->name = slice_make(mem_copy(name.p, name.n), name.n);
	kept->set = key_set_ref(set);
	kept->generation = keyring->generation;
	map_put(keyring->sets, kept->name, kept);
	list_push(&keyring->order, &kept->link);
}

static struct kept *find_kept(struct keyring *keyring, struct slice name)
{
	struct kept *kept = map_get(keyring->sets, name);

	if (kept != NULL && kept->generation != keyring->generation) {
		kept_free(keyring, kept);
		return NULL;
	}
	if (kept != NULL) {
		list_remove(&keyring->order, &kept->link);
		list_push(&keyring->order, &kept->link);
	}
	return kept;
}

struct key_set *keyring_find(struct keyring *keyring, const struct id *tenant, struct slice domain,
	struct slice pins, struct buf *why)
{
	struct key_set *set;
	struct kept *kept;
	struct buf name;

	if (!key_is_name(domain)) {
		buf_add_text(why, "the From domain is not a host name in lower case");
		return NULL;
	}
	buf_init(&name, 0);
	buf_add(&name, id_slice(tenant));
	buf_add(&name, domain);
	buf_add_byte(&name, 0);
	buf_add(&name, pins);
	kept = find_kept(keyring, buf_slice(&name));
	if (kept != NULL) {
		set = key_set_ref(kept->set);
	} else {
		set = find_fresh(keyring, tenant, domain, pins, why);
		if (set != NULL) {
			keep(keyring, buf_slice(&name), set);
		}
	}
	buf_clear(&name);
	return set;
}
