#include "io/conn.h"

#include <criterion/criterion.h>

#include "base/buf.h"
#include "no_leaks.h"

TestSuite(endpoint, .fini = no_leaks);

static const struct {
	const char *text;
	const char *written; /* NULL: refused */
} endpoints[] = {
	{"192.0.2.1", "192.0.2.1:25"},
	{"192.0.2.1:2525", "192.0.2.1:2525"},
	{"2001:db8::1", "[2001:db8::1]:25"},
	{"2001:DB8:0:0::1", "[2001:db8::1]:25"},
	{"[2001:db8::1]", "[2001:db8::1]:25"},
	{"[2001:db8::1]:2525", "[2001:db8::1]:2525"},
	{"::ffff:192.0.2.1", "[::ffff:192.0.2.1]:25"},
	{"::", "[::]:25"},
	{"", NULL},
	{"192.0.2", NULL},
	{"192.0.2.256", NULL},
	{"192.0.2.1:", NULL},
	{"192.0.2.1:65536", NULL},
	{"192.0.2.1:+1", NULL},
	{"[192.0.2.1]:25", NULL},
	{"[2001:db8::1", NULL},
	{"[2001:db8::1]25", NULL},
	{"[2001:db8::1]:", NULL},
	{"fe80::1%lo", NULL},
	{"mx.example.org", NULL},
	{"[]", NULL},
	{":25", NULL},
};

Test(endpoint, is_read_and_written)
{
	for (size_t i = 0; i < ARRAY_LEN(endpoints); i++) {
		union endpoint endpoint;
		struct buf text;
		bool fine = endpoint_parse(slice_of(endpoints[i].text), 25, &endpoint);

		buf_init(&text, 0);
		cr_assert_eq(fine, endpoints[i].written != NULL, "%s", endpoints[i].text);
		if (fine) {
			endpoint_add(&text, &endpoint, true);
			cr_assert_str_eq(buf_string(&text), endpoints[i].written);
		}
		buf_clear(&text);
	}
}

Test(endpoint, a_NUL_ends_no_address)
{
	union endpoint endpoint;

	cr_assert(!endpoint_parse(SLICE("192.0.2.1\0.evil"), 25, &endpoint));
}

Test(endpoint, equality_knows_no_port)
{
	union endpoint a, b, c;

	cr_assert(endpoint_parse(SLICE("192.0.2.1"), 25, &a));
	cr_assert(endpoint_parse(SLICE("192.0.2.1"), 26, &b));
	cr_assert(endpoint_parse(SLICE("::ffff:192.0.2.1"), 25, &c));
	cr_assert(endpoint_equal(&a, &b));
	cr_assert(!endpoint_equal(&a, &c));
}
