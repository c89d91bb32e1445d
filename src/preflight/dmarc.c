/*
 * The DMARC record: a tag list whose first two tags are v=DMARC1 and p= (RFC 7489
 * section 6.3).  A fault there makes a record worth nothing; any other tag with a
 * value that is none is as if it were not there.
 */
#include "preflight/dmarc.h"

#include "mail/suffix.h"

struct tag {
	struct slice name;
	struct slice value;
};

#define SHOW(slice) (int)(slice).n, (slice).p

/* Takes the next tag off; a part without = is a name alone.  False at the end. */
static bool next_tag(struct slice *rest, struct tag *ret_tag)
{
	struct slice part;
	size_t equals;

	while (rest->n > 0) {
		slice_split(rest, ';', &part);
		part = slice_trim(part);
		equals = slice_find(part, '=');
		if (part.n > 0) {
			ret_tag->name = slice_trim(slice_first(part, equals));
			ret_tag->value = slice_trim(slice_from(part, equals + 1));
			return true;
		}
	}
	return false;
}

static bool is_version(const struct tag *tag)
{
	return slice_equal_nocase(tag->name, SLICE("v")) &&
		slice_equal(tag->value, SLICE("DMARC1"));
}

static bool is_dmarc(struct slice text)
{
	struct tag tag;

	return slice_starts(text, SLICE("v")) && next_tag(&text, &tag) && is_version(&tag);
}

static bool is_policy(struct slice value)
{
	return slice_equal_nocase(value, SLICE("none")) ||
		slice_equal_nocase(value, SLICE("quarantine")) ||
		slice_equal_nocase(value, SLICE("reject"));
}

/* The state of what stands at place->domain. */
static enum dmarc_state look(struct answers *answers, struct dmarc_place *place)
{
	const struct dns_answer *answer;
	struct buf name;
	size_t count = 0;

	buf_init(&name, 0);
	buf_add_text(&name, "_dmarc.");
	buf_add(&name, place->domain);
	answer = answers_find(answers, buf_slice(&name), DNS_TXT);
	place->texts = answer;
	buf_clear(&name);
	if (answer == NULL) {
		return DMARC_PENDING;
	}
	if (answer->status == DNS_TEMPORARY) {
		return DMARC_TEMPORARY;
	}
	for (size_t i = 0; i < answer->count; i++) {
		if (is_dmarc(answer->records[i].text)) {
			place->record = answer->records[i].text;
			count++;
		}
	}
	return count == 0 ? DMARC_NONE : count == 1 ? DMARC_FOUND : DMARC_SEVERAL;
}

struct dmarc_place dmarc_find(struct answers *answers, struct slice from_domain)
{
	struct dmarc_place place = {.domain = from_domain};

	place.state = look(answers, &place);
	if (place.state == DMARC_NONE) {
		place.domain = suffix_organisation(from_domain);
		place.state = look(answers, &place);
	}
	return place;
}

static bool is_mode(struct slice value)
{
	return slice_equal_nocase(value, SLICE("r")) || slice_equal_nocase(value, SLICE("s"));
}

static bool is_percentage(struct slice value)
{
	uint64_t number;

	return slice_number(value, 100, &number);
}

static bool is_seconds(struct slice value)
{
	uint64_t number;

	return slice_number(value, UINT32_MAX, &number);
}

/* Addresses of reports: URIs, with commas between them. */
static bool is_uris(struct slice value)
{
	struct slice uri;

	while (value.n > 0) {
		slice_split(&value, ',', &uri);
		uri = slice_trim(uri);
		if (slice_starts_nocase(uri, SLICE("mailto:")) && slice_find(uri, '@') == uri.n) {
			return false;
		}
		if (slice_find(uri, ':') == uri.n) {
			return false;
		}
	}
	return true;
}

/* 0, 1, d, s with colons between them. */
static bool is_options(struct slice value)
{
	struct slice part;

	while (value.p != NULL) {
		slice_split(&value, ':', &part);
		part = slice_trim(part);
		if (part.n != 1 || slice_find(SLICE("01dsDS"), part.p[0]) == 6) {
			return false;
		}
	}
	return true;
}

static const struct {
	struct slice name;
	bool (*fine)(struct slice value);
	const char *wanted;
} tags[] = {
	{{"p", 1}, is_policy, "none, quarantine or reject"},
	{{"sp", 2}, is_policy, "none, quarantine or reject"},
	{{"adkim", 5}, is_mode, "r or s"},
	{{"aspf", 4}, is_mode, "r or s"},
	{{"pct", 3}, is_percentage, "a number from 0 to 100"},
	{{"ri", 2}, is_seconds, "a number of seconds"},
	{{"rua", 3}, is_uris, "such as mailto:reports@example.org"},
	{{"ruf", 3}, is_uris, "such as mailto:reports@example.org"},
	{{"fo", 2}, is_options, "0, 1, d or s"},
};

/* What its value should be, or NULL when it is fine or of a kind that nobody knows. */
static const char *fault_of(const struct tag *tag)
{
	for (size_t i = 0; i < ARRAY_LEN(tags); i++) {
		if (slice_equal_nocase(tag->name, tags[i].name)) {
			return tags[i].fine(tag->value) ? NULL : tags[i].wanted;
		}
	}
	return NULL;
}

static void take(struct dmarc *dmarc, const struct tag *tag)
{
	bool strict = slice_equal_nocase(tag->value, SLICE("s"));

	if (slice_equal_nocase(tag->name, SLICE("adkim"))) {
		dmarc->strict_dkim = strict;
	} else if (slice_equal_nocase(tag->name, SLICE("aspf"))) {
		dmarc->strict_spf = strict;
	}
}

bool dmarc_parse(struct slice record, struct dmarc *ret_dmarc, struct buf *why, struct buf *flaws)
{
	struct tag tag;

	*ret_dmarc = (struct dmarc){.policy = SLICE("none")};
	if (!next_tag(&record, &tag) || !is_version(&tag)) {
		buf_add_text(why, "it does not begin with v=DMARC1");
		return false;
	}
	if (!next_tag(&record, &tag) || !slice_equal_nocase(tag.name, SLICE("p"))) {
		buf_add_text(why, "p= does not stand behind v=DMARC1");
		return false;
	}
	if (!is_policy(tag.value)) {
		buf_add_format(why, "p=%.*s is not none, quarantine or reject", SHOW(tag.value));
		return false;
	}
	ret_dmarc->policy = tag.value;
	while (next_tag(&record, &tag)) {
		const char *wanted = fault_of(&tag);

		if (wanted != NULL) {
			buf_add_format(flaws, "%s%.*s=%.*s is not %s", flaws->n > 0 ? "; " : "",
				SHOW(tag.name), SHOW(tag.value), wanted);
		} else {
			take(ret_dmarc, &tag);
		}
	}
	return true;
}

bool dmarc_aligned(struct slice from_domain, struct slice domain, bool strict)
{
	return slice_equal(from_domain, domain) ||
		(!strict &&
			slice_equal(suffix_organisation(from_domain), suffix_organisation(domain)));
}

/* ---- the record to publish ---- */

static unsigned strictness(struct slice policy)
{
	return slice_equal_nocase(policy, SLICE("reject"))        ? 2
		: slice_equal_nocase(policy, SLICE("quarantine")) ? 1
								  : 0;
}

/* The record's word for a tag, if it is one; the last of equals. */
static struct slice value_of(struct slice record, struct slice name)
{
	struct slice value = SLICE("");
	struct tag tag;

	while (next_tag(&record, &tag)) {
		if (slice_equal_nocase(tag.name, name) && fault_of(&tag) == NULL) {
			value = tag.value;
		}
	}
	return value;
}

/* Of a record that does not say, what receivers take instead. */
static struct slice value_or_default(struct slice record, struct slice name)
{
	struct slice value = value_of(record, name);

	if (value.n == 0 && slice_equal_nocase(name, SLICE("sp"))) {
		value = value_of(record, SLICE("p"));
	}
	if (value.n == 0 && slice_equal_nocase(name, SLICE("pct"))) {
		value = SLICE("100");
	}
	return value;
}

static bool is_stricter(struct slice name, struct slice a, struct slice b)
{
	uint64_t percent_a = 0;
	uint64_t percent_b = 0;

	if (slice_equal_nocase(name, SLICE("pct"))) {
		return slice_number(a, 100, &percent_a) && slice_number(b, 100, &percent_b) &&
			percent_a > percent_b;
	}
	if (slice_equal_nocase(name, SLICE("p")) || slice_equal_nocase(name, SLICE("sp"))) {
		return strictness(a) > strictness(b);
	}
	return (slice_equal_nocase(name, SLICE("adkim")) ||
		       slice_equal_nocase(name, SLICE("aspf"))) &&
		slice_equal_nocase(a, SLICE("s"));
}

static struct slice strictest(const struct dns_answer *texts, struct slice name)
{
	struct slice best = SLICE("");

	for (size_t i = 0; i < texts->count; i++) {
		struct slice value = is_dmarc(texts->records[i].text)
			? value_or_default(texts->records[i].text, name)
			: SLICE("");

		if (value.n > 0 && (best.n == 0 || is_stricter(name, value, best))) {
			best = value;
		}
	}
	return best;
}

static bool is_listed(struct slice list, char separator, struct slice item)
{
	struct slice other;

	while (list.n > 0) {
		slice_split(&list, separator, &other);
		if (slice_equal_nocase(slice_trim(other), item)) {
			return true;
		}
	}
	return false;
}

static void add_items(struct buf *out, size_t start, struct slice value, char separator)
{
	struct slice item;

	while (value.n > 0) {
		slice_split(&value, separator, &item);
		item = slice_trim(item);
		if (is_listed(slice_from(buf_slice(out), start), separator, item)) {
			continue;
		}
		if (out->n > start) {
			buf_add_byte(out, separator);
		}
		buf_add(out, item);
	}
}

/* The items of one record's tags of this name, unless they stand behind `start` already. */
static void add_of_record(
	struct buf *out, size_t start, struct slice record, struct slice name, char separator)
{
	struct tag tag;

	while (next_tag(&record, &tag)) {
		if (slice_equal_nocase(tag.name, name) && fault_of(&tag) == NULL) {
			add_items(out, start, tag.value, separator);
		}
	}
}

/* The items of all records, each once. */
static void add_union(
	struct buf *out, const struct dns_answer *texts, struct slice name, char separator)
{
	size_t start = out->n;

	for (size_t i = 0; i < texts->count; i++) {
		if (is_dmarc(texts->records[i].text)) {
			add_of_record(out, start, texts->records[i].text, name, separator);
		}
	}
}

static void add_merged(struct buf *out, const struct dns_answer *texts, struct slice name)
{
	buf_add_format(out, "; %.*s=", SHOW(name));
	if (slice_equal_nocase(name, SLICE("rua")) || slice_equal_nocase(name, SLICE("ruf"))) {
		add_union(out, texts, name, ',');
	} else if (slice_equal_nocase(name, SLICE("fo"))) {
		add_union(out, texts, name, ':');
	} else {
		buf_add(out, strictest(texts, name));
	}
}

/* Each tag once, where it comes first; behind v= and p=, which are there already. */
static void add_tags(struct buf *out, const struct dns_answer *texts, struct slice record)
{
	struct tag tag;
	struct tag there;

	while (next_tag(&record, &tag)) {
		struct slice rest = buf_slice(out);
		bool again = false;

		while (!again && next_tag(&rest, &there)) {
			again = slice_equal_nocase(there.name, tag.name);
		}
		if (tag.value.n > 0 && !again && fault_of(&tag) == NULL) {
			add_merged(out, texts, tag.name);
		}
	}
}

size_t dmarc_add_remedy(struct buf *out, const struct dns_answer *texts)
{
	static const struct dns_answer none = {.count = 0};
	struct slice policy;
	size_t count = 0;

	texts = texts != NULL ? texts : &none;
	policy = strictest(texts, SLICE("p"));
	buf_add_text(out, "v=DMARC1; p=");
	buf_add(out, policy.n > 0 ? policy : SLICE("none"));
	for (size_t i = 0; i < texts->count; i++) {
		if (is_dmarc(texts->records[i].text)) {
			add_tags(out, texts, texts->records[i].text);
			count++;
		}
	}
	return count;
}
