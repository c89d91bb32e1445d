/*
 * worker/pins: what is written for a retry is read by the next attempt, by this
 * version's word or not at all.
 */
#include "pins.h"

#include <criterion/criterion.h>

#include "base/err.h"
#include "no_leaks.h"

TestSuite(pins, .fini = no_leaks);

Test(pins, come_back_as_they_were)
{
	static const struct {
		const char *text;
		struct pins pins;
	} rows[] = {
		{"t=1", {.token_key = 1}},
		{"t=7 u=1", {.token_key = 7, .doubt = true}},
		{"t=1 h=t.example.org",
			{.token_key = 1, .tracking_domain = SLICE("t.example.org")}},
		{"t=1 u=1 h=t.example.org d=example.org;s=a,b",
			{1, true, SLICE("t.example.org"), SLICE("d=example.org;s=a,b")}},
		{"t=1 u=1 d=example.org;s=u=1 u",
			{1, true, SLICE(""), SLICE("d=example.org;s=u=1 u")}},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct pins *want = &rows[i].pins;
		struct pins got;
		struct buf text;

		buf_init(&text, 0);
		pins_add(&text, want);
		cr_expect_str_eq(buf_string(&text), rows[i].text);
		cr_expect(pins_parse(slice_of(rows[i].text), &got), "%s", rows[i].text);
		cr_expect_eq(got.token_key, want->token_key, "%s", rows[i].text);
		cr_expect_eq(got.doubt, want->doubt, "%s", rows[i].text);
		cr_expect(slice_equal(got.tracking_domain, want->tracking_domain), "%s",
			rows[i].text);
		cr_expect(slice_equal(got.keys, want->keys), "%s", rows[i].text);
		buf_clear(&text);
	}
}

Test(pins, what_is_not_known_is_not_half_understood)
{
	static const char *const rows[] = {"x=1", "t=1 x=2", "t=256", "t=", "u=2", "t=1  u=1", "u"};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct pins got = {.token_key = 9};

		cr_expect_not(pins_parse(slice_of(rows[i]), &got), "%s", rows[i]);
		cr_expect(got.token_key == 9 && !got.doubt, "%s", rows[i]);
	}
}

/* Of a job that an operator sends again nothing is known but that (doubt_retry.sql). */
Test(pins, a_doubt_alone)
{
	struct pins got;

	cr_expect(pins_parse(SLICE("u=1"), &got));
	cr_expect(got.doubt && got.token_key == 0);
}
