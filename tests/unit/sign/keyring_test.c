/* Whose keys sign for which domain, which files are refused, and what is kept. */
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <string.h>
#include <sys/stat.h>

#include "bench.h"
#include "io/dns.h"
#include "no_leaks.h"

TestSuite(keyring, .fini = no_leaks);

static const char *path_of(
	const struct bench *bench, const char *domain, const char *selector, struct buf *out)
{
	buf_reset(out);
	buf_add_format(out, "%s/", bench->directory);
	id_add(out, bench->tenant);
	buf_add_format(out, "/%s/%s.pem", domain, selector);
	return buf_string(out);
}

/* The pins of the set that is found, or "" and the reason in why. */
static const char *find(
	struct bench *bench, const char *domain, const char *pins, struct buf *out, struct buf *why)
{
	struct key_set *set =
		keyring_find(bench->keyring, &bench->tenant, slice_of(domain), slice_of(pins), why);

	buf_reset(out);
	if (set != NULL) {
		buf_add(out, key_set_pins(set));
	}
	key_set_unref(&set);
	return buf_string(out);
}

static const struct {
	const char *label;
	const char *from;
	const char *pins;
	const char *wanted; /* "" = none */
} lookups[] = {
	{"the domain itself", "example.org", "", "d=example.org;s=e1,e2"},
	{"a parent", "a.b.example.org", "", "d=example.org;s=e1,e2"},
	{"its own before the parent's", "mail.example.org", "", "d=mail.example.org;s=m1"},
	{"below one that has its own", "x.mail.example.org", "", "d=mail.example.org;s=m1"},
	{"one selector pinned", "example.org", "d=example.org;s=e2", "d=example.org;s=e2"},
	{"both pinned", "example.org", "d=example.org;s=e1,e2", "d=example.org;s=e1,e2"},
	{"the parent pinned", "mail.example.org", "d=example.org;s=e1", "d=example.org;s=e1"},
	{"a pinned selector is gone", "example.org", "d=example.org;s=e9", "d=example.org;s=e1,e2"},
	{"one of the pinned is gone", "example.org", "d=example.org;s=e1,e9", "d=example.org;s=e1"},
	{"a pinned domain that is no parent", "example.org", "d=other.example;s=o1",
		"d=example.org;s=e1,e2"},
	{"a pinned domain below", "example.org", "d=mail.example.org;s=m1",
		"d=example.org;s=e1,e2"},
	{"ends in the same letters", "notexample.org", "d=example.org;s=e1", ""},
	{"a pinned public suffix", "shop.co.uk", "d=co.uk;s=c1", ""},
	{"pins that are none", "example.org", "e2", "d=example.org;s=e1,e2"},
	{"pins that lead out", "example.org", "d=../x;s=e1", "d=example.org;s=e1,e2"},
	{"a public suffix is nobody's", "shop.co.uk", "", ""},
	{"a top-level domain neither", "org", "", ""},
	{"a stranger", "example.com", "", ""},
	{"upper case is not the canonical form", "Example.org", "", ""},
	{"a path", "../example.org", "", ""},
	{"nothing", "", "", ""},
};

Test(keyring, gen_G14_whose_keys_sign)
{
	struct bench bench;
	struct buf out;
	struct buf why;

	bench_open(&bench, 100);
	bench_add_key(&bench, &bench.tenant, "example.org", "e1", KEY_ED25519);
	bench_add_key(&bench, &bench.tenant, "example.org", "e2", KEY_ED25519);
	bench_add_key(&bench, &bench.tenant, "mail.example.org", "m1", KEY_ED25519);
	bench_add_key(&bench, &bench.tenant, "other.example", "o1", KEY_ED25519);
	bench_add_key(&bench, &bench.tenant, "co.uk", "c1", KEY_ED25519);
	bench_add_key(&bench, &bench.tenant, "org", "t1", KEY_ED25519);
	buf_init(&out, 0);
	buf_init(&why, 0);
	for (size_t i = 0; i < ARRAY_LEN(lookups); i++) {
		buf_reset(&why);
		cr_expect_str_eq(find(&bench, lookups[i].from, lookups[i].pins, &out, &why),
			lookups[i].wanted, "%s", lookups[i].label);
		cr_expect_eq(why.n > 0, lookups[i].wanted[0] == '\0', "%s: %s", lookups[i].label,
			buf_string(&why));
	}
	buf_clear(&out);
	buf_clear(&why);
	bench_clear(&bench);
}

Test(keyring, threat_K4_one_tenant_never_signs_with_the_key_of_another)
{
	struct id other = id_random();
	struct bench bench;
	struct buf why;

	bench_open(&bench, 10);
	bench_add_key(&bench, &bench.tenant, "example.org", "e1", KEY_ED25519);
	buf_init(&why, 0);
	bench.set =
		keyring_find(bench.keyring, &bench.tenant, SLICE("example.org"), SLICE(""), &why);
	cr_assert_not_null(bench.set); /* kept, and still not for the other one */
	cr_assert_null(keyring_find(bench.keyring, &other, SLICE("example.org"), SLICE(""), &why));
	cr_assert_null(keyring_find(
		bench.keyring, &other, SLICE("example.org"), key_set_pins(bench.set), &why));
	cr_assert_gt(why.n, 0);
	buf_clear(&why);
	bench_clear(&bench);
}

static const struct {
	mode_t mode;
	bool usable;
} modes[] = {
	{0600, true},
	{0400, true},
	{0640, true},
	{0644, false},
	{0604, false},
	{0620, false},
	{0602, false},
	{0666, false},
};

Test(keyring, threat_K4_a_key_that_others_may_read_or_change_is_refused)
{
	struct bench bench;
	struct buf path;
	struct buf out;
	struct buf why;

	bench_open(&bench, 10);
	bench_add_key(&bench, &bench.tenant, "example.org", "e1", KEY_ED25519);
	buf_init(&path, 0);
	buf_init(&out, 0);
	buf_init(&why, 0);
	for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
		buf_reset(&why);
		cr_assert_eq(chmod(path_of(&bench, "example.org", "e1", &path), modes[i].mode), 0);
		keyring_reload(bench.keyring);
		cr_expect_eq(find(&bench, "example.org", "", &out, &why)[0] != '\0',
			modes[i].usable, "%o: %s", modes[i].mode, buf_string(&why));
		cr_expect_eq(slice_search(buf_slice(&why), SLICE("chmod")) < why.n,
			!modes[i].usable, "%o", modes[i].mode);
	}
	buf_clear(&path);
	buf_clear(&out);
	buf_clear(&why);
	bench_clear(&bench);
}

static void write_pem(const char *path, EVP_PKEY *pkey, const char *password)
{
	FILE *file = fopen(path, "w");

	cr_assert_not_null(file);
	if (pkey == NULL) {
		cr_assert_gt(fputs("no key\n", file), 0);
	} else {
		cr_assert_eq(PEM_write_PKCS8PrivateKey(file, pkey,
				     password != NULL ? EVP_aes_128_cbc() : NULL, password,
				     password != NULL ? (int)strlen(password) : 0, NULL, NULL),
			1);
	}
	cr_assert_eq(fclose(file), 0);
	cr_assert_eq(chmod(path, 0600), 0);
	EVP_PKEY_free(pkey);
}

static void expect_reason(struct bench *bench, const char *reason)
{
	struct buf out;
	struct buf why;

	buf_init(&out, 0);
	buf_init(&why, 0);
	keyring_reload(bench->keyring);
	cr_expect_str_eq(find(bench, "example.org", "", &out, &why), "", "%s", reason);
	cr_expect_lt(slice_search(buf_slice(&why), slice_of(reason)), why.n, "%s: %s", reason,
		buf_string(&why));
	buf_clear(&out);
	buf_clear(&why);
}

Test(keyring, what_is_no_key_is_refused_with_a_reason)
{
	struct bench bench;
	struct buf path;
	const char *file;

	bench_open(&bench, 10);
	bench_add_key(&bench, &bench.tenant, "example.org", "k", KEY_ED25519);
	buf_init(&path, 0);
	file = path_of(&bench, "example.org", "k", &path);
	write_pem(file, NULL, NULL);
	expect_reason(&bench, "no private key");
	write_pem(file, EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)768), NULL);
	expect_reason(&bench, "768 bits");
	write_pem(file, EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256"), NULL);
	expect_reason(&bench, "neither an RSA nor an Ed25519 key");
	write_pem(file, EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"), "secret");
	expect_reason(&bench, "without a password");
	cr_assert_eq(truncate(file, 0), 0);
	expect_reason(&bench, "k.pem");
	cr_assert_eq(truncate(file, 100000), 0);
	expect_reason(&bench, "too large");
	cr_assert_eq(unlink(file), 0);
	cr_assert_eq(symlink("/etc/hostname", file), 0);
	expect_reason(&bench, "k.pem");
	buf_clear(&path);
	bench_clear(&bench);
}

Test(keyring, a_bad_key_is_not_passed_over_for_a_good_one)
{
	struct bench bench;
	struct buf path;

	bench_open(&bench, 10);
	bench_add_key(&bench, &bench.tenant, "example.org", "a", KEY_ED25519);
	bench_add_key(&bench, &bench.tenant, "example.org", "b", KEY_ED25519);
	buf_init(&path, 0);
	write_pem(path_of(&bench, "example.org", "b", &path), NULL, NULL);
	expect_reason(&bench, "b.pem");
	buf_clear(&path);
	bench_clear(&bench);
}

static bool is_found(struct bench *bench, const char *domain)
{
	struct buf out;
	struct buf why;
	bool found;

	buf_init(&out, 0);
	buf_init(&why, 0);
	found = find(bench, domain, "", &out, &why)[0] != '\0';
	buf_clear(&out);
	buf_clear(&why);
	return found;
}

/* What is kept is seen by taking its file away. */
Test(keyring, the_least_recently_used_goes_first)
{
	static const char *const domains[] = {"a.example", "b.example", "c.example"};
	struct bench bench;
	struct buf path;
	struct buf why;

	bench_open(&bench, 2);
	buf_init(&path, 0);
	buf_init(&why, 0);
	for (size_t i = 0; i < ARRAY_LEN(domains); i++) {
		bench_add_key(&bench, &bench.tenant, domains[i], "k", KEY_ED25519);
	}
	bench.set = keyring_find(bench.keyring, &bench.tenant, SLICE("b.example"), SLICE(""), &why);
	cr_assert(is_found(&bench, "a.example"));
	cr_assert(is_found(&bench, "b.example")); /* now a is the oldest */
	cr_assert(is_found(&bench, "c.example"));
	for (size_t i = 0; i < ARRAY_LEN(domains); i++) {
		cr_assert_eq(unlink(path_of(&bench, domains[i], "k", &path)), 0);
	}
	cr_expect(is_found(&bench, "b.example"));
	cr_expect(is_found(&bench, "c.example"));
	cr_expect_not(is_found(&bench, "a.example"));
	keyring_reload(bench.keyring);
	cr_expect_not(is_found(&bench, "b.example"));
	cr_expect_not(is_found(&bench, "c.example"));
	cr_assert_not_null(bench.set); /* in use: lives on, and can still be asked */
	cr_assert_eq(key_set_count(bench.set), 1);
	cr_assert(slice_equal(key_set_domain(bench.set), SLICE("b.example")));
	buf_clear(&path);
	buf_clear(&why);
	bench_clear(&bench);
}

Test(keyring, a_reload_sees_new_keys)
{
	struct bench bench;
	struct buf out;
	struct buf why;

	bench_open(&bench, 10);
	buf_init(&out, 0);
	buf_init(&why, 0);
	bench_add_key(&bench, &bench.tenant, "example.org", "a", KEY_ED25519);
	cr_assert_str_eq(find(&bench, "example.org", "", &out, &why), "d=example.org;s=a");
	bench_add_key(&bench, &bench.tenant, "example.org", "b", KEY_ED25519);
	cr_assert_str_eq(find(&bench, "example.org", "", &out, &why), "d=example.org;s=a");
	keyring_reload(bench.keyring);
	cr_assert_str_eq(find(&bench, "example.org", "", &out, &why), "d=example.org;s=a,b");
	buf_clear(&out);
	buf_clear(&why);
	bench_clear(&bench);
}

static const struct {
	const char *label;
	const char *before; /* of the key's own p= */
	bool own;           /* the key's own p= follows */
	const char *after;
	const char *reason; /* NULL = it matches */
} records[] = {
	{"as we write it", "v=DKIM1; k=ed25519; p=", true, "", NULL},
	{"other tags and blanks", "v = DKIM1 ;t=s; k=ed25519 ;n=x; p= ", true, " ;", NULL},
	{"without v=", "k=ed25519; p=", true, "", NULL},
	{"another version", "v=DKIM2; k=ed25519; p=", true, "", "v= is not DKIM1"},
	{"no p=", "v=DKIM1; k=ed25519", false, "", "no p="},
	{"revoked", "v=DKIM1; k=ed25519; p=", false, "", "revoked"},
	{"another key", "v=DKIM1; k=ed25519; p=AAAA", false, "", "another key"},
	{"not base64", "v=DKIM1; k=ed25519; p=%%%", false, "", "another key"},
	{"an Ed25519 key that claims RSA", "v=DKIM1; k=rsa; p=", true, "", "k=ed25519"},
	{"an Ed25519 key without k=", "v=DKIM1; p=", true, "", "k=ed25519"},
	{"for SHA-1 only", "v=DKIM1; k=ed25519; h=sha1; p=", true, "", "sha256"},
	{"for SHA-256 too", "v=DKIM1; k=ed25519; h=sha1 : sha256; p=", true, "", NULL},
	{"for e-mail and all else", "v=DKIM1; k=ed25519; s=*; p=", true, "", NULL},
	{"for something else", "v=DKIM1; k=ed25519; s=tlsrpt; p=", true, "", "not for e-mail"},
	{"something else", "v=spf1 -all", false, "", "v= is not DKIM1"},
	{"empty", "", false, "", "no p="},
};

Test(keyring, gen_G14_a_record_that_does_not_hold_the_key)
{
	const struct key *key;
	struct bench bench;
	struct buf text;
	struct buf record;
	size_t p;

	bench_init(&bench, false, true);
	key = key_set_key(bench.set, 0);
	buf_init(&text, 0);
	buf_init(&record, 0);
	key_record_text(key, &text);
	p = slice_search(buf_slice(&text), SLICE("p=")) + 2;
	for (size_t i = 0; i < ARRAY_LEN(records); i++) {
		struct dns_record published[2] = {{.text = SLICE("")}};
		struct dns_answer answer = {.records = published, .count = 1};
		struct slice match;
		const char *fault;

		buf_reset(&record);
		buf_add_text(&record, records[i].before);
		if (records[i].own) {
			buf_add(&record, slice_from(buf_slice(&text), p));
		}
		buf_add_text(&record, records[i].after);
		published[0].text = buf_slice(&record);
		fault = key_published(key, &answer, &match);
		cr_expect_eq(fault == NULL, records[i].reason == NULL, "%s: %s", records[i].label,
			fault);
		cr_expect(fault == NULL || strstr(fault, records[i].reason) != NULL, "%s: %s",
			records[i].label, fault);
		/* With the right one behind it, it does not matter. */
		published[1].text = buf_slice(&text);
		answer.count = 2;
		cr_expect_null(key_published(key, &answer, &match), "%s", records[i].label);
	}
	buf_clear(&text);
	buf_clear(&record);
	bench_clear(&bench);
}

/* The record to publish, as a zone file takes it: what is in quotes is the text. */
Test(keyring, a_missing_record_is_given_to_publish)
{
	struct slice rest;
	struct slice part;
	struct bench bench;
	struct buf text;
	struct buf joined;
	struct buf why;
	bool quoted = false;

	bench_init(&bench, true, false);
	buf_init(&text, 0);
	buf_init(&joined, 0);
	buf_init(&why, 0);
	key_record_text(key_set_key(bench.set, 0), &text);
	cr_assert_gt(text.n, 255);
	cr_assert_str_eq(key_published(key_set_key(bench.set, 0),
				 &(struct dns_answer){.status = DNS_NO_DOMAIN}, &part),
		"there is no such record");
	key_add_remedy(key_set_key(bench.set, 0), &why);
	cr_assert_lt(slice_search(buf_slice(&why), SLICE("r1._domainkey.example.org. IN TXT (")),
		why.n, "%s", buf_string(&why));
	rest = buf_slice(&why);
	while (rest.p != NULL) {
		slice_split(&rest, '"', &part);
		cr_expect(!quoted || part.n <= 255);
		buf_add(&joined, quoted ? part : SLICE(""));
		quoted = !quoted;
	}
	cr_assert_str_eq(buf_string(&joined), buf_string(&text));
	buf_clear(&text);
	buf_clear(&joined);
	buf_clear(&why);
	bench_clear(&bench);
}

static const struct {
	const char *domain;
	const char *selector;
} bad_names[] = {
	{"example.org", "../x"},
	{"example.org", ""},
	{"example.org", "a/b"},
	{"example.org", ".a"},
	{"../example.org", "a"},
	{"Example.org", "a"},
	{"example.org.", "a"},
	{"", "a"},
};

Test(keyring, making_a_key)
{
	struct stat status;
	struct bench bench;
	struct buf path;
	struct buf why;

	bench_open(&bench, 10);
	buf_init(&path, 0);
	buf_init(&why, 0);
	bench_add_key(&bench, &bench.tenant, "example.org", "a", KEY_ED25519);
	cr_assert_eq(stat(path_of(&bench, "example.org", "a", &path), &status), 0);
	cr_assert_eq(status.st_mode & 07777, 0600);
	cr_assert(err_is(key_generate(slice_of(bench.directory), &bench.tenant,
			  SLICE("example.org"), SLICE("a"), KEY_ED25519, &why)),
		"a key was overwritten");
	for (size_t i = 0; i < ARRAY_LEN(bad_names); i++) {
		cr_expect_eq(key_generate(slice_of(bench.directory), &bench.tenant,
				     slice_of(bad_names[i].domain), slice_of(bad_names[i].selector),
				     KEY_ED25519, &why)
				     .kind,
			ERR_INPUT, "row %zu", i);
	}
	buf_clear(&path);
	buf_clear(&why);
	bench_clear(&bench);
}

Test(keyring, a_directory_that_is_not_there)
{
	struct keyring_settings settings = {.directory = SLICE("/nonexistent/keys")};
	struct keyring *keyring = NULL;
	struct buf why;

	buf_init(&why, 0);
	cr_assert(err_is(keyring_open(&settings, &keyring, &why)));
	cr_assert_null(keyring);
	cr_assert_gt(why.n, 0);
	buf_clear(&why);
}

/* RFC 8463 section 3: beside RSA, never in its place. */
Test(keyring, gen_G13_ed25519_never_signs_alone)
{
	struct keyring_settings settings = {.sets_max = 10, .ed25519 = true, .needs_rsa = true};
	struct keyring *keyring;
	struct key_set *set;
	struct bench bench;
	struct buf why;

	bench_open(&bench, 10);
	bench_add_key(&bench, &bench.tenant, "example.org", "e1", KEY_ED25519);
	settings.directory = slice_of(bench.directory);
	buf_init(&why, 0);
	cr_assert(!err_is(keyring_open(&settings, &keyring, &why)));
	cr_expect_null(keyring_find(keyring, &bench.tenant, SLICE("example.org"), SLICE(""), &why));
	cr_expect_neq(slice_search(buf_slice(&why), SLICE("make an RSA key")), why.n, "%s",
		buf_string(&why));
	bench_add_key(&bench, &bench.tenant, "example.org", "r1", KEY_RSA_2048);
	buf_reset(&why);
	keyring_reload(keyring);
	set = keyring_find(keyring, &bench.tenant, SLICE("example.org"), SLICE(""), &why);
	cr_assert_not_null(set, "%s", buf_string(&why));
	cr_expect_eq(key_set_count(set), 2);
	key_set_unref(&set);
	keyring_close(&keyring);
	buf_clear(&why);
	bench_clear(&bench);
}
