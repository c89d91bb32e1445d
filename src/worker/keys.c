/*
 * Which keys sign, and whether the world can verify them.  One entry for each
 * (tenant, From domain, pins); its keys are asked for in DNS one after the other
 * and compared.  Good for an hour; bad for a minute, so that a mended record helps
 * soon; a DNS that does not answer is not held against a key that was good.
 *
 * At the start and after a reload all keys there are get compared, a few at a time, so
 * that a missing record is told before the campaign that needs it begins.
 *
 * A bad key stops what it would have signed, with the record to publish in the
 * reason: nothing goes out that receivers could not verify.
 */
#include "keys.h"

#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/time.h"
#include "io/watch.h"
#include "sign/selfcheck.h"

#define SWEEP_AT_ONCE 20
#define PATIENCE_US (60 * TIME_SECOND_US) /* with a name that does not answer, unless none does */
#define CHILDREN_MAX 2

enum standing {
	STANDING_ASKING,   /* a DNS question is out */
	STANDING_CHECKING, /* a child verifies, or will when it is its turn */
	STANDING_GOOD,
	STANDING_BAD,
	STANDING_UNKNOWN, /* the DNS did not answer, and never did before */
};

struct entry {
	struct keys *home;
	struct slice key;
	struct key_set *set;
	struct buf why;
	struct buf records;    /* as published: "NAME TEXT" lines for the self-check */
	struct list waiting;   /* jobs */
	struct list_link turn; /* in keys.turns */
	struct selfcheck *check;
	struct watch *watch; /* of the child's answer */
	enum standing standing;
	size_t checked; /* keys of the set compared so far */
	int64_t until_us;
	bool swept;        /* asked for by the sweep */
	bool seen;         /* compared before, and found good */
	int64_t missed_us; /* since when it has no answer; 0 = it has one */
};

struct keys {
	struct worker *worker;
	struct map *entries;
	struct entry **sweep; /* still to be compared */
	struct list turns;    /* entries that wait for a child of their own */
	size_t children;
	size_t sweep_count;
	size_t sweeping;
	bool in_sweep;
};

struct keys *keys_new(struct worker *worker)
{
	struct keys *keys = MEM_NEW(struct keys);

	keys->worker = worker;
	keys->entries = map_new();
	list_init(&keys->turns);
	return keys;
}

static void entry_free(struct entry *entry)
{
	key_set_unref(&entry->set);
	buf_clear(&entry->why);
	buf_clear(&entry->records);
	mem_free((void *)entry->key.p);
	mem_free(entry);
}

static void entry_cancel(struct entry *entry, struct list *turns)
{
	if (list_linked(&entry->turn)) {
		list_remove(turns, &entry->turn);
	}
	if (entry->check != NULL) {
		watch_stop(&entry->watch);
		(void)err_is(selfcheck_finish(&entry->check, &entry->why));
	}
}

/* An entry whose question is still out lives until the answer has come (on_record). */
void keys_free(struct keys **keys)
{
	size_t at = 0;
	struct slice key;
	void *value;

	if (*keys == NULL) {
		return;
	}
	while (map_next((*keys)->entries, &at, &key, &value)) {
		struct entry *entry = value;

		entry->home = NULL;
		if (entry->standing != STANDING_ASKING) {
			entry_cancel(entry, &(*keys)->turns);
			entry_free(entry);
		}
	}
	map_free(&(*keys)->entries);
	mem_free((*keys)->sweep);
	mem_free(*keys);
	*keys = NULL;
}

void keys_reload(struct keys *keys)
{
	size_t at = 0;
	struct slice key;
	void *value;

	keyring_reload(keys->worker->seal.keyring);
	while (map_next(keys->entries, &at, &key, &value)) {
		((struct entry *)value)->until_us = 0;
		((struct entry *)value)->seen = false;
	}
	keys_sweep(keys);
}

static void answer(const struct entry *entry, struct plan *plan)
{
	bool good = entry->standing == STANDING_GOOD;

	if (entry->standing == STANDING_UNKNOWN) {
		flow_on_no_answer(plan);
		return;
	}
	flow_on_keys(plan, good && entry->set != NULL ? key_set_ref(entry->set) : NULL,
		good ? SLICE("") : buf_slice(&entry->why));
}

static void sweep_on(struct keys *keys);

static const int64_t lives_us[] = {
	[STANDING_GOOD] = 3600 * TIME_SECOND_US,
	[STANDING_BAD] = 60 * TIME_SECOND_US,
	[STANDING_UNKNOWN] = 5 * TIME_SECOND_US,
};

static void settle(struct entry *entry, enum standing standing)
{
	struct list_link *link;
	int64_t now_us = loop_now_us(entry->home->worker->loop);

	entry->standing = standing;
	entry->until_us = now_us + lives_us[standing];
	if (standing == STANDING_UNKNOWN) {
		log_warning(NULL, "dkim_key_not_compared", "reason=%s",
			log_quote(buf_slice(&entry->why)));
	}
	if (standing == STANDING_BAD) {
		entry->seen = false;
		log_error(
			NULL, "dkim_key_unusable", "reason=%s", log_quote(buf_slice(&entry->why)));
	}
	while ((link = list_pop(&entry->waiting)) != NULL) {
		answer(entry, LIST_OWNER(link, struct job, link)->plan);
	}
	if (entry->swept) {
		entry->swept = false;
		entry->home->sweeping--;
		sweep_on(entry->home);
	}
}

static void check_next(struct entry *entry);

static void refuse(struct entry *entry, const struct key *key, const char *fault)
{
	buf_reset(&entry->why);
	key_record_name(key, &entry->why);
	buf_add_format(&entry->why, ": %s; publish: ", fault);
	key_add_remedy(key, &entry->why);
	settle(entry, STANDING_BAD);
}

/*
 * A key that was good stays good; about another one nothing is known yet, and jobs wait.
 * When only this name is silent for long, the campaign says so.
 */
static enum standing without_answer(struct entry *entry)
{
	const struct worker *worker = entry->home->worker;
	int64_t now_us = loop_now_us(worker->loop);

	if (entry->seen || worker->equipment->config->keys.check_dns == CONFIG_CHECK_DNS_ON) {
		return STANDING_GOOD;
	}
	if (entry->missed_us == 0) {
		entry->missed_us = now_us;
	}
	return now_us - entry->missed_us < PATIENCE_US || resolver_is_out(worker->resolver)
		? STANDING_UNKNOWN
		: STANDING_BAD;
}

static void no_answer(struct entry *entry, const struct key *key)
{
	buf_reset(&entry->why);
	buf_add_text(&entry->why, "the DNS does not answer for ");
	key_record_name(key, &entry->why);
	buf_add_text(&entry->why, ": the key cannot be compared with its record");
	settle(entry, without_answer(entry));
	entry->until_us = loop_now_us(entry->home->worker->loop) + lives_us[STANDING_UNKNOWN];
}

/* RFC 6376 section 3.6.2.2: which one a verifier takes is not defined. */
static void warn_of_others(const struct key *key, size_t count)
{
	struct buf name;

	buf_init(&name, 0);
	key_record_name(key, &name);
	log_warning(NULL, "dkim_record_not_alone", "name=%s records=%zu text=%s", buf_string(&name),
		count,
		log_quote(SLICE("receivers may take another than ours: leave one TXT record")));
	buf_clear(&name);
}

static void take_record(struct entry *entry, const struct dns_answer *answer)
{
	const struct key *key = key_set_key(entry->set, entry->checked);
	struct slice record = SLICE("");
	const char *fault;

	if (answer->status == DNS_TEMPORARY) {
		no_answer(entry, key);
		return;
	}
	entry->missed_us = 0;
	fault = key_published(key, answer, &record);
	if (fault != NULL) {
		refuse(entry, key, fault);
		return;
	}
	if (answer->count > 1) {
		warn_of_others(key, answer->count);
	}
	key_record_name(key, &entry->records);
	buf_add_byte(&entry->records, ' ');
	buf_add(&entry->records, record);
	buf_add_byte(&entry->records, '\n');
	entry->checked++;
	check_next(entry);
}

static void on_record(void *owner, const struct dns_answer *answer)
{
	struct entry *entry = owner;

	if (entry->home == NULL) {
		entry_free(entry); /* nobody wants to know any more */
	} else {
		take_record(entry, answer);
	}
}

static void start_children(struct keys *keys);

/* Having no answer (no process, no time) is not held against the keys. */
static void settle_checked(struct entry *entry, struct err err)
{
	if (err_is(err) && err.kind != ERR_INPUT) {
		log_warning(NULL, "selfcheck_without_answer", "why=%s",
			log_quote(buf_slice(&entry->why)));
	}
	entry->seen = err.kind != ERR_INPUT;
	settle(entry, entry->seen ? STANDING_GOOD : STANDING_BAD);
}

static void on_child(void *owner)
{
	struct entry *entry = owner;
	struct keys *keys = entry->home;

	entry->watch = NULL;
	keys->children--;
	settle_checked(entry, selfcheck_finish(&entry->check, &entry->why));
	start_children(keys);
}

/* The last word is libopendkim's, in a child: signer, keys and records together. */
static void start_child(struct entry *entry)
{
	struct worker *worker = entry->home->worker;
	struct buf message;
	struct err err;

	buf_reset(&entry->why);
	buf_init(&message, 0);
	err = selfcheck_sample(
		entry->set, worker->seal.signer, loop_wall_us(worker->loop), &message);
	if (!err_is(err)) {
		err = selfcheck_start(
			buf_slice(&entry->records), buf_slice(&message), &entry->check);
	}
	buf_clear(&message);
	if (!err_is(err)) {
		err = watch_start(
			worker->loop, selfcheck_fd(entry->check), on_child, entry, &entry->watch);
	}
	if (!err_is(err)) {
		entry->home->children++;
		return;
	}
	if (entry->check != NULL) {
		(void)err_is(selfcheck_finish(&entry->check, &entry->why));
	}
	buf_reset(&entry->why);
	buf_add_format(&entry->why, "the self-check could not begin: %s", err_text(err));
	settle_checked(entry, err_limit());
}

static void start_children(struct keys *keys)
{
	struct list_link *link;

	while (keys->children < CHILDREN_MAX && (link = list_pop(&keys->turns)) != NULL) {
		start_child(LIST_OWNER(link, struct entry, turn));
	}
}

static void check_signature(struct entry *entry)
{
	entry->standing = STANDING_CHECKING;
	list_push(&entry->home->turns, &entry->turn);
	start_children(entry->home);
}

static void check_next(struct entry *entry)
{
	struct buf name;

	if (entry->checked >= key_set_count(entry->set)) {
		/* Nobody waits: the sweep.  The last word is for when somebody does. */
		if (entry->waiting.count == 0) {
			settle(entry, STANDING_GOOD);
			entry->until_us = 0;
		} else {
			check_signature(entry);
		}
		return;
	}
	buf_init(&name, 0);
	key_record_name(key_set_key(entry->set, entry->checked), &name);
	dns_find(entry->home->worker->dns, buf_slice(&name), DNS_TXT, on_record, entry);
	buf_clear(&name);
}

/* What an entry is for stands in its name: tenant, domain, NUL, pins. */
static struct id tenant_of(const struct entry *entry)
{
	return id_from(entry->key);
}

static struct slice domain_of(const struct entry *entry)
{
	struct slice rest = slice_from(entry->key, sizeof(struct id));

	return slice_first(rest, slice_find(rest, '\0'));
}

static struct slice pins_of(const struct entry *entry)
{
	struct slice rest = slice_from(entry->key, sizeof(struct id));

	return slice_from(rest, slice_find(rest, '\0') + 1);
}

/* A key that cannot be used is a fault to mend, no leave to send unsigned. */
static bool has_key(const struct entry *entry)
{
	struct id tenant = tenant_of(entry);

	return keyring_has(entry->home->worker->seal.keyring, &tenant, domain_of(entry));
}

/* Looks the set up and starts the comparison with DNS. */
static void entry_begin(struct entry *entry)
{
	struct worker *worker = entry->home->worker;
	const struct config_keys *settings = &worker->equipment->config->keys;
	struct id tenant = tenant_of(entry);

	buf_reset(&entry->why);
	buf_reset(&entry->records);
	key_set_unref(&entry->set);
	entry->checked = 0;
	entry->standing = STANDING_ASKING;
	entry->set = keyring_find(
		worker->seal.keyring, &tenant, domain_of(entry), pins_of(entry), &entry->why);
	if (entry->set == NULL) {
		settle(entry,
			settings->allow_unsigned && !has_key(entry) ? STANDING_GOOD : STANDING_BAD);
	} else if (settings->check_dns == CONFIG_CHECK_DNS_OFF) {
		settle(entry, STANDING_GOOD);
	} else {
		check_next(entry);
	}
}

static struct entry *entry_of(
	struct keys *keys, const struct id *tenant, struct slice domain, struct slice pins)
{
	struct entry *entry;
	struct buf key;

	buf_init(&key, 0);
	buf_add(&key, id_slice(tenant));
	buf_add(&key, domain);
	buf_add_byte(&key, 0);
	buf_add(&key, pins);
	entry = map_get(keys->entries, buf_slice(&key));
	if (entry == NULL) {
		entry = MEM_NEW(struct entry);
		entry->home = keys;
		entry->key = slice_make(mem_copy(key.p, key.n), key.n);
		buf_init(&entry->why, 8192);
		buf_init(&entry->records, 65536);
		list_init(&entry->waiting);
		entry->standing = STANDING_BAD;
		map_put(keys->entries, entry->key, entry);
	}
	buf_clear(&key);
	return entry;
}

static bool is_asked(const struct entry *entry)
{
	return entry->standing == STANDING_ASKING || entry->standing == STANDING_CHECKING;
}

static bool is_due(const struct entry *entry)
{
	return !is_asked(entry) && entry->until_us <= loop_now_us(entry->home->worker->loop);
}

/* An answer that is known at once comes from within: then the loop here goes on. */
static void sweep_on(struct keys *keys)
{
	if (keys->in_sweep) {
		return;
	}
	keys->in_sweep = true;
	while (keys->sweep_count > 0 && keys->sweeping < SWEEP_AT_ONCE) {
		struct entry *entry = keys->sweep[--keys->sweep_count];

		if (is_due(entry)) {
			entry->swept = true;
			keys->sweeping++;
			entry_begin(entry);
		}
	}
	keys->in_sweep = false;
}

static void on_domain(void *owner, const struct id *tenant, struct slice domain)
{
	struct keys *keys = owner;

	keys->sweep = mem_grow(keys->sweep, keys->sweep_count + 1, sizeof(struct entry *));
	keys->sweep[keys->sweep_count++] = entry_of(keys, tenant, domain, SLICE(""));
}

void keys_sweep(struct keys *keys)
{
	if (keys->worker->equipment->config->keys.check_dns != CONFIG_CHECK_DNS_OFF) {
		keys->sweep_count = 0;
		keyring_each(keys->worker->seal.keyring, on_domain, keys);
		sweep_on(keys);
	}
}

void keys_find(struct keys *keys, struct plan *plan)
{
	struct entry *entry = entry_of(keys, &plan_tenant(plan)->id,
		slice_of(content_from_domain(plan->content)), plan->key_pins);

	if (is_due(entry)) {
		list_push(&entry->waiting, &plan->job->link);
		entry_begin(entry);
	} else if (is_asked(entry)) {
		list_push(&entry->waiting, &plan->job->link);
	} else {
		answer(entry, plan);
	}
}
