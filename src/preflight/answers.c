/*
 * Answers by type and name, each kept with its records in one arena.  A name is the
 * same in any case and with or without its final dot, as for the DNS itself.
 *
 * A question is on the list until somebody takes it off to ask it, and open until its
 * answer was put in; an answer that nobody asked for is not kept.
 */
#include "preflight/answers.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/list.h"
#include "base/map.h"
#include "base/mem.h"

struct kept {
	struct list_link link; /* while it is a question that nobody took yet */
	struct slice name;
	enum dns_type type;
	bool known;
	struct dns_answer answer;
};

struct answers {
	struct arena *arena;
	struct map *kept;
	struct list questions;
	size_t open;
	uint32_t ttl_s;
	struct buf key;
};

struct answers *answers_new(void)
{
	struct answers *answers = MEM_NEW(struct answers);

	answers->arena = arena_new(0);
	answers->kept = map_new();
	list_init(&answers->questions);
	answers->ttl_s = UINT32_MAX;
	buf_init(&answers->key, 0);
	return answers;
}

void answers_free(struct answers **answers)
{
	struct answers *gone = *answers;

	if (gone == NULL) {
		return;
	}
	*answers = NULL;
	map_free(&gone->kept);
	arena_free(&gone->arena);
	buf_clear(&gone->key);
	mem_free(gone);
}

/* A byte for the type, then the name; valid until the next. */
static struct slice key_of(struct answers *answers, struct slice name, enum dns_type type)
{
	struct buf *key = &answers->key;

	if (slice_ends(name, SLICE("."))) {
		name.n--;
	}
	buf_reset(key);
	buf_add_byte(key, (char)type);
	for (size_t i = 0; i < name.n; i++) {
		char c = name.p[i];

		buf_add_byte(key, c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c);
	}
	return buf_slice(key);
}

const struct dns_answer *answers_find(
	struct answers *answers, struct slice name, enum dns_type type)
{
	struct slice key = key_of(answers, name, type);
	struct kept *kept = map_get(answers->kept, key);

	if (kept == NULL) {
		kept = arena_get(answers->arena, sizeof(*kept));
		kept->name = arena_slice(answers->arena, slice_from(key, 1));
		kept->type = type;
		map_put(answers->kept, key, kept);
		list_push(&answers->questions, &kept->link);
		answers->open++;
	}
	return kept->known ? &kept->answer : NULL;
}

bool answers_next(struct answers *answers, struct slice *ret_name, enum dns_type *ret_type)
{
	struct list_link *link = list_pop(&answers->questions);
	const struct kept *kept;

	if (link == NULL) {
		return false;
	}
	kept = LIST_OWNER(link, struct kept, link);
	*ret_name = kept->name;
	*ret_type = kept->type;
	return true;
}

bool answers_open(const struct answers *answers)
{
	return answers->open > 0;
}

void answers_add(struct answers *answers, struct slice name, enum dns_type type,
	const struct dns_answer *answer)
{
	struct kept *kept = map_get(answers->kept, key_of(answers, name, type));

	if (kept == NULL || kept->known) {
		return;
	}
	kept->known = true;
	kept->answer = *answer;
	kept->answer.name = arena_slice(answers->arena, answer->name);
	kept->answer.records =
		arena_array(answers->arena, answer->count + 1, sizeof(*answer->records));
	for (size_t i = 0; i < answer->count; i++) {
		kept->answer.records[i] = answer->records[i];
		kept->answer.records[i].name = arena_slice(answers->arena, answer->records[i].name);
		kept->answer.records[i].text = arena_slice(answers->arena, answer->records[i].text);
	}
	if (answer->status != DNS_TEMPORARY && answer->ttl_s < answers->ttl_s) {
		answers->ttl_s = answer->ttl_s;
	}
	answers->open--;
}

uint32_t answers_ttl(const struct answers *answers)
{
	return answers->ttl_s == UINT32_MAX ? 0 : answers->ttl_s;
}

void answers_reverse_name(const union endpoint *address, struct buf *out)
{
	if (address->any.sa_family == AF_INET6) {
		for (size_t i = 16; i-- > 0;) {
			unsigned byte = address->v6.sin6_addr.s6_addr[i];

			buf_add_format(out, "%x.%x.", byte & 15, byte >> 4);
		}
		buf_add_text(out, "ip6.arpa");
	} else {
		uint32_t v4 = ntohl(address->v4.sin_addr.s_addr);

		buf_add_format(out, "%u.%u.%u.%u.in-addr.arpa", v4 & 255, v4 >> 8 & 255,
			v4 >> 16 & 255, v4 >> 24);
	}
}
