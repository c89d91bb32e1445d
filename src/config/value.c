/*
 * Scalars become values: one row a type with its word, what it looks like, its
 * reader and its writer.
 *
 * The invariant: a value's written form reads back to the same value, and equal
 * values have equal forms.  Dump and diff stand on that.  Bounds are texts of the
 * schema that pass the same readers.
 */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/codec.h"
#include "base/err.h"
#include "base/nearest.h"
#include "base/time.h"
#include "config/value.h"
#include "type.h"

static bool read_bool(const struct value_input *in, void *at)
{
	static const struct {
		struct slice word;
		bool value;
	} words[] = {
		{SLICE("true"), true},
		{SLICE("yes"), true},
		{SLICE("on"), true},
		{SLICE("false"), false},
		{SLICE("no"), false},
		{SLICE("off"), false},
	};

	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (slice_equal_nocase(in->text, words[i].word)) {
			*(bool *)at = words[i].value;
			return true;
		}
	}
	return false;
}

static void write_bool(const struct config_key *key, struct buf *out, const void *at)
{
	(void)key;
	buf_add_text(out, *(const bool *)at ? "true" : "false");
}

static bool read_count(const struct value_input *in, void *at)
{
	uint64_t value;

	if (!slice_number(in->text, UINT32_MAX, &value)) {
		return false;
	}
	*(uint32_t *)at = (uint32_t)value;
	return true;
}

static void write_count(const struct config_key *key, struct buf *out, const void *at)
{
	(void)key;
	buf_add_number(out, *(const uint32_t *)at);
}

static bool below_count(const void *a, const void *b)
{
	return *(const uint32_t *)a < *(const uint32_t *)b;
}

static bool read_port(const struct value_input *in, void *at)
{
	uint64_t value;

	if (!slice_number(in->text, UINT16_MAX, &value) || value == 0) {
		return false;
	}
	*(uint16_t *)at = (uint16_t)value;
	return true;
}

static void write_port(const struct config_key *key, struct buf *out, const void *at)
{
	(void)key;
	buf_add_number(out, *(const uint16_t *)at);
}

/* Largest first: the writer takes the first that divides the size. */
static const struct {
	struct slice word;
	unsigned shift;
} sizes[] = {
	{SLICE("GiB"), 30},
	{SLICE("MiB"), 20},
	{SLICE("KiB"), 10},
};

static bool read_size(const struct value_input *in, void *at)
{
	struct slice digits = in->text;
	unsigned shift = 0;
	uint64_t value;

	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		if (slice_ends_nocase(in->text, sizes[i].word)) {
			digits = slice_trim(slice_first(in->text, in->text.n - sizes[i].word.n));
			shift = sizes[i].shift;
		}
	}
	if (!slice_number(digits, UINT64_MAX >> shift, &value)) {
		return false;
	}
	*(uint64_t *)at = value << shift;
	return true;
}

static void write_size(const struct config_key *key, struct buf *out, const void *at)
{
	uint64_t value = *(const uint64_t *)at;

	(void)key;
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		if (value != 0 && value % (UINT64_C(1) << sizes[i].shift) == 0) {
			buf_add_number(out, value >> sizes[i].shift);
			buf_add(out, sizes[i].word);
			return;
		}
	}
	buf_add_number(out, value);
}

static bool below_size(const void *a, const void *b)
{
	return *(const uint64_t *)a < *(const uint64_t *)b;
}

static bool read_duration(const struct value_input *in, void *at)
{
	if (slice_equal(in->text, SLICE("0"))) {
		*(int64_t *)at = 0;
		return true;
	}
	return time_parse_duration(in->text, at);
}

static void write_duration(const struct config_key *key, struct buf *out, const void *at)
{
	(void)key;
	if (*(const int64_t *)at == 0) {
		buf_add_text(out, "0");
		return;
	}
	time_add_duration(out, *(const int64_t *)at);
}

static bool below_duration(const void *a, const void *b)
{
	return *(const int64_t *)a < *(const int64_t *)b;
}

/* Digits with at most one point: no sign, exponent, hex or "inf", which strtod() would take. */
static bool read_number(const struct value_input *in, void *at)
{
	char digits[32] = {0};
	size_t points = 0;

	if (in->text.n == 0 || in->text.n >= sizeof(digits)) {
		return false;
	}
	for (size_t i = 0; i < in->text.n; i++) {
		char c = in->text.p[i];

		points += c == '.';
		if ((c < '0' || c > '9') && c != '.') {
			return false;
		}
	}
	if (points > 1 || points == in->text.n) {
		return false;
	}
	memcpy(digits, in->text.p, in->text.n);
	*(double *)at = strtod(digits, NULL);
	return true;
}

static void write_number(const struct config_key *key, struct buf *out, const void *at)
{
	(void)key;
	buf_add_format(out, "%.9g", *(const double *)at);
}

static bool below_number(const void *a, const void *b)
{
	return *(const double *)a < *(const double *)b;
}

static bool read_share(const struct value_input *in, void *at)
{
	struct value_input number = *in;
	bool percent = slice_ends(in->text, SLICE("%"));
	double *value = at;

	if (percent) {
		number.text = slice_trim(slice_first(in->text, in->text.n - 1));
	}
	if (!read_number(&number, at)) {
		return false;
	}
	*value /= percent ? 100.0 : 1.0;
	return *value <= 1.0;
}

static void write_share(const struct config_key *key, struct buf *out, const void *at)
{
	(void)key;
	buf_add_format(out, "%.9g%%", *(const double *)at * 100.0);
}

/* "s", "m", "min", "20m", "hour": what stands behind the slash of a rate. */
static bool read_period(struct slice text, int64_t *ret_us)
{
	static const struct {
		struct slice word;
		int64_t seconds;
	} words[] = {
		{SLICE("s"), 1},
		{SLICE("second"), 1},
		{SLICE("m"), 60},
		{SLICE("min"), 60},
		{SLICE("minute"), 60},
		{SLICE("h"), 3600},
		{SLICE("hour"), 3600},
		{SLICE("d"), 86400},
		{SLICE("day"), 86400},
	};

	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (slice_equal_nocase(text, words[i].word)) {
			*ret_us = words[i].seconds * TIME_SECOND_US;
			return true;
		}
	}
	return time_parse_duration(text, ret_us) && *ret_us > 0;
}

bool config_rate_parse(struct slice text, struct config_rate *ret_rate)
{
	static const struct slice burst_word = SLICE(" burst ");
	struct slice rest = text;
	size_t word = slice_search(text, burst_word);
	int64_t period_us;
	uint64_t count;
	uint64_t burst = 1;
	struct slice number;

	if (slice_equal_nocase(text, SLICE("none"))) {
		*ret_rate = (struct config_rate){0, 0, 0};
		return true;
	}
	if (word < text.n) {
		struct slice behind = slice_trim(slice_from(text, word + burst_word.n));

		rest = slice_trim(slice_first(text, word));
		if (!slice_number(behind, UINT32_MAX, &burst) || burst == 0) {
			return false;
		}
	}
	if (!slice_split(&rest, '/', &number) ||
		!slice_number(slice_trim(number), UINT32_MAX, &count) || count == 0 ||
		!read_period(slice_trim(rest), &period_us)) {
		return false;
	}
	*ret_rate = (struct config_rate){(int64_t)count, period_us, (int64_t)burst};
	return true;
}

static bool read_rate(const struct value_input *in, void *at)
{
	return config_rate_parse(in->text, at);
}

static void write_rate(const struct config_key *key, struct buf *out, const void *at)
{
	const struct config_rate *rate = at;
	struct buf period;
	bool one_unit;

	(void)key;
	if (rate->count == 0) {
		buf_add_text(out, "none");
		return;
	}
	buf_add_number(out, (uint64_t)rate->count);
	buf_init(&period, 0);
	time_add_duration(&period, rate->period_us);
	one_unit = period.n == 2 && period.p[0] == '1'; /* 10/s, not 10/1s */
	buf_add_byte(out, '/');
	buf_add(out, slice_from(buf_slice(&period), one_unit ? 1 : 0));
	buf_clear(&period);
	if (rate->burst > 1) {
		buf_add_format(out, " burst %lld", (long long)rate->burst);
	}
}

static bool read_enum(const struct value_input *in, void *at)
{
	for (int i = 0; in->key->words[i] != NULL; i++) {
		if (slice_equal(in->text, slice_of(in->key->words[i]))) {
			*(int *)at = i;
			return true;
		}
	}
	return false;
}

static void write_enum(const struct config_key *key, struct buf *out, const void *at)
{
	buf_add_text(out, key->words[*(const int *)at]);
}

static bool read_string(const struct value_input *in, void *at)
{
	*(const char **)at = arena_string(in->arena, in->text);
	return true;
}

static bool read_name(const struct value_input *in, void *at)
{
	for (size_t i = 0; i < in->text.n; i++) {
		char c = in->text.p[i];

		if (c == '\0' ||
			strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
			       "0123456789._-*",
				c) == NULL) {
			return false;
		}
	}
	return in->text.n > 0 && in->text.n <= 255 && read_string(in, at);
}

static bool read_path(const struct value_input *in, void *at)
{
	struct slice folder = slice_of(in->file);
	size_t slash = slice_find_last(folder, '/');
	char *joined;

	if (in->text.n == 0 || in->text.n > 4000) {
		return false;
	}
	if (in->text.p[0] == '/' || slash == folder.n) {
		return read_string(in, at);
	}
	joined = arena_get(in->arena, slash + in->text.n + 2);
	memcpy(joined, folder.p, slash + 1);
	memcpy(joined + slash + 1, in->text.p, in->text.n);
	*(const char **)at = joined;
	return true;
}

static void write_text(const struct config_key *key, struct buf *out, const void *at)
{
	(void)key;
	buf_add_text(out, *(const char *const *)at);
}

static const struct value_type types[] = {
	[CONFIG_BOOL] = {"bool", "yes or no: write true or false", sizeof(bool), read_bool,
		write_bool, NULL},
	[CONFIG_COUNT] = {"count", "count: write a whole number such as 20", sizeof(uint32_t),
		read_count, write_count, below_count},
	[CONFIG_PORT] = {"port", "port: write a number from 1 to 65535", sizeof(uint16_t),
		read_port, write_port, NULL},
	[CONFIG_SIZE] = {"size", "size: write 512KiB, 10MiB, 1GiB or a number of bytes",
		sizeof(uint64_t), read_size, write_size, below_size},
	[CONFIG_DURATION] = {"duration", "duration: write 90s, 5m, 1h30m", sizeof(int64_t),
		read_duration, write_duration, below_duration},
	[CONFIG_NUMBER] = {"number", "number: write 2 or 0.5", sizeof(double), read_number,
		write_number, below_number},
	[CONFIG_SHARE] = {"share", "share: write 5% or 0.05, at most 100%", sizeof(double),
		read_share, write_share, below_number},
	[CONFIG_RATE] = {"rate", "rate: write 100/m, 20/30m, 1000/h burst 10, or none",
		sizeof(struct config_rate), read_rate, write_rate, NULL},
	[CONFIG_ENUM] = {"word", "", sizeof(int), read_enum, write_enum, NULL},
	[CONFIG_STRING] = {"string", "text", sizeof(char *), read_string, write_text, NULL},
	[CONFIG_NAME] = {"name", "name: write letters, digits, '.', '-' and '_'", sizeof(char *),
		read_name, write_text, NULL},
	[CONFIG_PATH] = {"path", "path: write one such as /etc/penguin-mta/keys", sizeof(char *),
		read_path, write_text, NULL},
	[CONFIG_HOST] = {"host name", "host name: write one such as mx1.example.com",
		sizeof(char *), value_read_host, write_text, NULL},
	[CONFIG_HOST_PORT] = {"host:port",
		"host: write mx1.example.com, mx1.example.com:587, 192.0.2.1:25 or [2001:db8::1]:25",
		sizeof(struct config_endpoint), value_read_host_port, value_write_host_port, NULL},
	[CONFIG_IPV4] = {"IPv4 address", "IPv4 address: write one such as 192.0.2.1",
		sizeof(struct config_address), value_read_ipv4, value_write_address, NULL},
	[CONFIG_IPV6] = {"IPv6 address", "IPv6 address: write one such as 2001:db8::1",
		sizeof(struct config_address), value_read_ipv6, value_write_address, NULL},
	[CONFIG_ADDRESS_PORT] = {"address:port",
		"address with a port: write 127.0.0.1:53 or [::1]:53",
		sizeof(struct config_address), value_read_address_port, value_write_address_port,
		NULL},
	[CONFIG_NETWORK] = {"network", "network: write 192.0.2.0/24, 2001:db8::/32 or one address",
		sizeof(struct config_address), value_read_network, value_write_network, NULL},
	[CONFIG_SECTION] = {"section", "section: write 'key: value' lines below it", 0, NULL, NULL,
		NULL},
	[CONFIG_TABLE] = {"table", "table: write a name and its settings on each line below it", 0,
		NULL, NULL, NULL},
};
_Static_assert(ARRAY_LEN(types) == CONFIG_TYPES, "a row for every type");
_Static_assert(sizeof(union value_space) >= sizeof(struct config_address), "an address fits");
_Static_assert(sizeof(union value_space) >= sizeof(struct config_rate), "a rate fits");

const struct value_type *value_type(enum config_type type)
{
	return &types[type];
}

/*
 * Can YAML have this character as it is?  Controls and the line breaks of Unicode
 * are refused or folded.
 */
static bool is_safe(uint32_t point)
{
	return (point >= 0x20 && point < 0x7f) ||
		(point >= 0xa0 && point != 0x2028 && point != 0x2029 && point != 0xfeff &&
			point < 0xfffe) ||
		point > 0xffff;
}

/* Takes the first character off a text, which is UTF-8 for it came through libyaml. */
static uint32_t take_point(struct slice *text, struct slice *ret_bytes)
{
	size_t length = codec_utf8(*text);

	*ret_bytes = slice_first(*text, length > 0 ? length : 1);
	*text = slice_from(*text, ret_bytes->n);
	return length > 0 ? codec_utf8_point(*ret_bytes, length) : 0;
}

/* Texts that mean something else to YAML, or to our reader, without quotes. */
static bool needs_quotes(struct slice text)
{
	struct slice rest = text;

	while (rest.n > 0) {
		struct slice bytes;
		uint32_t point = take_point(&rest, &bytes);

		if (!is_safe(point) || strchr(":#{}[],&*!|>'\"\\", bytes.p[0]) != NULL) {
			return true;
		}
	}
	return text.n == 0 || slice_equal(text, SLICE("null")) || slice_equal(text, SLICE("~")) ||
		strchr(" -?%@`=<", text.p[0]) != NULL || text.p[text.n - 1] == ' ';
}

void value_quote(struct buf *out, struct slice text)
{
	if (!needs_quotes(text)) {
		buf_add(out, text);
		return;
	}
	buf_add_byte(out, '"');
	while (text.n > 0) {
		struct slice bytes;
		uint32_t point = take_point(&text, &bytes);

		if (!is_safe(point)) {
			buf_add_format(out, "\\u%04x", point);
			continue;
		}
		buf_add_text(out, point == '"' || point == '\\' ? "\\" : "");
		buf_add(out, bytes);
	}
	buf_add_byte(out, '"');
}

static void explain(const struct value_input *in, struct buf *problem)
{
	struct nearest nearest;
	int width = in->text.n > 60 ? 60 : (int)in->text.n;

	nearest_init(&nearest, in->text);
	if (in->key->type != CONFIG_ENUM) {
		buf_add_format(problem, "'%.*s' is no %s", width, in->text.p,
			types[in->key->type].expects);
		return;
	}
	buf_add_format(problem, "'%.*s' is not one of:", width, in->text.p);
	for (size_t i = 0; in->key->words[i] != NULL; i++) {
		buf_add_format(problem, "%s %s", i > 0 ? "," : "", in->key->words[i]);
		nearest_offer(&nearest, in->key->words[i]);
	}
	if (nearest.best != NULL) {
		buf_add_format(problem, "; did you mean '%s'?", nearest.best);
	}
}

/* Is the value on the wrong side of the bound?  `least` tells which side that is. */
static bool beyond(const struct value_input *in, const void *at, const char *bound, bool least)
{
	const struct value_type *type = &types[in->key->type];
	struct value_input limit = *in;
	union value_space space = {0};

	limit.text = slice_of(bound);
	if (bound == NULL || type->below == NULL || !type->read(&limit, &space)) {
		return false;
	}
	return least ? type->below(at, &space) : type->below(&space, at);
}

bool value_read(const struct value_input *in, void *at, struct buf *problem)
{
	const struct config_key *key = in->key;
	int width = in->text.n > 60 ? 60 : (int)in->text.n;

	if (!types[key->type].read(in, at)) {
		explain(in, problem);
		return false;
	}
	if (beyond(in, at, key->min, true)) {
		buf_add_format(problem, "%.*s is too little: '%s' is at least %s", width,
			in->text.p, key->name, key->min);
		return false;
	}
	if (beyond(in, at, key->max, false)) {
		buf_add_format(problem, "%.*s is too much: '%s' is at most %s", width, in->text.p,
			key->name, key->max);
		return false;
	}
	return true;
}
