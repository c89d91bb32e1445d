#include <criterion/criterion.h>

#include "no_leaks.h"

/* An inner header of src/resolve: the guard is pure. */
#include "../../../src/resolve/guard.h"

TestSuite(guard, .fini = no_leaks);

/* The first and the last address of each range of conformance N5, and its neighbours. */
static const struct {
	const char *address;
	bool allowed;
} rows[] = {
	{"0.0.0.0", false},
	{"0.255.255.255", false},
	{"1.0.0.0", true},
	{"9.255.255.255", true},
	{"10.0.0.0", false},
	{"10.255.255.255", false},
	{"11.0.0.0", true},
	{"100.63.255.255", true},
	{"100.64.0.0", false},
	{"100.127.255.255", false},
	{"100.128.0.0", true},
	{"126.255.255.255", true},
	{"127.0.0.1", false},
	{"127.255.255.255", false},
	{"128.0.0.0", true},
	{"169.253.255.255", true},
	{"169.254.169.254", false},
	{"169.255.0.0", true},
	{"172.15.255.255", true},
	{"172.16.0.0", false},
	{"172.31.255.255", false},
	{"172.32.0.0", true},
	{"192.0.0.8", false},
	{"192.0.1.0", true},
	{"192.167.255.255", true},
	{"192.168.0.0", false},
	{"192.168.255.255", false},
	{"192.169.0.0", true},
	{"198.17.255.255", true},
	{"198.18.0.0", false},
	{"198.19.255.255", false},
	{"198.20.0.0", true},
	{"223.255.255.255", true},
	{"224.0.0.1", false},
	{"239.255.255.255", false},
	{"240.0.0.0", false},
	{"255.255.255.255", false},
	{"::", false},
	{"::1", false},
	{"::7f00:1", false},
	{"::ffff:127.0.0.1", false},
	{"::ffff:8.8.8.8", false},
	{"64:ff9b::7f00:1", false},
	{"64:ff9b:1::a00:1", false},
	{"64:ff9b:2::1", true},
	{"100::1", false},
	{"2001:0:53aa::1", false},
	{"2001:1::1", true},
	{"2001:4860:4860::8888", true},
	{"2002:7f00:1::", false},
	{"2002:a00:1::1", false},
	{"2003::1", true},
	{"fbff::1", true},
	{"fc00::1", false},
	{"fdff:ffff::1", false},
	{"fe7f::1", true},
	{"fe80::1", false},
	{"febf::1", false},
	{"fec0::1", false},
	{"ff02::1", false},
};

Test(guard, dns_N5_dns_D14_ranges)
{
	const struct resolver_settings settings = {0};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		union endpoint endpoint;

		cr_assert(endpoint_parse(slice_of(rows[i].address), 25, &endpoint));
		cr_expect_eq(
			guard_allows(&settings, &endpoint), rows[i].allowed, "%s", rows[i].address);
	}
}

Test(guard, dns_N5_what_the_operator_allows)
{
	struct network allow[] = {{.prefix = 30}, {.prefix = 127}, {.prefix = 0}};
	struct resolver_settings settings = {.allow = allow, .allow_count = 2};
	union endpoint in, out, in_v6, out_v6;

	cr_assert(endpoint_parse(SLICE("127.0.0.4"), 0, &allow[0].address));
	cr_assert(endpoint_parse(SLICE("fd00::2"), 0, &allow[1].address));
	cr_assert(endpoint_parse(SLICE("0.0.0.0"), 0, &allow[2].address));
	cr_assert(endpoint_parse(SLICE("127.0.0.7"), 2525, &in));
	cr_assert(endpoint_parse(SLICE("127.0.0.8"), 2525, &out));
	cr_assert(endpoint_parse(SLICE("fd00::3"), 2525, &in_v6));
	cr_assert(endpoint_parse(SLICE("fd00::4"), 2525, &out_v6));
	cr_assert(guard_allows(&settings, &in));
	cr_assert(!guard_allows(&settings, &out));
	cr_assert(guard_allows(&settings, &in_v6));
	cr_assert(!guard_allows(&settings, &out_v6));
	settings.allow_count = 3;
	cr_assert(guard_allows(&settings, &out), "prefix 0 is everything of its family");
	cr_assert(!guard_allows(&settings, &out_v6));
}
