#include <criterion/criterion.h>

#include "base/arena.h"
#include "base/buf.h"
#include "no_leaks.h"

/* An inner header of src/resolve: the rules are pure. */
#include "../../../src/resolve/mx.h"

TestSuite(mx, .fini = no_leaks);

static const union endpoint own_address = {
	.v4 = {.sin_family = AF_INET, .sin_addr.s_addr = 0x010200c6}}; /* 198.0.2.1 */

/*
 * records: "10 a; 20 b" as the DNS gave them ("10 ." is the root), or the name of
 * a status.  addresses: those of each host in the order of the result, "-" = none,
 * "?" = no answer.
 */
static const struct {
	const char *label;
	const char *records;
	const char *addresses;
	const char *result;
} rows[] = {
	{"D1", "10 a", "192.0.2.1", "a=192.0.2.1"},
	{"D2 no domain", "no domain", "", "dns_no_domain"},
	{"D2 temporary", "temporary", "", "dns_temporary"},
	{"D3 implicit", "no data", "192.0.2.1", "self.test=192.0.2.1"},
	{"D3 without address", "no data", "-", "dns_no_address"},
	{"D4 none usable", "10 a; 20 b", "-; -", "dns_no_address"},
	{"D4 one unknown", "10 a; 20 b", "-; ?", "dns_temporary"},
	{"D4 one usable is enough", "10 a; 20 b", "?; 192.0.2.1", "a= b=192.0.2.1"},
	{"D6", "0 .", "", "null_mx"},
	{"D6 any preference", "10 .", "", "null_mx"},
	{"D6 with others", "0 .; 10 a", "192.0.2.1", "a=192.0.2.1"},
	{"D8 sorted", "20 b; 10 z; 10 a", "192.0.2.1; 192.0.2.2; 192.0.2.3",
		"a=192.0.2.1 z=192.0.2.2 b=192.0.2.3"},
	{"named twice", "20 a; 10 a; 15 b", "192.0.2.1; 192.0.2.2", "a=192.0.2.1 b=192.0.2.2"},
	{"D10 by name", "10 a; 20 ME.test; 20 b; 30 c",
		"192.0.2.1; 192.0.2.2; 192.0.2.3; 192.0.2.4", "a=192.0.2.1"},
	{"D10 by address", "10 a; 20 b; 30 c", "192.0.2.1; 198.0.2.1; 192.0.2.3", "a=192.0.2.1"},
	{"D10 an equal goes too", "10 a; 20 b; 20 c", "192.0.2.1; 192.0.2.2; 198.0.2.1",
		"a=192.0.2.1"},
	{"D10 we are the best", "10 me.test; 20 b", "-; 192.0.2.1", "mail_loop"},
	{"D10 implicit", "no data", "198.0.2.1", "mail_loop"},
	{"D14", "10 a", "127.0.0.1", "mx_prohibited"},
	{"D14 some", "10 a; 20 b", "10.0.0.1 192.0.2.1; 169.254.169.254", "a=192.0.2.1 b="},
	{"D14 and no answer", "10 a; 20 b", "10.0.0.1; ?", "dns_temporary"},
	{"D14 implicit", "no data", "::1", "mx_prohibited"},
};

static void read_records(const char *text, struct arena *arena, struct dns_answer *answer)
{
	struct slice rest = slice_of(text);
	struct slice part, word;
	uint64_t preference;

	*answer = (struct dns_answer){.status = DNS_FOUND, .name = SLICE("self.test")};
	if (slice_equal(rest, SLICE("no domain"))) {
		answer->status = DNS_NO_DOMAIN;
	} else if (slice_equal(rest, SLICE("no data"))) {
		answer->status = DNS_NO_DATA;
	} else if (slice_equal(rest, SLICE("temporary"))) {
		answer->status = DNS_TEMPORARY;
	}
	answer->records = arena_array(arena, 16, sizeof(*answer->records));
	while (answer->status == DNS_FOUND && slice_split(&rest, ';', &part)) {
		part = slice_trim(part);
		(void)slice_split(&part, ' ', &word);
		cr_assert(slice_number(word, 65535, &preference));
		answer->records[answer->count++] = (struct dns_record){
			.name = slice_equal(part, SLICE(".")) ? SLICE("") : part,
			.preference = (unsigned)preference};
	}
}

static void add_addresses(struct mx *mx, const char *text)
{
	struct slice rest = slice_of(text);
	struct slice part, word;

	for (size_t i = 0; i < mx->count; i++) {
		union endpoint addresses[16];
		size_t n = 0;

		(void)slice_split(&rest, ';', &part);
		part = slice_trim(part);
		bool temporary = slice_equal(part, SLICE("?"));

		while (!temporary && slice_split(&part, ' ', &word) &&
			!slice_equal(word, SLICE("-"))) {
			cr_assert(endpoint_parse(word, 0, &addresses[n++]));
		}
		mx_add_addresses(mx, i, addresses, n, temporary);
	}
}

static void resolve(const char *records, const char *addresses, struct buf *out)
{
	const struct slice names[] = {SLICE("me.test")};
	const struct resolver_settings settings = {.own_addresses = &own_address,
		.own_address_count = 1,
		.own_names = names,
		.own_name_count = 1};
	struct mx mx = {.arena = arena_new(0)};
	struct dns_answer answer;

	read_records(records, mx.arena, &answer);
	enum failure failure = mx_read(&mx, &answer);

	if (failure == FAILURE_NONE) {
		add_addresses(&mx, addresses);
		failure = mx_decide(&mx, &settings);
	}
	buf_add_text(out, failure_word(failure));
	for (size_t i = 0; failure == FAILURE_NONE && i < mx.count; i++) {
		buf_add_text(out, i == 0 ? "" : " ");
		buf_add(out, mx.hosts[i].name);
		buf_add_byte(out, '=');
		for (size_t k = 0; k < mx.hosts[i].count; k++) {
			endpoint_add(out, &mx.hosts[i].addresses[k], false);
		}
	}
	arena_free(&mx.arena);
}

Test(mx, dns_D4_dns_D6_dns_D10_rules)
{
	struct buf text;

	buf_init(&text, 0);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		buf_reset(&text);
		resolve(rows[i].records, rows[i].addresses, &text);
		cr_expect_str_eq(buf_string(&text), rows[i].result, "%s: %s", rows[i].label,
			buf_string(&text));
	}
	buf_clear(&text);
}

Test(mx, an_operator_s_host_is_not_guarded)
{
	struct mx mx = {.arena = arena_new(0)};
	union endpoint loopback;

	cr_assert(endpoint_parse(SLICE("127.0.0.1"), 0, &loopback));
	mx_set_host(&mx, SLICE("staging"));
	mx_add_addresses(&mx, 0, &loopback, 1, false);
	cr_assert_eq(mx_decide(&mx, NULL), FAILURE_NONE);
	cr_assert_eq(mx.hosts[0].count, 1);
	arena_free(&mx.arena);
}
