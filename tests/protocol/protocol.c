/*
 * Time is an order: a lease has its margin left, then some time, then none.  A worker's own
 * clock runs ahead, so Postgres may call a lease over only when its owner has none left, and
 * what left with the margin has its answer, or never will, before that.
 *
 * What is written to the journal survives a kill; what is synced survives a power cut as
 * well; with the node all of it is lost.  A lost answer leaves Postgres changed and the
 * worker without knowing.
 *
 * Left out since nothing here depends on it: tenants, kinds, splits, suppressions, reasons
 * to fail.  A message is delivered or deferred; how often is bounded by the faults.
 *
 * What must hold behind every step is in check() and leave().
 */
#include "protocol.h"

#include <stdlib.h>
#include <string.h>

#include "state.h"

/* The step that is being taken. */
struct turn {
	const struct protocol_settings *settings;
	struct state *s;
	struct node *node;
	unsigned n; /* whose */
	const char *wrong;
	bool luck; /* it may never come */
};

static bool has(const struct turn *t, enum rule rule)
{
	return (t->settings->without & bit(rule)) == 0;
}

/* Bad luck is bounded.  False when it is used up. */
static bool strike(struct turn *t)
{
	t->luck = true;
	return t->s->faults++ < t->settings->faults;
}

static void wrong(struct turn *t, const char *what)
{
	t->wrong = t->wrong == NULL ? what : t->wrong;
}

/* ---- what is where ---- */

static struct term *own_term(const struct turn *t)
{
	return &t->s->terms[t->node->term];
}

static bool has_lease(const struct turn *t)
{
	return t->node->phase == PHASE_RUNNING && !t->node->fenced && own_term(t)->left > LEFT_NONE;
}

static bool has_margin(const struct turn *t)
{
	return has_lease(t) && own_term(t)->left == LEFT_MARGIN;
}

static struct claim *claim_of(struct node *node, unsigned token)
{
	for (unsigned i = 0; i < CLAIMS; i++) {
		if (node->claims[i].token == token) {
			return &node->claims[i];
		}
	}
	return NULL;
}

static struct item *open_item(struct node *node, unsigned message)
{
	for (unsigned i = 0; i < ITEMS; i++) {
		if (node->items[i].kind == KIND_INTENT && node->items[i].message == message &&
			node->items[i].memory) {
			return &node->items[i];
		}
	}
	return NULL;
}

static bool token_in_use(const struct state *s, unsigned token)
{
	bool used = false;

	for (unsigned b = 0; b < BATCHES; b++) {
		used = used || s->batches[b].token == token;
	}
	for (unsigned n = 0; n < NODES; n++) {
		for (unsigned i = 0; i < ITEMS; i++) {
			used = used || s->nodes[n].items[i].token == token;
		}
		for (unsigned i = 0; i < CLAIMS; i++) {
			used = used || s->nodes[n].claims[i].token == token;
		}
	}
	return used;
}

static unsigned fresh_token(const struct state *s)
{
	unsigned token = 1;

	while (token < TOKENS && token_in_use(s, token)) {
		token++;
	}
	return token;
}

static bool batch_in_use(const struct state *s, unsigned batch)
{
	bool used = exists(&s->batches[batch]);

	for (unsigned n = 0; n < NODES; n++) {
		for (unsigned i = 0; i < ITEMS; i++) {
			const struct item *item = &s->nodes[n].items[i];

			used = used || (item->kind != KIND_NONE && item->batch == batch);
		}
		for (unsigned i = 0; i < CLAIMS; i++) {
			const struct claim *claim = &s->nodes[n].claims[i];

			used = used || (claim->token != 0 && claim->batch == batch);
		}
	}
	return used;
}

/* An id that nobody has heard of. */
static struct batch *fresh_batch(struct state *s)
{
	for (unsigned b = 0; b < BATCHES; b++) {
		if (!batch_in_use(s, b)) {
			return &s->batches[b];
		}
	}
	abort(); /* BATCHES is too small */
}

static unsigned fresh_term(const struct state *s)
{
	for (unsigned i = 0; i < TERMS; i++) {
		if (s->terms[i].state == TERM_NONE) {
			return i;
		}
	}
	abort(); /* TERMS is too small */
}

/* ---- what a node knows ---- */

static struct item *add_item(struct turn *t, unsigned message, enum kind kind)
{
	const struct hand *hand = &t->node->hands[message];
	const struct claim *claim = claim_of(t->node, hand->token);

	for (unsigned i = 0; i < ITEMS; i++) {
		struct item *item = &t->node->items[i];

		if (item->kind == KIND_NONE) {
			item->kind = kind;
			item->message = message & 1;
			item->term = t->node->term & 7;
			item->batch = claim->batch;
			item->token = claim->token;
			item->retrying = claim->retrying;
			item->doubt = claim->doubt;
			item->memory = 1;
			return item;
		}
	}
	abort(); /* has_room() */
}

/* As a journal that is full makes wait. */
static bool has_room(const struct node *node)
{
	unsigned room = 0;

	for (unsigned i = 0; i < ITEMS; i++) {
		room += node->items[i].kind == KIND_NONE;
	}
	return room >= MESSAGES;
}

static enum kind doubt_kind(const struct turn *t)
{
	switch (t->settings->policy) {
	case POLICY_HOLD:
		return KIND_IN_DOUBT;
	case POLICY_ASSUME_SENT:
		return KIND_ASSUMED;
	case POLICY_RETRY:
		break;
	}
	return KIND_RETRY_DOUBT;
}

static bool is_final(enum kind kind)
{
	return kind == KIND_DELIVERED || kind == KIND_ASSUMED || kind == KIND_IN_DOUBT;
}

static bool is_filed(enum kind kind)
{
	return kind == KIND_RETRY || kind == KIND_RETRY_DOUBT || kind == KIND_BACK;
}

static void end_attempt(struct turn *t, unsigned message, enum kind kind)
{
	struct item *item = open_item(t->node, message);

	item->kind = kind;
	item->written = item->written == DEPTH_NONE ? DEPTH_NONE : DEPTH_END;
	item->reported = kind == KIND_BACK; /* there is no row of it */
	memset(&t->node->hands[message], 0, sizeof(t->node->hands[message]));
}

static void excuse(struct turn *t, unsigned message)
{
	t->s->messages[message].excuses++;
}

/* ---- the world ---- */

static bool take_tick(struct turn *t, unsigned choice)
{
	struct term *at = own_term(t);

	(void)choice;
	if (t->node->phase != PHASE_RUNNING || at->left == LEFT_NONE) {
		return false;
	}
	if (at->left == LEFT_MARGIN && !strike(t)) {
		return false; /* it stands still, or cannot renew */
	}
	for (unsigned m = 0; m < MESSAGES; m++) {
		const struct hand *hand = &t->node->hands[m];

		if (at->left == LEFT_SOME && hand->step == STEP_DOT && !hand->late) {
			return false; /* its time was reckoned with */
		}
	}
	at->left--;
	return true;
}

static bool take_accept(struct turn *t, unsigned m)
{
	struct hand *hand = &t->node->hands[m];
	struct message *message = &t->s->messages[m];

	if (hand->step != STEP_DOT) {
		return false;
	}
	hand->step = STEP_YES;
	message->copies++;
	return true;
}

static bool take_defer(struct turn *t, unsigned m)
{
	struct hand *hand = &t->node->hands[m];

	if (hand->step != STEP_DOT || !strike(t)) {
		return false;
	}
	hand->step = STEP_NO;
	return true;
}

/* The connection goes, with the message or without. */
static bool take_cut(struct turn *t, unsigned choice)
{
	unsigned m = choice % MESSAGES;
	const struct hand *hand = &t->node->hands[m];

	if (hand->step != STEP_DOT || !strike(t)) {
		return false;
	}
	t->s->messages[m].copies += choice >= MESSAGES;
	excuse(t, m);
	end_attempt(t, m, doubt_kind(t));
	return true;
}

/* ---- the ends of a process ---- */

/* What is lost is the process' memory. */
static void lose_memory(struct turn *t)
{
	struct node *node = t->node;

	for (unsigned i = 0; i < ITEMS; i++) {
		node->items[i].memory = 0;
		node->items[i].reported = 0;
		node->items[i].confirmed = 0;
	}
	memset(node->hands, 0, sizeof(node->hands));
	memset(node->claims, 0, sizeof(node->claims));
	if (node->phase == PHASE_SET_ASIDE) {
		node->known = 0;
	}
	node->phase = PHASE_DOWN;
	node->fenced = 0;
	node->term = 0;
}

/* Nobody knows of a connection that was open; the receiver may have the message. */
static void lose_connections(struct turn *t, unsigned accepted)
{
	for (unsigned m = 0; m < MESSAGES; m++) {
		const struct hand *hand = &t->node->hands[m];

		t->s->messages[m].copies += hand->step == STEP_DOT && (accepted & bit(m)) != 0;
		if (hand->step >= STEP_INTENT) {
			excuse(t, m);
		}
	}
}

static bool may_crash(const struct turn *t, unsigned accepted)
{
	for (unsigned m = 0; m < MESSAGES; m++) {
		if ((accepted & bit(m)) != 0 && t->node->hands[m].step != STEP_DOT) {
			return false;
		}
	}
	return true;
}

static bool take_kill(struct turn *t, unsigned accepted)
{
	if (t->node->phase == PHASE_DOWN || !may_crash(t, accepted) || !strike(t)) {
		return false;
	}
	lose_connections(t, accepted);
	lose_memory(t);
	return true;
}

/*
 * What is not on the disk for sure may be lost: the ends, or intents as well.  That nothing
 * of it is lost is a kill.
 */
static bool take_power_cut(struct turn *t, unsigned choice)
{
	bool intents_too = choice >= 4;
	unsigned accepted = choice % 4;

	if (!may_crash(t, accepted) || !strike(t)) {
		return false;
	}
	lose_connections(t, accepted);
	lose_memory(t);
	for (unsigned i = 0; i < ITEMS; i++) {
		struct item *item = &t->node->items[i];

		if (item->written == DEPTH_END) {
			excuse(t, item->message);
		}
		if (item->written != DEPTH_NONE && intents_too && !item->synced) {
			item->written = DEPTH_NONE;
		} else if (item->written != DEPTH_NONE) {
			item->written = DEPTH_INTENT;
			item->kind = KIND_INTENT;
		}
	}
	return true;
}

static bool take_lose_node(struct turn *t, unsigned accepted)
{
	bool known[MESSAGES] = {false};

	if (!may_crash(t, accepted) || !strike(t)) {
		return false;
	}
	for (unsigned i = 0; i < ITEMS; i++) {
		if (t->node->items[i].kind != KIND_NONE) {
			known[t->node->items[i].message] = true;
		}
	}
	for (unsigned m = 0; m < MESSAGES; m++) {
		t->s->messages[m].excuses += known[m];
	}
	lose_connections(t, accepted);
	lose_memory(t);
	memset(t->node->items, 0, sizeof(t->node->items));
	t->node->known = 0;
	return true;
}

/* ---- the start of a worker: replay, then a lease ---- */

static void know_batch(struct node *node, const struct item *item)
{
	struct claim *claim = claim_of(node, item->token);

	if (claim == NULL) {
		claim = claim_of(node, 0);
		if (claim == NULL) {
			abort(); /* CLAIMS is too small */
		}
		claim->token = item->token;
		claim->term = item->term;
		claim->batch = item->batch;
	}
}

static bool take_restart(struct turn *t, unsigned choice)
{
	(void)choice;
	if (t->node->phase != PHASE_DOWN) {
		return false;
	}
	t->luck = t->s->nodes[1 - t->n].phase != PHASE_DOWN; /* the other must do without it */
	t->node->phase = PHASE_REPLAYING;
	for (unsigned i = 0; i < ITEMS; i++) {
		struct item *item = &t->node->items[i];

		if (item->kind == KIND_NONE || item->kind == KIND_BACK) {
			continue;
		}
		if (item->kind == KIND_INTENT) {
			item->kind = (uint32_t)doubt_kind(t) & 7;
		}
		item->memory = 1;
		know_batch(t->node, item);
	}
	return true;
}

static bool is_idle(struct node *node)
{
	bool busy = false;

	for (unsigned i = 0; i < ITEMS; i++) {
		busy = busy || node->items[i].memory;
	}
	for (unsigned i = 0; i < CLAIMS; i++) {
		busy = busy || node->claims[i].token != 0;
	}
	for (unsigned m = 0; m < MESSAGES; m++) {
		busy = busy || node->hands[m].step != STEP_NONE;
	}
	return !busy;
}

static bool take_set_aside(struct turn *t, unsigned choice)
{
	(void)choice;
	if (t->node->phase != PHASE_REPLAYING || !is_idle(t->node)) {
		return false;
	}
	t->node->phase = PHASE_SET_ASIDE;
	memset(t->node->items, 0, sizeof(t->node->items));
	return true;
}

/* worker_start and worker_replace, one transaction. */
static bool take_start(struct turn *t, unsigned choice)
{
	bool read = t->node->phase == PHASE_SET_ASIDE ||
		(!has(t, RULE_REPLAY_FIRST) && t->node->phase == PHASE_REPLAYING);
	unsigned fresh;

	(void)choice;
	if (!read) {
		return false;
	}
	fresh = fresh_term(t->s);
	for (unsigned i = 0; i < TERMS; i++) {
		struct term *term = &t->s->terms[i];

		if (term->state == TERM_NONE || term->node != t->n) {
			continue;
		}
		if ((t->node->known & bit(i)) != 0) {
			term->state = TERM_REPLAYED;
		} else if (term->state == TERM_LIVE) {
			term->state = TERM_DEAD;
		}
		term->left = LEFT_NONE;
	}
	t->s->terms[fresh].state = TERM_LIVE;
	t->s->terms[fresh].left = LEFT_MARGIN;
	t->s->terms[fresh].node = t->n & 1;
	t->node->phase = PHASE_RUNNING;
	t->node->term = (uint8_t)fresh;
	t->node->known = (uint8_t)bit(fresh);
	return true;
}

/* No row back: fenced, for ever.  A renewal whose answer is lost changes nothing. */
static bool take_renew(struct turn *t, unsigned choice)
{
	(void)choice;
	if (t->node->phase != PHASE_RUNNING || t->node->fenced) {
		return false;
	}
	if (own_term(t)->state == TERM_LIVE) {
		own_term(t)->left = LEFT_MARGIN;
	} else {
		t->node->fenced = 1;
	}
	return true;
}

static bool take_leave(struct turn *t, unsigned choice)
{
	(void)choice;
	if (!t->node->fenced || !is_idle(t->node)) {
		return false;
	}
	lose_memory(t);
	return true;
}

/* ---- Postgres: claims ---- */

/* What the dead one sent, or may have sent, and Postgres does not know. */
static void excuse_unreported(struct turn *t, unsigned n, unsigned term)
{
	const struct node *node = &t->s->nodes[n];
	bool unknown[MESSAGES] = {false};

	for (unsigned i = 0; i < ITEMS; i++) {
		const struct item *item = &node->items[i];

		if (item->kind > KIND_BACK || item->kind == KIND_INTENT) {
			unknown[item->message] |= item->term == term;
		}
	}
	for (unsigned m = 0; m < MESSAGES; m++) {
		t->s->messages[m].excuses += unknown[m];
	}
}

/* What jobs_read finds of a message: the kind, or KIND_NONE. */
static enum kind final_of(const struct message *message)
{
	return message->final > 0 ? message->final_kind : message->evidence_kind;
}

/* It ends without an attempt of ours: a kind that Postgres knows, or one that we say. */
static struct item *end_at_hand(struct turn *t, unsigned m, enum kind kind)
{
	struct item *item = add_item(t, m, kind);

	memset(&t->node->hands[m], 0, sizeof(t->node->hands[m]));
	return item;
}

static void end_known(struct turn *t, unsigned m, enum kind final)
{
	struct item *item = end_at_hand(t, m, final);

	item->reported = 1;
	item->confirmed = 1;
}

/* What only a lost one has said is said once more, by who counts it: more may come of others. */
static void end_as_said(struct turn *t, unsigned m)
{
	struct message *message = &t->s->messages[m];
	enum kind final = final_of(message);

	if (message->final > 0 || !has(t, RULE_SAID_AGAIN)) {
		end_known(t, m, final);
	} else {
		end_at_hand(t, m, final)->attempt = ++message->attempts & 15;
	}
}

static void take_member(struct turn *t, unsigned m, const struct claim *claim, bool suspect)
{
	struct message *message = &t->s->messages[m];
	enum kind final = final_of(message);

	t->node->hands[m].token = claim->token;
	if (suspect && has(t, RULE_SKIP) && final != KIND_NONE) {
		end_as_said(t, m);
	} else if (claim->lost && has(t, RULE_LOST_ENDS) && t->settings->policy != POLICY_RETRY) {
		struct item *item = end_at_hand(t, m, doubt_kind(t));

		item->attempt = ++message->attempts & 15;
		item->written = DEPTH_END;
	} else {
		t->node->hands[m].step = STEP_HELD;
	}
}

/* The feed of evidence: somebody that was lost has told what became of it. */
static bool take_learn(struct turn *t, unsigned m)
{
	const struct message *message = &t->s->messages[m];

	if (t->node->hands[m].step != STEP_HELD || message->evidence == 0 || !has_room(t->node)) {
		return false;
	}
	end_as_said(t, m);
	return true;
}

/* claim and jobs_read; what comes between is as if the answer of the claim were lost. */
static bool take_claim(struct turn *t, unsigned choice)
{
	struct batch *batch = &t->s->batches[choice % BATCHES];
	struct claim *claim = claim_of(t->node, 0);

	if (!has_margin(t) || own_term(t)->state != TERM_LIVE || batch->owner != 0 ||
		batch->members == 0 || claim == NULL || !has_room(t->node)) {
		return false;
	}
	for (unsigned m = 0; m < MESSAGES; m++) {
		if ((batch->members & bit(m)) != 0 && t->node->hands[m].step != STEP_NONE) {
			return false;
		}
	}
	batch->owner = (t->node->term + 1U) & 7;
	batch->token = fresh_token(t->s) & 15;
	if (choice >= BATCHES) {
		return strike(t); /* the answer is lost */
	}
	claim->token = batch->token;
	claim->term = t->node->term & 7;
	claim->batch = (choice % BATCHES) & 7;
	claim->lost = batch->lost;
	claim->doubt = batch->doubt;
	claim->retrying = batch->retrying;
	for (unsigned m = 0; m < MESSAGES; m++) {
		if ((batch->members & bit(m)) != 0) {
			take_member(t, m, claim, batch->suspect);
		}
	}
	return true;
}

static void free_batch(struct batch *batch)
{
	batch->owner = 0;
	batch->token = 0;
	if (batch->members == 0) {
		memset(batch, 0, sizeof(*batch));
	}
}

static bool take_sweep(struct turn *t, unsigned b)
{
	struct batch *batch = &t->s->batches[b];

	if (!has(t, RULE_SWEEP) || !has_lease(t) || batch->owner != t->node->term + 1U ||
		batch->members == 0 || claim_of(t->node, batch->token) != NULL) {
		return false;
	}
	free_batch(batch);
	return true;
}

static bool take_mark_dead(struct turn *t, unsigned term)
{
	struct term *victim = &t->s->terms[term];

	if (!has_lease(t) || own_term(t)->state != TERM_LIVE || term == t->node->term ||
		victim->state != TERM_LIVE || victim->left != LEFT_NONE) {
		return false;
	}
	victim->state = TERM_DEAD;
	excuse_unreported(t, victim->node, term);
	return true;
}

static bool take_take_over(struct turn *t, unsigned b)
{
	struct batch *batch = &t->s->batches[b];
	const struct term *owner;
	bool gone;

	if (!has_lease(t) || batch->owner == 0 || batch->owner == t->node->term + 1U) {
		return false;
	}
	owner = &t->s->terms[batch->owner - 1];
	gone = owner->state == TERM_DEAD || owner->state == TERM_REPLAYED ||
		(!has(t, RULE_DEAD_FIRST) && owner->left == LEFT_NONE);
	if (!gone) {
		return false;
	}
	batch->suspect = 1;
	batch->lost |= has(t, RULE_LOST) && owner->state != TERM_REPLAYED;
	free_batch(batch);
	return true;
}

/* ---- the gate ---- */

static bool take_intend(struct turn *t, unsigned m)
{
	struct message *message = &t->s->messages[m];
	struct item *item;

	if (t->node->hands[m].step != STEP_HELD || !has_margin(t) || message->attempts == 15 ||
		!has_room(t->node)) {
		return false;
	}
	item = add_item(t, m, KIND_INTENT);
	item->attempt = ++message->attempts & 15;
	item->written = has(t, RULE_INTENT) ? DEPTH_INTENT : DEPTH_NONE;
	t->node->hands[m].step = STEP_INTENT;
	return true;
}

static bool lease_suffices(const struct turn *t)
{
	return !has(t, RULE_LEASE) ||
		(has_lease(t) &&
			own_term(t)->left >= (has(t, RULE_MARGIN) ? LEFT_MARGIN : LEFT_SOME));
}

/* The dot leaves: what must hold then. */
static void leave(struct turn *t, unsigned m)
{
	const struct claim *claim = claim_of(t->node, t->node->hands[m].token);
	const struct message *message = &t->s->messages[m];

	if (message->copies > 0 && !claim->lost && !claim->doubt) {
		wrong(t, "a duplicate without a flag");
	}
	if (message->copies > 0 && t->settings->policy != POLICY_RETRY) {
		wrong(t, "a duplicate where none may be");
	}
	if (t->s->nodes[1 - t->n].hands[m].step == STEP_DOT) {
		wrong(t, "two workers beyond the gate");
	}
}

/* When the dot leaves the disk has the intent, or the gate would have waited. */
static bool take_dot(struct turn *t, unsigned m)
{
	struct hand *hand = &t->node->hands[m];

	if (hand->step != STEP_INTENT || !lease_suffices(t)) {
		return false;
	}
	open_item(t->node, m)->synced = has(t, RULE_INTENT) && has(t, RULE_DURABLE);
	leave(t, m);
	hand->step = STEP_DOT;
	hand->late = own_term(t)->left < LEFT_MARGIN;
	return true;
}

/* The gate does not open: withdrawn. */
static bool take_refuse(struct turn *t, unsigned m)
{
	if (t->node->hands[m].step != STEP_INTENT || lease_suffices(t)) {
		return false;
	}
	end_attempt(t, m, KIND_BACK);
	return true;
}

static bool take_give_back(struct turn *t, unsigned m)
{
	if (t->node->hands[m].step != STEP_HELD || has_lease(t) || !has_room(t->node)) {
		return false;
	}
	end_at_hand(t, m, KIND_BACK)->reported = 1;
	return true;
}

static bool take_read(struct turn *t, unsigned m)
{
	unsigned step = t->node->hands[m].step;

	if (step != STEP_YES && step != STEP_NO) {
		return false;
	}
	end_attempt(t, m, step == STEP_YES ? KIND_DELIVERED : KIND_RETRY);
	return true;
}

/* ---- Postgres: what became of it ---- */

static void insert_row(const struct turn *t, const struct item *item)
{
	struct message *message = &t->s->messages[item->message];
	bool evidence = t->s->terms[item->term].state == TERM_DEAD;

	if ((message->rows & bit(item->attempt)) != 0) {
		return; /* ON CONFLICT DO NOTHING */
	}
	message->rows |= bit(item->attempt) & 0xffff;
	if (!is_final(item->kind)) {
		return;
	}
	if (evidence && item->attempt > message->evidence) {
		message->evidence = item->attempt;
		message->evidence_kind = item->kind;
	} else if (!evidence && item->attempt > message->final) {
		message->final = item->attempt;
		message->final_kind = item->kind;
	}
}

static bool may_report(const struct turn *t)
{
	return t->node->phase == PHASE_RUNNING || t->node->phase == PHASE_REPLAYING;
}

/* All that there is, in one transaction; so are filings and closes. */
static bool take_report(struct turn *t, unsigned lost)
{
	bool some = false;

	for (unsigned i = 0; i < ITEMS && may_report(t); i++) {
		struct item *item = &t->node->items[i];

		if (!item->memory || item->reported || item->kind == KIND_INTENT) {
			continue;
		}
		some = true;
		insert_row(t, item);
		if (!lost) {
			item->reported = 1;
			item->confirmed = is_final(item->kind) || !has(t, RULE_FILED_FIRST);
		}
	}
	return some && (!lost || strike(t));
}

/* The batch that this lease is of, or NULL. */
static struct batch *leased(const struct turn *t, unsigned b, unsigned term, unsigned token)
{
	struct batch *batch = &t->s->batches[b];
	bool ours = batch->owner == term + 1 && batch->token == token;

	return exists(batch) && (ours || !has(t, RULE_GUARD)) ? batch : NULL;
}

static void file_item(const struct turn *t, const struct item *item)
{
	struct batch *from = leased(t, item->batch, item->term, item->token);
	struct batch *to;

	if (from == NULL || (from->members & bit(item->message)) == 0) {
		return;
	}
	to = fresh_batch(t->s);
	from->members &= ~bit(item->message) & 3;
	to->members = bit(item->message) & 3;
	to->suspect = from->suspect;
	to->retrying = item->kind != KIND_BACK || item->retrying;
	to->lost = from->lost && (has(t, RULE_LOST_STAYS) || !to->retrying);
	to->doubt = item->doubt || (item->kind == KIND_RETRY_DOUBT && has(t, RULE_DOUBT_PINNED));
}

static bool take_file(struct turn *t, unsigned lost)
{
	bool some = false;

	for (unsigned i = 0; i < ITEMS && may_report(t); i++) {
		struct item *item = &t->node->items[i];

		if (!item->memory || !item->reported || !is_filed(item->kind)) {
			continue;
		}
		some = true;
		file_item(t, item);
		if (!lost) {
			item->memory = 0;
			item->confirmed = 1;
		}
	}
	return some && (!lost || strike(t));
}

/* Nothing of it is at hand, and all that happened is in Postgres. */
static bool is_closable(const struct node *node, const struct claim *claim)
{
	bool open = false;

	for (unsigned m = 0; m < MESSAGES; m++) {
		open = open ||
			(node->hands[m].step != STEP_NONE && node->hands[m].token == claim->token);
	}
	for (unsigned i = 0; i < ITEMS; i++) {
		const struct item *item = &node->items[i];

		open = open ||
			(item->memory && item->token == claim->token &&
				(is_filed(item->kind) || !item->reported));
	}
	return claim->token != 0 && !open;
}

static void close_batch(const struct turn *t, const struct claim *claim)
{
	struct batch *batch = leased(t, claim->batch, claim->term, claim->token);
	unsigned delivered = 0;
	unsigned in_doubt = 0;

	for (unsigned i = 0; i < ITEMS; i++) {
		const struct item *item = &t->node->items[i];
		bool ours = item->memory && item->token == claim->token;

		delivered += ours && (item->kind == KIND_DELIVERED || item->kind == KIND_ASSUMED);
		in_doubt += ours && item->kind == KIND_IN_DOUBT;
	}
	if (batch == NULL ||
		(has(t, RULE_SUM) &&
			delivered + in_doubt != (batch->members & 1U) + (batch->members >> 1))) {
		return;
	}
	memset(batch, 0, sizeof(*batch));
	t->s->delivered += (uint8_t)delivered;
	t->s->in_doubt += (uint8_t)in_doubt;
}

static void forget_claim(struct node *node, struct claim *claim)
{
	for (unsigned i = 0; i < ITEMS; i++) {
		if (node->items[i].token == claim->token) {
			node->items[i].memory = 0;
		}
	}
	memset(claim, 0, sizeof(*claim));
}

static bool take_close(struct turn *t, unsigned lost)
{
	bool leaves = t->node->phase == PHASE_REPLAYING && has(t, RULE_REPLAY_LEAVES);
	bool some = false;

	for (unsigned i = 0; i < CLAIMS && may_report(t); i++) {
		struct claim *claim = &t->node->claims[i];

		if (!is_closable(t->node, claim)) {
			continue;
		}
		some = true;
		if (!leaves) {
			close_batch(t, claim);
		}
		if (!lost) {
			forget_claim(t->node, claim);
		}
	}
	return some && (!lost || strike(t));
}

/* REPORTED: the journal forgets; what was withdrawn as well. */
static bool take_mark(struct turn *t, unsigned choice)
{
	bool some = false;

	(void)choice;
	for (unsigned i = 0; i < ITEMS && t->node->phase == PHASE_RUNNING; i++) {
		struct item *item = &t->node->items[i];
		bool over = item->confirmed || item->kind == KIND_BACK;

		some = some || (over && item->written != DEPTH_NONE);
		item->written = over ? DEPTH_NONE : item->written;
	}
	return some;
}

/* ---- what must always hold ---- */

static unsigned places_of(const struct state *s, unsigned m)
{
	unsigned places = 0;

	for (unsigned b = 0; b < BATCHES; b++) {
		places += (s->batches[b].members & bit(m)) != 0;
	}
	return places;
}

/* Each message is in one batch, or has ended as its newest attempt says, and is counted so. */
static const char *check_accounts(const struct state *s)
{
	unsigned delivered = 0;
	unsigned in_doubt = 0;

	for (unsigned m = 0; m < MESSAGES; m++) {
		const struct message *message = &s->messages[m];
		unsigned places = places_of(s, m);
		enum kind kind = message->final > 0 ? message->final_kind : message->evidence_kind;

		if (message->absent) {
			continue;
		}
		if (places > 1) {
			return "a message is listed twice";
		}
		if (places == 0 && kind == KIND_NONE) {
			return "a message is lost";
		}
		if (places == 0 && kind == KIND_DELIVERED && message->copies == 0) {
			return "delivered, and nobody has it";
		}
		delivered += places == 0 && kind != KIND_IN_DOUBT;
		in_doubt += places == 0 && kind == KIND_IN_DOUBT;
	}
	return delivered == s->delivered && in_doubt == s->in_doubt ? NULL
								    : "the counters are wrong";
}

static const char *check(void *model, const void *state)
{
	const struct turn *t = model;
	const struct state *s = state;

	for (unsigned m = 0; m < MESSAGES && t->wrong == NULL; m++) {
		if (s->messages[m].copies > 1 + s->messages[m].excuses) {
			return "more duplicates than accidents";
		}
	}
	return t->wrong != NULL ? t->wrong : check_accounts(s);
}

static bool is_end(const void *state)
{
	return places_of(state, 0) + places_of(state, 1) == 0;
}

static bool was_luck(void *model)
{
	return ((struct turn *)model)->luck;
}

/* ---- all together ---- */

static const struct {
	const char *name;
	unsigned choices;
	bool (*take)(struct turn *t, unsigned choice);
} actions[] = {
	{"tick", 1, take_tick},
	{"accept", MESSAGES, take_accept},
	{"defer", MESSAGES, take_defer},
	{"cut", 2 * MESSAGES, take_cut},
	{"kill", 4, take_kill},
	{"power_cut", 8, take_power_cut},
	{"lose_node", 4, take_lose_node},
	{"restart", 1, take_restart},
	{"set_aside", 1, take_set_aside},
	{"start", 1, take_start},
	{"renew", 1, take_renew},
	{"leave", 1, take_leave},
	{"claim", 2 * BATCHES, take_claim},
	{"learn", MESSAGES, take_learn},
	{"sweep", BATCHES, take_sweep},
	{"mark_dead", TERMS, take_mark_dead},
	{"take_over", BATCHES, take_take_over},
	{"intend", MESSAGES, take_intend},
	{"dot", MESSAGES, take_dot},
	{"refuse", MESSAGES, take_refuse},
	{"give_back", MESSAGES, take_give_back},
	{"read", MESSAGES, take_read},
	{"report", 2, take_report},
	{"file", 2, take_file},
	{"close", 2, take_close},
	{"mark", 1, take_mark},
};

static const char *name(unsigned action)
{
	return actions[action].name;
}

static unsigned choices(unsigned action)
{
	return actions[action].choices;
}

static bool take(void *model, void *state, struct explore_step step)
{
	struct turn *t = model;

	t->s = state;
	t->node = &t->s->nodes[step.node];
	t->n = step.node;
	t->wrong = NULL;
	t->luck = false;
	if (!actions[step.action].take(t, step.choice)) {
		return false;
	}
	state_tidy(t->s, t->s->faults == t->settings->faults);
	return true;
}

static void begin(struct state *s, unsigned messages)
{
	memset(s, 0, sizeof(*s));
	s->messages[1].absent = messages == 1;
	s->batches[0].members = messages == 1 ? 1 : 3;
	for (unsigned n = 0; n < NODES; n++) {
		s->nodes[n].phase = PHASE_RUNNING;
		s->nodes[n].term = (uint8_t)n;
		s->nodes[n].known = (uint8_t)bit(n);
		s->terms[n].state = TERM_LIVE;
		s->terms[n].left = LEFT_MARGIN;
		s->terms[n].node = n & 1;
	}
}

void protocol_explore(const struct protocol_settings *settings, struct explore_result *ret)
{
	struct turn turn = {.settings = settings};
	struct explore_model model = {
		.state_bytes = sizeof(struct state),
		.actions = sizeof(actions) / sizeof(actions[0]),
		.nodes = NODES,
		.name = name,
		.choices = choices,
		.take = take,
		.check = check,
		.is_end = is_end,
		.was_luck = was_luck,
		.model = &turn,
	};
	struct state first;

	begin(&first, settings->messages);
	explore(&model, &first, ret);
}
