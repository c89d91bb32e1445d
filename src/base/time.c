/*
 * Clocks, and dates in the proleptic Gregorian calendar without libc's time zones.
 * Days are counted in eras of 400 years (146097 days) that begin on a 1 March: so
 * the leap day is the last of its year, and no month needs a case of its own.
 */
#include "base/time.h"

#include <time.h>

#define DAY_S INT64_C(86400)
#define DAY_US (DAY_S * TIME_SECOND_US)

/* 0001-01-01T00:00:00 and 9999-12-31T23:59:59, in seconds since 1970. */
#define FIRST_S INT64_C(-62135596800)
#define LAST_S INT64_C(253402300799)

struct date {
	int year;
	int month; /* 1..12 */
	int day;
	int hour;
	int minute;
	int second;
	int us;
	int weekday; /* 0 = Sunday */
};

static int64_t read_clock(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return now.tv_sec * TIME_SECOND_US + now.tv_nsec / 1000;
}

int64_t time_monotonic_us(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

int64_t time_boot_us(void)
{
	return read_clock(CLOCK_BOOTTIME);
}

int64_t time_wall_us(void)
{
	return read_clock(CLOCK_REALTIME);
}

int64_t time_cpu_us(void)
{
	return read_clock(CLOCK_PROCESS_CPUTIME_ID);
}

/* Days since 1970-01-01. */
static int64_t days_of(int year, int month, int day)
{
	int64_t y = year - (month <= 2);
	int64_t era = (y >= 0 ? y : y - 399) / 400;
	int64_t year_of_era = y - era * 400;
	int64_t month_from_march = (month + 9) % 12;
	int64_t day_of_year = (153 * month_from_march + 2) / 5 + day - 1;

	return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 +
		day_of_year - 719468;
}

static void set_day(struct date *date, int64_t days)
{
	int64_t since_era_0 = days + 719468;
	int64_t era = (since_era_0 >= 0 ? since_era_0 : since_era_0 - 146096) / 146097;
	int64_t day = since_era_0 - era * 146097;
	int64_t year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
	int64_t day_of_year = day - (365 * year + year / 4 - year / 100);
	int64_t month_from_march = (5 * day_of_year + 2) / 153;

	date->day = (int)(day_of_year - (153 * month_from_march + 2) / 5 + 1);
	date->month = (int)(month_from_march < 10 ? month_from_march + 3 : month_from_march - 9);
	date->year = (int)(year + era * 400 + (date->month <= 2));
	date->weekday = (int)(((days + 4) % 7 + 7) % 7);
}

static struct date date_of(int64_t wall_us)
{
	struct date date = {0};
	int64_t days = wall_us / DAY_US;
	int64_t rest_us = wall_us % DAY_US;

	if (rest_us < 0) {
		rest_us += DAY_US;
		days--;
	}
	set_day(&date, days);
	date.hour = (int)(rest_us / (3600 * TIME_SECOND_US));
	date.minute = (int)(rest_us / (60 * TIME_SECOND_US) % 60);
	date.second = (int)(rest_us / TIME_SECOND_US % 60);
	date.us = (int)(rest_us % TIME_SECOND_US);
	return date;
}

/* Exactly `width` digits. */
static void add_digits(struct buf *out, int value, size_t width)
{
	char digits[6];

	for (size_t i = width; i > 0; i--) {
		digits[i - 1] = (char)('0' + value % 10);
		value /= 10;
	}
	buf_add(out, slice_make(digits, width));
}

static void add_clock(struct buf *out, const struct date *date)
{
	add_digits(out, date->hour, 2);
	buf_add_byte(out, ':');
	add_digits(out, date->minute, 2);
	buf_add_byte(out, ':');
	add_digits(out, date->second, 2);
}

void time_add_rfc3339(struct buf *out, int64_t wall_us)
{
	struct date date = date_of(wall_us);

	add_digits(out, date.year, 4);
	buf_add_byte(out, '-');
	add_digits(out, date.month, 2);
	buf_add_byte(out, '-');
	add_digits(out, date.day, 2);
	buf_add_byte(out, 'T');
	add_clock(out, &date);
	buf_add_byte(out, '.');
	add_digits(out, date.us, 6);
	buf_add_byte(out, 'Z');
}

void time_add_rfc5322(struct buf *out, int64_t wall_us)
{
	struct date date = date_of(wall_us);

	buf_add(out, slice_make(&"SunMonTueWedThuFriSat"[3 * date.weekday], 3));
	buf_add(out, SLICE(", "));
	buf_add_number(out, (uint64_t)date.day);
	buf_add_byte(out, ' ');
	buf_add(out, slice_make(&"JanFebMarAprMayJunJulAugSepOctNovDec"[3 * (date.month - 1)], 3));
	buf_add_byte(out, ' ');
	add_digits(out, date.year, 4);
	buf_add_byte(out, ' ');
	add_clock(out, &date);
	buf_add(out, SLICE(" +0000"));
}

/* Takes `width` digits off the front. */
static bool take_digits(struct slice *rest, size_t width, int max, int *ret_value)
{
	uint64_t value;

	if (rest->n < width || !slice_number(slice_first(*rest, width), (uint64_t)max, &value)) {
		return false;
	}
	*rest = slice_from(*rest, width);
	*ret_value = (int)value;
	return true;
}

static bool take_one_of(struct slice *rest, const char *set)
{
	if (rest->n == 0 || slice_find(slice_of(set), rest->p[0]) == slice_of(set).n) {
		return false;
	}
	*rest = slice_from(*rest, 1);
	return true;
}

static bool is_day(const struct date *date)
{
	static const int lengths[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap = date->year % 4 == 0 && (date->year % 100 != 0 || date->year % 400 == 0);

	if (date->year < 1 || date->month < 1 || date->day < 1) {
		return false;
	}
	return date->day <= lengths[date->month - 1] - (date->month == 2 && !leap);
}

/* Digits beyond microseconds are dropped. */
static bool take_fraction(struct slice *rest, int *ret_us)
{
	size_t digits = 0;
	int us = 0;

	if (!take_one_of(rest, ".")) {
		*ret_us = 0;
		return true;
	}
	for (; rest->n > 0 && rest->p[0] >= '0' && rest->p[0] <= '9'; digits++) {
		if (digits < 6) {
			us = us * 10 + (rest->p[0] - '0');
		}
		*rest = slice_from(*rest, 1);
	}
	for (size_t i = digits; i < 6; i++) {
		us *= 10;
	}
	*ret_us = us;
	return digits > 0;
}

/* Z, +hh:mm, +hhmm, or +hh as Postgres writes it. */
static bool take_offset(struct slice *rest, int *ret_minutes)
{
	bool west;
	int hours;
	int minutes = 0;

	if (take_one_of(rest, "Zz")) {
		*ret_minutes = 0;
		return true;
	}
	west = rest->n > 0 && rest->p[0] == '-';
	if (!take_one_of(rest, "+-") || !take_digits(rest, 2, 23, &hours)) {
		return false;
	}
	if (rest->n > 0) {
		take_one_of(rest, ":");
		if (!take_digits(rest, 2, 59, &minutes)) {
			return false;
		}
	}
	*ret_minutes = (hours * 60 + minutes) * (west ? -1 : 1);
	return true;
}

/* A second of 60 is a leap second, and taken as the one after it. */
static bool take_clock(struct slice *rest, struct date *date)
{
	return take_digits(rest, 2, 23, &date->hour) && take_one_of(rest, ":") &&
		take_digits(rest, 2, 59, &date->minute) && take_one_of(rest, ":") &&
		take_digits(rest, 2, 60, &date->second) && take_fraction(rest, &date->us);
}

bool time_parse_rfc3339(struct slice text, int64_t *ret_wall_us)
{
	struct date date = {0};
	int offset = 0;
	int64_t seconds;

	if (!take_digits(&text, 4, 9999, &date.year) || !take_one_of(&text, "-") ||
		!take_digits(&text, 2, 12, &date.month) || !take_one_of(&text, "-") ||
		!take_digits(&text, 2, 31, &date.day) || !is_day(&date)) {
		return false;
	}
	if (!take_one_of(&text, "Tt ") || !take_clock(&text, &date) ||
		!take_offset(&text, &offset) || text.n > 0) {
		return false;
	}
	seconds = days_of(date.year, date.month, date.day) * DAY_S + date.hour * 3600 +
		(date.minute - offset) * 60 + date.second;
	if (seconds < FIRST_S || seconds > LAST_S) {
		return false;
	}
	*ret_wall_us = seconds * TIME_SECOND_US + date.us;
	return true;
}

static const struct {
	struct slice name;
	int64_t us;
} units[] = {
	{{"d", 1}, DAY_US},
	{{"h", 1}, 3600 * TIME_SECOND_US},
	{{"m", 1}, 60 * TIME_SECOND_US},
	{{"s", 1}, TIME_SECOND_US},
	{{"ms", 2}, 1000},
	{{"us", 2}, 1},
};

static size_t count_class(struct slice s, bool digits)
{
	size_t n = 0;

	while (n < s.n && (s.p[n] >= '0' && s.p[n] <= '9') == digits) {
		n++;
	}
	return n;
}

/* One number and its unit; `*at` is the first unit that may still come. */
static bool take_part(struct slice *rest, size_t *at, int64_t *total_us)
{
	size_t digits = count_class(*rest, true);
	size_t letters = count_class(slice_from(*rest, digits), false);
	struct slice name = slice_first(slice_from(*rest, digits), letters);
	uint64_t count;
	int64_t us;

	while (*at < ARRAY_LEN(units) && !slice_equal(units[*at].name, name)) {
		(*at)++;
	}
	if (*at == ARRAY_LEN(units) ||
		!slice_number(slice_first(*rest, digits), INT64_MAX, &count) ||
		__builtin_mul_overflow((int64_t)count, units[*at].us, &us) ||
		__builtin_add_overflow(*total_us, us, total_us)) {
		return false;
	}
	(*at)++;
	*rest = slice_from(*rest, digits + letters);
	return true;
}

bool time_parse_duration(struct slice text, int64_t *ret_us)
{
	int64_t total_us = 0;
	size_t at = 0;

	if (text.n == 0) {
		return false;
	}
	while (text.n > 0) {
		if (!take_part(&text, &at, &total_us)) {
			return false;
		}
	}
	*ret_us = total_us;
	return true;
}

void time_add_duration(struct buf *out, int64_t us)
{
	uint64_t rest = us < 0 ? -(uint64_t)us : (uint64_t)us;

	if (us < 0) {
		buf_add_byte(out, '-');
	} else if (us == 0) {
		buf_add(out, SLICE("0s"));
	}
	for (size_t i = 0; i < ARRAY_LEN(units); i++) {
		uint64_t count = rest / (uint64_t)units[i].us;

		if (count > 0) {
			buf_add_number(out, count);
			buf_add(out, units[i].name);
			rest -= count * (uint64_t)units[i].us;
		}
	}
}
