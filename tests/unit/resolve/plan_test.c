#include "resolve/site.h"

#include <criterion/criterion.h>

#include "base/arena.h"
#include "base/buf.h"
#include "no_leaks.h"

/* An inner header of src/resolve: sites are made by hand here. */
#include "../../../src/resolve/site_private.h"

TestSuite(plan, .fini = no_leaks);

/* "10 mx1 1.2.3.4 1.2.3.5; 10 mx2 2001:db8::1": best preference first. */
static struct site *site_from(const char *text, struct map *sites)
{
	struct mx mx = {.arena = arena_new(0)};
	struct slice rest = slice_of(text);
	struct slice part, word;
	struct site *site;

	while (slice_split(&rest, ';', &part)) {
		union endpoint addresses[MX_ADDRESSES_MAX];
		uint64_t preference;
		size_t n = 0;

		part = slice_trim(part);
		(void)slice_split(&part, ' ', &word);
		cr_assert(slice_number(word, 65535, &preference));
		cr_assert(slice_split(&part, ' ', &word));

		mx.hosts[mx.count] = (struct mx_host){
			.name = arena_slice(mx.arena, word), .preference = (unsigned)preference};
		while (slice_split(&part, ' ', &word)) {
			cr_assert(endpoint_parse(word, 0, &addresses[n++]));
		}
		mx_add_addresses(&mx, mx.count++, addresses, n, false);
	}
	site = site_new(&mx, 25, false, sites);
	arena_free(&mx.arena);
	return site;
}

static void describe(const struct site *site, bool v4, bool v6, uint64_t random, struct buf *out)
{
	struct site_choice choices[SITE_CHOICES];
	size_t n = site_plan(site, v4, v6, random, choices);

	buf_reset(out);
	for (size_t i = 0; i < n; i++) {
		buf_add_text(out, i == 0 ? "" : " ");
		endpoint_add(out, &choices[i].endpoint, false);
	}
}

static const struct {
	const char *label;
	const char *site;
	bool v4, v6;
	const char *plan;
} rows[] = {
	{"preference", "1 a 192.0.2.1; 2 b 192.0.2.2; 3 c 192.0.2.3", true, false,
		"192.0.2.1 192.0.2.2 192.0.2.3"},
	{"the order of the DNS", "1 a 192.0.2.9 192.0.2.1 192.0.2.5", true, true,
		"192.0.2.9 192.0.2.1 192.0.2.5"},
	{"five at most", "1 a 192.0.2.1 192.0.2.2 192.0.2.3; 2 b 192.0.2.4 192.0.2.5 192.0.2.6",
		true, true, "192.0.2.1 192.0.2.2 192.0.2.3 192.0.2.4 192.0.2.5"},
	{"only IPv4", "1 a 2001:db8::1 192.0.2.1", true, false, "192.0.2.1"},
	{"only IPv6", "1 a 192.0.2.1 2001:db8::1", false, true, "2001:db8::1"},
	{"no family", "1 a 192.0.2.1 2001:db8::1", false, false, ""},
	{"D11: the other family is not starved",
		"1 a 2001:db8::1 2001:db8::2 2001:db8::3; 2 b 2001:db8::4 2001:db8::5; "
		"3 c 192.0.2.1 192.0.2.2 192.0.2.3",
		true, true, "2001:db8::1 2001:db8::2 2001:db8::3 192.0.2.1 192.0.2.2"},
	{"D11: one is all there is",
		"1 a 2001:db8::1 2001:db8::2 2001:db8::3 2001:db8::4 2001:db8::5; 3 c 192.0.2.1",
		true, true, "2001:db8::1 2001:db8::2 2001:db8::3 2001:db8::4 192.0.2.1"},
	{"a host without addresses", "1 a; 2 b 192.0.2.1", true, true, "192.0.2.1"},
};

Test(plan, dns_D9_dns_D11_order_of_tries)
{
	struct map *sites = map_new();
	struct buf text;

	buf_init(&text, 0);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct site *site = site_from(rows[i].site, sites);

		for (uint64_t random = 0; random < 50; random++) {
			describe(site, rows[i].v4, rows[i].v6, random, &text);
			cr_assert_str_eq(buf_string(&text), rows[i].plan, "%s: %s", rows[i].label,
				buf_string(&text));
		}
		site_unref(&site);
	}
	cr_assert_eq(map_count(sites), 0);
	map_free(&sites);
	buf_clear(&text);
}

Test(plan, dns_D11_a_host_with_both_families_alternates)
{
	struct map *sites = map_new();
	struct site *site = site_from(
		"1 a 192.0.2.1 192.0.2.2 192.0.2.3 2001:db8::1 2001:db8::2 2001:db8::3", sites);
	unsigned v6_first = 0;
	struct buf text;

	buf_init(&text, 0);
	for (uint64_t random = 0; random < 1000; random++) {
		describe(site, true, true, random, &text);
		bool v6 = slice_starts(buf_slice(&text), SLICE("2001"));

		v6_first += v6;
		cr_assert_str_eq(buf_string(&text),
			v6 ? "2001:db8::1 192.0.2.1 2001:db8::2 192.0.2.2 2001:db8::3"
			   : "192.0.2.1 2001:db8::1 192.0.2.2 2001:db8::2 192.0.2.3");
	}
	cr_assert(v6_first > 400 && v6_first < 600, "%u", v6_first);
	site_unref(&site);
	map_free(&sites);
	buf_clear(&text);
}

/* D8: of three equal hosts each is first equally often; chi-square, 2 degrees of freedom. */
Test(plan, dns_D8_equals_are_drawn_uniformly_and_never_before_the_better)
{
	struct map *sites = map_new();
	struct site *site = site_from("5 best 192.0.2.100; 10 a 192.0.2.1; 10 b 192.0.2.2; "
				      "10 c 192.0.2.3; 20 backup 192.0.2.200",
		sites);
	unsigned count[6] = {0};
	double chi = 0;

	for (uint64_t i = 0; i < 30000; i++) {
		struct site_choice choices[SITE_CHOICES];
		unsigned last[3];

		cr_assert_eq(site_plan(site, true, false, i * i + 7, choices), 5);
		cr_assert(slice_equal(choices[0].host, SLICE("best")));
		cr_assert(slice_equal(choices[4].host, SLICE("backup")));
		for (int k = 0; k < 3; k++) {
			last[k] = (unsigned)(choices[k + 1].host.p[0] - 'a');
		}
		count[last[0] * 2 + (last[1] > last[2])]++;
	}
	for (size_t i = 0; i < 6; i++) { /* the six orders */
		double off = (double)count[i] - 5000.0;

		chi += off * off / 5000.0;
	}
	cr_assert_lt(chi, 20.5, "chi-square %f with 5 degrees of freedom (p = 0.001)", chi);
	site_unref(&site);
	map_free(&sites);
}

Test(plan, dns_D16_the_key_is_the_hosts_in_their_order)
{
	struct map *sites = map_new();
	struct site *a = site_from("10 mx1 192.0.2.1; 20 mx2 192.0.2.2", sites);
	struct site *b = site_from("1 mx1 192.0.2.1; 5 mx2 192.0.2.2", sites);
	struct site *c = site_from("10 mx1 192.0.2.1; 10 mx2 192.0.2.2", sites);
	struct site *d = site_from("10 mx1 192.0.2.1; 20 mx2 192.0.2.3", sites);

	cr_assert_eq(a, b, "the numbers do not matter");
	cr_assert(!slice_equal(site_key(a), site_key(c)), "the order does");
	cr_assert(slice_equal(site_key(a), site_key(d)), "the addresses do not");
	cr_assert_neq(a, d, "but it is another object");
	cr_assert_eq(site_key(a).n, 16);
	cr_assert(slice_equal(site_name(a), SLICE("mx1")));
	cr_assert_eq(site_best_count(a), 1);
	cr_assert_eq(site_best_count(c), 2);
	cr_assert(slice_equal(site_best(c, 1), SLICE("mx2")));
	site_unref(&a);
	site_unref(&c);
	site_unref(&d);
	site_unref(&b);
	cr_assert_eq(map_count(sites), 0);
	map_free(&sites);
}
