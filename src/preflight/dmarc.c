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

/* The state of what stands at one name. */
static enum dmarc_state look(struct answers *answers, struct slice domain, struct slice *ret_record)
{
	const struct dns_answer *answer;
	struct buf name;
	size_t count = 0;

	buf_init(&name, 0);
	buf_add_text(&name, "_dmarc.");
	buf_add(&name, domain);
	answer = answers_find(answers, buf_slice(&name), DNS_TXT);
	buf_clear(&name);
	if (answer == NULL) {
		return DMARC_PENDING;
	}
	if (answer->status == DNS_TEMPORARY) {
		return DMARC_TEMPORARY;
	}
	for (size_t i = 0; i < answer->count; i++) {
		if (is_dmarc(answer->records[i].text)) {
			*ret_record = answer->records[i].text;
			count++;
		}
	}
	return count == 0 ? DMARC_NONE : count == 1 ? DMARC_FOUND : DMARC_SEVERAL;
}

struct dmarc_place dmarc_find(struct answers *answers, struct slice from_domain)
{
	struct dmarc_place place = {.domain = from_domain};

	place.state = look(answers, from_domain, &place.record);
	if (place.state == DMARC_NONE) {
		place.domain = suffix_organisation(from_domain);
		place.state = look(answers, place.domain, &place.record);
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

void dmarc_add_remedy(struct buf *out, struct slice record)
{
	struct slice policy = SLICE("none");
	struct slice rest = record;
	struct tag tag;

	while (next_tag(&rest, &tag)) {
		if (slice_equal_nocase(tag.name, SLICE("p")) && is_policy(tag.value)) {
			policy = tag.value;
		}
	}
	buf_add_format(out, "v=DMARC1; p=%.*s", SHOW(policy));
	while (next_tag(&record, &tag)) {
		if (tag.value.n > 0 && !slice_equal_nocase(tag.name, SLICE("v")) &&
			!slice_equal_nocase(tag.name, SLICE("p")) && fault_of(&tag) == NULL) {
			buf_add_format(out, "; %.*s=%.*s", SHOW(tag.name), SHOW(tag.value));
		}
	}
}
