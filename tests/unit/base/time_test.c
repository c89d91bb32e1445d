/* Dates and durations. */
#include <criterion/criterion.h>
#include <time.h>

#include "base/time.h"
#include "no_leaks.h"

TestSuite(time, .fini = no_leaks);

static const struct {
	int64_t us;
	const char *rfc3339;
	const char *rfc5322;
} dates[] = {
	{0, "1970-01-01T00:00:00.000000Z", "Thu, 1 Jan 1970 00:00:00 +0000"},
	{-1, "1969-12-31T23:59:59.999999Z", "Wed, 31 Dec 1969 23:59:59 +0000"},
	{INT64_C(1795491000123456), "2026-11-24T03:30:00.123456Z",
		"Tue, 24 Nov 2026 03:30:00 +0000"},
	{INT64_C(951782400000000), "2000-02-29T00:00:00.000000Z",
		"Tue, 29 Feb 2000 00:00:00 +0000"},
	{INT64_C(1709251199000000), "2024-02-29T23:59:59.000000Z",
		"Thu, 29 Feb 2024 23:59:59 +0000"},
	{INT64_C(4107542400000000), "2100-03-01T00:00:00.000000Z",
		"Mon, 1 Mar 2100 00:00:00 +0000"},
	{INT64_C(253402300799999999), "9999-12-31T23:59:59.999999Z",
		"Fri, 31 Dec 9999 23:59:59 +0000"},
	{INT64_C(-62135596800000000), "0001-01-01T00:00:00.000000Z",
		"Mon, 1 Jan 0001 00:00:00 +0000"},
};

Test(time, writes_dates)
{
	for (size_t i = 0; i < ARRAY_LEN(dates); i++) {
		struct buf out;
		int64_t us;

		buf_init(&out, 0);
		time_add_rfc3339(&out, dates[i].us);
		cr_expect_str_eq(buf_string(&out), dates[i].rfc3339);
		cr_expect(time_parse_rfc3339(buf_slice(&out), &us));
		cr_expect_eq(us, dates[i].us, "%s", dates[i].rfc3339);
		buf_reset(&out);
		time_add_rfc5322(&out, dates[i].us);
		cr_expect_str_eq(buf_string(&out), dates[i].rfc5322);
		buf_clear(&out);
	}
}

/* Every day of 250 years, against libc. */
Test(time, agrees_with_libc)
{
	for (int64_t day = -30000; day < 61000; day++) {
		time_t seconds = day * 86400 + 45296;
		struct buf out;
		struct tm tm;
		char want[64];

		gmtime_r(&seconds, &tm);
		strftime(want, sizeof(want), "%a, %-d %b %Y %H:%M:%S +0000", &tm);
		buf_init(&out, 0);
		time_add_rfc5322(&out, seconds * TIME_SECOND_US);
		cr_assert_str_eq(buf_string(&out), want);
		buf_clear(&out);
	}
}

Test(time, parses_dates)
{
	static const struct {
		const char *text;
		int64_t us;
	} rows[] = {
		{"2026-11-24T03:30:00Z", INT64_C(1795491000000000)},
		{"2026-11-24t03:30:00z", INT64_C(1795491000000000)},
		{"2026-11-24 03:30:00+00", INT64_C(1795491000000000)},
		{"2026-11-24 03:30:00.5+00", INT64_C(1795491000500000)},
		{"2026-11-24T05:30:00.123456789+02:00", INT64_C(1795491000123456)},
		{"2026-11-23T22:00:00-0530", INT64_C(1795491000000000)},
		{"2016-12-31T23:59:60Z", INT64_C(1483228800000000)},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int64_t us = 0;

		cr_expect(time_parse_rfc3339(slice_of(rows[i].text), &us), "%s", rows[i].text);
		cr_expect_eq(us, rows[i].us, "%s", rows[i].text);
	}
}

Test(time, refuses_dates)
{
	static const char *const rows[] = {
		"",
		"2026-11-24",
		"2026-11-24T03:30:00",
		"2026-11-24T03:30Z",
		"2026-11-24T03:30:00.Z",
		"2026-11-24T03:30:00Zx",
		"2026-11-24T03:30:00+2",
		"2026-11-24T03:30:00+02:",
		"2026-11-24T03:30:00+24:00",
		"2026-11-24T24:00:00Z",
		"2026-11-24T03:60:00Z",
		"2026-11-24T03:30:61Z",
		"2026-13-24T03:30:00Z",
		"2026-00-24T03:30:00Z",
		"2026-11-31T03:30:00Z",
		"2026-11-00T03:30:00Z",
		"2026-02-29T03:30:00Z",
		"2100-02-29T03:30:00Z",
		"0000-01-01T00:00:00Z",
		"26-11-24T03:30:00Z",
		"2026-11-24T 3:30:00Z",
		"0001-01-01T00:00:00+01:00",
		"9999-12-31T23:59:59-01:00",
		"9999-12-31T23:59:60Z",
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int64_t us = 42;

		cr_expect(!time_parse_rfc3339(slice_of(rows[i]), &us), "%s", rows[i]);
		cr_expect_eq(us, 42, "%s", rows[i]);
	}
}

Test(time, durations)
{
	static const struct {
		const char *text;
		int64_t us;
		const char *back;
	} rows[] = {
		{"90s", 90 * TIME_SECOND_US, "1m30s"},
		{"5m", 300 * TIME_SECOND_US, "5m"},
		{"1h30m", 5400 * TIME_SECOND_US, "1h30m"},
		{"2d", 172800 * TIME_SECOND_US, "2d"},
		{"100ms", 100000, "100ms"},
		{"1500ms", 1500000, "1s500ms"},
		{"7us", 7, "7us"},
		{"0s", 0, "0s"},
		{"0d", 0, "0s"},
		{"1d2h3m4s5ms6us", INT64_C(93784005006), "1d2h3m4s5ms6us"},
		{"9223372036854775807us", INT64_MAX, "106751991d4h54s775ms807us"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int64_t us = -1;
		struct buf out;

		cr_expect(time_parse_duration(slice_of(rows[i].text), &us), "%s", rows[i].text);
		cr_expect_eq(us, rows[i].us, "%s", rows[i].text);
		buf_init(&out, 0);
		time_add_duration(&out, us);
		cr_expect_str_eq(buf_string(&out), rows[i].back, "%s", rows[i].text);
		buf_clear(&out);
	}
}

Test(time, refuses_durations)
{
	static const char *const rows[] = {
		"",
		"5",
		"s",
		"5 s",
		"-5s",
		"5S",
		"5x",
		"1.5h",
		"30m1h",
		"1s1s",
		"1h30",
		"9223372036854775807d",
		"9223372036854775807us1us",
		"9223372036854775808us",
		"106751991d5h",
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int64_t us = 42;

		cr_expect(!time_parse_duration(slice_of(rows[i]), &us), "%s", rows[i]);
		cr_expect_eq(us, 42, "%s", rows[i]);
	}
}

Test(time, negative_durations_are_shown)
{
	struct buf out;

	buf_init(&out, 0);
	time_add_duration(&out, -90 * TIME_SECOND_US);
	cr_expect_str_eq(buf_string(&out), "-1m30s");
	buf_reset(&out);
	time_add_duration(&out, INT64_MIN);
	cr_expect_str_eq(buf_string(&out), "-106751991d4h54s775ms808us");
	buf_clear(&out);
}

Test(time, clocks_run)
{
	int64_t monotonic = time_monotonic_us();
	int64_t boot = time_boot_us();
	int64_t cpu = time_cpu_us();

	cr_expect_geq(time_monotonic_us(), monotonic);
	cr_expect_geq(time_boot_us(), boot);
	cr_expect_geq(time_cpu_us(), cpu);
	cr_expect_leq(time_wall_us() / TIME_SECOND_US - time(NULL), 1);
	cr_expect_gt(time_wall_us(), INT64_C(1600000000) * TIME_SECOND_US);
}
