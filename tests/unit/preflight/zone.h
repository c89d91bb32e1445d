/*
 * A DNS of a few rows for the evaluators of preflight: what they ask is answered until
 * they ask no more.
 */
#ifndef TESTS_PREFLIGHT_ZONE_H
#define TESTS_PREFLIGHT_ZONE_H

#include <criterion/criterion.h>
#include <string.h>

#include "base/err.h"
#include "base/slice.h"
#include "preflight/answers.h"

struct row {
	const char *name;
	enum dns_type type;
	const char *text; /* MX: "10 mx.test"; "?" = the DNS does not answer */
};

static inline struct dns_record record_of(const struct row *row)
{
	struct slice text = slice_of(row->text);
	struct dns_record record = {0};
	uint64_t preference;

	switch (row->type) {
	case DNS_A:
	case DNS_AAAA:
		cr_assert(endpoint_parse(text, 0, &record.endpoint), "%s", row->text);
		break;
	case DNS_MX:
		cr_assert(
			slice_number(slice_first(text, slice_find(text, ' ')), 65535, &preference));
		record.preference = (unsigned)preference;
		record.name = slice_from(text, slice_find(text, ' ') + 1);
		break;
	case DNS_TXT:
		record.text = text;
		break;
	default:
		record.name = text;
		break;
	}
	return record;
}

static inline void answer_one(struct answers *answers, const struct row *rows, size_t count,
	struct slice name, enum dns_type type)
{
	struct dns_record records[32];
	struct dns_answer answer = {
		.status = DNS_NO_DOMAIN, .ttl_s = 300, .name = name, .records = records};

	for (size_t i = 0; i < count && answer.count < ARRAY_LEN(records); i++) {
		if (!slice_equal(name, slice_of(rows[i].name))) {
			continue;
		}
		if (rows[i].type == type && strcmp(rows[i].text, "?") == 0) {
			answer.status = DNS_TEMPORARY;
			answer.count = 0;
			break;
		}
		if (answer.status == DNS_NO_DOMAIN) {
			answer.status = DNS_NO_DATA;
		}
		if (rows[i].type == type) {
			answer.status = DNS_FOUND;
			records[answer.count++] = record_of(&rows[i]);
		}
	}
	answers_add(answers, name, type, &answer);
}

/* Whether anything was asked. */
static inline bool answer_all(struct answers *answers, const struct row *rows, size_t count)
{
	struct slice name;
	enum dns_type type;
	bool any = false;

	while (answers_next(answers, &name, &type)) {
		answer_one(answers, rows, count, name, type);
		any = true;
	}
	return any;
}

#endif
