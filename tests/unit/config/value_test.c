/* Values: what each type reads and the one form it is written in. */
#include "config/value.h"

#include <criterion/criterion.h>
#include <string.h>

#include "base/mem.h"
#include "config/schema.h"
#include "no_leaks.h"
#include "type.h"

TestSuite(value, .fini = no_leaks);

static const char *const words[] = {"native", "libopendkim", NULL};

static const struct {
	enum config_type type;
	const char *text;
	const char *written; /* NULL = refused */
} rows[] = {
	{CONFIG_BOOL, "yes", "true"},
	{CONFIG_BOOL, "Off", "false"},
	{CONFIG_BOOL, "1", NULL},
	{CONFIG_COUNT, "0", "0"},
	{CONFIG_COUNT, "4294967295", "4294967295"},
	{CONFIG_COUNT, "4294967296", NULL},
	{CONFIG_COUNT, "1.5", NULL},
	{CONFIG_COUNT, "", NULL},
	{CONFIG_COUNT, "0x10", NULL},
	{CONFIG_PORT, "65535", "65535"},
	{CONFIG_PORT, "0", NULL},
	{CONFIG_SIZE, "1048576", "1MiB"},
	{CONFIG_SIZE, "1536KiB", "1536KiB"},
	{CONFIG_SIZE, "10 mib", "10MiB"},
	{CONFIG_SIZE, "1000", "1000"},
	{CONFIG_SIZE, "0", "0"},
	{CONFIG_SIZE, "17179869184GiB", NULL},
	{CONFIG_SIZE, "MiB", NULL},
	{CONFIG_DURATION, "90s", "1m30s"},
	{CONFIG_DURATION, "1h30m", "1h30m"},
	{CONFIG_DURATION, "0", "0"},
	{CONFIG_DURATION, "0s", "0"},
	{CONFIG_DURATION, "5", NULL},
	{CONFIG_DURATION, "-5s", NULL},
	{CONFIG_DURATION, "5 s", NULL},
	{CONFIG_NUMBER, "2.50", "2.5"},
	{CONFIG_NUMBER, ".5", "0.5"},
	{CONFIG_NUMBER, ".", NULL},
	{CONFIG_NUMBER, "1e9", NULL},
	{CONFIG_NUMBER, "nan", NULL},
	{CONFIG_NUMBER, "1.2.3", NULL},
	{CONFIG_NUMBER, "11111111111111111111111111111111", NULL},
	{CONFIG_SHARE, "0.05", "5%"},
	{CONFIG_SHARE, "12.5 %", "12.5%"},
	{CONFIG_SHARE, "100%", "100%"},
	{CONFIG_SHARE, "1.01", NULL},
	{CONFIG_SHARE, "%", NULL},
	{CONFIG_RATE, "none", "none"},
	{CONFIG_RATE, "100/m", "100/m"},
	{CONFIG_RATE, "100/minute", "100/m"},
	{CONFIG_RATE, "10 / 1h", "10/h"},
	{CONFIG_RATE, "20/30m burst 5", "20/30m burst 5"},
	{CONFIG_RATE, "20/30m burst 1", "20/30m"},
	{CONFIG_RATE, "20/0s", NULL},
	{CONFIG_RATE, "0/s", NULL},
	{CONFIG_RATE, "5", NULL},
	{CONFIG_RATE, "5/s burst 0", NULL},
	{CONFIG_RATE, "5/s burst", NULL},
	{CONFIG_RATE, "5/fortnight", NULL},
	{CONFIG_ENUM, "libopendkim", "libopendkim"},
	{CONFIG_ENUM, "Native", NULL},
	{CONFIG_STRING, "any text: at all", "any text: at all"},
	{CONFIG_NAME, "mta1-a_b.c", "mta1-a_b.c"},
	{CONFIG_NAME, "a b", NULL},
	{CONFIG_NAME, "", NULL},
	{CONFIG_PATH, "/a/b", "/a/b"},
	{CONFIG_PATH, "b", "dir/b"},
	{CONFIG_PATH, "", NULL},
	{CONFIG_HOST, "MX.Example.com", "mx.example.com"},
	{CONFIG_HOST, "a_b.example", "a_b.example"},
	{CONFIG_HOST, "a..b", NULL},
	{CONFIG_HOST, ".a", NULL},
	{CONFIG_HOST, "a.", NULL},
	{CONFIG_HOST, "192.0.2.1", NULL},
	{CONFIG_HOST, "m\xc3\xbcller.example", NULL},
	{CONFIG_HOST, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.example",
		NULL},
	{CONFIG_HOST_PORT, "mx.example:587", "mx.example:587"},
	{CONFIG_HOST_PORT, "mx.example", "mx.example"},
	{CONFIG_HOST_PORT, "192.0.2.1:25", "192.0.2.1:25"},
	{CONFIG_HOST_PORT, "[2001:DB8::1]:25", "[2001:db8::1]:25"},
	{CONFIG_HOST_PORT, "[2001:db8::1]", "2001:db8::1"},
	{CONFIG_HOST_PORT, "2001:db8::1", "2001:db8::1"},
	{CONFIG_HOST_PORT, "mx.example:0", NULL},
	{CONFIG_HOST_PORT, "mx.example:", NULL},
	{CONFIG_HOST_PORT, "[::1", NULL},
	{CONFIG_HOST_PORT, "[::1]x", NULL},
	{CONFIG_HOST_PORT, ":25", NULL},
	{CONFIG_HOST_PORT, "]", NULL},
	{CONFIG_IPV4, "192.0.2.1", "192.0.2.1"},
	{CONFIG_IPV4, "192.0.2", NULL},
	{CONFIG_IPV4, "192.0.2.01", NULL},
	{CONFIG_IPV4, "::1", NULL},
	{CONFIG_IPV6, "2001:DB8:0::1", "2001:db8::1"},
	{CONFIG_IPV6, "fe80::1%eth0", NULL},
	{CONFIG_ADDRESS_PORT, "127.0.0.1:53", "127.0.0.1:53"},
	{CONFIG_ADDRESS_PORT, "[::1]:53", "[::1]:53"},
	{CONFIG_ADDRESS_PORT, "127.0.0.1", NULL},
	{CONFIG_ADDRESS_PORT, "::1", NULL},
	{CONFIG_ADDRESS_PORT, "localhost:53", NULL},
	{CONFIG_NETWORK, "10.0.0.0/8", "10.0.0.0/8"},
	{CONFIG_NETWORK, "0.0.0.0/0", "0.0.0.0/0"},
	{CONFIG_NETWORK, "192.0.2.1", "192.0.2.1/32"},
	{CONFIG_NETWORK, "fd00::/8", "fd00::/8"},
	{CONFIG_NETWORK, "10.0.0.0/33", NULL},
	{CONFIG_NETWORK, "10.0.0.1/8", NULL},
	{CONFIG_NETWORK, "10.0.0.0/", NULL},
};

Test(value, one_form)
{
	struct arena *arena = arena_new(0);
	struct buf out;

	buf_init(&out, 0);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct config_key key = {.name = "k", .type = rows[i].type, .words = words};
		struct value_input in = {&key, slice_of(rows[i].text), "dir/file", arena};
		union value_space space = {0};
		union value_space again = {0};
		bool good = value_type(key.type)->read(&in, &space);

		cr_expect_eq(good, rows[i].written != NULL, "%s '%s'", value_type(key.type)->word,
			rows[i].text);
		if (!good) {
			continue;
		}
		buf_reset(&out);
		value_type(key.type)->write(&key, &out, &space);
		cr_expect_str_eq(buf_string(&out), rows[i].written, "'%s' became '%s'",
			rows[i].text, buf_string(&out));
		in.text = buf_slice(&out);
		in.file = NULL;
		cr_expect(value_type(key.type)->read(&in, &again), "'%s'", buf_string(&out));
	}
	buf_clear(&out);
	arena_free(&arena);
}

Test(value, networks)
{
	static const struct {
		const char *address;
		const char *network;
		bool in;
	} pairs[] = {
		{"10.1.2.3", "10.0.0.0/8", true},
		{"11.0.0.0", "10.0.0.0/8", false},
		{"192.0.2.127", "192.0.2.0/25", true},
		{"192.0.2.128", "192.0.2.0/25", false},
		{"1.2.3.4", "0.0.0.0/0", true},
		{"::1", "0.0.0.0/0", false},
		{"2001:db8:ffff::1", "2001:db8::/32", true},
		{"2001:db9::1", "2001:db8::/32", false},
		{"192.0.2.1", "192.0.2.1/32", true},
		{"192.0.2.2", "192.0.2.1/32", false},
	};
	const struct config_key key = {.name = "k", .type = CONFIG_NETWORK};

	for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
		struct config_address address;
		struct config_address network;
		struct value_input in = {&key, slice_of(pairs[i].network), NULL, NULL};

		cr_assert(config_address_parse(slice_of(pairs[i].address), &address));
		cr_assert(value_read_network(&in, &network));
		cr_expect_eq(config_address_in(&address, &network), pairs[i].in, "%s in %s",
			pairs[i].address, pairs[i].network);
	}
}

Test(value, loopback)
{
	struct config_address a;

	cr_assert(config_address_parse(SLICE("127.255.255.255"), &a));
	cr_expect(config_address_is_loopback(&a));
	cr_assert(config_address_parse(SLICE("128.0.0.1"), &a));
	cr_expect_not(config_address_is_loopback(&a));
	cr_assert(config_address_parse(SLICE("::1"), &a));
	cr_expect(config_address_is_loopback(&a));
	cr_assert(config_address_parse(SLICE("::2"), &a));
	cr_expect_not(config_address_is_loopback(&a));
}
