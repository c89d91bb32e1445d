/*
 * Answers of the DNS (src/io/dns_wire.c): whatever comes, what is said about it
 * keeps the contract of io/dns.h.  The first octet chooses the type, the rest is
 * the message; it is asked for the name of its own question, so that the search
 * gets past the header.
 */
#include <stdlib.h>
#include <string.h>

#include "../../src/io/dns_wire.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const enum dns_type types[] = {
	DNS_A, DNS_CNAME, DNS_PTR, DNS_MX, DNS_TXT, DNS_AAAA, DNS_SOA};

static void check(bool holds)
{
	if (!holds) {
		abort();
	}
}

static void check_name(struct slice name)
{
	check(name.n < DNS_NAME_TEXT);
	for (size_t i = 0; i < name.n; i++) {
		unsigned char c = (unsigned char)name.p[i];

		check(c > ' ' && c < 0x7f && !(c >= 'A' && c <= 'Z'));
	}
}

static void check_answer(const struct dns_answer *answer, enum dns_type type)
{
	check_name(answer->name);
	check(answer->count <= (type == DNS_TXT ? DNS_TEXTS_MAX : DNS_RECORDS_MAX));
	check((answer->count > 0) == (answer->status == DNS_FOUND));
	for (size_t i = 0; i < answer->count; i++) {
		const struct dns_record *record = &answer->records[i];

		check_name(record->name);
		check(record->preference <= UINT16_MAX);
		check((record->endpoint.any.sa_family == AF_INET) == (type == DNS_A));
		check((record->endpoint.any.sa_family == AF_INET6) == (type == DNS_AAAA));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0) {
		return 0;
	}
	struct slice message = slice_make((const char *)data + 1, size - 1);
	struct wire question = {message, size - 1 < HEADER_BYTES ? size - 1 : HEADER_BYTES, false};
	struct arena *arena = arena_new(0);
	struct dns_answer answer = {0};
	struct name name = {.n = 0};
	unsigned hops = 0;
	enum dns_type type = types[data[0] % ARRAY_LEN(types)];

	take_name(&question, &name);
	check(name.n < DNS_NAME_TEXT);
	switch (dns_wire_parse(
		message, slice_make(name.text, name.n), type, arena, &hops, &answer)) {
	case DNS_WIRE_ANSWER:
		check_answer(&answer, type);
		check(hops <= DNS_HOPS_MAX);
		break;
	case DNS_WIRE_FOLLOW:
		check_name(answer.name);
		check(hops > 0 && hops <= DNS_HOPS_MAX);
		break;
	case DNS_WIRE_GARBAGE:
		break;
	}
	arena_free(&arena);
	return 0;
}
