/* UUIDs: the example of RFC 9562, round trips, refusals. */
#include <criterion/criterion.h>

#include "base/id.h"
#include "no_leaks.h"

TestSuite(id, .fini = no_leaks);

/* RFC 9562 appendix A.6: 2022-02-22T19:22:22Z. */
Test(id, version_7_of_the_rfc)
{
	static const uint8_t bits[10] = {
		0xfc, 0xc3, 0xd8, 0xc4, 0xdc, 0x0c, 0x0c, 0x07, 0x39, 0x8f};
	struct id id = id_derive(INT64_C(1645557742000), bits);
	char text[ID_TEXT + 1];

	id_text(id, text);
	cr_expect_str_eq(text, "017f22e2-79b0-7cc3-98c4-dc0c0c07398f");
	cr_expect_eq(id_version(id), 7);
	cr_expect_eq(id_wall_ms(id), INT64_C(1645557742000));
}

Test(id, made_ids_carry_their_time_and_differ)
{
	static const int64_t times[] = {0, 1, INT64_C(1795491000123), (INT64_C(1) << 48) - 1};

	for (size_t i = 0; i < ARRAY_LEN(times); i++) {
		struct id a = id_make(times[i]);
		struct id b = id_make(times[i]);

		cr_expect_eq(id_wall_ms(a), times[i]);
		cr_expect_eq(id_version(a), 7);
		cr_expect_eq(a.bytes[8] >> 6, 2);
		cr_expect(!id_equal(a, b));
	}
}

Test(id, random_is_version_4)
{
	struct id id = id_random();

	cr_expect_eq(id_version(id), 4);
	cr_expect_eq(id.bytes[8] >> 6, 2);
	cr_expect(!id_equal(id, id_random()));
	cr_expect(!id_is_zero(id));
}

Test(id, text_and_back)
{
	for (int i = 0; i < 1000; i++) {
		struct id id;
		struct id back;
		struct buf out;

		id_random_bytes(id.bytes, sizeof(id.bytes));
		buf_init(&out, 0);
		id_add(&out, id);
		cr_assert_eq(out.n, ID_TEXT);
		cr_assert(id_parse(buf_slice(&out), &back));
		cr_assert(id_equal(id, back));
		buf_clear(&out);
	}
}

Test(id, parses_only_the_usual_form)
{
	static const struct {
		const char *text;
		bool good;
	} rows[] = {
		{"017f22e2-79b0-7cc3-98c4-dc0c0c07398f", true},
		{"017F22E2-79B0-7CC3-98C4-DC0C0C07398F", true},
		{"00000000-0000-0000-0000-000000000000", true},
		{"", false},
		{"017f22e2-79b0-7cc3-98c4-dc0c0c07398", false},
		{"017f22e2-79b0-7cc3-98c4-dc0c0c07398f0", false},
		{"017f22e279b07cc398c4dc0c0c07398f", false},
		{"{17f22e2-79b0-7cc3-98c4-dc0c0c07398}", false},
		{"017f22e2-79b0-7cc3-98c4-dc0c0c07398g", false},
		{"017f22e2-79b0-7cc3-98c4-dc0c0c0739 8", false},
		{"017f22e2079b007cc3098c40dc0c0c07398f", false},
		{"017f22e-279b0-7cc3-98c4-dc0c0c07398f", false},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct id id = {{0}};

		cr_expect_eq(
			id_parse(slice_of(rows[i].text), &id), rows[i].good, "%s", rows[i].text);
		cr_expect(rows[i].good || id_is_zero(id), "%s", rows[i].text);
	}
}

Test(id, large_random_requests_are_filled)
{
	uint8_t bytes[4096] = {0};
	size_t zeros = 0;

	id_random_bytes(bytes, sizeof(bytes));
	for (size_t i = 0; i < sizeof(bytes); i++) {
		zeros += bytes[i] == 0;
	}
	cr_expect_lt(zeros, 100);
}
