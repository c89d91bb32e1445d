/*
 * Answers of the DNS, taken apart by hand, because they are made by strangers.
 *
 * Bounds first: every read goes through take(), which knows where the message ends;
 * a compression pointer must point before the name that uses it, so a chain of
 * them ends; names have at most 255 octets.  A broken record of the kind we asked
 * for spoils the whole answer: we rather ask again than believe a part.
 *
 * Names become text in lower case.  An octet that no host name has is written as
 * \DDD, so that such a name stays different from every usable one.
 */
#include "dns_wire.h"

#include <string.h>

enum {
	HEADER_BYTES = 12,
	NAME_BYTES = 255,
	LABEL_BYTES = 63,
	POINTER = 0xc0, /* in the upper two bits of a length */
	CLASS_IN = 1,
	SOA_NUMBERS = 20, /* octets */
	RCODE_DONE = 0,
	RCODE_NO_DOMAIN = 3,
	FLAG_RESPONSE = 0x8000,
	FLAG_OPCODE = 0x7800,
	FLAG_TRUNCATED = 0x0200,
};

struct wire {
	struct slice message;
	size_t at;
	bool broken;
};

struct name {
	char text[DNS_NAME_TEXT];
	size_t n;
};

struct header {
	unsigned flags;
	unsigned questions;
	unsigned answers;
	unsigned authorities;
};

struct rr {
	struct name owner;
	unsigned type;
	unsigned class;
	uint32_t ttl_s;
	size_t data; /* offset */
	size_t data_n;
};

static const unsigned char *take(struct wire *w, size_t n)
{
	if (w->broken || n > w->message.n - w->at) {
		w->broken = true;
		return NULL;
	}
	w->at += n;
	return (const unsigned char *)w->message.p + w->at - n;
}

static unsigned take_byte(struct wire *w)
{
	const unsigned char *p = take(w, 1);

	return p == NULL ? 0 : *p;
}

static unsigned take_16(struct wire *w)
{
	const unsigned char *p = take(w, 2);

	return p == NULL ? 0 : (unsigned)p[0] << 8 | p[1];
}

static uint32_t take_32(struct wire *w)
{
	uint32_t high = take_16(w);

	return high << 16 | take_16(w);
}

/* ---- names ---- */

static bool is_usual(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

static void add_octet(struct name *name, unsigned char c)
{
	if (c >= 'A' && c <= 'Z') {
		c = (unsigned char)(c + ('a' - 'A'));
	}
	if (is_usual(c)) {
		name->text[name->n++] = (char)c;
		return;
	}
	name->text[name->n++] = '\\';
	name->text[name->n++] = (char)('0' + c / 100);
	name->text[name->n++] = (char)('0' + c / 10 % 10);
	name->text[name->n++] = (char)('0' + c % 10);
}

static void take_label(struct wire *w, struct name *name, size_t n)
{
	const unsigned char *p = take(w, n);

	if (p == NULL) {
		return;
	}
	if (name->n > 0) {
		name->text[name->n++] = '.';
	}
	for (size_t i = 0; i < n; i++) {
		add_octet(name, p[i]);
	}
}

/* The octets of a name are at most 255, so its text fits in DNS_NAME_TEXT: 4 x 252. */
static void take_name(struct wire *w, struct name *ret_name)
{
	struct wire at = *w;
	size_t limit = w->at;
	size_t octets = 1;
	bool jumped = false;
	unsigned length;

	ret_name->n = 0;
	while ((length = take_byte(&at)) != 0) {
		if (length < POINTER) {
			octets += length + 1;
			at.broken |= length > LABEL_BYTES || octets > NAME_BYTES;
			take_label(&at, ret_name, length);
			continue;
		}
		size_t target = (length - POINTER) << 8 | take_byte(&at);

		w->at = jumped ? w->at : at.at; /* the record goes on behind the first pointer */
		jumped = true;
		at.broken |= target >= limit;
		at.at = target;
		limit = target;
	}
	w->at = jumped ? w->at : at.at;
	w->broken |= at.broken;
}

static bool is_name(const struct name *name, struct slice text)
{
	return slice_equal(slice_make(name->text, name->n), text);
}

static struct slice keep(struct arena *arena, const struct name *name)
{
	return arena_slice(arena, slice_make(name->text, name->n));
}

/* ---- records ---- */

static void take_rr(struct wire *w, struct rr *ret_rr)
{
	take_name(w, &ret_rr->owner);
	ret_rr->type = take_16(w);
	ret_rr->class = take_16(w);
	ret_rr->ttl_s = take_32(w);
	if (ret_rr->ttl_s > INT32_MAX) {
		ret_rr->ttl_s = 0; /* RFC 2181 section 8 */
	}
	ret_rr->data_n = take_16(w);
	ret_rr->data = w->at;
	(void)take(w, ret_rr->data_n);
}

static struct wire data_of(struct slice message, const struct rr *rr)
{
	return (struct wire){slice_first(message, rr->data + rr->data_n), rr->data, false};
}

/* A name that fills the rest of the record. */
static bool read_name(struct wire *data, struct arena *arena, struct slice *ret_name)
{
	struct name name;

	take_name(data, &name);
	if (data->broken || data->at != data->message.n) {
		return false;
	}
	*ret_name = keep(arena, &name);
	return true;
}

/* The server's name; behind it a mailbox and five numbers. */
static bool read_soa(struct wire *data, struct arena *arena, struct slice *ret_name)
{
	struct name name;
	struct name mailbox;

	take_name(data, &name);
	take_name(data, &mailbox);
	(void)take(data, SOA_NUMBERS);
	if (data->broken || data->at != data->message.n) {
		return false;
	}
	*ret_name = keep(arena, &name);
	return true;
}

static bool read_text(struct wire *data, struct arena *arena, struct slice *ret_text)
{
	char *text = arena_get(arena, data->message.n - data->at + 1);
	size_t n = 0;

	while (data->at < data->message.n) {
		size_t part = take_byte(data);
		const unsigned char *p = take(data, part);

		if (p == NULL) {
			return false;
		}
		memcpy(text + n, p, part);
		n += part;
	}
	*ret_text = slice_make(text, n);
	return true;
}

static bool read_address(struct wire *data, enum dns_type type, union endpoint *ret_endpoint)
{
	size_t size = type == DNS_A ? 4 : 16;
	const unsigned char *p = take(data, size);

	if (p == NULL || data->at != data->message.n) {
		return false;
	}
	if (type == DNS_A) {
		ret_endpoint->v4.sin_family = AF_INET;
		memcpy(&ret_endpoint->v4.sin_addr, p, size);
	} else {
		ret_endpoint->v6.sin6_family = AF_INET6;
		memcpy(&ret_endpoint->v6.sin6_addr, p, size);
	}
	return true;
}

static bool read_record(struct slice message, const struct rr *rr, struct arena *arena,
	struct dns_record *ret_record)
{
	struct wire data = data_of(message, rr);

	*ret_record = (struct dns_record){0};
	switch ((enum dns_type)rr->type) {
	case DNS_A:
	case DNS_AAAA:
		return read_address(&data, (enum dns_type)rr->type, &ret_record->endpoint);
	case DNS_MX:
		ret_record->preference = take_16(&data);
		return read_name(&data, arena, &ret_record->name);
	case DNS_CNAME:
	case DNS_PTR:
		return read_name(&data, arena, &ret_record->name);
	case DNS_TXT:
		return read_text(&data, arena, &ret_record->text);
	case DNS_SOA:
		return read_soa(&data, arena, &ret_record->name);
	}
	return false;
}

/* When all places are taken only a better MX finds one, that of the worst. */
static struct dns_record *place_for(
	struct dns_answer *answer, const struct dns_record *record, size_t places)
{
	struct dns_record *worst = &answer->records[0];

	if (answer->count < places) {
		return &answer->records[answer->count++];
	}
	for (size_t i = 1; i < answer->count; i++) {
		if (answer->records[i].preference >= worst->preference) {
			worst = &answer->records[i];
		}
	}
	return record->preference < worst->preference ? worst : NULL;
}

/* ---- sections ---- */

static void lower_ttl(struct dns_answer *answer, uint32_t ttl_s)
{
	answer->ttl_s = ttl_s < answer->ttl_s ? ttl_s : answer->ttl_s;
}

/* The target of the CNAME that `name` has in the answer section, if any. */
static bool find_alias(
	struct wire w, unsigned count, struct dns_answer *answer, struct arena *arena)
{
	for (unsigned i = 0; i < count && !w.broken; i++) {
		struct rr rr;

		take_rr(&w, &rr);
		if (w.broken || rr.type != DNS_CNAME || rr.class != CLASS_IN ||
			!is_name(&rr.owner, answer->name)) {
			continue;
		}
		struct wire data = data_of(w.message, &rr);

		lower_ttl(answer, rr.ttl_s);
		return read_name(&data, arena, &answer->name);
	}
	return false;
}

static bool collect(struct wire *w, unsigned count, enum dns_type type, struct arena *arena,
	struct dns_answer *answer)
{
	size_t places = type == DNS_TXT ? DNS_TEXTS_MAX : DNS_RECORDS_MAX;

	answer->records = arena_array(arena, places, sizeof(*answer->records));
	for (unsigned i = 0; i < count; i++) {
		struct rr rr;
		struct dns_record record;

		take_rr(w, &rr);
		if (w->broken) {
			return false;
		}
		if (rr.type != type || rr.class != CLASS_IN || !is_name(&rr.owner, answer->name)) {
			continue;
		}
		if (!read_record(w->message, &rr, arena, &record)) {
			return false;
		}
		struct dns_record *place = place_for(answer, &record, places);

		lower_ttl(answer, rr.ttl_s);
		if (place != NULL) {
			*place = record;
		}
	}
	return true;
}

/* RFC 2308 section 5: the lesser of the SOA's own TTL and its minimum field. */
static bool find_soa(struct wire w, unsigned count, uint32_t *ret_ttl_s)
{
	for (unsigned i = 0; i < count && !w.broken; i++) {
		struct rr rr;
		struct name name;

		take_rr(&w, &rr);
		if (w.broken || rr.type != DNS_SOA || rr.class != CLASS_IN) {
			continue;
		}
		struct wire data = data_of(w.message, &rr);

		take_name(&data, &name);
		take_name(&data, &name);
		(void)take(&data, 16);
		uint32_t least_s = take_32(&data);

		*ret_ttl_s = least_s < rr.ttl_s ? least_s : rr.ttl_s;
		return !data.broken;
	}
	return false;
}

static bool take_header(struct wire *w, struct header *ret_header)
{
	(void)take_16(w); /* the id is c-ares's business */
	ret_header->flags = take_16(w);
	ret_header->questions = take_16(w);
	ret_header->answers = take_16(w);
	ret_header->authorities = take_16(w);
	(void)take_16(w);
	return !w->broken && (ret_header->flags & FLAG_RESPONSE) != 0 &&
		(ret_header->flags & (FLAG_OPCODE | FLAG_TRUNCATED)) == 0 &&
		ret_header->questions == 1;
}

static bool take_question(struct wire *w, struct slice name, enum dns_type type)
{
	struct name asked;

	take_name(w, &asked);
	unsigned asked_type = take_16(w);

	return take_16(w) == CLASS_IN && !w->broken && asked_type == type && is_name(&asked, name);
}

static enum dns_wire conclude(
	const struct wire *w, const struct header *header, bool moved, struct dns_answer *answer)
{
	bool soa;

	if (answer->count > 0) {
		answer->status = DNS_FOUND;
		return DNS_WIRE_ANSWER;
	}
	uint32_t ttl_s = 0;

	soa = find_soa(*w, header->authorities, &ttl_s);
	if ((header->flags & 0xf) == RCODE_DONE && moved && !soa) {
		return DNS_WIRE_FOLLOW;
	}
	answer->status = (header->flags & 0xf) == RCODE_NO_DOMAIN ? DNS_NO_DOMAIN : DNS_NO_DATA;
	if (!moved) {
		answer->ttl_s = ttl_s;
	}
	lower_ttl(answer, ttl_s);
	return DNS_WIRE_ANSWER;
}

enum dns_wire dns_wire_parse(struct slice message, struct slice name, enum dns_type type,
	struct arena *arena, unsigned *hops, struct dns_answer *ret_answer)
{
	struct wire w = {message, 0, false};
	struct header header;
	struct dns_answer answer = {.ttl_s = UINT32_MAX, .name = name};
	unsigned start = *hops;

	if (!take_header(&w, &header) || !take_question(&w, name, type)) {
		return DNS_WIRE_GARBAGE;
	}
	if ((header.flags & 0xf) != RCODE_DONE && (header.flags & 0xf) != RCODE_NO_DOMAIN) {
		return DNS_WIRE_GARBAGE;
	}
	while (type != DNS_CNAME && find_alias(w, header.answers, &answer, arena)) {
		if (++*hops > DNS_HOPS_MAX) {
			return DNS_WIRE_GARBAGE;
		}
	}
	if (!collect(&w, header.answers, type, arena, &answer)) {
		return DNS_WIRE_GARBAGE;
	}
	enum dns_wire wire = conclude(&w, &header, *hops > start, &answer);

	*ret_answer = answer;
	return wire;
}
