/*
 * Answers of the DNS (src/io/dns_wire.c): whatever comes, what is said about it
 * keeps the contract of io/dns.h, and the records are those that the C library's
 * own parser finds for the same name, where it takes the message at all.  The first
 * octet chooses the type, the rest is the message; it is asked for the name of its
 * own question, so that the search gets past the header.
 */
#include <arpa/nameser.h>
#include <resolv.h>
#include <stdio.h>
#include <string.h>

#include "dns_wire.h"
#include "fuzz.h"

struct name {
	char text[DNS_NAME_TEXT];
	size_t n;
};

static const enum dns_type types[] = {
	DNS_A, DNS_CNAME, DNS_PTR, DNS_MX, DNS_TXT, DNS_AAAA, DNS_SOA};

static size_t most(enum dns_type type)
{
	return type == DNS_TXT ? DNS_TEXTS_MAX : DNS_RECORDS_MAX;
}

static void check_name(struct slice name)
{
	must(name.n < DNS_NAME_TEXT);
	for (size_t i = 0; i < name.n; i++) {
		unsigned char c = (unsigned char)name.p[i];

		must(c > ' ' && c < 0x7f && !(c >= 'A' && c <= 'Z'));
	}
}

static void check_answer(const struct dns_answer *answer, enum dns_type type)
{
	check_name(answer->name);
	must(answer->count <= most(type));
	must((answer->count > 0) == (answer->status == DNS_FOUND));
	for (size_t i = 0; i < answer->count; i++) {
		const struct dns_record *record = &answer->records[i];

		check_name(record->name);
		must(record->preference <= UINT16_MAX);
		must((record->endpoint.any.sa_family == AF_INET) == (type == DNS_A));
		must((record->endpoint.any.sa_family == AF_INET6) == (type == DNS_AAAA));
		must(record->text.n == 0 || type == DNS_TXT);
	}
}

/* ---- the same by the C library ---- */

/* The name at an offset in our spelling: octets of no host name as \DDD. */
static bool find_name(struct slice message, size_t offset, struct name *ret_name)
{
	const unsigned char *start = (const unsigned char *)message.p;
	unsigned char octets[NS_MAXCDNAME];
	const unsigned char *at = octets;

	ret_name->n = 0;
	if (offset >= message.n ||
		ns_name_unpack(start, start + message.n, start + offset, octets, sizeof(octets)) <
			0) {
		return false;
	}
	for (; *at != 0; at += *at + 1) {
		if (ret_name->n > 0) {
			ret_name->text[ret_name->n++] = '.';
		}
		for (size_t i = 1; i <= *at; i++) {
			int c = at[i] >= 'A' && at[i] <= 'Z' ? at[i] + 32 : at[i];
			bool usual = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
				c == '_';

			ret_name->n += (size_t)snprintf(
				ret_name->text + ret_name->n, 5, usual ? "%c" : "\\%03d", c);
		}
	}
	return true;
}

static bool is_name(const ns_msg *msg, const unsigned char *p, struct slice text)
{
	struct slice message =
		slice_make((const char *)ns_msg_base(*msg), (size_t)ns_msg_size(*msg));
	struct name name;

	return find_name(message, (size_t)(p - ns_msg_base(*msg)), &name) &&
		slice_equal(slice_make(name.text, name.n), text);
}

static bool is_same(const ns_msg *msg, const ns_rr *rr, const struct dns_record *record)
{
	const unsigned char *data = ns_rr_rdata(*rr);
	size_t n = 0;

	switch ((enum dns_type)ns_rr_type(*rr)) {
	case DNS_A:
		return ns_rr_rdlen(*rr) == 4 && memcmp(data, &record->endpoint.v4.sin_addr, 4) == 0;
	case DNS_AAAA:
		return ns_rr_rdlen(*rr) == 16 &&
			memcmp(data, &record->endpoint.v6.sin6_addr, 16) == 0;
	case DNS_MX:
		return ns_get16(data) == record->preference && is_name(msg, data + 2, record->name);
	case DNS_CNAME:
	case DNS_PTR:
	case DNS_SOA: /* the server's name comes first */
		return is_name(msg, data, record->name);
	case DNS_TXT:
		for (size_t i = 0; i < ns_rr_rdlen(*rr); i += data[i] + 1U) {
			must(n + data[i] <= record->text.n &&
				memcmp(record->text.p + n, data + i + 1, data[i]) == 0);
			n += data[i];
		}
		return n == record->text.n;
	}
	return false;
}

/* The records of the section in order; of too many the best MX are kept. */
static void compare(struct slice message, enum dns_type type, const struct dns_answer *answer)
{
	size_t found = 0;
	ns_msg msg;
	ns_rr rr;

	if (ns_initparse((const unsigned char *)message.p, (int)message.n, &msg) != 0) {
		return;
	}
	for (int i = 0; i < ns_msg_count(msg, ns_s_an); i++) {
		const unsigned char *at = msg._msg_ptr;

		if (ns_parserr(&msg, ns_s_an, i, &rr) != 0) {
			return;
		}
		at = i == 0 ? msg._sections[ns_s_an] : at;
		if ((int)ns_rr_type(rr) != (int)type || ns_rr_class(rr) != ns_c_in ||
			!is_name(&msg, at, answer->name)) {
			continue;
		}
		if (found < most(type)) {
			must(found < answer->count);
			must(type == DNS_MX || is_same(&msg, &rr, &answer->records[found]));
		}
		for (size_t n = 0; type == DNS_MX && n <= answer->count; n++) {
			if (n == answer->count) {
				must(answer->count == DNS_RECORDS_MAX);
			} else if (is_same(&msg, &rr, &answer->records[n])) {
				break;
			}
		}
		must(answer->ttl_s <= ns_rr_ttl(rr) || ns_rr_ttl(rr) > INT32_MAX);
		found++;
	}
	must(answer->count == (found < most(type) ? found : most(type)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct arena *arena;
	struct slice message = slice_from(slice_make((const char *)data, size), 1);
	struct dns_answer answer = {0};
	struct name name = {.n = 0};
	unsigned hops = 0;

	if (size == 0) {
		return 0;
	}
	if (arena == NULL) {
		arena = arena_new(0);
	}
	enum dns_type type = types[data[0] % ARRAY_LEN(types)];

	(void)find_name(message, NS_HFIXEDSZ, &name);
	switch (dns_wire_parse(
		message, slice_make(name.text, name.n), type, arena, &hops, &answer)) {
	case DNS_WIRE_ANSWER:
		check_answer(&answer, type);
		compare(message, type, &answer);
		must(hops <= DNS_HOPS_MAX);
		break;
	case DNS_WIRE_FOLLOW:
		check_name(answer.name);
		must(hops > 0 && hops <= DNS_HOPS_MAX);
		break;
	case DNS_WIRE_GARBAGE:
		break;
	}
	arena_reset(arena);
	return 0;
}
