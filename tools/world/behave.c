/*
 * The table of rules at work.
 *
 * Cheap conditions come first and counting last, because a rule counts how often
 * all its other conditions held.  Rules are sorted by phase once, so a phase that
 * no rule speaks of costs one load.  The share of a rule is drawn by hashing seed,
 * rule and key: with `per: recipient` the same recipients are chosen in every run.
 */
#include "behave.h"

#include "base/buf.h"
#include "base/mem.h"
#include "chance.h"
#include "pattern.h"

struct behaviour {
	struct rule *rules;
	size_t count;
	uint64_t seed;
	struct buf key;
	struct rule **at[PHASES]; /* ended by NULL */
};

/* The rules of one phase, in the order of the file. */
static struct rule **rules_at(struct rule *rules, size_t count, unsigned phase)
{
	struct rule **at = mem_array(count + 1, sizeof(struct rule *));
	size_t n = 0;

	for (size_t i = 0; i < count; i++) {
		if ((rules[i].when.at & UINT32_C(1) << phase) != 0) {
			at[n++] = &rules[i];
		}
	}
	return at;
}

struct behaviour *behaviour_new(struct rule *rules, size_t count, uint64_t seed)
{
	struct behaviour *b = MEM_NEW(struct behaviour);

	b->rules = rules;
	b->count = count;
	b->seed = seed;
	for (size_t i = 0; i < count; i++) {
		rules[i].seen = tally_new();
	}
	for (unsigned phase = 0; phase < PHASES; phase++) {
		b->at[phase] = rules_at(rules, count, phase);
	}
	return b;
}

void behaviour_free(struct behaviour **behaviour)
{
	struct behaviour *b = *behaviour;

	if (b == NULL) {
		return;
	}
	for (size_t i = 0; i < b->count; i++) {
		tally_free(&b->rules[i].seen);
	}
	for (unsigned phase = 0; phase < PHASES; phase++) {
		mem_free(b->at[phase]);
	}
	buf_clear(&b->key);
	mem_free(b);
	*behaviour = NULL;
}

static bool fits(struct slice pattern, struct slice value)
{
	struct captures captures;

	return pattern.n == 0 || pattern_match(pattern, value, &captures);
}

static bool conditions_hold(const struct rule_when *w, const struct occasion *o)
{
	return fits(w->host, o->host) && fits(w->domain, o->domain) &&
		fits(w->recipient, o->recipient) && fits(w->sender, o->sender) &&
		fits(w->source, o->source) && fits(w->ehlo, o->ehlo) &&
		(w->tls == 0 || (w->tls == 2) == o->tls) && span_holds(&w->messages, o->messages) &&
		span_holds(&w->connections, o->connections) &&
		span_holds(&w->recipients, o->recipients);
}

/* In lower case, because a name does not change with its case. */
static void key_add(struct buf *key, struct slice text)
{
	for (size_t i = 0; i < text.n; i++) {
		char c = text.p[i];

		buf_add_byte(key, c >= 'A' && c <= 'Z' ? (char)(c + 'a' - 'A') : c);
	}
	buf_add_byte(key, '\n');
}

static struct slice make_key(struct behaviour *b, uint32_t per, const struct occasion *o)
{
	const struct slice parts[] = {
		[KEY_SOURCE] = o->source,
		[KEY_SENDER] = o->sender,
		[KEY_RECIPIENT] = o->recipient,
		[KEY_DOMAIN] = o->domain,
		[KEY_HOST] = o->host,
		[KEY_SESSION] = slice_make((const char *)&o->session, sizeof(o->session)),
	};

	buf_reset(&b->key);
	for (unsigned i = 0; i < ARRAY_LEN(parts); i++) {
		if ((per & UINT32_C(1) << i) != 0) {
			key_add(&b->key, parts[i]);
		}
	}
	return buf_slice(&b->key);
}

static bool counted_hold(struct behaviour *b, struct rule *rule, const struct occasion *o)
{
	const struct rule_when *w = &rule->when;
	const struct tally_count *count;
	struct slice key;
	uint64_t salt = (uint64_t)(rule - b->rules) << 32;

	if (w->nth.high == 0 && w->share_ppm == 0 && w->greylist_us == 0) {
		return true;
	}
	key = make_key(b, w->per, o);
	count = tally_add(rule->seen, key, o->now_us);
	if (w->per == 0) {
		salt += count->times;
	}
	return span_holds(&w->nth, count->times) &&
		(w->share_ppm == 0 || chance_hits(b->seed, salt, key, w->share_ppm)) &&
		(w->greylist_us == 0 || o->now_us - count->first_us < w->greylist_us);
}

static bool decides(const struct rule_do *d)
{
	return d->reply.count > 0 || d->raw.n > 0 || d->script != NULL ||
		(d->then != THEN_GO_ON && d->cut_received.high == 0 && d->cut_sent.high == 0);
}

static void shape(struct rule_do *into, const struct rule_do *from)
{
	into->delay_us += from->delay_us;
	if (from->split_bytes > 0) {
		into->split_bytes = from->split_bytes;
		into->pause_us = from->pause_us;
	}
	if (from->cut_received.high > 0) {
		into->cut_received = from->cut_received;
		into->then = from->then;
	}
	if (from->cut_sent.high > 0) {
		into->cut_sent = from->cut_sent;
		into->then = from->then;
	}
}

/* What only one rule can do.  An end that belongs to a cut stays the cut's. */
static void settle(struct rule_do *into, const struct rule_do *from)
{
	into->reply = from->reply;
	into->raw = from->raw;
	into->script = from->script;
	into->accept = from->accept;
	if (into->cut_received.high == 0 && into->cut_sent.high == 0) {
		into->then = from->then;
	}
}

bool behaviour_decide(
	struct behaviour *behaviour, const struct occasion *occasion, struct rule_do *ret_deeds)
{
	struct rule **rule = behaviour->at[occasion->at];

	*ret_deeds = (struct rule_do){0};
	for (; *rule != NULL; rule++) {
		const struct rule_do *deeds = &(*rule)->deeds;

		if (!conditions_hold(&(*rule)->when, occasion) ||
			!counted_hold(behaviour, *rule, occasion)) {
			continue;
		}
		shape(ret_deeds, deeds);
		if (decides(deeds)) {
			settle(ret_deeds, deeds);
			return true;
		}
	}
	return false;
}
