/*
 * The reader of configuration tables.
 *
 * Each kind of value has one small function here, so a section of the file is a
 * table of rows elsewhere and no code.  All faults of a file are told at once: a
 * value that is wrong is complained of and left as it was.
 */
#include "fields.h"

#include <stdlib.h>
#include <string.h>

#include "base/codec.h"
#include "base/time.h"
#include "config/value.h"
#include "pattern.h"

bool span_holds(const struct span *span, uint64_t value)
{
	return span->high == 0 || (value >= span->low && value <= span->high);
}

/* Levenshtein distance of short words, for "did you mean". */
static size_t distance(struct slice a, struct slice b)
{
	size_t row[64];

	if (a.n >= ARRAY_LEN(row) || b.n >= ARRAY_LEN(row)) {
		return ARRAY_LEN(row);
	}
	for (size_t j = 0; j <= b.n; j++) {
		row[j] = j;
	}
	for (size_t i = 1; i <= a.n; i++) {
		size_t corner = row[0];

		row[0] = i;
		for (size_t j = 1; j <= b.n; j++) {
			size_t best = corner + (a.p[i - 1] != b.p[j - 1]);

			corner = row[j];
			best = row[j] + 1 < best ? row[j] + 1 : best;
			row[j] = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
		}
	}
	return row[b.n];
}

static void read_words_fault(struct reader *reader, const struct config_node *node,
	struct slice text, const char *const *words)
{
	struct buf list;

	buf_init(&list, 0);
	for (size_t i = 0; words[i] != NULL; i++) {
		buf_add_text(&list, i == 0 ? "" : words[i + 1] == NULL ? " or " : ", ");
		buf_add_text(&list, words[i]);
	}
	config_problem_add(reader->problems, node->place, "'%.*s' is not known here; write %s",
		SHOW(text), buf_string(&list));
	buf_clear(&list);
}

static bool word_place(const char *const *words, struct slice text, unsigned *ret_place)
{
	for (unsigned i = 0; words[i] != NULL; i++) {
		if (slice_equal(text, slice_of(words[i]))) {
			*ret_place = i;
			return true;
		}
	}
	return false;
}

static void read_texts(
	struct reader *reader, const struct config_node *node, struct texts *ret_texts)
{
	if (node->kind == CONFIG_NODE_SCALAR) {
		ret_texts->at = arena_array(reader->arena, 1, sizeof(*ret_texts->at));
		ret_texts->at[0] = node->text;
		ret_texts->count = 1;
		return;
	}
	ret_texts->at = arena_array(reader->arena, node->count + 1, sizeof(*ret_texts->at));
	ret_texts->count = 0;
	for (const struct config_node *item = node->first; item != NULL; item = item->next) {
		if (item->kind != CONFIG_NODE_SCALAR || node->kind == CONFIG_NODE_MAPPING) {
			config_problem_add(
				reader->problems, item->place, "must be a text or a list of texts");
			return;
		}
		ret_texts->at[ret_texts->count++] = item->text;
	}
}

static void read_duration(struct reader *reader, const struct config_node *node, int64_t *ret_us)
{
	int64_t us;

	if (!time_parse_duration(node->text, &us)) {
		config_problem_add(reader->problems, node->place,
			"'%.*s' is not a duration; write it as 20ms, 5s or 1h30m",
			SHOW(node->text));
		return;
	}
	*ret_us = (int64_t)((double)us * reader->scale);
}

static void read_number(struct reader *reader, const struct config_node *node, uint64_t *ret_value)
{
	if (!slice_number(node->text, UINT64_C(1) << 62, ret_value)) {
		config_problem_add(
			reader->problems, node->place, "'%.*s' is not a number", SHOW(node->text));
	}
}

static void read_span(struct reader *reader, const struct config_node *node, struct span *ret_span)
{
	const uint64_t max = UINT64_C(1) << 62;
	struct slice rest = node->text;
	struct slice low = {0};
	bool ok;

	if (rest.n > 0 && rest.p[rest.n - 1] == '+') {
		ret_span->high = max;
		ok = slice_number(slice_first(rest, rest.n - 1), max, &ret_span->low);
	} else if (slice_split(&rest, '-', &low) && rest.p != NULL) {
		ok = slice_number(low, max, &ret_span->low) &&
			slice_number(rest, max, &ret_span->high) && ret_span->low <= ret_span->high;
	} else {
		ok = slice_number(low, max, &ret_span->low);
		ret_span->high = ret_span->low;
	}
	if (!ok || ret_span->high == 0) {
		config_problem_add(reader->problems, node->place,
			"'%.*s' is not a span; write it as 3, 2-5 or 10+", SHOW(node->text));
	}
}

static void read_share(struct reader *reader, const struct config_node *node, uint32_t *ret_ppm)
{
	char *text = arena_string(reader->arena, node->text);
	char *end;
	double percent = strtod(text, &end);

	if (end == text || strcmp(end, "%") != 0 || !(percent > 0 && percent <= 100)) {
		config_problem_add(reader->problems, node->place,
			"'%s' is not a share; write it as 2.5%%", text);
		return;
	}
	*ret_ppm = (uint32_t)(percent * 10000 + 0.5);
}

static void read_rate(
	struct reader *reader, const struct config_node *node, struct config_rate *ret_rate)
{
	if (!config_rate_parse(node->text, ret_rate)) {
		config_problem_add(reader->problems, node->place,
			"'%.*s' is not a rate; write it as 100/m, 20/30m burst 5 or none",
			SHOW(node->text));
		return;
	}
	ret_rate->period_us = (int64_t)((double)ret_rate->period_us * reader->scale);
}

static void read_flag(struct reader *reader, const struct config_node *node, bool *ret_flag)
{
	if (slice_equal(node->text, SLICE("true")) || slice_equal(node->text, SLICE("yes"))) {
		*ret_flag = true;
	} else if (slice_equal(node->text, SLICE("false")) ||
		slice_equal(node->text, SLICE("no"))) {
		*ret_flag = false;
	} else {
		config_problem_add(reader->problems, node->place, "must be true or false");
	}
}

static void read_words(struct reader *reader, const struct config_node *node,
	const char *const *words, uint32_t *ret_bits)
{
	struct texts texts = {0};
	unsigned place;

	read_texts(reader, node, &texts);
	*ret_bits = 0;
	for (size_t i = 0; i < texts.count; i++) {
		if (!word_place(words, texts.at[i], &place)) {
			read_words_fault(reader, node, texts.at[i], words);
			return;
		}
		*ret_bits |= UINT32_C(1) << place;
	}
}

static void read_pattern(
	struct reader *reader, const struct config_node *node, struct slice *ret_text)
{
	const char *fault = pattern_fault(node->text);

	if (fault != NULL) {
		config_problem_add(
			reader->problems, node->place, "'%.*s' %s", SHOW(node->text), fault);
	}
	*ret_text = node->text;
}

static void read_hex(struct reader *reader, const struct config_node *node, struct slice *ret_bytes)
{
	struct buf bytes;

	buf_init(&bytes, 0);
	if (!codec_hex_decode(&bytes, node->text)) {
		config_problem_add(reader->problems, node->place,
			"must be hexadecimal digits in pairs, such as 0d0a");
	}
	*ret_bytes = arena_slice(reader->arena, buf_slice(&bytes));
	buf_clear(&bytes);
}

static void read_scalar(
	struct reader *reader, const struct field *field, const struct config_node *node, void *at)
{
	if (node->kind != CONFIG_NODE_SCALAR) {
		config_problem_add(reader->problems, node->place,
			"'%s' takes one value, not a list or a map", field->name);
		return;
	}
	switch (field->kind) {
	case FIELD_TEXT:
		*(struct slice *)at = node->text;
		break;
	case FIELD_PATTERN:
		read_pattern(reader, node, at);
		break;
	case FIELD_DURATION:
		read_duration(reader, node, at);
		break;
	case FIELD_NUMBER:
		read_number(reader, node, at);
		break;
	case FIELD_SPAN:
		read_span(reader, node, at);
		break;
	case FIELD_SHARE:
		read_share(reader, node, at);
		break;
	case FIELD_RATE:
		read_rate(reader, node, at);
		break;
	case FIELD_FLAG:
		read_flag(reader, node, at);
		break;
	case FIELD_HEX:
		read_hex(reader, node, at);
		break;
	case FIELD_WORD:
		if (!word_place(field->words, node->text, at)) {
			read_words_fault(reader, node, node->text, field->words);
		}
		break;
	default:
		break;
	}
}

static void unknown_key(struct reader *reader, const struct config_node *node,
	const struct field *fields, size_t count)
{
	const char *best = NULL;
	size_t best_distance = 4;

	for (size_t i = 0; i < count; i++) {
		size_t d = distance(node->key->text, slice_of(fields[i].name));

		if (d < best_distance) {
			best_distance = d;
			best = fields[i].name;
		}
	}
	if (best != NULL) {
		config_problem_add(reader->problems, node->key->place,
			"unknown key '%.*s', did you mean '%s'?", SHOW(node->key->text), best);
	} else {
		config_problem_add(reader->problems, node->key->place,
			"unknown key '%.*s'; penguin-world.yaml(5) has all keys",
			SHOW(node->key->text));
	}
}

static void read_field(struct reader *reader, const struct field *field,
	const struct config_node *node, void *into)
{
	void *at = (char *)into + field->offset;

	switch (field->kind) {
	case FIELD_TEXTS:
		read_texts(reader, node, at);
		break;
	case FIELD_WORDS:
		read_words(reader, node, field->words, at);
		break;
	case FIELD_SKIP:
		break;
	case FIELD_OTHER:
		field->read(reader, node, at);
		break;
	default:
		read_scalar(reader, field, node, at);
		break;
	}
}

void fields_read(struct reader *reader, const struct config_node *map, const struct field *fields,
	size_t count, void *into)
{
	if (map->kind != CONFIG_NODE_MAPPING) {
		config_problem_add(
			reader->problems, map->place, "must be a map of keys and values");
		return;
	}
	for (const struct config_node *node = map->first; node != NULL; node = node->next) {
		size_t i = 0;

		while (i < count && !slice_equal(node->key->text, slice_of(fields[i].name))) {
			i++;
		}
		if (i < count && config_node_is_null(node)) {
			continue; /* "rules:" and nothing behind it */
		}
		if (i < count) {
			read_field(reader, &fields[i], node, into);
		} else {
			unknown_key(reader, node, fields, count);
		}
	}
}

void *fields_read_list(struct reader *reader, const struct config_node *node, size_t size,
	void (*read)(struct reader *reader, const struct config_node *node, void *into),
	size_t *ret_count)
{
	size_t count = 0;
	char *items;

	if (node->kind != CONFIG_NODE_SEQUENCE) {
		config_problem_add(reader->problems, node->place,
			"must be a list: each entry begins with '- '");
		return NULL;
	}
	items = arena_array(reader->arena, node->count + 1, size);
	for (const struct config_node *item = node->first; item != NULL; item = item->next) {
		read(reader, item, items + size * count++);
	}
	*ret_count = count;
	return items;
}
